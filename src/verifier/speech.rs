//! Finds the frames of speech: by the model's speech detector, or by level where it has none.

use super::Verifier;
use crate::{
    Result,
    audio::LongRecording,
    features::{Features, LongFeatures},
    network::Network,
};

/// Shorter runs of speech frames are clicks.
const MIN_RUN_FRAMES: usize = 5;
/// Frames of a long recording that are judged together.
const FRAMES_TOGETHER: usize = 1024;

impl Verifier {
    /// One flag for each of the raw `frames` `(T, C)`; `by_level` is what a model without a
    /// detector takes.
    pub(super) fn speech(&self, frames: &[f32], by_level: &[bool]) -> Vec<bool> {
        let Some(detector) = &self.model.speech else {
            return by_level.to_vec();
        };
        let channels = self.mfcc.config().num_frame_channels();
        let margin = detector.receptive_field() / 2;
        let padded = Network::edges_repeated(frames, channels, margin);
        let logits = match frames.is_empty() {
            true => vec![],
            false => detector.frame_outputs(&Features::new(padded, channels)),
        };
        without_clicks(logits.iter().map(|logit| *logit > 0.0).collect())
    }

    /// [`Self::speech`] of a recording that stays in its file.
    ///
    /// # Errors
    /// As [`LongRecording::samples`].
    pub(super) fn speech_of_long(&self, recording: &mut LongRecording) -> Result<Vec<bool>> {
        let Some(detector) = &self.model.speech else {
            return Ok(recording.speech().to_vec());
        };
        let channels = self.mfcc.config().num_frame_channels();
        let margin = detector.receptive_field() / 2;
        let mut frames = LongFeatures::all_frames(&self.mfcc, recording);
        let num_frames = frames.num_frames();
        let mut speech = Vec::with_capacity(num_frames);
        for from in (0..num_frames).step_by(FRAMES_TOGETHER) {
            let to = (from + FRAMES_TOGETHER).min(num_frames);
            let (before, behind) = (from.min(margin), (num_frames - to).min(margin));
            let some = frames.frames(from - before..to + behind)?;
            // Neighbours are missing at the ends of the recording only.
            let padded = Network::edges_repeated(some, channels, margin);
            let all_there = before * channels..padded.len() - behind * channels;
            let kept = padded[all_there].to_vec();
            let logits = detector.frame_outputs(&Features::new(kept, channels));
            speech.extend(logits.iter().map(|logit| *logit > 0.0));
        }
        Ok(without_clicks(speech))
    }
}

/// Runs of speech that are too short for a sound of speech become pauses.
fn without_clicks(mut speech: Vec<bool>) -> Vec<bool> {
    let mut start = 0;
    let runs: Vec<(bool, usize)> = speech
        .chunk_by(|a, b| a == b)
        .map(|run| (run[0], run.len()))
        .collect();
    for (is_speech, len) in runs {
        if is_speech && len < MIN_RUN_FRAMES {
            speech[start..start + len].fill(false);
        }
        start += len;
    }
    speech
}
