//! The trials' recordings in, how steady a recording of one voice is at least out.

use crate::cli::evaluate::embedded::names_of;
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::{self, ReadOptions},
    eval::table::ScoreTable,
    verifier::Verifier,
};
use std::path::Path;

/// Below this a recording rather sounds like two voices. So do one of 610 development recordings of one
/// voice and one of 191 pieces of 3.5 s; 483 of 500 with two voices in turn are refused
/// (models/README.md).
const STEADY_FROM: f32 = -1.125;
/// Of the trials' recordings, which are of one voice each, at most this share is refused: a fit on few
/// speakers may give scores of which the limit above says nothing.
const MAX_REFUSED: f64 = 0.01;
/// By so much the limit is lower than the lowest of fewer than 1/[`MAX_REFUSED`] recordings, in nats: what
/// is close to it is refused, too, where the detector is close to its own.
const MARGIN: f32 = 3.0;

/// The limit of the calibrated `verifier`.
///
/// # Errors
/// [`Error::Io`] for a recording that cannot be read; one that is damaged says nothing.
pub fn limit(
    tables: &[ScoreTable],
    root: &Path,
    options: &ReadOptions,
    verifier: &Verifier,
) -> Result<f32> {
    let names = names_of(tables.iter());
    let steadiness = |name: &&str| match audio::read(&root.join(name), options) {
        Ok(waveform) => Ok(verifier.steadiness(&waveform).map(|llr| llr.0)),
        Err(Error::Audio { .. }) => Ok(None),
        Err(other) => Err(other),
    };
    let found: Result<Vec<Option<f32>>> = names.par_iter().map(steadiness).collect();
    let mut found: Vec<f32> = found?.into_iter().flatten().collect();
    found.sort_by(f32::total_cmp);
    let num_refused = (MAX_REFUSED * found.len() as f64) as usize;
    let margin = if num_refused == 0 { MARGIN } else { 0.0 };
    let lowest_kept = found.get(num_refused);
    Ok(lowest_kept.map_or(STEADY_FROM, |lowest| STEADY_FROM.min(lowest - margin)))
}
