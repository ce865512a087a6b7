//! Who speaks in each recording of a trial list: from a Kaldi `utt2spk`, or from the paths.

use super::trials::{TrialList, numbered_fields, read_text};
use crate::{Error, Result};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

/// A speaker for each recording of a list, numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Speakers {
    of_recording: Vec<usize>,
    count: usize,
}

impl Speakers {
    /// From the paths: the parent folder of each recording, or the nearest folder above it under
    /// which all target trials have one speaker and all nontarget trials two (VoxCeleb's is
    /// `speaker/video/file`). `None` if no level of the paths agrees with the labels.
    pub fn from_paths(list: &TrialList) -> Option<Self> {
        let depth = |name: &String| name.split(['/', '\\']).count();
        let deepest = list.recordings().iter().map(depth).max().unwrap_or(0);
        (1..deepest)
            .map(|levels| {
                Self::number(list.recordings().iter().map(|name| {
                    let end = name.rmatch_indices(['/', '\\']).nth(levels - 1);
                    end.map_or("", |(at, _)| &name[..at])
                }))
            })
            .find(|speakers| speakers.agree_with(list))
    }

    /// From lines of `recording speaker`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a bad line, or for a recording of `list` that is missing.
    pub fn read_utt2spk(path: &Path, list: &TrialList) -> Result<Self> {
        let refuse = |line: usize, fact: String| Error::List {
            path: path.to_path_buf(),
            line,
            fact,
            remedy: "write one `recording speaker` a line, for every recording of the trials"
                .into(),
        };
        let text = read_text(path)?;
        let mut speaker_of: HashMap<&str, &str> = HashMap::new();
        let mut last_line = 1;
        for (line, fields) in numbered_fields(&text) {
            let &[recording, speaker] = fields.as_slice() else {
                return Err(refuse(
                    line,
                    format!("{} fields instead of 2", fields.len()),
                ));
            };
            speaker_of.insert(recording, speaker);
            last_line = line;
        }
        let missing = |name: &&String| !speaker_of.contains_key(name.as_str());
        if let Some(name) = list.recordings().iter().find(missing) {
            return Err(refuse(last_line, format!("{name} is missing")));
        }
        let names = list.recordings().iter();
        Ok(Self::number(names.map(|name| speaker_of[name.as_str()])))
    }

    fn number<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let of_recording: Vec<usize> = names
            .map(|name| {
                let next = numbers.len();
                *numbers.entry(name).or_insert(next)
            })
            .collect();
        Speakers {
            of_recording,
            count: numbers.len(),
        }
    }

    fn agree_with(&self, list: &TrialList) -> bool {
        list.trials()
            .iter()
            .all(|t| (self.of(t.enrol) == self.of(t.test)) == t.is_target)
    }

    /// Of a recording, by its index in the list.
    pub fn of(&self, recording: usize) -> usize {
        self.of_recording[recording]
    }
    /// Number of speakers in the list.
    pub fn count(&self) -> usize {
        self.count
    }
    /// Number of speakers that have a target trial.
    pub fn num_with_targets(&self, list: &TrialList) -> usize {
        let targets = list.trials().iter().filter(|t| t.is_target);
        let speakers: BTreeSet<usize> = targets.map(|t| self.of(t.enrol)).collect();
        speakers.len()
    }
}
