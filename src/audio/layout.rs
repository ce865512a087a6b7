//! Where the samples of an uncompressed recording lie in its file and how they are stored: what
//! every reader of a header (WAV, SPHERE, AU, none at all) has to find out.

use super::adpcm::Adpcm;
use super::input::OPEN_END;
use super::pcm::{ByteOrder, Encoding};
use super::refusal::{Refusal, Refused};
use std::ops::Range;

/// Largest number of channels. No array of microphones has as many, so more mean a damaged header.
pub const MAX_CHANNELS: usize = 1024;

/// Where the samples lie in the file, and what they are.
#[derive(Debug, Clone)]
pub struct Layout {
    pub coding: Coding,
    pub order: ByteOrder,
    pub num_channels: usize,
    pub rate_hz: u32,
    /// Whole sample frames (or ADPCM blocks) only.
    pub data: Range<u64>,
    /// Where the file differs from what its header says, in words for the user.
    pub warning: Option<String>,
    /// Whether the recording was longer than what is read.
    pub truncated: bool,
}

/// How samples are stored.
#[derive(Debug, Clone, Copy)]
pub enum Coding {
    /// One after the other.
    Samples(Encoding),
    /// In blocks that are decoded independently.
    Blocks(Adpcm),
}

impl Coding {
    /// Bytes that must be read together: a sample of each channel, or a block.
    pub fn unit_bytes(&self, num_channels: usize) -> usize {
        match self {
            Coding::Samples(encoding) => num_channels * encoding.bytes(),
            Coding::Blocks(adpcm) => adpcm.block_bytes,
        }
    }
}

/// Sizes from here up are written by programs that do not know the size yet, because they write to a
/// pipe (sox 7FFFF000, ffmpeg FFFFFFFF).
const SIZE_OF_A_STREAM: u64 = 0x7FFF_0000;

impl Layout {
    /// Compares the size that the header claims with the file. `data` is as the header says; a size of 0
    /// means that it was not known when the header was written. The length of a stream is not known
    /// before its end, so it is compared then.
    pub fn fit(mut self, file_len: u64) -> Refused<Self> {
        let declared = self.data.end - self.data.start;
        if file_len == OPEN_END {
            if declared == 0 {
                self.data.end = OPEN_END;
            }
            return Ok(self);
        }
        let there = file_len.saturating_sub(self.data.start);
        let held = if declared == 0 {
            there
        } else {
            declared.min(there)
        };
        let whole = held - held % self.coding.unit_bytes(self.num_channels) as u64;
        if whole == 0 {
            return Err(Refusal::no_audio());
        }
        let is_open = self.data.end == OPEN_END; // a pipe that was read to its end
        if !is_open && (declared == 0 || declared > there) {
            self.warn(format!(
                "the header promises {declared} bytes of audio, and {there} are there; only these \
                 were read"
            ));
        } else if whole != held {
            self.warn("the audio ends in the middle of a sample, which was left out");
        }
        self.truncated |= declared > there && declared < SIZE_OF_A_STREAM;
        self.data.end = self.data.start + whole;
        Ok(self)
    }

    /// Adds a warning for the user.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        self.warning = Some(match self.warning.take() {
            Some(before) => format!("{before}; {warning}"),
            None => warning,
        });
    }
}
