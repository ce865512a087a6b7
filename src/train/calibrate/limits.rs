//! Chooses limits from the recordings of the trials. Beyond some of them, a recording is refused
//! because it has several speakers ([`several_speakers`]). Beyond another, an imported embedding is
//! refused because another program scaled it ([`ln_length_range`]).

use crate::{
    Result, audio,
    eval::{
        embedded::{EmbeddedTable, Embedder, names_of},
        table::ScoreTable,
    },
    scoring::PairHead,
    verifier::{Limits, OneSpeakerFacts},
};
use std::path::PathBuf;

/// Highest limit on the LLR between parts of a recording. Below it, the recording sounds more like
/// two speakers than like one. With the shipped model it refuses none of 349 development recordings
/// of one speaker, and 412 of 480 of two speakers in turn; over a telephone, 2 and 415
/// (`recipes/mixtures.py`).
const MIN_PARTS_LLR: f32 = -1.65;
/// Largest share of the trials' recordings, each of one speaker, that a limit may refuse. If a
/// limit would refuse more, it is moved, because it suits this speech less well.
const MAX_REFUSED: f64 = 0.005;
/// From this noise on, a recording is used to measure what noise does; 0.5 is an SNR of 15 dB.
const LEAST_NOISE: f32 = 0.5;
/// Margin of the allowance for noise, in nats for each 10 dB. Without this margin, CAM++ calibrated
/// on one corpus refused a fifth of another corpus's recordings in white noise at an SNR of 10 dB.
const NOISE_MARGIN: f32 = 1.5;
/// With fewer than 1/[`MAX_REFUSED`] recordings, none may be refused. The limit then lies at least
/// this far, in nats, below the lowest LLR of any of them.
const MARGIN: f32 = 3.0;

/// The limits of the embedder's model, which is calibrated, with those that refuse recordings of
/// several speakers chosen anew.
///
/// # Errors
/// As [`Embedder::each`]. Damaged recordings are skipped.
pub(super) fn several_speakers(tables: &[ScoreTable], embedder: &Embedder) -> Result<Limits> {
    let verifier = embedder.verifier;
    let names = names_of(tables.iter()).into_iter();
    let paths: Vec<PathBuf> = names.map(|name| embedder.root.join(name)).collect();
    let facts = embedder.each(&paths, |_, path| {
        let waveform = audio::read(path, &embedder.reading)?;
        Ok(verifier.one_speaker_facts(&waveform))
    })?;
    let measured: Vec<OneSpeakerFacts> = facts.into_iter().flatten().collect();
    let parts_noise = allowance_for_noise(&measured);
    let llr = |one: &OneSpeakerFacts| Some(one.parts_llr? + parts_noise * one.noise);
    let llrs: Vec<f32> = measured.iter().filter_map(llr).collect();
    let logits: Vec<f32> = measured.iter().filter_map(|one| one.overlap).collect();
    // A recording a little above this limit is still refused if the overlap detector's logit is
    // close to the limit on overlapped speech.
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

/// The allowance for noise: nats that are added to the LLR between parts for each 10 dB of noise,
/// so that no more than the share [`MAX_REFUSED`] of the noisy recordings stays below
/// [`MIN_PARTS_LLR`]. 0 if that holds without an allowance; otherwise [`NOISE_MARGIN`] is included.
fn allowance_for_noise(measured: &[OneSpeakerFacts]) -> f32 {
    let noisy = measured.iter().filter(|one| one.noise >= LEAST_NOISE);
    let missing = noisy.filter_map(|one| Some((MIN_PARTS_LLR - one.parts_llr?) / one.noise));
    let most = kept(missing.collect(), |a, b| b.total_cmp(a));
    most.filter(|most| *most > 0.0)
        .map_or(0.0, |most| most + NOISE_MARGIN)
}

fn num_refused(values: &[f32]) -> usize {
    (MAX_REFUSED * values.len() as f64) as usize
}

/// Sorts the values by `order`, leaves out the share [`MAX_REFUSED`] from the start, and returns
/// the first value that is left.
fn kept(mut values: Vec<f32>, order: fn(&f32, &f32) -> std::cmp::Ordering) -> Option<f32> {
    values.sort_by(order);
    values.get(num_refused(&values)).copied()
}

/// The smallest and the largest ln|u| that embeddings of this model should have: those of the
/// trials' recordings, with a margin. u is the whitened embedding.
pub(super) fn ln_length_range(embedded: &[EmbeddedTable], head: &PairHead) -> Option<(f32, f32)> {
    const MARGIN: f32 = 0.5;
    let embeddings = embedded.iter().flatten().flatten();
    let lengths = embeddings.map(|embedding| head.ln_length(embedding.values()));
    let range = lengths.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), length| {
        (low.min(length), high.max(length))
    });
    (range.0 <= range.1).then_some((range.0 - MARGIN, range.1 + MARGIN))
}
