//! The report on one trial list and its scores: all figures that are measured.
//!
//! A trial whose recording was refused has no score, but is counted: the figures are those of the
//! scored trials; `eer_with_refused` and `rates_with_refused` are those of all trials, where a refusal
//! counts as a rejection at every threshold.

use super::{
    bootstrap::{self, Interval, Replicates},
    conditions::Conditions,
    confused_pairs::{ConfusedPair, most_confused},
    curve::{Histogram, det_points},
    metrics::{ErrorRates, Figures, Points},
    ranking::{Ranking, ScoredTrial},
    speakers::Speakers,
    sweep::Sweep,
    table::ScoreTable,
};

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Priors, costs and thresholds to measure at: at least one prior and one threshold.
    pub points: Points,
    /// Bootstrap replicates, 0 for no intervals.
    pub num_replicates: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// How many to name of the speakers with the highest error rates, and of the most confused pairs.
    pub num_worst: usize,
}

/// The figures of one list.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Numbers of trials in the list.
    #[serde(flatten)]
    pub counts: Counts,
    /// Speakers, where known.
    pub speakers: Option<usize>,
    /// Speakers with target trials, where known.
    pub target_speakers: Option<usize>,
    /// Different recordings in the list.
    pub recordings: usize,
    /// Recordings to enroll, and how many of them were refused (failure to enroll).
    pub enrolment: Refusals,
    /// Recordings to test, and how many of them were refused (failure to acquire).
    pub test: Refusals,
    /// Figures of the scored trials.
    #[serde(flatten)]
    pub figures: Figures,
    /// EER over all trials. Those without a score count as rejected at every threshold.
    pub eer_with_refused: f64,
    /// Error rates at each threshold over all trials. Those without a score count as rejected.
    pub rates_with_refused: Vec<ErrorRates>,
    /// 95 % intervals over speakers, where speakers are known and enough.
    pub intervals: Option<Figures<Interval>>,
    /// Miss rates at some shares of accepted impostors.
    pub at_false_match: Vec<AtFalseMatch>,
    /// Figures for each condition of each column.
    pub conditions: Vec<Condition>,
    /// Speakers with the most errors at the first threshold, worst first.
    pub worst_speakers: Vec<SpeakerErrors>,
    /// Most confused pairs of speakers, highest mean score first; empty if speakers are not known.
    pub confused_pairs: Vec<ConfusedPair>,
    /// Bootstrap replicates, for the difference from another list; none without speakers or replicates.
    #[serde(skip)]
    pub replicates: Option<Replicates>,
    /// Error rates from accepting all to rejecting all, thinned to what can be seen in a plot.
    #[serde(skip)]
    pub curve: Vec<ErrorRates>,
    /// Histogram of the scores.
    #[serde(skip)]
    pub histogram: Histogram,
}

/// Numbers of trials.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Counts {
    /// All trials.
    pub trials: usize,
    /// Target trials among them.
    pub targets: usize,
    /// Nontarget trials among them.
    pub nontargets: usize,
    /// Target trials without a score.
    pub refused_targets: usize,
    /// Nontarget trials without a score.
    pub refused_nontargets: usize,
}

/// Recordings on one side of the trials.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Refusals {
    /// Different recordings.
    pub recordings: usize,
    /// Of these, refused.
    pub refused: usize,
    /// The share refused.
    pub rate: f64,
}

/// The miss rate if only a given share of impostors is accepted.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct AtFalseMatch {
    /// Wanted share of nontargets accepted.
    pub false_match: f64,
    /// The lowest threshold that accepts no larger share; none if there are too few trials to say.
    pub threshold: Option<f64>,
    /// Share of targets rejected there.
    pub miss: Option<f64>,
}

/// The trials of one condition.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Condition {
    /// Column of the metadata.
    pub column: String,
    /// Name of the condition.
    pub label: String,
    /// Its trials.
    #[serde(flatten)]
    pub counts: Counts,
    /// None without a target or without a nontarget that has a score.
    pub figures: Option<Figures>,
    /// 95 % intervals over speakers.
    pub intervals: Option<Figures<Interval>>,
    /// At the first threshold: the share of the targets, and of the nontargets, that are wrong.
    pub miss: Option<f64>,
    /// See `miss`.
    pub false_alarm: Option<f64>,
}

/// The errors in the trials of one speaker, at the first threshold.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct SpeakerErrors {
    /// As the folder or the file calls the speaker.
    pub speaker: String,
    /// Scored target trials.
    pub targets: usize,
    /// Of these, rejected.
    pub missed: usize,
    /// Scored nontarget trials with this speaker on either side.
    pub nontargets: usize,
    /// Of these, accepted.
    pub accepted: usize,
    /// Trials without a score.
    pub refused: usize,
}

const FALSE_MATCHES: [f64; 3] = [0.05, 0.01, 0.001];

impl Report {
    /// `refused` says for each recording whether it was refused, if that is known. Otherwise a recording
    /// counts as refused if none of its trials has a score. Takes the trials out of `table`. `None` if
    /// there is no target or no nontarget with a score.
    pub fn new(
        table: &mut ScoreTable,
        speakers: Option<&Speakers>,
        refused: Option<&[bool]>,
        conditions: &[Conditions],
        plan: &Plan,
    ) -> Option<Self> {
        let sides = table.sides();
        let inferred;
        let refused = match refused {
            Some(refused) => refused,
            None => {
                inferred = without_score(table);
                &inferred
            }
        };
        let counts = Counts::of(table.trials().iter());
        let recordings = table.names().len();
        let ranking = Ranking::of(table.take_trials())?;
        let sweep = Sweep::new(&ranking, &plan.points);
        let figures = sweep.figures();
        let replicates = |sweep: &Sweep| {
            speakers.map(|speakers| {
                let by_recording = speakers.of_recordings();
                bootstrap::replicates(
                    sweep,
                    by_recording,
                    speakers.count(),
                    plan.num_replicates,
                    plan.seed,
                )
            })
        };
        let intervals = |sweep: &Sweep| bootstrap::intervals_of(&replicates(sweep)?);
        let threshold = plan.points.thresholds[0];
        let conditions = conditions.iter().flat_map(|conditions| {
            let of_label = |index| Condition::of(conditions, index, &ranking, plan, intervals);
            (0..conditions.labels.len())
                .map(of_label)
                .filter(|c| c.counts.trials > 0)
                .collect::<Vec<_>>()
        });
        let drawn = replicates(&sweep).filter(|drawn| !drawn.is_empty());
        Some(Report {
            counts,
            speakers: speakers.map(Speakers::count),
            target_speakers: speakers.map(|s| num_with_targets(s, ranking.trials())),
            recordings,
            enrolment: Refusals::of(&sides.0, refused),
            test: Refusals::of(&sides.1, refused),
            eer_with_refused: sweep.eer_with_refused(),
            rates_with_refused: figures
                .rates
                .iter()
                .map(|rates| counts.with_refused(rates))
                .collect(),
            intervals: drawn.as_deref().and_then(bootstrap::intervals_of),
            replicates: drawn
                .zip(speakers)
                .map(|(drawn, speakers)| Replicates::new(speakers, &drawn)),
            at_false_match: FALSE_MATCHES
                .map(|false_match| {
                    let found = ranking.at_false_match(false_match);
                    AtFalseMatch {
                        false_match,
                        threshold: found.map(|f| f.0).filter(|t| t.is_finite()),
                        miss: found.map(|f| f.1),
                    }
                })
                .to_vec(),
            conditions: conditions.collect(),
            worst_speakers: speakers.map_or(vec![], |s| {
                worst_speakers(s, ranking.trials(), threshold, plan.num_worst)
            }),
            confused_pairs: speakers.map_or(vec![], |s| {
                most_confused(s, ranking.trials(), threshold, plan.num_worst)
            }),
            curve: det_points(&sweep),
            histogram: Histogram::of(&ranking),
            figures,
        })
    }
}

impl Condition {
    /// The trials of the condition number `index`.
    fn of(
        conditions: &Conditions,
        index: usize,
        ranking: &Ranking,
        plan: &Plan,
        intervals: impl Fn(&Sweep) -> Option<Figures<Interval>>,
    ) -> Self {
        let keep = |trial: &ScoredTrial| conditions.of(trial) == index;
        let trials = || ranking.trials().iter().filter(|t| keep(t));
        let part = ranking.part(keep);
        let sweep = part.as_ref().map(|part| Sweep::new(part, &plan.points));
        let threshold = plan.points.thresholds[0];
        Condition {
            column: conditions.column.clone(),
            label: conditions.labels[index].clone(),
            counts: Counts::of(trials()),
            figures: sweep.as_ref().map(Sweep::figures),
            intervals: sweep.as_ref().and_then(intervals),
            miss: share(trials(), true, |score| score < threshold),
            false_alarm: share(trials(), false, |score| score >= threshold),
        }
    }
}

impl Counts {
    fn of<'a>(trials: impl Iterator<Item = &'a ScoredTrial>) -> Self {
        let mut counts = Counts::default();
        for trial in trials {
            let (kind, refused) = match trial.is_target() {
                true => (&mut counts.targets, &mut counts.refused_targets),
                false => (&mut counts.nontargets, &mut counts.refused_nontargets),
            };
            *kind += 1;
            *refused += usize::from(!trial.is_scored());
            counts.trials += 1;
        }
        counts
    }

    /// Trials without a score.
    pub fn refused(&self) -> usize {
        self.refused_targets + self.refused_nontargets
    }

    /// The rates of all trials, computed from the rates of the scored trials. The others count as
    /// rejected.
    fn with_refused(&self, rates: &ErrorRates) -> ErrorRates {
        let scored = |all: usize, refused: usize| (all - refused) as f64 / all as f64;
        let targets = scored(self.targets, self.refused_targets);
        let nontargets = scored(self.nontargets, self.refused_nontargets);
        ErrorRates {
            miss: 1.0 - (1.0 - rates.miss) * targets,
            false_alarm: rates.false_alarm * nontargets,
        }
    }
}

impl Refusals {
    fn of(side: &[bool], refused: &[bool]) -> Self {
        let recordings = side.iter().filter(|on| **on).count();
        let both = side.iter().zip(refused);
        let refused = both.filter(|(on, refused)| **on && **refused).count();
        Refusals {
            recordings,
            refused,
            rate: refused as f64 / recordings as f64,
        }
    }
}

/// For each recording, whether none of its trials has a score.
fn without_score(table: &ScoreTable) -> Vec<bool> {
    let mut without = vec![true; table.names().len()];
    for trial in table.trials().iter().filter(|t| t.is_scored()) {
        without[trial.enroll() as usize] = false;
        without[trial.test() as usize] = false;
    }
    without
}

/// The share of wrong decisions among the scored trials of one kind; `None` if there are no such trials.
fn share<'a>(
    trials: impl Iterator<Item = &'a ScoredTrial>,
    is_target: bool,
    is_wrong: impl Fn(f64) -> bool,
) -> Option<f64> {
    let (mut count, mut wrong) = (0, 0);
    for trial in trials.filter(|t| t.is_target() == is_target && t.is_scored()) {
        count += 1;
        wrong += usize::from(is_wrong(trial.score));
    }
    (count > 0).then(|| wrong as f64 / count as f64)
}

fn num_with_targets(speakers: &Speakers, trials: &[ScoredTrial]) -> usize {
    let mut with = vec![false; speakers.count()];
    for trial in trials.iter().filter(|t| t.is_target()) {
        with[speakers.of(trial.enroll() as usize)] = true;
    }
    with.iter().filter(|with| **with).count()
}

fn worst_speakers(
    speakers: &Speakers,
    trials: &[ScoredTrial],
    threshold: f64,
    count: usize,
) -> Vec<SpeakerErrors> {
    let without = |name: &String| SpeakerErrors {
        speaker: name.clone(),
        ..SpeakerErrors::default()
    };
    let mut errors: Vec<SpeakerErrors> = speakers.names().iter().map(without).collect();
    for trial in trials {
        let enroll = speakers.of(trial.enroll() as usize);
        let test = speakers.of(trial.test() as usize);
        let both = [enroll, test];
        for speaker in &both[..if enroll == test { 1 } else { 2 }] {
            let of_speaker = &mut errors[*speaker];
            match (trial.is_scored(), trial.is_target()) {
                (false, _) => of_speaker.refused += 1,
                (true, true) => {
                    of_speaker.targets += 1;
                    of_speaker.missed += usize::from(trial.score < threshold);
                }
                (true, false) => {
                    of_speaker.nontargets += 1;
                    of_speaker.accepted += usize::from(trial.score >= threshold);
                }
            }
        }
    }
    errors.retain(|e| e.missed + e.accepted + e.refused > 0);
    errors.sort_by(|a, b| {
        b.rate()
            .total_cmp(&a.rate())
            .then(b.refused.cmp(&a.refused))
    });
    errors.truncate(count);
    errors
}

impl SpeakerErrors {
    /// Half of the miss rate plus half of the false accept rate.
    fn rate(&self) -> f64 {
        let share = |wrong: usize, all: usize| wrong as f64 / all.max(1) as f64;
        0.5 * (share(self.missed, self.targets) + share(self.accepted, self.nontargets))
    }
}
