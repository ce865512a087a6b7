//! Speakers outside the trials: a manifest with none of the speakers and recordings of the trials.

use crate::{
    Error, Result,
    eval::{speakers::Speakers, table::ScoreTable},
    train::manifest::{Manifest, Utterance},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// The remedy where a speaker of the trials is in the manifest.
const OTHERS: &str = "give speakers that are in no trial";

/// The labelled recordings of these speakers.
pub(super) struct OutsideSpeakers<'a> {
    option: &'static str,
    pub path: &'a Path,
    pub manifest: Manifest,
}

impl<'a> OutsideSpeakers<'a> {
    /// Reads the manifest that `option` of the plan names. Recordings without a label are left out.
    ///
    /// # Errors
    /// As [`Manifest::open`]; [`Error::Usage`] for a speaker or recording of the trials; [`Error::Io`] for
    /// a recording that does not exist.
    pub fn open(
        option: &'static str,
        path: &'a Path,
        tables: &[ScoreTable],
        root: &Path,
    ) -> Result<Self> {
        let mut manifest = Manifest::open(path)?;
        let num_speakers = manifest.speakers.len();
        let labelled = |utterance: &Utterance| (utterance.speaker as usize) < num_speakers;
        manifest.utterances.retain(labelled);
        let outside = OutsideSpeakers {
            option,
            path,
            manifest,
        };
        outside.check(tables, root)?;
        Ok(outside)
    }

    fn check(&self, tables: &[ScoreTable], root: &Path) -> Result<()> {
        let file = |path: &PathBuf| {
            let found = path.canonicalize();
            found.map_err(|e| Error::io(path, "read", e))
        };
        let files: HashSet<PathBuf> = self.recordings().map(file).collect::<Result<_>>()?;
        for table in tables {
            for name in table.names() {
                let is_there = |path: PathBuf| files.contains(&path);
                if root.join(name).canonicalize().is_ok_and(is_there) {
                    return Err(self.refusal(&format!("{name} is in the trials; {OTHERS}")));
                }
            }
            let speakers = Speakers::of_table(table);
            let folders: Vec<&str> = match &speakers {
                Some(speakers) => speakers.names().iter().map(String::as_str).collect(),
                None => {
                    let parts = table.names().map(|name| name.rsplit_once('/'));
                    parts
                        .map(|parts| parts.map_or("", |(folder, _)| folder))
                        .collect()
                }
            };
            for folder in folders {
                let folder = folder.rsplit_once('/').map_or(folder, |(_, last)| last);
                let names = &self.manifest.speakers;
                if names.binary_search_by(|name| (**name).cmp(folder)).is_ok() {
                    let fact = format!("speaker {folder:?} is in the trials; {OTHERS}");
                    return Err(self.refusal(&fact));
                }
            }
        }
        Ok(())
    }

    /// The files of the recordings.
    pub fn recordings(&self) -> impl Iterator<Item = &PathBuf> {
        let utterances = self.manifest.utterances.iter();
        utterances.map(|utterance| &utterance.path)
    }

    /// The error if none of the recordings can be used. `why` is the reason for the first of them.
    pub fn none_used(&self, why: Option<String>) -> Error {
        let (count, why) = (self.manifest.utterances.len(), why.unwrap_or_default());
        self.refusal(&format!(
            "none of its {count} recordings can be used: {why}"
        ))
    }

    /// The error that says why the manifest cannot be used.
    pub fn refusal(&self, fact: &str) -> Error {
        Error::option(self.option, self.path.display(), fact)
    }
}
