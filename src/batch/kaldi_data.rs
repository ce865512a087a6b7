//! Reads Kaldi data folders.
//!
//! `wav.scp` (`id path`) names the files. `segments` (`utterance id start end [channel]`, seconds)
//! divides them into utterances. `spk2utt` or `utt2spk` names the speakers. Commands in `wav.scp`
//! are not run.

use super::recording::{Recording, Segment};
use crate::{
    Error, Result,
    audio::ReadOptions,
    lists::{lines::for_each_line, scp, utt2spk},
};
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};

const REMEDY: &str = "see Kaldi's description of its data folders";

/// One or more data folders.
#[derive(Debug, Default)]
pub struct KaldiData {
    /// By recording id: the path, or the command.
    files: FxHashMap<String, String>,
    /// By utterance: recording id, segment, channel.
    segments: FxHashMap<String, (String, Segment, Option<usize>)>,
    /// By speaker: utterances, in the order of the file.
    speakers: FxHashMap<String, Vec<String>>,
    /// Utterances in the order of the files.
    utterances: Vec<String>,
    /// Every file that was read.
    read: Vec<PathBuf>,
}

impl KaldiData {
    /// Reads the folders one after the other.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a bad line, or a name with two meanings.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let mut data = KaldiData::default();
        for folder in folders {
            data.add_files(&folder.join("wav.scp"))?;
            data.add_segments(&folder.join("segments"))?;
            data.add_speakers(folder)?;
        }
        Ok(data)
    }

    /// The utterance of this name. Its path is relative to `root`; `reading` gives the channel if
    /// the utterance has none.
    pub(super) fn recording(
        &self,
        name: &str,
        root: &Path,
        reading: ReadOptions,
    ) -> std::result::Result<Recording, String> {
        let (id, segment, channel) = match self.segments.get(name) {
            Some((id, segment, channel)) => (id.as_str(), Some(*segment), *channel),
            None => (name, None, None),
        };
        let Some(path) = self.files.get(id) else {
            return Err(format!(
                "{id} is not in wav.scp; check the list and the data folder"
            ));
        };
        Ok(Recording {
            path: root.join(scp::path_of(path)?),
            reading: ReadOptions {
                channel: channel.or(reading.channel),
                ..reading
            },
            segment,
        })
    }

    /// The utterances of a speaker, if `name` is one and not an utterance.
    pub fn speaker(&self, name: &str) -> Option<&[String]> {
        let is_utterance = self.segments.contains_key(name) || self.files.contains_key(name);
        let utterances = self.speakers.get(name).filter(|_| !is_utterance)?;
        Some(utterances)
    }

    /// All utterances, in the order of the files.
    pub fn utterances(&self) -> &[String] {
        &self.utterances
    }

    /// Every file that was read: their contents decide what names mean.
    pub fn files_read(&self) -> &[PathBuf] {
        &self.read
    }

    fn add_files(&mut self, path: &Path) -> Result<()> {
        let files = scp::read(path)?;
        self.read.push(path.to_path_buf());
        let has_segments = path.with_file_name("segments").exists();
        for (id, file) in files {
            if let Some(earlier) = self.files.get(&id)
                && *earlier != file
            {
                return Err(Error::Usage(format!(
                    "{}: {id} is {file} here, and {earlier} in another data folder; give each \
                     recording an id of its own",
                    path.display()
                )));
            }
            if self.files.insert(id.clone(), file).is_none() && !has_segments {
                self.utterances.push(id);
            }
        }
        Ok(())
    }

    fn add_segments(&mut self, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        self.read.push(path.to_path_buf());
        for_each_line(path, REMEDY, |text| {
            let fields: Vec<&str> = text.split_ascii_whitespace().collect();
            let (&[utterance, id, start, end], channel) = fields
                .split_first_chunk()
                .ok_or("wanted: utterance, recording, start, end")?;
            let channel = match channel {
                [] => None,
                // Kaldi names channels A and B, or counts from 0.
                ["A"] => Some(1),
                ["B"] => Some(2),
                [number] => Some(1 + number.parse::<usize>().map_err(|e| e.to_string())?),
                _ => return Err("more than 5 fields".into()),
            };
            let seconds = |text: &str| text.parse::<f64>().map_err(|_| format!("time {text:?}"));
            let segment = Segment::new(seconds(start)?, Some(seconds(end)?))?;
            let value = (id.to_string(), segment, channel);
            let earlier = self.segments.insert(utterance.to_string(), value.clone());
            if earlier.is_some_and(|earlier| earlier != value) {
                return Err(format!(
                    "a line above gives another segment for {utterance}"
                ));
            }
            self.utterances.push(utterance.to_string());
            Ok(())
        })
    }

    fn add_speakers(&mut self, folder: &Path) -> Result<()> {
        let (spk2utt, utt2spk) = (folder.join("spk2utt"), folder.join("utt2spk"));
        if spk2utt.exists() {
            for_each_line(&spk2utt, REMEDY, |text| {
                let mut fields = text.split_ascii_whitespace().map(String::from);
                let speaker = fields.next().unwrap_or_default();
                self.speakers.entry(speaker).or_default().extend(fields);
                Ok(())
            })?;
            self.read.push(spk2utt);
        } else if utt2spk.exists() {
            for (utterance, speaker) in utt2spk::read(&utt2spk)? {
                self.speakers.entry(speaker).or_default().push(utterance);
            }
            self.read.push(utt2spk);
        }
        Ok(())
    }
}
