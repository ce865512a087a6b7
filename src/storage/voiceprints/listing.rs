//! A store in, the list of its speakers out.

use super::Store;
use crate::{Error, Result, verifier::Voiceprint};
use unicode_normalization::UnicodeNormalization;

/// A line of the list of speakers.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Enrolled {
    /// Who, as first enrolled.
    pub name: String,
    /// The model that made the voiceprint, in full.
    pub model: String,
    /// Recordings in it.
    pub num_utterances: usize,
    /// Net speech in all of them, in seconds, at the VAD's hop of 10 ms.
    pub speech_seconds: f64,
}

/// Everybody in a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// By name.
    pub speakers: Vec<Enrolled>,
    /// An [`Error::Store`] for each voiceprint that is damaged.
    pub damaged: Vec<Error>,
}

impl Store {
    /// Everybody enrolled, every row checked.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        self.each(|voiceprint| {
            match voiceprint {
                Ok(voiceprint) => listing.speakers.push(Enrolled::of(&voiceprint)),
                Err(damaged) => listing.damaged.push(damaged),
            }
            Ok(())
        })?;
        let key = |speaker: &Enrolled| speaker.name.nfc().collect::<String>();
        listing.speakers.sort_by_cached_key(key);
        Ok(listing)
    }
}

impl Enrolled {
    fn of(voiceprint: &Voiceprint) -> Self {
        let seconds = voiceprint
            .utterances
            .iter()
            .map(|u| f64::from(u.speech_seconds));
        Enrolled {
            name: voiceprint.name.to_string(),
            model: voiceprint.model.to_string(),
            num_utterances: voiceprint.utterances.len(),
            speech_seconds: (seconds.sum::<f64>() * 100.0).round() / 100.0,
        }
    }
}
