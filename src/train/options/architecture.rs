//! Sizes and kinds of the layers.

use serde::{Deserialize, Serialize};

/// Sizes and kinds of the TDNN.
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
