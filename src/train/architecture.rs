//! The network that is trained from scratch: the x-vector TDNN (Snyder et al. 2018) as a layer list.

use crate::{Error, Result, network::Layer};
use serde::{Deserialize, Serialize};

/// Sizes and kinds of the TDNN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchitectureOptions {
    /// C of the frame layers; the last has 3C.
    pub channels: usize,
    /// D.
    pub embedding_size: usize,
    /// Frames from one output of the first layer to the next: 2 halves the work behind it at no
    /// loss (models/README.md).
    pub stride: usize,
    /// `relu`, `leaky-relu`, `tanh`, `sigmoid` or `identity`.
    pub activation: String,
    /// `stats`, `mean` or `flatten`.
    pub pool: String,
}

impl Default for ArchitectureOptions {
    fn default() -> Self {
        ArchitectureOptions {
            channels: 192,
            embedding_size: 192,
            stride: 2,
            activation: "relu".into(),
            pool: "stats".into(),
        }
    }
}

/// Frames of 10 ms that `flatten` keeps: two seconds.
const FLATTEN_FRAMES: usize = 200;

impl ArchitectureOptions {
    /// Conv1d k5 with the stride, k3 d2, k3 d3, k1, k1 → 3C, each with activation and BatchNorm (the last one's
    /// behind the pooling), pooling, Linear → D, BatchNorm.
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
        // Dilations in frames of 10 ms: behind the first layer there may be fewer.
        let conv = |in_channels, out_channels, kernel_size, dilation: usize| Layer::Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            dilation: dilation.div_ceil(self.stride),
            padding: 0,
            groups: 1,
        };
        let norm = |num_features| Layer::BatchNorm {
            num_features,
            eps: 1e-5,
        };
        let mut layers = vec![];
        let mut first = conv(num_features, c, 5, 1);
        if let Layer::Conv1d { stride, .. } = &mut first {
            *stride = self.stride;
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
