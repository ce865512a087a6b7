//! The layer list as data: what a model file holds, one entry per layer, in order.
//!
//! `groups` (1 where it is left out) of a Conv1d, a StatsPool and a Linear: g networks side by side in
//! one, group i's outputs made of run i of the g runs of inputs.

use serde::{Deserialize, Serialize};

/// One layer of the network. Shapes as PyTorch's: Conv1d weight `(C_out, C_in/g, K)`, Linear weight
/// `(out_features, in_features/g)`.
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
        /// g: outputs `i·C_out/g..` see inputs `i·C_in/g..` only.
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
    /// `(T, C) -> (2C)`: means, then sqrt(max(biased variance, eps)), over frames; of each group of
    /// channels after those of the group before.
    StatsPool {
        /// Floor of the variance.
        eps: f32,
        /// g.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// `(T, C) -> (2C)`: means, then sqrt(sample variance + eps), over frames; the sample variance is
    /// the sum of squares over T − 1 (0 where T is 1). WeSpeaker's TSTP.
    SampleStatsPool {
        /// Added to the variance.
        eps: f32,
    },
    /// `(T, C) -> (C)`: means over frames.
    MeanPool,
    /// `(T, C) -> (T·C)`, frame after frame; the utterance is cut or repeated to `num_frames`.
    Flatten {
        /// T that the following Linear was made for.
        num_frames: usize,
    },
    /// `(…, in_features) -> (…, out_features)`.
    Linear {
        /// Size that arrives.
        in_features: usize,
        /// Size that leaves.
        out_features: usize,
        /// g, as a Conv1d's.
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
    /// The name in the model file and in errors.
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

    /// Does it make one vector of an utterance's frames?
    pub fn is_pooling(&self) -> bool {
        matches!(
            self,
            Layer::StatsPool { .. }
                | Layer::SampleStatsPool { .. }
                | Layer::MeanPool
                | Layer::Flatten { .. }
        )
    }

    /// Tensors that the layer owns: name and shape, as PyTorch's state dict has them.
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
