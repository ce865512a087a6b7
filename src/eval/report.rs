//! One trial list and its scores in, everything worth printing about it out.
//!
//! A trial whose recording was refused has no score. It is counted, never dropped unseen: the
//! figures are of the scored trials, and `eer_with_refused` is of all trials, a refusal being a
//! rejection at every threshold.

use super::{
    bootstrap::{self, Intervals},
    metrics::{Costs, ErrorRates, Metrics, Ranking},
    speakers::Speakers,
    trials::TrialList,
};

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// For the detection costs.
    pub costs: Costs,
    /// LLR from which [`Report::at_threshold`] accepts.
    pub threshold: f64,
    /// Bootstrap replicates, 0 for no intervals.
    pub num_replicates: usize,
    /// Of the bootstrap.
    pub seed: u64,
}

/// The figures of one list.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Trials in the list.
    pub trials: usize,
    /// Of these, of one speaker.
    pub targets: usize,
    /// Of these, of two speakers.
    pub nontargets: usize,
    /// Different recordings in the list.
    pub recordings: usize,
    /// Speakers, where known.
    pub speakers: Option<usize>,
    /// Speakers with target trials, where known.
    pub target_speakers: Option<usize>,
    /// Target trials without a score.
    pub refused_targets: usize,
    /// Nontarget trials without a score.
    pub refused_nontargets: usize,
    /// Of the scored trials.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// EER over all trials, those without a score rejected at every threshold.
    pub eer_with_refused: f64,
    /// 95 % intervals over speakers, where speakers are known and enough.
    pub intervals: Option<Intervals>,
    /// Error rates of the scored trials at the threshold of the [`Plan`].
    pub at_threshold: ErrorRates,
}

impl Report {
    /// `scores`: per trial of `list`, `None` where a recording was refused. `None` if there is no
    /// target or no nontarget with a score.
    pub fn new(
        list: &TrialList,
        scores: &[Option<f64>],
        speakers: Option<&Speakers>,
        plan: &Plan,
    ) -> Option<Self> {
        let labels: Vec<bool> = list.trials().iter().map(|t| t.is_target).collect();
        let scored: Vec<usize> = (0..scores.len()).filter(|&i| scores[i].is_some()).collect();
        let scored_labels: Vec<bool> = scored.iter().map(|&i| labels[i]).collect();
        let scored_scores: Vec<f64> = scores.iter().copied().flatten().collect();
        let ranking = Ranking::new(&scored_scores, &scored_labels)?;
        let with_refused: Vec<f64> = scores
            .iter()
            .map(|score| score.unwrap_or(f64::NEG_INFINITY))
            .collect();
        let all = Ranking::new(&with_refused, &labels)?;
        let intervals = speakers.and_then(|speakers| {
            let of_trial = |&i: &usize| {
                let trial = &list.trials()[i];
                (speakers.of(trial.enrol), speakers.of(trial.test))
            };
            let pairs: Vec<(usize, usize)> = scored.iter().map(of_trial).collect();
            bootstrap::intervals(
                &ranking,
                &pairs,
                speakers.count(),
                &plan.costs,
                plan.num_replicates,
                plan.seed,
            )
        });
        let targets = labels.iter().filter(|&&l| l).count();
        let scored_targets = scored_labels.iter().filter(|&&l| l).count();
        Some(Report {
            trials: labels.len(),
            targets,
            nontargets: labels.len() - targets,
            recordings: list.recordings().len(),
            speakers: speakers.map(Speakers::count),
            target_speakers: speakers.map(|s| s.num_with_targets(list)),
            refused_targets: targets - scored_targets,
            refused_nontargets: (labels.len() - scored.len()) - (targets - scored_targets),
            metrics: ranking.metrics(&plan.costs),
            eer_with_refused: all.metrics(&plan.costs).eer,
            intervals,
            at_threshold: ranking.error_rates(plan.threshold),
        })
    }
}
