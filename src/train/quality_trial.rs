//! The trials that a calibration with quality terms is fitted on: their scores, and facts about their
//! two recordings.

use crate::scoring::CONDITIONS;

/// A trial's score, and facts about its two recordings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QualityTrial {
    /// The score, without quality terms.
    pub score: f64,
    /// Sum over both recordings of ln t, t in seconds of speech.
    pub seconds: f64,
    /// Sum over both recordings of ln|u|, u being the whitened embedding.
    pub length: f64,
    /// The conditions of each recording, see [`conditions`](crate::scoring::conditions).
    pub conditions: [[f64; CONDITIONS]; 2],
    /// Sum over both recordings of μ; without a cohort, any number that is the same for all trials.
    pub cohort: f64,
}

impl QualityTrial {
    /// Sums of n, h and l over both recordings, and their products.
    pub(super) fn of_conditions(&self) -> [[f64; CONDITIONS]; 2] {
        let [a, b] = self.conditions;
        [
            std::array::from_fn(|k| a[k] + b[k]),
            std::array::from_fn(|k| a[k] * b[k]),
        ]
    }
}

/// Target and nontarget trials of one kind, and their weight relative to the other kinds.
#[derive(Debug, Clone)]
pub struct QualityList {
    /// Of the same speaker.
    pub targets: Vec<QualityTrial>,
    /// Of different ones.
    pub nontargets: Vec<QualityTrial>,
    /// How much the list counts beside others.
    pub weight: f64,
}

impl QualityList {
    /// Whether there is a target and a nontarget.
    pub fn has_both(&self) -> bool {
        !self.targets.is_empty() && !self.nontargets.is_empty()
    }
}
