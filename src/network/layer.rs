//! The layers of a network as data, as the model file lists them in order.
//!
//! `groups` of a Conv1d, StatsPool or Linear (default 1) divides the channels into g equal groups,
//! which makes g networks side by side: outputs of group i depend only on inputs of group i.

use serde::{Deserialize, Serialize};

/// One layer of the network. Shapes are those of PyTorch: Conv1d weight `(C_out, C_in/g, K)`,
/// Linear weight `(out_features, in_features/g)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `(T, C_in) -> (T', C_out)`, T' = floor((T + 2p − d(k−1) − 1)/s) + 1. Zero padding.
    Conv1d {
        /// C_in.
        in_channels: usize,
        /// C_out.
        out_channels: usize,
        /// k, in frames.
        kernel_size: usize,
        /// s, in frames.
        stride: usize,
        /// d, in frames.
        dilation: usize,
        /// p, in frames on each side.
        padding: usize,
        /// g: outputs from `i·C_out/g` on depend only on inputs from `i·C_in/g` on.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// max(x, 0).
    Relu,
    /// x for x > 0, otherwise `negative_slope`·x.
    LeakyRelu {
        /// Slope below zero.
        negative_slope: f32,
    },
    /// 1/(1 + e^−x).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// x.
    Identity,
    /// Per channel (x − mean)/sqrt(var + eps)·weight + bias, with running statistics.
    BatchNorm {
        /// C, or 2C after a StatsPool.
        num_features: usize,
        /// Added to the variance.
        eps: f32,
    },
    /// `(T, C) -> (2C)`: for each group of channels the means over frames, then sqrt(max(biased
    /// variance, eps)).
    StatsPool {
        /// Smallest variance.
        eps: f32,
        /// g.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// `(T, C) -> (2C)`: means over frames, then sqrt(sample variance + eps). The sample variance
    /// divides the sum of squares by T − 1 (it is 0 for T = 1). This is WeSpeaker's TSTP.
    SampleStatsPool {
        /// Added to the variance.
        eps: f32,
    },
    /// `(T, C) -> (C)`: means over frames.
    MeanPool,
    /// `(T, C) -> (T·C)`, frame after frame. The utterance is truncated or repeated to
    /// `num_frames`.
    Flatten {
        /// T that the next Linear was trained with.
        num_frames: usize,
    },
    /// `(…, in_features) -> (…, out_features)`.
    Linear {
        /// Size of the input.
        in_features: usize,
        /// Size of the output.
        out_features: usize,
        /// g, as for a Conv1d.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
}

fn one() -> usize {
    1
}

fn is_one(groups: &usize) -> bool {
    *groups == 1
}

impl Layer {
    /// Name of the layer in the model file and in errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Conv1d { .. } => "conv1d",
            Layer::Relu => "relu",
            Layer::LeakyRelu { .. } => "leaky_relu",
            Layer::Sigmoid => "sigmoid",
            Layer::Tanh => "tanh",
            Layer::Identity => "identity",
            Layer::BatchNorm { .. } => "batch_norm",
            Layer::StatsPool { .. } => "stats_pool",
            Layer::SampleStatsPool { .. } => "sample_stats_pool",
            Layer::MeanPool => "mean_pool",
            Layer::Flatten { .. } => "flatten",
            Layer::Linear { .. } => "linear",
        }
    }

    /// Does it turn the frames of an utterance into one vector?
    pub fn is_pooling(&self) -> bool {
        matches!(
            self,
            Layer::StatsPool { .. }
                | Layer::SampleStatsPool { .. }
                | Layer::MeanPool
                | Layer::Flatten { .. }
        )
    }

    /// Tensors of the layer: name and shape, as in PyTorch's state dict.
    pub fn tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        match *self {
            Layer::Conv1d {
                in_channels,
                out_channels,
                kernel_size,
                groups,
                ..
            } => vec![
                (
                    "weight",
                    vec![out_channels, in_channels / groups, kernel_size],
                ),
                ("bias", vec![out_channels]),
            ],
            Layer::Linear {
                in_features,
                out_features,
                groups,
            } => {
                vec![
                    ("weight", vec![out_features, in_features / groups]),
                    ("bias", vec![out_features]),
                ]
            }
            Layer::BatchNorm { num_features, .. } => {
                ["weight", "bias", "running_mean", "running_var"]
                    .map(|name| (name, vec![num_features]))
                    .to_vec()
            }
            _ => vec![],
        }
    }
}
