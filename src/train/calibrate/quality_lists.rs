//! Makes the trials that the quality terms are fitted on. Each trial list is used in several forms:
//! as it is, with shortened recordings (cuts), and at 8 kHz. Each trial gets its score and the
//! facts about its recordings that the quality terms need.

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

/// Weight of all cuts of a list together, and weight of the list at 8 kHz; the list as it is has a
/// weight of 1. Short recordings score so differently that with the same weight they would decide
/// the scale (docs/experiments.md).
const CUTS_WEIGHT: f64 = 0.3;
const NARROWBAND_WEIGHT: f64 = 0.3;

/// The forms of each table: first its trials with cut recordings, then at 8 kHz, last as they are.
/// `whole` and `narrow` have the embeddings of the recordings as they are and at 8 kHz.
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
        // Recordings that are shorter than a cut are left out of it, which may leave it without
        // trials.
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

/// What is known about one recording of a trial.
struct Side {
    /// The recording's point, `(P,)`: what the pair head makes of its embedding.
    point: Zeroizing<Vec<f32>>,
    ln_seconds: f64,
    ln_length: f64,
    conditions: [f32; CONDITIONS],
    /// μ, the mean of its highest scores against the cohort; 0 without a cohort.
    cohort: f64,
}

/// The facts about each recording; None for a refused one.
fn sides(embedded: &EmbeddedTable, head: &PairHead, cohort: Option<&Cohort>) -> Vec<Option<Side>> {
    let sides = embedded.iter().zip(points(embedded, head));
    let sides = sides.map(|(embedding, point)| {
        let (values, point) = (embedding.as_ref().ok()?.values(), point?);
        let mean = cohort.map_or(0.0, |cohort| head.cohort_mean(cohort, &point));
        Some(Side {
            point,
            ln_seconds: head.ln_seconds_of(values).into(),
            ln_length: head.ln_length(values).into(),
            conditions: head.conditions_of(values),
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
