//! The layers of a network as data, as the model file lists them in order.
//!
//! A layer reads the output of the layer before it; the first reads the features. A layer with
//! `layer` or `layers` reads the outputs of these earlier layers instead, by their index in the
//! list. With them a list describes any graph without cycles:
//!
//! ```text
//! 6  relu                          (T, 64) -> (T, 64)
//! 7  conv1d  64 -> 64, 3 taps      (T, 64) -> (T, 64)
//! 8  add     layers 6 and 7        (T, 64), (T, 64) -> (T, 64)     a residual connection
//! ```
//!
//! In [`Layer::Add`], [`Layer::Multiply`] and [`Layer::Concat`], an output with fewer frames than
//! the others holds for all frames of its segment, and a vector for all frames of the utterance.
//!
//! `groups` of a Conv1d, StatsPool or Linear (default 1) divides the channels into g equal groups,
//! which makes g networks side by side: outputs of group i depend only on inputs of group i.

use super::convolution::{Conv1dOptions, Conv2dOptions, is_one, one};
use serde::{Deserialize, Serialize};

/// One layer of the network. Shapes are those of PyTorch: Conv1d weight `(C_out, C_in/g, K)`,
/// Conv2d weight `(C_out, C_in, K over bins, K over frames)`, Linear weight
/// `(out_features, in_features/g)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `(T, C_in) -> (T', C_out)`, T' = floor((T + 2p − d(k−1) − 1)/s) + 1. Zero padding.
    Conv1d(Conv1dOptions),
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
    /// `(T, F_in·C_in) -> (T', F_out·C_out)`: a two-dimensional convolution over frames and bins. Zero
    /// padding; F_out = floor((F_in + 2p − k)/s) + 1, and T' likewise.
    Conv2d(Conv2dOptions),
    /// `(T, C) -> (T, count)`: some channels of an earlier layer, or all of them.
    Channels {
        /// Index of the layer.
        layer: usize,
        /// First channel.
        first: usize,
        /// Number of channels.
        count: usize,
    },
    /// `(T, C), … -> (T, C)`: sum of the outputs of earlier layers.
    Add {
        /// Indices of the layers, two or more.
        layers: Vec<usize>,
    },
    /// `(T, C), … -> (T, C)`: product of the outputs of earlier layers, elementwise.
    Multiply {
        /// Indices of the layers, two or more.
        layers: Vec<usize>,
    },
    /// `(T, C_1), (T, C_2), … -> (T, C_1 + C_2 + …)`: channels of earlier layers one after the other.
    Concat {
        /// Indices of the layers, two or more.
        layers: Vec<usize>,
    },
    /// `(T, C) -> (ceil(T/num_frames), C)`: means over segments of `num_frames` frames. The last
    /// segment may be shorter.
    SegmentMean {
        /// Frames in a segment.
        num_frames: usize,
    },
    /// `(T, C) -> (T + 2p, C)`: `frames` = p more frames on each side, which mirror those next to the
    /// first and the last frame. Needs more than p frames. PyTorch's ReflectionPad1d.
    ReflectPad {
        /// p.
        frames: usize,
    },
    /// `(T, C) -> (2C)`: weighted means over the frames of layer `layer`, then
    /// sqrt(max(weighted variance, eps)). The weights are the softmax over frames of the output of
    /// the layer before, for each channel (Okabe et al. 2018, "Attentive statistics pooling").
    AttentiveStatsPool {
        /// Index of the layer whose frames are pooled.
        layer: usize,
        /// Smallest variance.
        eps: f32,
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

/// Layers without groups, written short.
impl Layer {
    /// [`Layer::Linear`].
    pub fn linear(in_features: usize, out_features: usize) -> Self {
        Layer::Linear {
            in_features,
            out_features,
            groups: 1,
        }
    }

    /// [`Layer::BatchNorm`].
    pub fn batch_norm(num_features: usize, eps: f32) -> Self {
        Layer::BatchNorm { num_features, eps }
    }

    /// [`Layer::LeakyRelu`].
    pub fn leaky_relu(negative_slope: f32) -> Self {
        Layer::LeakyRelu { negative_slope }
    }

    /// [`Layer::StatsPool`].
    pub fn stats_pool(eps: f32) -> Self {
        Layer::StatsPool { eps, groups: 1 }
    }

    /// [`Layer::AttentiveStatsPool`].
    pub fn attentive_stats_pool(layer: usize, eps: f32) -> Self {
        Layer::AttentiveStatsPool { layer, eps }
    }

    /// [`Layer::Channels`].
    pub fn channels(layer: usize, first: usize, count: usize) -> Self {
        Layer::Channels {
            layer,
            first,
            count,
        }
    }

    /// [`Layer::Add`].
    pub fn add(layers: impl Into<Vec<usize>>) -> Self {
        let layers = layers.into();
        Layer::Add { layers }
    }

    /// [`Layer::Multiply`].
    pub fn multiply(layers: impl Into<Vec<usize>>) -> Self {
        let layers = layers.into();
        Layer::Multiply { layers }
    }

    /// [`Layer::Concat`].
    pub fn concat(layers: impl Into<Vec<usize>>) -> Self {
        let layers = layers.into();
        Layer::Concat { layers }
    }
}

impl Layer {
    /// Name of the layer in the model file and in errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Conv1d(_) => "conv1d",
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
            Layer::Conv2d(_) => "conv2d",
            Layer::Channels { .. } => "channels",
            Layer::Add { .. } => "add",
            Layer::Multiply { .. } => "multiply",
            Layer::Concat { .. } => "concat",
            Layer::SegmentMean { .. } => "segment_mean",
            Layer::ReflectPad { .. } => "reflect_pad",
            Layer::AttentiveStatsPool { .. } => "attentive_stats_pool",
            Layer::Linear { .. } => "linear",
        }
    }

    /// Whether the layer turns the frames of an utterance into one vector.
    pub fn is_pooling(&self) -> bool {
        matches!(
            self,
            Layer::StatsPool { .. }
                | Layer::SampleStatsPool { .. }
                | Layer::MeanPool
                | Layer::Flatten { .. }
                | Layer::AttentiveStatsPool { .. }
        )
    }

    /// Indices of the layers whose outputs this one names.
    pub fn named(&self) -> &[usize] {
        match self {
            Layer::Add { layers } | Layer::Multiply { layers } | Layer::Concat { layers } => layers,
            Layer::Channels { layer, .. } | Layer::AttentiveStatsPool { layer, .. } => {
                std::slice::from_ref(layer)
            }
            _ => &[],
        }
    }

    /// As [`Self::named`], to be changed.
    pub fn named_mut(&mut self) -> &mut [usize] {
        match self {
            Layer::Add { layers } | Layer::Multiply { layers } | Layer::Concat { layers } => layers,
            Layer::Channels { layer, .. } | Layer::AttentiveStatsPool { layer, .. } => {
                std::slice::from_mut(layer)
            }
            _ => &mut [],
        }
    }

    /// Whether the layer reads the output of the layer before it.
    pub fn reads_previous(&self) -> bool {
        !matches!(
            self,
            Layer::Channels { .. }
                | Layer::Add { .. }
                | Layer::Multiply { .. }
                | Layer::Concat { .. }
        )
    }

    /// Indices of the layers that layer `index` reads; the first layer reads the features.
    pub fn reads(&self, index: usize) -> impl Iterator<Item = usize> {
        let previous = index.checked_sub(1).filter(|_| self.reads_previous());
        previous.into_iter().chain(self.named().iter().copied())
    }

    /// g of a layer with groups of channels; 1 for the others.
    pub(super) fn groups(&self) -> usize {
        match *self {
            Layer::Conv1d(Conv1dOptions { groups, .. }) | Layer::Linear { groups, .. } => groups,
            _ => 1,
        }
    }

    /// C_in of a layer with a weight; 0 for the others.
    pub(super) fn num_inputs(&self) -> usize {
        self.int8_tensors().last().map_or(0, |(_, shape)| shape[0])
    }

    /// Tensors that the layer has besides [`Self::tensors`] if its weight is I8. A layer without any
    /// cannot have an I8 weight.
    pub fn int8_tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (c_out, c_in) = match *self {
            Layer::Conv1d(conv) => (conv.out_channels, conv.in_channels),
            Layer::Conv2d(conv) => (conv.out_channels, conv.in_channels),
            Layer::Linear {
                in_features,
                out_features,
                ..
            } => (out_features, in_features),
            _ => return vec![],
        };
        vec![("weight_step", vec![c_out]), ("input_range", vec![c_in])]
    }

    /// Tensors of the layer: name and shape, as in PyTorch's state dict.
    pub fn tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (weight, num_outputs) = match *self {
            Layer::Conv1d(conv) => (conv.weight_shape(), conv.out_channels),
            Layer::Conv2d(conv) => (conv.weight_shape(), conv.out_channels),
            Layer::Linear {
                in_features,
                out_features,
                groups,
            } => (vec![out_features, in_features / groups], out_features),
            Layer::BatchNorm { num_features, .. } => {
                let names = ["weight", "bias", "running_mean", "running_var"];
                return names.map(|name| (name, vec![num_features])).to_vec();
            }
            _ => return vec![],
        };
        vec![("weight", weight), ("bias", vec![num_outputs])]
    }
}
