//! The speaker of each recording of a trial list, from a Kaldi `utt2spk` or from the paths.

use super::table::ScoreTable;
use crate::{Error, Result, lists::utt2spk};
use std::{collections::HashMap, path::Path};

/// A speaker for each recording of a list, numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Speakers {
    of_recording: Vec<u32>,
    names: Vec<String>,
}

impl Speakers {
    /// Finds the speakers from the paths. A speaker is the parent folder of a recording, or the nearest
    /// folder above it with which all target trials are of one speaker and all nontarget trials of two:
    /// in VoxCeleb's `speaker/video/file`, the upper one. `None` if no level agrees with the labels.
    pub fn of_table(table: &ScoreTable) -> Option<Self> {
        let depth = |name: &str| name.split(['/', '\\']).count();
        let deepest = table.names().map(depth).max().unwrap_or(0);
        (1..deepest)
            .map(|levels| {
                Self::number(table.names().map(|name| {
                    let end = name.rmatch_indices(['/', '\\']).nth(levels - 1);
                    end.map_or("", |(at, _)| &name[..at])
                }))
            })
            .find(|speakers| {
                table.trials().iter().all(|trial| {
                    let [enroll, test] = [trial.enroll(), trial.test()];
                    let is_one = speakers.of(enroll as usize) == speakers.of(test as usize);
                    is_one == trial.is_target()
                })
            })
            .map(Self::without_common_folders)
    }

    /// Removes the folders that all names share.
    fn without_common_folders(mut self) -> Self {
        let common = |name: &String| {
            let first = &self.names[0];
            let same = first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b);
            same.count()
        };
        let shared = self.names.iter().map(common).min().unwrap_or(0);
        let folder = self.names.first().map_or(0, |name| {
            let end = name.as_bytes()[..shared].iter().rposition(|b| *b == b'/');
            end.map_or(0, |at| at + 1)
        });
        for name in &mut self.names {
            name.drain(..folder);
        }
        self
    }

    /// From lines of `recording speaker`; `names` are the recordings of the list.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a bad line, or for a recording of `names` that is missing.
    pub fn read_utt2spk<'a>(
        path: &Path,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self> {
        let speaker_of = utt2spk::read(path)?;
        let missing = |name: &&str| !speaker_of.contains_key(*name);
        if let Some(name) = names.clone().find(missing) {
            return Err(Error::list(
                path,
                speaker_of.len().max(1),
                format!("{name} is missing"),
                "write one `recording speaker` a line, for every recording of the trials",
            ));
        }
        Ok(Self::number(names.map(|name| speaker_of[name].as_str())))
    }

    /// Numbers the speakers, given the speaker's name of each recording.
    pub fn number<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut distinct = vec![];
        let of_recording: Vec<u32> = names
            .map(|name| {
                *numbers.entry(name).or_insert_with(|| {
                    distinct.push(name.to_string());
                    distinct.len() as u32 - 1
                })
            })
            .collect();
        Speakers {
            of_recording,
            names: distinct,
        }
    }

    /// The same speakers, numbered in the order of `names`; unchanged if the names are not the same.
    pub(super) fn numbered_as(self, names: &[String]) -> Self {
        let numbers: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let new: Option<Vec<u32>> = self
            .names
            .iter()
            .map(|name| numbers.get(name.as_str()).copied())
            .collect();
        match new {
            Some(new) if new.len() == names.len() => Speakers {
                of_recording: self
                    .of_recording
                    .iter()
                    .map(|&old| new[old as usize])
                    .collect(),
                names: names.to_vec(),
            },
            _ => self,
        }
    }

    /// Speaker of a recording, which is given by its index in the list.
    pub fn of(&self, recording: usize) -> usize {
        self.of_recording[recording] as usize
    }
    /// Speaker of every recording.
    pub fn of_recordings(&self) -> &[u32] {
        &self.of_recording
    }
    /// Number of speakers in the list.
    pub fn count(&self) -> usize {
        self.names.len()
    }
    /// Name of every speaker, as the file or the folder has it.
    pub fn names(&self) -> &[String] {
        &self.names
    }
    /// Name of a speaker, as the file or the folder has it.
    pub fn name(&self, speaker: usize) -> &str {
        &self.names[speaker]
    }
}
