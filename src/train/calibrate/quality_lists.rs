//! Scores each trial list as it is, with its recordings cut short, and at 8 kHz. Also gives the facts
//! about the recordings that the quality terms need.

use crate::{
    Result,
    eval::{
        embedded::{EmbeddedTable, Embedder, Part, points},
        table::ScoreTable,
    },
    scoring::{CONDITIONS, Cohort, PairHead},
    train::quality_trial::{QualityList, QualityTrial},
};
use zeroize::Zeroizing;

/// Lengths that recordings are cut to, in seconds, so that the fit sees what length alone changes.
const CUTS_SECONDS: [f32; 4] = [0.7, 1.2, 2.0, 3.0];

/// Weight of all cuts of a list together, and of the list at 8 kHz, against 1 for the list as it is.
/// Short recordings score so differently that with a weight of 1 they would decide the scale
/// (docs/experiments.md).
const CUTS_WEIGHT: f64 = 0.3;
const NARROWBAND_WEIGHT: f64 = 0.3;

/// For each table its trials with cut recordings, at 8 kHz (`narrow`) and, last, as they are
/// (`whole`).
///
/// # Errors
/// As [`Embedder::tables`].
pub(super) fn quality_lists(
    tables: &[ScoreTable],
    [whole, narrow]: [&[EmbeddedTable]; 2],
    embedder: &Embedder,
    cohort: Option<&Cohort>,
) -> Result<Vec<Vec<QualityList>>> {
    let head = &embedder.verifier.model().head;
    let sides = |embedded: &[EmbeddedTable]| -> Vec<Vec<Option<Side>>> {
        let of_list = |embedded: &EmbeddedTable| sides(embedded, head, cohort);
        embedded.iter().map(of_list).collect()
    };
    let [whole, narrow] = [sides(whole), sides(narrow)];
    let lists: Vec<&ScoreTable> = tables.iter().collect();
    let mut of_lists: Vec<Vec<QualityList>> = vec![vec![]; tables.len()];
    for seconds in CUTS_SECONDS {
        let part = Part::Speech(seconds);
        let cut = sides(&embedder.tables(&lists, part)?);
        for ((of_list, table), (whole, cut)) in
            of_lists.iter_mut().zip(tables).zip(whole.iter().zip(&cut))
        {
            of_list.push(quality_list(table, cut, cut, head));
            of_list.push(quality_list(table, whole, cut, head));
        }
    }
    for ((of_list, table), (whole, narrow)) in of_lists
        .iter_mut()
        .zip(tables)
        .zip(whole.iter().zip(&narrow))
    {
        // Recordings of half a second have no cut of a second and a half.
        of_list.retain(QualityList::has_both);
        let weight = CUTS_WEIGHT / of_list.len() as f64;
        of_list.iter_mut().for_each(|list| list.weight = weight);
        let mut narrow = quality_list(table, narrow, narrow, head);
        narrow.weight = NARROWBAND_WEIGHT;
        of_list.extend(Some(narrow).filter(QualityList::has_both));
        of_list.push(quality_list(table, whole, whole, head));
    }
    Ok(of_lists)
}

/// One recording of a trial.
struct Side {
    /// `(P,)`
    point: Zeroizing<Vec<f32>>,
    ln_seconds: f64,
    ln_length: f64,
    conditions: [f64; CONDITIONS],
    /// μ; 0 without a cohort.
    cohort: f64,
}

/// One for each recording, none for a refused one.
fn sides(embedded: &EmbeddedTable, head: &PairHead, cohort: Option<&Cohort>) -> Vec<Option<Side>> {
    let sides = embedded.iter().zip(points(embedded, head));
    let sides = sides.map(|(embedding, point)| {
        let (values, point) = (embedding.as_ref().ok()?.values(), point?);
        let mean = cohort.map_or(0.0, |cohort| head.cohort_mean(cohort, &point));
        Some(Side {
            point,
            ln_seconds: head.ln_seconds_of(values).into(),
            ln_length: head.ln_length(values).into(),
            conditions: head.conditions_of(values).map(f64::from),
            cohort: mean.into(),
        })
    });
    sides.collect()
}

/// The trials of `table`, with the enrolled recordings from `enroll` and the tested ones from `test`.
fn quality_list(
    table: &ScoreTable,
    enroll: &[Option<Side>],
    test: &[Option<Side>],
    head: &PairHead,
) -> QualityList {
    let (mut targets, mut nontargets) = (vec![], vec![]);
    for trial in table.trials() {
        let sides = (
            &enroll[trial.enroll() as usize],
            &test[trial.test() as usize],
        );
        let (Some(a), Some(b)) = sides else { continue };
        let facts = QualityTrial {
            score: head.llr(&a.point, &b.point).into(),
            seconds: a.ln_seconds + b.ln_seconds,
            length: a.ln_length + b.ln_length,
            conditions: [a.conditions, b.conditions],
            cohort: a.cohort + b.cohort,
        };
        match trial.is_target() {
            true => targets.push(facts),
            false => nontargets.push(facts),
        }
    }
    QualityList {
        targets,
        nontargets,
        weight: 1.0,
    }
}
