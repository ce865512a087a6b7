//! How a joint embedding is fitted onto the networks of a model.

use serde::{Deserialize, Serialize};

/// What `train --onto` takes. Augmentation, seed and front-end are those of the other options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointOptions {
    /// Augmented copies of each recording.
    pub copies: usize,
    /// Shortest and longest of these copies, in seconds.
    pub copy_seconds: (f32, f32),
    /// Ridge of the regression, as a share of the statistics' variance.
    pub ridge: f64,
    /// Dimensions of the joint embedding: a multiple of a network's own.
    pub size: usize,
    /// Shrinkage of the within-speaker covariance towards a multiple of I.
    pub shrinkage: f64,
    /// Weight of its log-likelihood ratio in the score of the model.
    pub share: f32,
    /// Numbers, from 1, of the networks whose own embeddings are left out. The joint embedding still
    /// reads them.
    pub without: Vec<usize>,
}

impl Default for JointOptions {
    fn default() -> Self {
        JointOptions {
            copies: 6,
            // Short copies: parts of a recording are compared to find several voices in it.
            copy_seconds: (0.6, 3.0),
            ridge: 0.003,
            size: 128,
            shrinkage: 0.6,
            share: 0.1,
            without: vec![],
        }
    }
}
