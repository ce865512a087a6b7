//! Prepares the scores from which the thresholds of a sequential test are measured. Such a test
//! decides while a recording is still being made. A *look* is one scoring of what was recorded so
//! far. Each calibration trial is scored at every look of its growing test recording, as a
//! [`Listener`](crate::Listener) does.

use super::measured::Rated;
use crate::{
    Result,
    eval::{
        embedded::{EmbeddedTable, Embedder, Part, points},
        table::ScoreTable,
    },
    verifier::next_look,
};

/// No look is taken after this many seconds, because hardly any calibration recording is longer.
const LAST_LOOK_SECONDS: f32 = 20.0;

/// The trials of each list with the score that is most likely to mislead a sequential test: the
/// highest of all looks for a nontarget trial, the lowest for a target trial. `embedded` has the
/// embeddings of the whole recordings; `tables` must already hold their scores by the verifier of
/// `embedder`. None for a list whose paths do not say who speaks.
pub(super) fn extremes(
    tables: &[ScoreTable],
    embedded: &[EmbeddedTable],
    embedder: &Embedder,
) -> Result<Vec<Option<Rated>>> {
    let verifier = embedder.verifier;
    let lists: Vec<&ScoreTable> = tables.iter().collect();
    let mut tables = tables.to_vec();
    let head = &verifier.model().head;
    let whole: Vec<_> = embedded.iter().map(|e| points(e, head)).collect();
    let mut seconds = next_look(0.0);
    while seconds < LAST_LOOK_SECONDS {
        let heard = embedder.tables(&lists, Part::Growing(seconds))?;
        for ((table, whole), heard) in tables.iter_mut().zip(&whole).zip(&heard) {
            let heard = points(heard, head);
            table.change_scores(|trial| {
                let enroll = whole[trial.enroll() as usize].as_ref()?;
                let test = heard[trial.test() as usize].as_ref()?;
                let score = f64::from(head.llr(enroll, test));
                Some(match trial.is_target() {
                    true => trial.score.min(score),
                    false => trial.score.max(score),
                })
            });
        }
        seconds = next_look(seconds);
    }
    let rated = tables.iter().zip(embedded);
    let rated = rated.map(|(table, embedded)| Rated::new(table, embedded, verifier, false));
    Ok(rated.collect())
}
