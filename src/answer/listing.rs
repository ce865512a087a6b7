//! Makes the answer of `list`: who is enrolled, or the recordings of one speaker.

use super::json_of;
use crate::{
    Result,
    scoring::Llr,
    storage::voiceprints::Listing,
    verifier::{Verifier, Voiceprint},
};
use serde_json::{Value, json};
use std::path::Path;

/// All speakers of a store.
pub fn of_store(listing: &Listing, store: &Path) -> Value {
    let damaged = listing.damaged.iter().map(ToString::to_string);
    json!({
        "command": "list",
        "store": store.to_string_lossy(),
        "speakers": listing.speakers,
        "damaged": damaged.collect::<Vec<_>>(),
    })
}

/// The score of each recording against the others; none if it is the only one.
///
/// # Errors
/// [`crate::Error::ModelMismatch`].
pub fn scores(voiceprint: &Voiceprint, verifier: &Verifier) -> Result<Vec<Option<f32>>> {
    verifier.check_model(voiceprint)?;
    let scores = verifier.each_against_the_others(&voiceprint.utterances);
    let llr = scores.iter().map(|one| one.llr.map(Llr::value));
    Ok(llr.collect())
}

/// The recordings of one speaker. `scores` may be shorter than the list of recordings.
pub fn of_voiceprint(voiceprint: &Voiceprint, scores: &[Option<f32>]) -> Value {
    let rows = voiceprint.utterances.iter().enumerate();
    let rows = rows.map(|(index, utterance)| {
        json!({
            "recording": index + 1,
            "file": utterance.file,
            "speech_seconds": json_of(&utterance.speech_seconds),
            "llr_against_the_others": json_of(&scores.get(index).copied().flatten()),
        })
    });
    json!({
        "command": "list",
        "speaker": voiceprint.name.as_str(),
        "model": voiceprint.model.to_string(),
        "recordings": rows.collect::<Vec<_>>(),
    })
}
