//! Conv1d and Linear layers as one kind of map, an affine map: a Linear is a Conv1d with one tap.

use super::{Layer, conv1d_frames, int8_weights::Int8Weights, ranges::MapLevels};
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
            Layer::Conv1d(conv) => Some(Affine {
                shape: (
                    conv.out_channels,
                    conv.in_channels / conv.groups,
                    conv.kernel_size,
                ),
                stride: conv.stride,
                dilation: conv.dilation,
                padding: conv.padding,
                groups: conv.groups,
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

    /// The options of the affine kernel, without a ReLU.
    pub(super) fn steps(&self) -> Steps {
        Steps {
            stride: self.stride,
            dilation: self.dilation,
            relu: false,
        }
    }

    /// Whether it can run in int8.
    pub(super) fn fits_int8(&self) -> bool {
        let (c_out, c_in, taps) = self.shape;
        fits_int8((c_out / self.groups, c_in, taps), self.groups)
    }

    /// Number of output frames for `frames` input frames.
    pub fn num_frames(&self, frames: usize) -> usize {
        let taps = self.shape.2;
        conv1d_frames(frames, taps, self.stride, self.dilation, self.padding)
    }

    /// Packs the weights of each group, for use within the rows of all channels.
    pub fn packed(&self, nr: usize, weight: &[f32], bias: &[f32]) -> Vec<Packed> {
        let (c_out, c_in, taps) = self.shape;
        let out_per_group = c_out / self.groups;
        let weights = weight.chunks_exact(out_per_group * c_in * taps);
        let groups = weights.zip(bias.chunks_exact(out_per_group));
        (groups.enumerate())
            .map(|(g, (weight, bias))| {
                Packed::from_pytorch((out_per_group, c_in, taps), nr, weight, bias)
                    .within_rows(self.groups * c_in, c_out)
                    .starting_at(g * c_in, g * out_per_group)
            })
            .collect()
    }

    /// The packed maps of the groups, as [`Self::packed`] makes them, but without weights yet.
    pub(super) fn unpacked(&self, nr: usize) -> Vec<Packed> {
        let (c_out, c_in, taps) = self.shape;
        let of_group = |_| {
            Packed::of_shape((c_out / self.groups, c_in, taps), nr)
                .within_rows(self.groups * c_in, c_out)
        };
        (0..self.groups).map(of_group).collect()
    }

    /// As [`Self::packed`], in int8. `levels` has the output steps of all groups, one group after the
    /// other.
    pub(super) fn packed_int8(
        &self,
        weights: &Int8Weights,
        bias: &[f32],
        levels: MapLevels,
    ) -> Vec<PackedInt8> {
        let int8 = kernels::table().int8;
        let (c_out, c_in, taps) = self.shape;
        let out_per_group = c_out / self.groups;
        let of_group = |g: usize| {
            let outputs = g * out_per_group..(g + 1) * out_per_group;
            let (values, steps) = weights.group(g);
            PackedInt8::from_pytorch(
                (out_per_group, c_in, taps),
                (int8.nr, int8.group),
                values,
                steps,
                &bias[outputs.clone()],
                levels.zero,
                levels.output_steps.map(|steps| Activations {
                    steps: &steps[outputs],
                    zero: 0,
                }),
            )
            .one_of(self.groups)
        };
        (0..self.groups).map(of_group).collect()
    }
}

/// Whether `groups` maps of one shape can run in int8: the channels of each must fill whole words
/// (see [`crate::kernels::Int8`]), and its sums must fit an i32.
pub(super) fn fits_int8((c_out, c_in, taps): (usize, usize, usize), groups: usize) -> bool {
    let fills_words = |channels: usize| kernels::table().int8.fills_words(channels);
    taps * c_in <= PackedInt8::MAX_PRODUCTS
        && (groups == 1 || fills_words(c_in) && fills_words(c_out))
}

/// `(T, C_in) -> (T', C_out)`: applies each of `groups`, such as those of [`Affine::packed`], to its
/// own channels.
pub(crate) fn apply_groups(groups: &[Packed], steps: Steps, x: &[f32], y: &mut [f32]) {
    let affine = kernels::table().affine;
    for weights in groups {
        let (input, output) = weights.starts;
        affine(&x[input..], weights, steps, &mut y[output..]);
    }
}
