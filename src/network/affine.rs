//! Conv1d and Linear as the one map that they are. In: a layer. Out: its sizes and steps, if it is one.

use super::Layer;

/// A Conv1d; a Linear is one with one tap.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    /// `(C_out, C_in, K)`.
    pub shape: (usize, usize, usize),
    /// s.
    pub stride: usize,
    /// d.
    pub dilation: usize,
    /// p.
    pub padding: usize,
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
            } => Some(Affine {
                shape: (out_channels, in_channels, kernel_size),
                stride,
                dilation,
                padding,
            }),
            Layer::Linear {
                in_features,
                out_features,
            } => Some(Affine {
                shape: (out_features, in_features, 1),
                stride: 1,
                dilation: 1,
                padding: 0,
            }),
            _ => None,
        }
    }
}
