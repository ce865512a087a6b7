//! Trial lists: text in, pairs of recordings with labels out.
//!
//! The formats are those of [`TrialLines`] that have labels. Trials that occur twice count twice.

use super::trial_lines::TrialLines;
use crate::{Error, Result};
use rustc_hash::FxBuildHasher;
use std::{collections::HashMap, fs::File, io::Read, path::Path};

/// One comparison of two recordings, as indices into [`TrialList::recordings`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The enrolled recording.
    pub enrol: usize,
    /// The recording under test.
    pub test: usize,
    /// Same speaker.
    pub is_target: bool,
    /// Line in the list, from 1.
    pub line: usize,
}

/// A list of at least one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialList {
    recordings: Vec<String>,
    trials: Vec<Trial>,
}

impl TrialList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::List`] with the line.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
        Self::gather(TrialLines::new(file, path))
    }

    /// Parses a list; `path` is for the errors.
    ///
    /// # Errors
    /// [`Error::List`] with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::gather(TrialLines::new(text.as_bytes(), path))
    }

    fn gather(mut lines: TrialLines<impl Read>) -> Result<Self> {
        let path = lines.path().to_path_buf();
        let refuse = |line: usize, fact: &str| Error::List {
            path: path.clone(),
            line,
            fact: fact.into(),
            remedy: "write one trial with its label a line: `1 enrol test` or `enrol test target`"
                .into(),
        };
        let mut recordings: Vec<String> = vec![];
        let mut index_of: HashMap<String, usize, FxBuildHasher> = HashMap::default();
        let mut index = |name: &str| {
            index_of.get(name).copied().unwrap_or_else(|| {
                recordings.push(name.to_string());
                index_of.insert(name.to_string(), recordings.len() - 1);
                recordings.len() - 1
            })
        };
        let mut trials = vec![];
        while let Some(trial) = lines.next_trial()? {
            let Some(is_target) = trial.is_target else {
                return Err(refuse(trial.line, "no label"));
            };
            trials.push(Trial {
                enrol: index(&trial.enrol),
                test: index(&trial.test),
                is_target,
                line: trial.line,
            });
        }
        if trials.is_empty() {
            return Err(refuse(1, "no trials"));
        }
        Ok(TrialList { recordings, trials })
    }

    /// Every recording once, in the order of first mention.
    pub fn recordings(&self) -> &[String] {
        &self.recordings
    }
    /// In the order of the list.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }
    /// The two names of a trial.
    pub fn names(&self, trial: &Trial) -> (&str, &str) {
        (&self.recordings[trial.enrol], &self.recordings[trial.test])
    }
}

/// A list's text: UTF-8, with or without a byte order mark.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        Error::List {
            path: path.to_path_buf(),
            line: 1 + valid.iter().filter(|&&b| b == b'\n').count(),
            fact: "not UTF-8 text".into(),
            remedy: "save the list as UTF-8".into(),
        }
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_string())
}

/// Lines that are not blank, numbered from 1, split at tabs if there are any, otherwise at blanks.
pub(super) fn numbered_fields(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.lines().enumerate().filter_map(|(i, line)| {
        let line = line.trim();
        let fields: Vec<&str> = if line.contains('\t') {
            line.split('\t').map(str::trim).collect()
        } else {
            line.split_whitespace().collect()
        };
        (!line.is_empty()).then_some((i + 1, fields))
    })
}
