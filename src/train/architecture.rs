//! Builds the layer list of the network that is trained: the x-vector TDNN (Snyder et al. 2018).

use super::options::{ArchitectureOptions, TrainOptions};
use crate::{
    Error, Result,
    network::{Conv1dOptions, Layer, infer},
};

/// Frames of 10 ms that `flatten` keeps: two seconds.
const FLATTEN_FRAMES: usize = 200;

impl ArchitectureOptions {
    /// Five Conv1d (k5 with the stride, k3 d2, k3 d3, k1, k1 to 3C channels), each with activation and
    /// BatchNorm, then pooling, Linear to D, BatchNorm. The fifth BatchNorm comes after the pooling.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown activation or pooling.
    pub fn layers(&self, num_features: usize) -> Result<Vec<Layer>> {
        let activation = match self.activation.as_str() {
            "relu" => Layer::Relu,
            "leaky-relu" => Layer::LeakyRelu {
                negative_slope: 0.01,
            },
            "sigmoid" => Layer::Sigmoid,
            "tanh" => Layer::Tanh,
            "identity" => Layer::Identity,
            other => {
                return Err(Error::Usage(format!(
                    "activation {other:?}: choose relu, leaky-relu, tanh, sigmoid or identity"
                )));
            }
        };
        let (c, top) = (self.channels, 3 * self.channels);
        let flatten_frames = FLATTEN_FRAMES.div_ceil(self.stride);
        let (pool, pooled) = match self.pool.as_str() {
            "stats" => (
                Layer::StatsPool {
                    eps: 1e-5,
                    groups: 1,
                },
                2 * top,
            ),
            "mean" => (Layer::MeanPool, top),
            "flatten" => (
                Layer::Flatten {
                    num_frames: flatten_frames,
                },
                flatten_frames * top,
            ),
            other => {
                return Err(Error::Usage(format!(
                    "pool {other:?}: choose stats, mean or flatten"
                )));
            }
        };
        // Dilations are given in frames of 10 ms. After a first layer with a stride, frames are further
        // apart, so smaller dilations cover the same time.
        let conv = |in_channels, out_channels, kernel_size, dilation: usize| {
            let dilation = dilation.div_ceil(self.stride);
            conv(in_channels, out_channels, kernel_size, dilation)
        };
        let mut layers = vec![];
        let mut first = conv(num_features, c, 5, 1);
        if let Layer::Conv1d(conv) = &mut first {
            conv.stride = self.stride;
        }
        for conv in [first, conv(c, c, 3, 2), conv(c, c, 3, 3), conv(c, c, 1, 1)] {
            layers.extend([conv, activation.clone(), norm(c)]);
        }
        layers.extend([conv(c, top, 1, 1), activation, pool, norm(pooled)]);
        layers.push(Layer::Linear {
            in_features: pooled,
            out_features: self.embedding_size,
            groups: 1,
        });
        layers.push(norm(self.embedding_size));
        Ok(layers)
    }
}

impl TrainOptions {
    /// The layer list, which still contains the BatchNorms.
    ///
    /// # Errors
    /// An option that makes no sense.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let num_features = self.front_end.num_frame_channels();
        let layers = self.architecture.layers(num_features)?;
        infer(&layers, num_features)
            .map_err(|e| Error::Usage(format!("the architecture does not fit together: {e}")))?;
        Ok(layers)
    }
}

/// A convolution without stride, padding or groups.
pub(super) fn conv(
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    dilation: usize,
) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        dilation,
        ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
    })
}

/// BatchNorm.
pub(super) fn norm(num_features: usize) -> Layer {
    Layer::BatchNorm {
        num_features,
        eps: 1e-5,
    }
}
