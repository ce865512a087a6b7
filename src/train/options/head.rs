//! How the pair head is fitted and refined.

use serde::{Deserialize, Serialize};

/// What the outputs of a pair head are trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairLoss {
    /// Same speaker or different ones, by one logit.
    Bce,
    /// Same speaker or different ones, by one output for each.
    Softmax,
    /// A grade of similarity.
    Mse,
}

/// How the head is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadOptions {
    /// Number of LDA dimensions, L.
    pub size: usize,
    /// Shrinkage of the within-speaker covariance towards a multiple of I.
    pub shrinkage: f64,
    /// Augmented crops of each training utterance, besides the utterance as it is.
    pub crops_per_utterance: usize,
    /// Shortest and longest of these crops, in seconds.
    pub crop_seconds: (f32, f32),
    /// What the pair head is trained for: `bce`, `softmax` or `mse`.
    pub loss: PairLoss,
    /// Its outputs; none for as many as the loss needs.
    pub outputs: Option<usize>,
    /// Steps of refinement (BCE, softmax or MSE) on pairs; 0 keeps PLDA.
    pub bce_steps: usize,
    /// Weight of a target pair within one session, relative to a pair across sessions.
    pub same_session: f64,
}

impl Default for HeadOptions {
    fn default() -> Self {
        HeadOptions {
            size: 64,
            shrinkage: 0.5,
            crops_per_utterance: 4,
            // Short crops, because from long ones an LDA does not learn how far the words alone
            // move an embedding.
            crop_seconds: (0.5, 3.0),
            loss: PairLoss::Bce,
            outputs: None,
            bce_steps: 25,
            same_session: 0.3,
        }
    }
}

impl HeadOptions {
    /// How the pair head is refined.
    pub fn refine(&self, seed: u64) -> RefineOptions {
        RefineOptions {
            loss: self.loss,
            num_steps: self.bce_steps,
            same_session: self.same_session,
            seed,
            ..RefineOptions::default()
        }
    }
}

/// How to refine.
#[derive(Debug, Clone)]
pub struct RefineOptions {
    /// What the outputs are trained for.
    pub loss: PairLoss,
    /// Effective prior of a target pair, which the logit then includes.
    pub prior: f64,
    /// Adam steps.
    pub num_steps: usize,
    /// Learning rate of Adam, which falls linearly to 0, in the unit of each block of parameters.
    pub learning_rate: f64,
    /// L2 pull of weights and bias towards the initial values, in the same units.
    pub weight_penalty: f64,
    /// L2 pull of the whitening towards the initial values; `None` leaves it as it is.
    pub whiten_penalty: Option<f64>,
    /// Weight of a target pair within one session, relative to a pair of the same speaker across
    /// sessions.
    pub same_session: f64,
    /// Most target pairs of one speaker. If there are more, this many are drawn at random. All speakers
    /// weigh the same.
    pub max_targets_per_speaker: usize,
    /// Number of nontarget pairs, drawn at random within domains.
    pub num_nontargets: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions {
            loss: PairLoss::Bce,
            prior: 0.5,
            num_steps: 200,
            learning_rate: 0.02,
            weight_penalty: 1e-4,
            whiten_penalty: Some(1e-4),
            same_session: 0.0,
            max_targets_per_speaker: 300,
            num_nontargets: 200_000,
            seed: 1,
        }
    }
}
