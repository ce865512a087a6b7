//! Conv1d and Linear layers as one kind of map: a Linear is a Conv1d with one tap.

use super::{Layer, conv1d_frames, ranges::MapRanges};
use crate::kernels::{self, Activations, Packed, PackedInt8, Steps};

/// Sizes and options of a Conv1d or Linear.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    /// `(C_out, C_in/g, K)`, the shape of the weight.
    pub shape: (usize, usize, usize),
    /// s, hop of the output frames in input frames.
    pub stride: usize,
    /// d, distance between taps in input frames.
    pub dilation: usize,
    /// p, zero frames on each side.
    pub padding: usize,
    /// g, groups of channels.
    pub groups: usize,
}

impl Affine {
    /// The map that `layer` computes, if it is a Conv1d or Linear.
    pub fn of(layer: &Layer) -> Option<Self> {
        match *layer {
            Layer::Conv1d {
                in_channels,
                out_channels,
                kernel_size,
                stride,
                dilation,
                padding,
                groups,
            } => Some(Affine {
                shape: (out_channels, in_channels / groups, kernel_size),
                stride,
                dilation,
                padding,
                groups,
            }),
            Layer::Linear {
                in_features,
                out_features,
                groups,
            } => Some(Affine {
                shape: (out_features, in_features / groups, 1),
                stride: 1,
                dilation: 1,
                padding: 0,
                groups,
            }),
            _ => None,
        }
    }

    /// Number of output frames for `frames` input frames.
    pub fn num_frames(&self, frames: usize) -> usize {
        let taps = self.shape.2;
        conv1d_frames(frames, taps, self.stride, self.dilation, self.padding)
    }

    /// One of `count` equal branches of this map. A branch takes some of the groups; if there is
    /// only one group, it takes all inputs and some of the outputs.
    pub fn branch(self, count: usize) -> Self {
        let (c_out, c_in, taps) = self.shape;
        Affine {
            shape: (c_out / count, c_in, taps),
            groups: self.groups.div_ceil(count),
            ..self
        }
    }

    /// Packs the weights of each group, for use within the rows of all channels.
    pub fn packed(&self, nr: usize, weight: &[f32], bias: &[f32]) -> Vec<Packed> {
        let (c_out, c_in, taps) = self.shape;
        let own = c_out / self.groups;
        let weights = weight.chunks_exact(own * c_in * taps);
        let groups = weights.zip(bias.chunks_exact(own));
        groups
            .map(|(weight, bias)| {
                Packed::from_pytorch((own, c_in, taps), nr, weight, bias)
                    .within_rows(self.groups * c_in, c_out)
            })
            .collect()
    }

    /// The same in int8. The ranges are those of all groups.
    pub(super) fn packed_int8(
        &self,
        weight: &[f32],
        bias: &[f32],
        ranges: MapRanges,
    ) -> Vec<PackedInt8> {
        let int8 = kernels::table().int8;
        let (c_out, c_in, taps) = self.shape;
        let own = c_out / self.groups;
        let of_group = |g: usize| {
            let (channels, outputs) = (g * c_in..(g + 1) * c_in, g * own..(g + 1) * own);
            PackedInt8::from_pytorch(
                (own, c_in, taps),
                (int8.nr, int8.group),
                &weight[g * own * c_in * taps..][..own * c_in * taps],
                &bias[outputs.clone()],
                Activations {
                    steps: &ranges.inputs.steps[channels.clone()],
                    zero: ranges.inputs.zero,
                },
                &ranges.means[channels],
                ranges.output_steps.map(|steps| Activations {
                    steps: &steps[outputs],
                    zero: 0,
                }),
            )
            .one_of(self.groups)
        };
        (0..self.groups).map(of_group).collect()
    }
}

/// `(T, C_in) -> (T', C_out)`: applies each of the `groups` of [`Affine::packed`] to its own
/// channels.
pub(super) fn apply_groups(groups: &[Packed], steps: Steps, x: &[f32], y: &mut [f32]) {
    let affine = kernels::table().affine;
    for (g, weights) in groups.iter().enumerate() {
        let (x, y) = (&x[g * weights.c_in..], &mut y[g * weights.c_out..]);
        affine(x, weights, steps, y);
    }
}
