//! The list of the speakers in a store.

use super::Store;
use crate::{Error, Result, verifier::Voiceprint};
use unicode_normalization::UnicodeNormalization;

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Enrolled {
    /// Name of the speaker, as first enrolled.
    pub name: String,
    /// Full id of the model that made the voiceprint.
    pub model: String,
    /// Number of enrolled recordings.
    pub num_utterances: usize,
    /// Net speech in all recordings, in seconds, at the VAD's hop of 10 ms.
    pub speech_seconds: f64,
}

/// All speakers in a store.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("voiceprints.sqlite");
/// let store = spkver::Store::open_or_create(&path, None)?;
/// for speaker in store.list()?.speakers {
///     println!("{}: {} recordings", speaker.name, speaker.num_utterances);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by name.
    pub speakers: Vec<Enrolled>,
    /// An [`Error::Store`] for each damaged voiceprint.
    pub damaged: Vec<Error>,
}

impl Store {
    /// Lists all speakers, after checking every row.
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
