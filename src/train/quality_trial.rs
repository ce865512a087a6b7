//! The trials that a calibration with quality terms is fitted on: their scores, and facts about their
//! two recordings.

use crate::scoring::{CONDITIONS, MULTIPLIED, multiplied};

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
    pub conditions: [[f32; CONDITIONS]; 2],
    /// Sum over both recordings of μ; without a cohort, any number that is the same for all trials.
    pub cohort: f64,
}

impl QualityTrial {
    /// The sums of the conditions n, h and l over both recordings, then the products of what is
    /// [`multiplied`].
    pub(super) fn of_conditions(&self) -> ([f64; CONDITIONS], [f64; MULTIPLIED]) {
        let [a, b] = self.conditions;
        let sums = std::array::from_fn(|k| f64::from(a[k] + b[k]));
        let [a, b] = [a, b].map(multiplied);
        (sums, std::array::from_fn(|k| f64::from(a[k] * b[k])))
    }
}

/// The trials of one list in one form (as it is, with shortened recordings, or at 8 kHz), and their
/// weight in the fit.
#[derive(Debug, Clone)]
pub struct QualityList {
    /// The target trials.
    pub targets: Vec<QualityTrial>,
    /// The nontarget trials.
    pub nontargets: Vec<QualityTrial>,
    /// The weight of all these trials together in the fit, relative to the trials of other forms and
    /// lists.
    pub weight: f64,
}

impl QualityList {
    /// Whether there is a target and a nontarget.
    pub fn has_both(&self) -> bool {
        !self.targets.is_empty() && !self.nontargets.is_empty()
    }
}
