//! Chooses two limits from the recordings of the trials: beyond the first, a recording is refused
//! because it has several speakers; beyond the second, an embedding is refused because another program
//! scaled it.

use crate::{
    Error, Result,
    audio::{self, ReadOptions},
    eval::{
        embedded::{EmbeddedTable, names_of},
        table::ScoreTable,
    },
    scoring::PairHead,
    verifier::{Limits, OneSpeakerFacts, Verifier},
};
use rayon::prelude::*;
use std::path::Path;

/// Below this LLR between its parts a recording sounds more like two speakers than like one. With the shipped
/// model, none of 349 development recordings of one speaker is refused, and 423 of 480 with two in turn. Over a
/// telephone it is 3 and 421 (`recipes/mixtures.py`).
const MIN_PARTS_LLR: f32 = -1.9;
/// Largest share of the trials' recordings, each of one speaker, that either limit may refuse: on
/// other speech the constants above may fit less well.
const MAX_REFUSED: f64 = 0.005;
/// Least noise of a recording that shows what noise does: an SNR of 15 dB.
const LEAST_NOISE: f32 = 0.5;
/// What is added to the allowance for noise, in nats for each 10 dB. With CAM++ calibrated on one corpus, a
/// fifth of the recordings of another were refused in white noise at 10 dB without it.
const NOISE_MARGIN: f32 = 1.5;
/// Distance, in nats, of a limit from the most extreme recording where there are fewer than
/// 1/[`MAX_REFUSED`].
const MARGIN: f32 = 3.0;

/// The limits of the calibrated `verifier` on recordings of several speakers.
///
/// # Errors
/// [`Error::Io`] for a recording that cannot be read. Damaged recordings are skipped.
pub(super) fn several_speakers(
    tables: &[ScoreTable],
    root: &Path,
    options: &ReadOptions,
    verifier: &Verifier,
) -> Result<Limits> {
    let names = names_of(tables.iter());
    let measure = |name: &&str| match audio::read(&root.join(name), options) {
        Ok(waveform) => Ok(verifier.one_speaker_facts(&waveform)),
        Err(Error::Audio { .. }) => Ok(OneSpeakerFacts::default()),
        Err(other) => Err(other),
    };
    let measured: Result<Vec<OneSpeakerFacts>> = names.par_iter().map(measure).collect();
    let measured = measured?;
    let parts_noise = allowance_for_noise(&measured);
    let llr = |one: &OneSpeakerFacts| Some(one.parts_llr?.0 + parts_noise * one.noise);
    let llrs: Vec<f32> = measured.iter().filter_map(llr).collect();
    let logits: Vec<f32> = measured.iter().filter_map(|one| one.overlap).collect();
    // Recordings a little above this limit are refused as well if the overlap detector is near its own.
    let margin = if num_refused(&llrs) == 0 { MARGIN } else { 0.0 };
    let lowest_kept = kept(llrs, f32::total_cmp).map_or(0.0, |llr| llr - margin);
    let highest_kept = kept(logits, |a, b| b.total_cmp(a)).unwrap_or(f32::NEG_INFINITY);
    let limits = verifier.model().limits;
    Ok(Limits {
        min_parts_llr: Some(lowest_kept.min(MIN_PARTS_LLR)),
        parts_noise,
        max_overlap: highest_kept.max(limits.max_overlap),
        ..limits
    })
}

/// Nats to add to the LLR between parts for each 10 dB of noise, a margin included. With them, the share of noisy
/// recordings below [`MIN_PARTS_LLR`] is no larger than that of clean ones. 0 if it is no larger without them.
fn allowance_for_noise(measured: &[OneSpeakerFacts]) -> f32 {
    let noisy = measured.iter().filter(|one| one.noise >= LEAST_NOISE);
    let missing = noisy.filter_map(|one| Some((MIN_PARTS_LLR - one.parts_llr?.0) / one.noise));
    let most = kept(missing.collect(), |a, b| b.total_cmp(a));
    most.filter(|most| *most > 0.0)
        .map_or(0.0, |most| most + NOISE_MARGIN)
}

fn num_refused(values: &[f32]) -> usize {
    (MAX_REFUSED * values.len() as f64) as usize
}

/// Sorts the values and returns the first one that is not refused, if the share [`MAX_REFUSED`] of them,
/// counted from the start, is refused.
fn kept(mut values: Vec<f32>, order: fn(&f32, &f32) -> std::cmp::Ordering) -> Option<f32> {
    values.sort_by(order);
    values.get(num_refused(&values)).copied()
}

/// The range of ln|u| that embeddings of this model have: that of the trials' recordings, with a
/// margin.
pub(super) fn ln_length_range(embedded: &[EmbeddedTable], head: &PairHead) -> Option<(f32, f32)> {
    const MARGIN: f32 = 0.5;
    let embeddings = embedded.iter().flatten().flatten();
    let lengths = embeddings.map(|embedding| head.ln_length(embedding.values()));
    let range = lengths.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), length| {
        (low.min(length), high.max(length))
    });
    (range.0 <= range.1).then_some((range.0 - MARGIN, range.1 + MARGIN))
}
