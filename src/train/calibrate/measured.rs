//! Measures the errors that the file of a calibrated model states: the EER of each list, and error rates
//! at many thresholds.

use crate::{
    eval::{
        embedded::Embedded,
        metrics::{Costs, Figures, Points},
        ranking::{Ranking, ScoredTrial},
        rates::{self, RatedList},
        speakers::Speakers,
        sweep::Sweep,
        table::ScoreTable,
    },
    scoring::{CONDITIONS, MeasuredRates, TrialKind},
    verifier::{Measurement, Verifier},
};

/// The equal error rate of a list, which calibration does not change. None without a target or
/// without a nontarget.
pub(super) fn measurement(table: &ScoreTable) -> Option<Measurement> {
    let (ranking, figures) = figures(table)?;
    Some(Measurement {
        eer: figures.eer,
        num_targets: ranking.num_targets(),
        num_nontargets: ranking.num_nontargets(),
    })
}

/// The scored trials of a list in the order of their scores, and their figures. None without a target or
/// without a nontarget.
pub(super) fn figures(table: &ScoreTable) -> Option<(Ranking, Figures)> {
    let ranking = Ranking::of(scored(table).copied().collect())?;
    let points = Points {
        costs: vec![Costs::RARE],
        thresholds: vec![],
    };
    let figures = Sweep::new(&ranking, &points).figures();
    Some((ranking, figures))
}

/// Bootstrap replicates for the intervals of the error rates.
const NUM_REPLICATES: usize = 1000;

/// A kind of trial gets error rates of its own if it has at least this many nontarget trials. They
/// are enough to measure a false-accept rate of 1 % (rule of three).
const MIN_NONTARGETS: usize = 300;

/// A list counts for a kind of trial if it has at least this many targets and as many nontargets of
/// that kind. A few trials, taken for another kind than the rest of their list, say nothing about
/// that kind.
const MIN_TRIALS: usize = 10;

/// The scored trials of a list, with speakers and kinds.
pub(super) struct Rated {
    list: RatedList,
    /// The kind of each trial.
    kinds: Vec<TrialKind>,
}

impl Rated {
    /// Takes the scored trials of `table`, whose recordings are in `embedded`. `is_copy` is as in
    /// [`RatedList`]. None if the paths do not say who speaks.
    pub(super) fn new(
        table: &ScoreTable,
        embedded: &[Embedded],
        verifier: &Verifier,
        is_copy: bool,
    ) -> Option<Self> {
        let speakers = Speakers::of_table(table)?;
        let speaker = |recording: u32| speakers.of(recording as usize);
        let conditions: Vec<[f32; CONDITIONS]> = embedded
            .iter()
            .map(|embedded| match embedded {
                Ok(embedding) => verifier.conditions(embedding),
                Err(_) => Default::default(),
            })
            .collect();
        let kind = |trial: &ScoredTrial| {
            let side = |recording: u32| conditions[recording as usize];
            TrialKind::of(side(trial.enroll()), side(trial.test()))
        };
        Some(Rated {
            list: RatedList {
                trials: scored(table)
                    .map(|trial| {
                        (
                            trial.score,
                            [speaker(trial.enroll()), speaker(trial.test())],
                        )
                    })
                    .collect(),
                num_speakers: speakers.count(),
                is_copy,
            },
            kinds: scored(table).map(kind).collect(),
        })
    }

    pub(super) fn has_both(&self) -> bool {
        self.list.has_both()
    }

    /// The trials of one kind; None if there are too few targets or nontargets.
    fn of(&self, kind: TrialKind) -> Option<RatedList> {
        let trials = self.list.trials.iter().zip(&self.kinds);
        let list = RatedList {
            trials: trials
                .filter(|(_, trial_kind)| **trial_kind == kind)
                .map(|(trial, _)| *trial)
                .collect(),
            ..self.list.clone()
        };
        let is_enough = [true, false].map(|target| list.count(target) >= MIN_TRIALS);
        (is_enough == [true; 2]).then_some(list)
    }
}

/// Error rates by threshold, of all trials and of each kind. None unless the speakers of every list are
/// known.
pub(super) fn rates(lists: Vec<Option<Rated>>, blake3: &str, seed: u64) -> Option<MeasuredRates> {
    let lists: Vec<Rated> = lists.into_iter().collect::<Option<_>>()?;
    let measure = |lists: &[RatedList]| rates::measure(lists, blake3.into(), NUM_REPLICATES, seed);
    let all: Vec<RatedList> = lists.iter().map(|rated| rated.list.clone()).collect();
    let of_kind = |kind: TrialKind| {
        let lists_of_kind: Vec<RatedList> =
            lists.iter().filter_map(|rated| rated.of(kind)).collect();
        let rates = measure(&lists_of_kind)?;
        (rates.nontargets >= MIN_NONTARGETS).then_some((kind, rates))
    };
    let by_kind = TrialKind::ALL.into_iter().filter_map(of_kind).collect();
    Some(MeasuredRates {
        by_kind,
        ..measure(&all)?
    })
}

fn scored(table: &ScoreTable) -> impl Iterator<Item = &ScoredTrial> {
    table.trials().iter().filter(|trial| trial.is_scored())
}
