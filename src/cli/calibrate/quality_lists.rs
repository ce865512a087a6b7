//! Trial lists in; their scores, and what their recordings are like, out: of the recordings as they are,
//! cut, and at 8 kHz.

use crate::cli::evaluate::embedded::{EmbeddedTable, Part, embed_tables, points};
use spkver::{
    Result,
    audio::ReadOptions,
    eval::table::ScoreTable,
    scoring::{CONDITIONS, Cohort, PairHead},
    train::calibration::{QualityList, QualityTrial},
    verifier::Verifier,
};
use std::path::Path;
use zeroize::Zeroizing;

/// Cuts that teach what length does within one kind of speech, in seconds.
const CUTS_SECONDS: [f32; 4] = [0.7, 1.2, 2.0, 3.0];

/// What all cuts of a list count together beside the list itself, and what it counts at 8 kHz: short
/// recordings score so differently that with a weight of 1 the scale is theirs (models/README.md).
const CUTS_WEIGHT: f64 = 0.3;
const NARROWBAND_WEIGHT: f64 = 0.3;

/// The trials of every list cut, at 8 kHz (`narrow`) and, last, as they are (`whole`).
pub fn quality_lists(
    tables: &[ScoreTable],
    [whole, narrow]: [&[EmbeddedTable]; 2],
    root: &Path,
    options: &ReadOptions,
    verifier: &Verifier,
    cohort: Option<&Cohort>,
) -> Result<Vec<Vec<QualityList>>> {
    let sides = |embedded: &[EmbeddedTable]| -> Vec<Vec<Option<Side>>> {
        let of_list = |embedded: &EmbeddedTable| sides(embedded, verifier, cohort);
        embedded.iter().map(of_list).collect()
    };
    let [whole, narrow] = [sides(whole), sides(narrow)];
    let head = &verifier.model().head;
    let lists: Vec<&ScoreTable> = tables.iter().collect();
    let mut of_lists: Vec<Vec<QualityList>> = vec![vec![]; tables.len()];
    for seconds in CUTS_SECONDS {
        let part = Part::Speech(seconds);
        let cut = sides(&embed_tables(&lists, root, options, part, verifier)?);
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
        // Of words that last half a second nothing is left in a cut of a second and a half.
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

/// What a recording brings to its trials.
struct Side {
    point: Zeroizing<Vec<f32>>,
    ln_seconds: f64,
    ln_length: f64,
    conditions: [f64; CONDITIONS],
    /// μ, where there is a cohort.
    cohort: f64,
}

/// Of each recording, none of a refused one.
fn sides(
    embedded: &EmbeddedTable,
    verifier: &Verifier,
    cohort: Option<&Cohort>,
) -> Vec<Option<Side>> {
    let head = &verifier.model().head;
    let sides = embedded.iter().zip(points(embedded, verifier));
    let sides = sides.map(|(embedding, point)| {
        let (values, point) = (embedding.as_ref().ok()?.values(), point?);
        let mean = cohort.map_or(0.0, |cohort| cohort.mean(head, &point));
        let d = head.mean.len();
        Some(Side {
            point,
            ln_seconds: values[d].into(),
            ln_length: head.ln_length(values).into(),
            conditions: std::array::from_fn(|k| values[d + 1 + k].into()),
            cohort: mean.into(),
        })
    });
    sides.collect()
}

/// Trials of `enrol`'s recordings against `test`'s.
fn quality_list(
    table: &ScoreTable,
    enrol: &[Option<Side>],
    test: &[Option<Side>],
    head: &PairHead,
) -> QualityList {
    let (mut targets, mut nontargets) = (vec![], vec![]);
    for trial in table.trials() {
        let sides = (&enrol[trial.enrol() as usize], &test[trial.test() as usize]);
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
