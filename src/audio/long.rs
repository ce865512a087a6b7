//! A recording that is left in its file: what is wanted of it is decoded again, front to back, each
//! time. An hour of it takes a few megabytes, and gives the same bits as a [`super::Waveform`].

use super::input::Input;
use super::mono::{Facts, Kept, MonoBlocks, Next};
use super::quality::{self, Quality, Seen};
use super::refusal::{Refusal, Refused};
use super::voicing::{self, Looks};
use super::{ReadOptions, SUMMED, block_sum, vad};
use crate::Result;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Of what is read into memory: the samples, the voice detection's powers and flags, and room for
/// the features made of them.
pub(super) const HELD: Kept = Kept {
    free: 4 << 20,
    per_second: 90_000,
    may_be_told: false,
};
/// Of what is not: the powers and flags, and what networks keep of each second.
const LEFT: Kept = Kept {
    free: 4 << 20,
    per_second: 11_000,
    may_be_told: true,
};

/// Frames of the voice detection that are looked at together.
const FRAMES_TOGETHER: usize = 1024;

/// A mono recording at 16 kHz that is too long to be held in memory.
pub struct LongRecording {
    path: PathBuf,
    samples: Reader,
    num_samples: usize,
    peak: f32,
    facts: Facts,
    /// Of each frame.
    powers: Vec<f32>,
    /// By level.
    speech: Vec<bool>,
}

/// The samples, DC removed, in order; going back begins anew.
struct Reader {
    input: Input,
    options: ReadOptions,
    dc: f32,
    pass: Option<Pass>,
}

struct Pass {
    blocks: MonoBlocks,
    /// Samples from `first` on.
    held: Vec<f32>,
    first: usize,
}

impl LongRecording {
    /// Reads it to its end, twice.
    pub(super) fn of(input: Input, path: &Path, options: &ReadOptions) -> Refused<Self> {
        let mut blocks = MonoBlocks::of(input.again()?, options, LEFT)?;
        let (mut sum, mut num_samples) = (-0.0, 0);
        let (mut lowest, mut highest) = (f32::MAX, f32::MIN);
        let mut held = vec![];
        loop {
            let next = blocks.next(&mut held)?;
            let whole = match next {
                Next::TooLong(too_long) => return Err(too_long.refusal()),
                Next::Samples => held.len() - held.len() % SUMMED,
                Next::End => held.len(),
            };
            for block in held[..whole].chunks(SUMMED) {
                sum += block_sum(block);
                lowest = block.iter().fold(lowest, |low, x| low.min(*x));
                highest = block.iter().fold(highest, |high, x| high.max(*x));
            }
            num_samples += whole;
            held.drain(..whole);
            if matches!(next, Next::End) {
                break;
            }
        }
        if num_samples == 0 {
            return Err(Refusal::no_audio());
        }
        let facts = blocks.end()?;
        let dc = (sum / num_samples as f64) as f32;
        let mut samples = Reader {
            input,
            options: *options,
            dc,
            pass: None,
        };
        let powers = samples.powers(num_samples)?;
        Ok(LongRecording {
            path: path.to_path_buf(),
            peak: (lowest - dc).abs().max((highest - dc).abs()),
            facts,
            speech: vad::flags(&powers),
            powers,
            samples,
            num_samples,
        })
    }

    /// How many samples there are at 16 kHz.
    pub fn num_samples(&self) -> usize {
        self.num_samples
    }
    /// Speech or not, as [`super::Waveform::speech`].
    pub fn speech(&self) -> &[bool] {
        &self.speech
    }
    /// The quality facts where `speech` has a flag for each frame.
    ///
    /// # Errors
    /// As [`Self::samples`].
    pub fn quality_of(&mut self, speech: &[bool]) -> Result<Quality> {
        let centres = voicing::speech_centres(speech);
        let looks = self.samples.looks(self.num_samples, &centres);
        let seen = Seen {
            peak: self.peak,
            powers: &self.powers,
            speech,
            looks: &looks.map_err(|refusal| refusal.of(&self.path))?,
        };
        Ok(quality::measure(&seen, self.facts.clone()))
    }

    /// Some of the samples. Cheap from front to back; going back decodes from the start.
    ///
    /// # Errors
    /// [`crate::Error::Io`], or [`crate::Error::Audio`] where the file has changed since.
    pub fn samples(&mut self, range: Range<usize>) -> Result<&[f32]> {
        self.samples
            .get(range)
            .map_err(|refusal| refusal.of(&self.path))
    }
}

impl Reader {
    fn get(&mut self, range: Range<usize>) -> Refused<&[f32]> {
        if self.pass.as_ref().is_none_or(|p| p.first > range.start) {
            self.pass = Some(Pass {
                blocks: MonoBlocks::of(self.input.again()?, &self.options, LEFT)?,
                held: vec![],
                first: 0,
            });
        }
        let Pass {
            blocks,
            held,
            first,
        } = self.pass.as_mut().expect("made just now");
        while *first + held.len() < range.end {
            let done = (range.start - *first).min(held.len());
            held.drain(..done);
            *first += done;
            let before = held.len();
            if !matches!(blocks.next(held)?, Next::Samples) {
                return Err(Refusal::new(
                    "became shorter while it was read",
                    "try again when nobody writes to it",
                ));
            }
            held[before..].iter_mut().for_each(|x| *x -= self.dc);
        }
        Ok(&held[range.start - *first..range.end - *first])
    }

    fn powers(&mut self, num_samples: usize) -> Refused<Vec<f32>> {
        let num_frames = vad::num_frames(num_samples);
        let mut powers = Vec::with_capacity(num_frames);
        for from in (0..num_frames).step_by(FRAMES_TOGETHER) {
            let last = (from + FRAMES_TOGETHER).min(num_frames) - 1;
            let frames = self.get(from * vad::HOP..last * vad::HOP + vad::FRAME_LEN)?;
            powers.extend(vad::frame_powers(frames));
        }
        Ok(powers)
    }

    fn looks(&mut self, num_samples: usize, centres: &[usize]) -> Refused<Looks> {
        let mut looks = Looks::default();
        for centre in centres {
            let from = centre.saturating_sub(Looks::REACH) / Looks::GRID * Looks::GRID;
            let around = self.get(from..(centre + Looks::REACH).min(num_samples))?;
            looks.add(around, &[centre - from]);
        }
        Ok(looks)
    }
}

impl fmt::Debug for LongRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongRecording({})", self.path.display())
    }
}
