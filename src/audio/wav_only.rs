//! Replaces `compressed.rs` where the feature `formats` is off: every file without plain
//! samples is refused.

use super::end::End;
use super::formats::endings_of_plain_samples;
use super::input::Input;
use super::refusal::{Refusal, Refused};
use std::convert::Infallible;

/// Stands in for the audio track of a compressed file. It is never made.
pub struct Track {
    pub num_channels: usize,
    pub rate_hz: u32,
    none: Infallible,
}

impl Track {
    /// Refuses the file.
    pub fn open(_: Input) -> Refused<Self> {
        let endings = endings_of_plain_samples();
        Err(Refusal::new(
            format!("is of none of the formats that this program was built to read ({endings})"),
            "convert it to WAV, or build spkver with the feature `formats`",
        ))
    }

    pub fn next(&mut self, _: &mut Vec<f32>) -> Refused<bool> {
        match self.none {}
    }

    pub fn end(&self) -> Refused<End> {
        match self.none {}
    }
}
