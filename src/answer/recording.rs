//! A recording that a command was given: its quality facts, and its embedding or the reason why it has
//! none.

use super::json_of;
use crate::{
    Error, Result,
    audio::Quality,
    remedy::Remedy,
    scoring::Reason,
    storage::file_name,
    verifier::{Analysis, Embedding, Utterance},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A recording that could be read.
#[derive(Debug)]
pub struct Recording {
    /// The path, as it was given.
    pub path: PathBuf,
    /// The quality facts.
    pub quality: Quality,
    /// The speaker's embedding, or why there is none.
    pub embedding: std::result::Result<Embedding, Reason>,
}

impl Recording {
    /// The analysis of the file at `path`.
    pub fn new(path: PathBuf, analysis: Analysis) -> Self {
        Recording {
            path,
            embedding: analysis.embedding,
            quality: analysis.quality,
        }
    }

    /// The same recording, unless its file was cut off. Voiceprints are kept for years, so they
    /// need whole recordings.
    ///
    /// # Errors
    /// [`Error::Audio`].
    pub fn whole(self) -> Result<Self> {
        if !self.quality.truncated {
            return Ok(self);
        }
        let fact = self.quality.warning.clone();
        Err(Error::audio(
            self.path,
            format!("is cut off: {}", fact.unwrap_or_default()),
            Remedy::CutOff,
        ))
    }

    /// The utterance to enroll: the embedding, labelled with the file's name.
    ///
    /// # Errors
    /// [`Error::Audio`] with the reason, if the recording allows no answer.
    pub fn utterance(self) -> Result<Utterance> {
        let embedding = self.embedding.map_err(|reason| {
            Error::audio(self.path.clone(), reason.to_string(), reason.remedy())
        })?;
        Ok(Utterance::new(
            file_name(&self.path),
            embedding,
            &self.quality,
        ))
    }

    /// The path, the quality facts and the reason why there is no embedding, as JSON.
    pub fn json(&self) -> Value {
        json!({
            "path": self.path.to_string_lossy(),
            "quality": json_of(&self.quality),
            "reason": self.embedding.as_ref().err().map(Reason::code),
        })
    }
}

/// All values, or all errors.
///
/// # Errors
/// The one error, or [`Error::Several`].
pub fn all_or_errors<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let mut values = vec![];
    let mut errors = vec![];
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(values),
        1 => Err(errors.remove(0)),
        _ => Err(Error::Several(errors)),
    }
}
