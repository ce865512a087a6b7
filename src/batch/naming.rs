//! Finds the [`Recording`] of a name in a list: which file, which channel, which segment.
//!
//! A name is a path below the root, or an utterance of a Kaldi data folder. `name:b` is channel 2
//! of `name`, as in the lists of NIST, unless a file has exactly this name.

use super::{kaldi_data::KaldiData, recording::Recording};
use crate::audio::ReadOptions;
use std::path::PathBuf;

/// How recordings are found by their names.
#[derive(Debug, Default)]
pub struct Naming {
    /// Paths are relative to this folder.
    pub root: PathBuf,
    /// Appended to each name, such as `.wav` for lists without endings.
    pub suffix: String,
    /// Options for reading. Their channel is used if the name gives none.
    pub reading: ReadOptions,
    /// If given, names are utterances of this folder and not paths.
    pub data: Option<KaldiData>,
}

impl Naming {
    /// The recording with this name, or why there is none.
    ///
    /// # Errors
    /// The fact and the remedy, for the output row.
    pub fn recording(&self, name: &str) -> std::result::Result<Recording, String> {
        let found = self.find(name);
        let Some((bare, side)) = name.rsplit_once(':') else {
            return found;
        };
        let channel = match side {
            "a" | "A" => 1,
            "b" | "B" => 2,
            _ => return found,
        };
        if found.as_ref().is_ok_and(|found| found.path.exists()) {
            return found;
        }
        let mut recording = self.find(bare)?;
        recording.reading.channel = Some(channel);
        Ok(recording)
    }

    fn find(&self, name: &str) -> std::result::Result<Recording, String> {
        if let Some(data) = &self.data {
            return data.recording(name, &self.root, self.reading);
        }
        Ok(Recording {
            path: self.root.join(format!("{name}{}", self.suffix)),
            reading: self.reading,
            segment: None,
        })
    }
}
