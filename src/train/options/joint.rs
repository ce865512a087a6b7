//! How a joint embedding is fitted onto the networks of a model.

use super::augment::AugmentOptions;
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
    /// The hidden layer of the map, which is trained from the regression on.
    pub hidden: HiddenOptions,
    /// Dimensions of the joint embedding: a multiple of a network's own.
    pub size: usize,
    /// Shrinkage of the within-speaker covariance towards a multiple of I.
    pub shrinkage: f64,
    /// Weight of its log-likelihood ratio in the score of the model.
    pub share: f32,
    /// What the statistics add to the logit of overlapped speech, if the model has a detector for it.
    pub overlap: Option<OverlapTermOptions>,
}

/// The hidden layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HiddenOptions {
    /// Values that the statistics are reduced to before the hidden layer: at most as many as the teacher's
    /// vectors have.
    pub bottleneck: usize,
    /// Units of the hidden layer: at least twice as many.
    pub units: usize,
    /// How often each example is seen, on average.
    pub epochs: usize,
    /// Examples per step.
    pub batch_size: usize,
    /// Peak learning rate of the one-cycle schedule.
    pub learning_rate: f32,
    /// Weight decay of AdamW.
    pub weight_decay: f32,
    /// Share of the statistics that are set to 0 in each example.
    pub dropout: f32,
}

impl Default for HiddenOptions {
    fn default() -> Self {
        HiddenOptions {
            bottleneck: 96,
            units: 384,
            epochs: 6,
            batch_size: 512,
            learning_rate: 5e-4,
            weight_decay: 0.05,
            dropout: 0.1,
        }
    }
}

/// The overlap term.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlapTermOptions {
    /// Examples to fit it on: half of them with one voice, half with two.
    pub examples: usize,
    /// Shortest and longest of these, in seconds.
    pub seconds: (f32, f32),
    /// Ridge of the regression.
    pub ridge: f64,
    /// Recordings with a higher logit are refused.
    pub max_logit: f32,
    /// Augmentation of the examples.
    pub augment: AugmentOptions,
}

impl Default for OverlapTermOptions {
    /// Many telephone lines, because they hide a second voice the most.
    fn default() -> Self {
        OverlapTermOptions {
            examples: 48_000,
            seconds: (0.8, 6.0),
            ridge: 0.1,
            max_logit: 2.0,
            augment: AugmentOptions {
                clean: 0.3,
                reverberation: 0.15,
                noise: 0.3,
                hum: 0.05,
                equalizer: 0.25,
                band_limit: 0.2,
                clip: 0.03,
                codec: 0.15,
                mu_law: 0.1,
                telephone: 0.5,
                noise_snr_db: (5.0, 35.0),
                ..AugmentOptions::default()
            },
        }
    }
}

impl Default for JointOptions {
    fn default() -> Self {
        JointOptions {
            copies: 6,
            // Short copies: parts of a recording are compared to find several voices in it.
            copy_seconds: (0.6, 3.0),
            ridge: 0.003,
            hidden: HiddenOptions::default(),
            size: 128,
            shrinkage: 0.6,
            share: 0.1,
            overlap: Some(OverlapTermOptions::default()),
        }
    }
}
