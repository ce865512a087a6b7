//! What a command heard of a recording that was still being made, and why it stopped listening.

use super::{Criterion, Outcome, Recording, json_of};
use crate::{
    Result,
    scoring::SequentialTest,
    verifier::{Analysis, Listener, Verifier, Voiceprint},
};
use serde_json::{Value, json};

/// Why listening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The answer is clear.
    Clear,
    /// The longest time to listen has passed.
    Limit,
    /// There is no more input.
    Input,
}

/// What was heard.
#[derive(Debug)]
pub struct Listened {
    /// What was heard until the answer was clear. If the input ended first, this is the same as if
    /// it had been read from a file.
    pub recording: Recording,
    /// Why listening ended.
    pub end: End,
}

impl End {
    /// A code for machine-readable output, which stays the same.
    pub fn code(self) -> &'static str {
        match self {
            End::Clear => "clear",
            End::Limit => "limit",
            End::Input => "input",
        }
    }

    /// What the listener heard: up to its last look if the answer was clear then, otherwise all of
    /// the input.
    ///
    /// # Errors
    /// As [`Listener::finish`].
    pub fn of(self, listener: Listener) -> Result<Analysis> {
        match self {
            End::Clear if listener.heard().is_some() => {
                Ok(listener.into_heard().expect("there is a look"))
            }
            _ => listener.finish(),
        }
    }
}

impl Listened {
    /// Seconds of audio that were heard.
    pub fn seconds(&self) -> f32 {
        self.recording.quality.seconds
    }

    /// Decides whether the recording is of the voiceprint's speaker: by the thresholds of the
    /// sequential test or, if the input ended first or there is no test, by `criterion`, as for a
    /// file.
    ///
    /// # Errors
    /// As [`Outcome::of_voiceprint`].
    pub fn outcome(
        &self,
        voiceprint: &Voiceprint,
        test: Option<&SequentialTest>,
        criterion: &Criterion,
        verifier: &Verifier,
    ) -> Result<Outcome> {
        match (&self.recording.embedding, test) {
            (Ok(embedding), Some(test)) if self.end != End::Input => {
                Outcome::by_test(voiceprint, embedding, test, verifier)
            }
            (embedding, _) => Outcome::of_voiceprint(voiceprint, embedding, criterion, verifier),
        }
    }

    /// How long the command listened, and why listening ended.
    pub fn json(&self) -> Value {
        json!({ "seconds": json_of(&self.seconds()), "end": self.end.code() })
    }
}
