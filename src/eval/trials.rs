//! Trial lists: text in, pairs of recordings with labels out.
//!
//! Formats, told apart by the first line: VoxCeleb (`1 enrol test`, 1 target, 0 nontarget) and
//! Kaldi (`enrol test target|nontarget`). Fields are separated by blanks, or by tabs where a line
//! has one (paths may then hold spaces). Trials that occur twice count twice.

use crate::{Error, Result};
use std::{collections::HashMap, path::Path};

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

#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    VoxCeleb,
    Kaldi,
}

impl TrialList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::List`] with the line.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_text(path)?, path)
    }

    /// Parses a list; `path` is for the errors.
    ///
    /// # Errors
    /// [`Error::List`] with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let refuse = |line: usize, fact: String, remedy: &str| Error::List {
            path: path.to_path_buf(),
            line,
            fact,
            remedy: remedy.to_string(),
        };
        let mut format = None;
        let mut recordings: Vec<String> = vec![];
        let mut index_of: HashMap<String, usize> = HashMap::new();
        let mut trials = vec![];
        for (line, fields) in numbered_fields(text) {
            let &[first, second, third] = fields.as_slice() else {
                return Err(refuse(
                    line,
                    format!("{} fields instead of 3", fields.len()),
                    "write `1 enrol test` or `enrol test target`; with tabs between the fields, \
                     paths may hold spaces",
                ));
            };
            if fields.contains(&"") {
                return Err(refuse(
                    line,
                    "an empty field".into(),
                    "put one tab between two fields",
                ));
            }
            let format = *format.get_or_insert(if matches!(third, "target" | "nontarget") {
                Format::Kaldi
            } else {
                Format::VoxCeleb
            });
            let (label, enrol, test) = match format {
                Format::VoxCeleb => (first, second, third),
                Format::Kaldi => (third, first, second),
            };
            let is_target = match (format, label) {
                (Format::VoxCeleb, "1") | (Format::Kaldi, "target") => true,
                (Format::VoxCeleb, "0") | (Format::Kaldi, "nontarget") => false,
                (Format::VoxCeleb, _) => {
                    return Err(refuse(
                        line,
                        format!("label {label:?}"),
                        "begin each line with 1 (same speaker) or 0, as the VoxCeleb lists do, or \
                         end each line with target or nontarget, as Kaldi's do",
                    ));
                }
                (Format::Kaldi, _) => {
                    return Err(refuse(
                        line,
                        format!("label {label:?}"),
                        "end each line with target or nontarget, as the first line does",
                    ));
                }
            };
            let mut index = |name: &str| {
                *index_of.entry(name.to_string()).or_insert_with(|| {
                    recordings.push(name.to_string());
                    recordings.len() - 1
                })
            };
            trials.push(Trial {
                enrol: index(enrol),
                test: index(test),
                is_target,
                line,
            });
        }
        if trials.is_empty() {
            return Err(refuse(
                1,
                "no trials".into(),
                "write one trial a line: `1 enrol test` or `enrol test target`",
            ));
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
