//! Sizes and kinds of the layers: of a TDNN, or of a residual network.

use serde::{Deserialize, Serialize};

/// Sizes and kinds of the layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchitectureOptions {
    /// C of the frame layers; the last has 3C.
    pub channels: usize,
    /// D.
    pub embedding_size: usize,
    /// Frames between two outputs of the first layer. 2 halves the work of the later layers without a
    /// loss of accuracy (docs/experiments.md).
    pub stride: usize,
    /// `relu`, `leaky-relu`, `tanh`, `sigmoid` or `identity`.
    pub activation: String,
    /// `stats`, `mean` or `flatten`.
    pub pool: String,
    /// Convolutions over bins and frames, with residual connections, in place of the TDNN's layers over
    /// frames; none for a TDNN. It reads log mels, which are computed from the cepstra.
    pub residual: Option<ResidualOptions>,
}

/// The layers of a residual network (He et al. 2016) before the pooling. Its last one has `channels` channels; the
/// first has `stride`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualOptions {
    /// C of the first convolution.
    pub channels: usize,
    /// Its hop over bins.
    pub stride_bins: usize,
    /// The stages, each with more channels or fewer bins or frames than the one before.
    pub stages: Vec<StageOptions>,
}

impl ResidualOptions {
    /// Two stages over thirds of the bins: 32 channels at 40 ms, then 64 channels at half the bins.
    pub fn usual() -> Self {
        let stage = |channels, blocks, stride, stride_bins| StageOptions {
            channels,
            blocks,
            stride,
            stride_bins,
        };
        ResidualOptions {
            channels: 32,
            stride_bins: 3,
            stages: vec![stage(32, 1, 2, 1), stage(64, 2, 1, 2)],
        }
    }
}

/// Residual blocks of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageOptions {
    /// C.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Hop of the first block over frames.
    pub stride: usize,
    /// Hop of the first block over bins.
    pub stride_bins: usize,
}

impl Default for ArchitectureOptions {
    fn default() -> Self {
        ArchitectureOptions {
            channels: 192,
            embedding_size: 192,
            stride: 2,
            activation: "relu".into(),
            pool: "stats".into(),
            residual: None,
        }
    }
}
