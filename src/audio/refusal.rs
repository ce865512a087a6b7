//! Why the bytes of a file are refused; the file's name is added later.

use crate::{Error, remedy::Remedy};
use std::io;
use std::path::Path;

/// What helps with every format that is not read.
pub(super) const CONVERT: &str = "convert it to WAV, for example with `ffmpeg -i IN out.wav`";

/// A fact and a remedy, or an error of the operating system.
#[derive(Debug)]
pub(super) enum Refusal {
    Unfit { fact: String, remedy: Remedy },
    Unread(io::Error),
}

/// The result of a function that does not know the file's name.
pub(super) type Refused<T> = Result<T, Refusal>;

impl Refusal {
    pub fn new(fact: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Refusal::Unfit {
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// Refuses a file whose bytes contradict each other.
    pub fn damaged(fact: impl Into<String>) -> Self {
        Refusal::new(fact, "export the recording again as 16-bit WAV or FLAC")
    }

    /// Refuses a file whose form of samples is not read.
    pub fn not_read(fact: impl Into<String>) -> Self {
        Refusal::new(fact, "convert it to 16-bit WAV or FLAC")
    }

    /// Refuses a file without samples.
    pub fn no_audio() -> Self {
        Refusal::new("holds no audio", "record it again")
    }

    pub fn of(self, path: &Path) -> Error {
        match self {
            Refusal::Unfit { fact, remedy } => Error::audio(path, fact, remedy),
            Refusal::Unread(source) => Error::io(path, "read", source),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(source: io::Error) -> Self {
        Refusal::Unread(source)
    }
}
