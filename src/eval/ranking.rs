//! Sorts scored trials by score; all figures are computed from this order.

use crate::parallel;

/// One trial and its score, in 16 bytes: lists have up to 60 million of them.
#[derive(Debug, Clone, Copy)]
pub struct ScoredTrial {
    /// NaN if a recording was refused.
    pub score: f64,
    /// The label is the highest bit.
    enroll_and_label: u32,
    test: u32,
}

const LABEL: u32 = 1 << 31;

impl ScoredTrial {
    /// Largest number of recordings that a list may name.
    pub const MAX_RECORDINGS: usize = LABEL as usize;

    /// A trial of the recordings with the numbers `enroll` and `test`, both below
    /// [`Self::MAX_RECORDINGS`].
    pub fn new(enroll: u32, test: u32, is_target: bool, score: Option<f64>) -> Self {
        let mut trial = ScoredTrial {
            score: f64::NAN,
            enroll_and_label: enroll & !LABEL | if is_target { LABEL } else { 0 },
            test,
        };
        trial.set_score(score);
        trial
    }

    /// Sets the score, or takes it away.
    pub(super) fn set_score(&mut self, score: Option<f64>) {
        // −0 and 0 are one score.
        self.score = score.map_or(f64::NAN, |s| s + 0.0);
    }

    /// Number of the enrolled recording.
    pub fn enroll(&self) -> u32 {
        self.enroll_and_label & !LABEL
    }
    /// Number of the recording under test.
    pub fn test(&self) -> u32 {
        self.test
    }
    /// Whether it is a target trial.
    pub fn is_target(&self) -> bool {
        self.enroll_and_label & LABEL != 0
    }
    /// Whether the trial has a score.
    pub fn is_scored(&self) -> bool {
        !self.score.is_nan()
    }
}

/// Trials by rising score, those without a score first; at least one target and one nontarget have
/// one.
#[derive(Debug, Clone)]
pub struct Ranking {
    trials: Vec<ScoredTrial>,
    num_refused: usize,
    num_targets: usize,
}

impl Ranking {
    /// `None` without a target or without a nontarget that has a score: no error rate exists then.
    pub fn of(mut trials: Vec<ScoredTrial>) -> Option<Self> {
        // Equal scores are ordered by the other fields, so that sums over the trials have one order at
        // any thread count.
        parallel::sort_by(&mut trials, |a, b| {
            let rank = |t: &ScoredTrial| (t.is_scored(), t.enroll_and_label, t.test);
            let by_score = a.is_scored().cmp(&b.is_scored());
            let by_score = by_score.then_with(|| a.score.total_cmp(&b.score));
            by_score.then_with(|| rank(a).cmp(&rank(b)))
        });
        Self::of_sorted(trials)
    }

    /// From plain scores, in any order. Every threshold rejects −∞ and NaN.
    pub fn new(scores: &[f64], is_target: &[bool]) -> Option<Self> {
        let score_of = |score: f64| match score {
            s if s.is_nan() => f64::NEG_INFINITY,
            s => s,
        };
        let trials = scores.iter().zip(is_target).zip(0..);
        let trials = trials.map(|((&score, &is_target), at)| {
            ScoredTrial::new(at, at, is_target, Some(score_of(score)))
        });
        Self::of(trials.collect())
    }

    /// The ranking of the trials that `keep` chooses; `None` as in [`Self::of`].
    pub fn part(&self, keep: impl Fn(&ScoredTrial) -> bool) -> Option<Self> {
        Self::of_sorted(self.trials.iter().filter(|t| keep(t)).copied().collect())
    }

    fn of_sorted(trials: Vec<ScoredTrial>) -> Option<Self> {
        let num_refused = trials.partition_point(|t| !t.is_scored());
        let scored = &trials[num_refused..];
        let num_targets = scored.iter().filter(|t| t.is_target()).count();
        (num_targets > 0 && num_targets < scored.len()).then_some(Ranking {
            trials,
            num_refused,
            num_targets,
        })
    }

    /// The trials with a score, by rising score.
    pub fn scored(&self) -> &[ScoredTrial] {
        &self.trials[self.num_refused..]
    }
    /// The trials without a score.
    pub fn refused(&self) -> &[ScoredTrial] {
        &self.trials[..self.num_refused]
    }
    /// All trials, those without a score first.
    pub fn trials(&self) -> &[ScoredTrial] {
        &self.trials
    }
    /// Number of targets with a score.
    pub fn num_targets(&self) -> usize {
        self.num_targets
    }
    /// Number of nontargets with a score.
    pub fn num_nontargets(&self) -> usize {
        self.scored().len() - self.num_targets
    }

    /// The lowest threshold that accepts no more than the share `false_match` of the nontargets,
    /// and the share of the targets that it rejects. `None` if there are too few nontargets to tell: a
    /// share below 3/n cannot be measured on n of them (rule of three).
    pub fn at_false_match(&self, false_match: f64) -> Option<(f64, f64)> {
        let allowed = false_match * self.num_nontargets() as f64;
        if allowed < 3.0 {
            return None;
        }
        let (mut threshold, mut nontargets, mut accepted) = (f64::INFINITY, 0.0, 0);
        for group in self.scored().chunk_by(|a, b| a.score == b.score).rev() {
            let targets = group.iter().filter(|t| t.is_target()).count();
            nontargets += (group.len() - targets) as f64;
            if nontargets > allowed {
                break;
            }
            accepted += targets;
            threshold = group[0].score;
        }
        let missed = (self.num_targets - accepted) as f64 / self.num_targets as f64;
        Some((threshold, missed))
    }
}
