//! What a calibrated model notes of its errors: the EER of each list, and error rates by threshold.

use crate::{
    eval::{
        metrics::Costs,
        ranking::{Ranking, ScoredTrial},
        rates::{self, RatedList},
        speakers::Speakers,
        table::ScoreTable,
    },
    scoring::MeasuredRates,
    verifier::Measurement,
};

/// The equal error rate of a list, which calibration does not change. None without a target or
/// without a nontarget.
pub(super) fn measurement(table: &ScoreTable) -> Option<Measurement> {
    let costs = Costs {
        p_target: 0.01,
        c_miss: 1.0,
        c_fa: 1.0,
    };
    let (scores, labels): (Vec<f64>, Vec<bool>) = scored(table)
        .map(|trial| (trial.score, trial.is_target()))
        .unzip();
    let ranking = Ranking::new(&scores, &labels)?;
    Some(Measurement {
        eer: ranking.metrics(&costs).eer,
        num_targets: ranking.num_targets(),
        num_nontargets: ranking.num_nontargets(),
    })
}

/// The scored trials with their speakers. None where the paths do not tell who speaks.
pub(super) fn rated_list(table: &ScoreTable, is_copy: bool) -> Option<RatedList> {
    let speakers = Speakers::of_table(table)?;
    let of = |recording: u32| speakers.of(recording as usize);
    Some(RatedList {
        trials: scored(table)
            .map(|trial| (trial.score, [of(trial.enrol()), of(trial.test())]))
            .collect(),
        num_speakers: speakers.count(),
        is_copy,
    })
}

/// Error rates by threshold. None unless the speakers of every list are known.
pub(super) fn rates(
    lists: Vec<Option<RatedList>>,
    blake3: String,
    num_replicates: usize,
    seed: u64,
) -> Option<MeasuredRates> {
    let lists: Vec<RatedList> = lists.into_iter().collect::<Option<_>>()?;
    rates::measure(&lists, blake3, num_replicates, seed)
}

fn scored(table: &ScoreTable) -> impl Iterator<Item = &ScoredTrial> {
    table.trials().iter().filter(|trial| trial.is_scored())
}
