//! Conv1d and Linear as the one map that they are. In: a layer. Out: its sizes and steps, if it is one.

use super::{Layer, conv1d_frames};
use crate::kernels::{self, Packed, Steps};

/// A Conv1d; a Linear is one with one tap.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    /// `(C_out, C_in/g, K)`, as the weight.
    pub shape: (usize, usize, usize),
    /// s.
    pub stride: usize,
    /// d.
    pub dilation: usize,
    /// p.
    pub padding: usize,
    /// g.
    pub groups: usize,
}

impl Affine {
    /// The map that `layer` is, if it is one.
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

    /// Frames that leave when `frames` arrive.
    pub fn num_frames(&self, frames: usize) -> usize {
        let taps = self.shape.2;
        conv1d_frames(frames, taps, self.stride, self.dilation, self.padding)
    }

    /// One of `count` branches of it: some of its groups, or where it has one all inputs and some of
    /// the outputs.
    pub fn apart(self, count: usize) -> Self {
        let (c_out, c_in, taps) = self.shape;
        Affine {
            shape: (c_out / count, c_in, taps),
            groups: self.groups.div_ceil(count),
            ..self
        }
    }

    /// The map of each group of channels, within the rows of all.
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
}

/// `(T, C_in) -> (T', C_out)`, each of the `groups` of [`Affine::packed`] on its own channels.
pub(super) fn apply_groups(groups: &[Packed], steps: Steps, x: &[f32], y: &mut [f32]) {
    let affine = kernels::table().affine;
    for (g, weights) in groups.iter().enumerate() {
        let (x, y) = (&x[g * weights.c_in..], &mut y[g * weights.c_out..]);
        affine(x, weights, steps, y);
    }
}
