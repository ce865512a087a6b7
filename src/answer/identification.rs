//! Makes the answer of `identify`: which enrolled speaker, if any, speaks in each recording.

use super::json_of;
use crate::{
    identify::Match,
    scoring::{Decision, Llr, Reason, gallery::Probe},
    verifier::{Embedding, Verifier},
};
use serde_json::{Value, json};
use std::path::Path;

/// The embedding of a recording, and the same prepared for a search; or why there is none.
///
/// # Errors
/// The [`Reason`] that a user can act on.
pub fn probe(
    embedding: std::result::Result<Embedding, Reason>,
    verifier: &Verifier,
) -> std::result::Result<(Embedding, Probe), Reason> {
    let embedding = embedding?;
    match verifier.probe(&embedding) {
        Some(probe) => Ok((embedding, probe)),
        None => Err(Reason::ScoreNotFinite),
    }
}

/// The decision on the best candidate.
pub fn decision(matches: &[Match]) -> Decision {
    let unscored = Decision::Inconclusive(Reason::ScoreNotFinite);
    matches
        .first()
        .map_or(unscored, |best| best.verification.decision)
}

/// What was found for one recording, best candidate first.
pub fn found(matches: &[Match]) -> Value {
    let decision = decision(matches);
    let best = matches.first();
    let identified = best.filter(|_| decision == Decision::Accept);
    let candidates = matches.iter().map(|one| {
        json!({
            "speaker": one.speaker,
            "llr": json_of(&one.verification.llr),
            "p": one.verification.probability,
        })
    });
    let mut found = json!({
        "outcome": match decision {
            Decision::Accept => "identified",
            Decision::Reject => "unknown",
            Decision::Inconclusive(_) => "inconclusive",
        },
        "speaker": identified.map(|best| &best.speaker),
        "llr": best.map(|best| json_of(&best.verification.llr)),
        "p": best.map(|best| best.verification.probability),
        "candidates": candidates.collect::<Vec<_>>(),
    });
    if let Decision::Inconclusive(reason) = decision {
        found["reason"] = reason.code().into();
        found["reason_text"] = reason.to_string().into();
    }
    found
}

/// The outcome for a recording that allows no answer.
pub fn inconclusive(reason: Reason) -> Value {
    json!({
        "outcome": "inconclusive",
        "reason": reason.code(),
        "reason_text": reason.to_string(),
    })
}

/// The whole answer. `p_target` is the prior for a single enrolled speaker; `threshold` is the threshold
/// when all of them are searched.
pub fn answer(
    verifier: &Verifier,
    store: &Path,
    p_target: f64,
    threshold: Llr,
    num_speakers: usize,
    results: &[&Value],
) -> Value {
    json!({
        "command": "identify",
        "model": verifier.file_id().to_string(),
        "store": store.to_string_lossy(),
        "num_speakers": num_speakers,
        "p_target": p_target,
        "threshold": json_of(&threshold),
        "results": results,
    })
}
