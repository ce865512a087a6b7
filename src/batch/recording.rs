//! An audio file, or part of it, with the options for reading it.

use crate::audio::ReadOptions;
use std::path::PathBuf;

/// An audio file, or part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Channel and other options for reading.
    pub reading: ReadOptions,
    /// The segment; none for the whole file.
    pub segment: Option<Segment>,
}

/// Part of a recording. Times are whole microseconds, so that equal decimal numbers are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// Start, from the beginning of the file.
    pub start_us: u64,
    /// End; none for the end of the file.
    pub end_us: Option<u64>,
}

impl Segment {
    /// The segment with these times in seconds. As in Kaldi, an `end` below 0 means the end of the
    /// file.
    ///
    /// # Errors
    /// What is wrong, if these times are no part of a recording.
    pub fn new(start: f64, end: Option<f64>) -> std::result::Result<Self, String> {
        let end = end.filter(|&end| end >= 0.0 || end.is_nan());
        let fits = |seconds: f64| (0.0..1e9).contains(&seconds);
        if !fits(start) || end.is_some_and(|end| !fits(end) || end <= start) {
            let end = end.map_or("the end".to_string(), |end| end.to_string());
            return Err(format!(
                "a segment from {start} to {end} s is empty or out of range"
            ));
        }
        let microseconds = |seconds: f64| (seconds * 1e6).round() as u64;
        Ok(Segment {
            start_us: microseconds(start),
            end_us: end.map(microseconds),
        })
    }

    /// The segment's range of `num_samples` samples at `rate_hz`; empty beyond the end.
    pub fn samples(&self, rate_hz: u32, num_samples: usize) -> std::ops::Range<usize> {
        let at = |us: u64| (us as u128 * u128::from(rate_hz) / 1_000_000) as usize;
        let start = at(self.start_us).min(num_samples);
        let end = self.end_us.map_or(num_samples, at).min(num_samples);
        start..end.max(start)
    }
}
