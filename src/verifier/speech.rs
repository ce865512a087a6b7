//! Finds the frames of speech: by the model's speech detector, or by level where it has none.

use super::Verifier;
use crate::{features::Features, network::Network};

/// Shorter runs of speech frames are clicks.
const MIN_RUN_FRAMES: usize = 5;

impl Verifier {
    /// One flag for each of the raw `frames` `(T, C)`; `by_level` has the flags that a model without a
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
