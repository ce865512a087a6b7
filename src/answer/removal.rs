//! Does the work of `remove`, and makes its answer: erases a voiceprint, or one recording of it.

use crate::{Result, storage::voiceprints::Store, verifier::SpeakerName};
use serde_json::{Value, json};
use std::num::NonZeroU32;

/// Erases a voiceprint, or one recording of it, counted from 1. Returns how many recordings are left.
///
/// # Errors
/// As [`Store::remove`] and [`Store::remove_utterance`].
pub fn remove(
    store: &mut Store,
    name: &SpeakerName,
    recording: Option<NonZeroU32>,
) -> Result<usize> {
    match recording {
        Some(number) => {
            let voiceprint = store.remove_utterance(name, number.get() as usize - 1)?;
            Ok(voiceprint.utterances.len())
        }
        None => store.remove(name).map(|()| 0),
    }
}

/// The answer.
pub fn answer(name: &SpeakerName, recording: Option<NonZeroU32>, num_left: usize) -> Value {
    json!({
        "command": "remove",
        "speaker": name.as_str(),
        "recording": recording,
        "num_utterances": num_left,
    })
}
