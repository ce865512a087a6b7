//! The bootstrap replicates of a list's EER, kept to compare the list with another one.

use super::{metrics::Figures, speakers::Speakers};

/// The EERs of the replicates of one list.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    /// Names of the speakers, in the order of their numbers in the draws.
    pub(super) speakers: Vec<String>,
    /// None for a replicate without a target or without a nontarget trial.
    pub(super) eers: Vec<Option<f64>>,
}

impl Replicates {
    /// The replicates of a list with these speakers.
    pub(super) fn new(speakers: &Speakers, figures: &[Option<Figures>]) -> Self {
        let eers = figures.iter().map(|figures| Some(figures.as_ref()?.eer));
        Replicates {
            speakers: speakers.names().to_vec(),
            eers: eers.collect(),
        }
    }
}
