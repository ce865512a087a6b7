//! Chooses the limits beyond which a recording counts as several voices, on recordings of one voice.

use crate::cli::evaluate::embedded::names_of;
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::{self, ReadOptions, Waveform},
    eval::table::ScoreTable,
    verifier::{Limits, Verifier},
};
use std::path::Path;

/// Below this LLR between its parts a recording sounds like two voices rather than one. One of 610
/// development recordings of one voice is below, and 483 of 500 with two voices in turn.
const MIN_STEADINESS: f32 = -1.125;
/// At most this share of the trials' recordings, which are of one voice each, is refused by either
/// limit: on other speech than the limits were chosen on they may mean less.
const MAX_REFUSED: f64 = 0.005;
/// How much further out a limit is than the most extreme of fewer than 1/[`MAX_REFUSED`] recordings, in
/// nats.
const MARGIN: f32 = 3.0;

/// The limits of the calibrated `verifier`.
///
/// # Errors
/// [`Error::Io`] for a recording that cannot be read; a damaged one is passed over.
pub fn limits(
    tables: &[ScoreTable],
    root: &Path,
    options: &ReadOptions,
    verifier: &Verifier,
) -> Result<Limits> {
    let names = names_of(tables.iter());
    let of_each = |measure: &(dyn Fn(&Waveform) -> Option<f32> + Sync)| {
        let one = |name: &&str| match audio::read(&root.join(name), options) {
            Ok(waveform) => Ok(measure(&waveform)),
            Err(Error::Audio { .. }) => Ok(None),
            Err(other) => Err(other),
        };
        let all: Result<Vec<Option<f32>>> = names.par_iter().map(one).collect();
        Ok::<_, Error>(all?.into_iter().flatten().collect::<Vec<f32>>())
    };
    let llrs = of_each(&|waveform| verifier.steadiness(waveform).map(|llr| llr.0))?;
    // What is close to this limit is refused, too, where the detector is close to its own.
    let margin = if num_refused(&llrs) == 0 { MARGIN } else { 0.0 };
    let lowest_kept = kept(llrs, f32::total_cmp).map_or(0.0, |llr| llr - margin);
    let logits = of_each(&|waveform| verifier.overlap(waveform))?;
    let highest_kept = kept(logits, |a, b| b.total_cmp(a)).unwrap_or(f32::NEG_INFINITY);
    let limits = verifier.model().limits;
    Ok(Limits {
        min_steadiness: Some(lowest_kept.min(MIN_STEADINESS)),
        max_overlap: highest_kept.max(limits.max_overlap),
        ..limits
    })
}

fn num_refused(values: &[f32]) -> usize {
    (MAX_REFUSED * values.len() as f64) as usize
}

/// The first value, in this order, that is kept when [`MAX_REFUSED`] of them are refused.
fn kept(mut values: Vec<f32>, order: fn(&f32, &f32) -> std::cmp::Ordering) -> Option<f32> {
    values.sort_by(order);
    values.get(num_refused(&values)).copied()
}
