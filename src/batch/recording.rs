//! Names of a list in, [`Recording`]s out: which file, which channel, which part of it.
//!
//! A name is a path below the root, or an utterance of a Kaldi data folder. `name:b` is channel 2
//! of `name`, as in the lists of NIST, unless there is a file of that very name.

use super::kaldi_data::KaldiData;
use crate::audio::ReadOptions;
use std::path::PathBuf;

/// A piece of an audio file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Which channel, and how much of it at most.
    pub reading: ReadOptions,
    /// The whole file where there is none.
    pub segment: Option<Segment>,
}

/// Part of a recording, in whole microseconds: a decimal number of seconds has one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// From its beginning.
    pub start_us: u64,
    /// To the end of the file where there is none.
    pub end_us: Option<u64>,
}

/// How names become recordings.
#[derive(Debug, Default)]
pub struct Naming {
    /// Paths are relative to it.
    pub root: PathBuf,
    /// Put behind each name: `.wav` for lists that leave it off.
    pub suffix: String,
    /// How to read; the channel is of recordings whose name tells none.
    pub reading: ReadOptions,
    /// If there is one, names are its utterances, not paths.
    pub data: Option<KaldiData>,
}

impl Naming {
    /// The recording with this name, or why there is none.
    ///
    /// # Errors
    /// Fact and remedy, for the row.
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
            return data.recording(name, self);
        }
        Ok(Recording {
            path: self.root.join(format!("{name}{}", self.suffix)),
            reading: self.reading,
            segment: None,
        })
    }
}

impl Segment {
    /// From seconds; `end` below 0 is the end of the file, as in Kaldi.
    ///
    /// # Errors
    /// The fact, where this is no part of a recording.
    pub fn new(start: f64, end: Option<f64>) -> std::result::Result<Self, String> {
        let end = end.filter(|&end| end >= 0.0 || end.is_nan());
        let fits = |seconds: f64| (0.0..1e9).contains(&seconds);
        if !fits(start) || end.is_some_and(|end| !fits(end) || end <= start) {
            let end = end.map_or("the end".to_string(), |end| end.to_string());
            return Err(format!("segment from {start} to {end} s"));
        }
        let microseconds = |seconds: f64| (seconds * 1e6).round() as u64;
        Ok(Segment {
            start_us: microseconds(start),
            end_us: end.map(microseconds),
        })
    }

    /// Its place among `num_samples` at `rate_hz`; empty behind the end.
    pub fn samples(&self, rate_hz: u32, num_samples: usize) -> std::ops::Range<usize> {
        let at = |us: u64| (us as u128 * u128::from(rate_hz) / 1_000_000) as usize;
        let start = at(self.start_us).min(num_samples);
        let end = self.end_us.map_or(num_samples, at).min(num_samples);
        start..end.max(start)
    }
}
