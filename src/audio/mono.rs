//! An [`Input`] in, mono samples at 16 kHz out: decoded, mixed and resampled block by block, so
//! that nothing but the result grows with the recording.

use super::decode::{self, Blocks, End, RATES_HZ};
use super::input::Input;
use super::mixdown::Mixdown;
use super::refusal::{Refusal, Refused};
use super::resample::{self, Resampler};
use super::{ReadOptions, SAMPLE_RATE_HZ};

/// Longest recording that is read, in seconds, unless told otherwise.
pub const MAX_SECONDS: u32 = 3 * 3600;

/// What the resampler may give beyond the end before it is cut off.
const ROOM_FOR_A_CHUNK: usize = 1 << 16;

/// A recording at 16 kHz, and what can be told only from the samples it had before.
pub(super) struct Mono {
    pub samples: Vec<f32>,
    pub facts: Facts,
}

/// What is known of a recording besides its samples at 16 kHz.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub original_rate_hz: u32,
    pub seconds: f32,
    pub clipped: f32,
    pub end: End,
}

/// What is kept of a recording in the memory that the file's size allows, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// Besides 4 for each byte of the file.
    pub free: u64,
    pub per_second: u64,
    /// More than that allows is kept if the user asked for so many seconds.
    pub may_be_told: bool,
}

/// The samples; and, for the voice detection, the power of each frame, twice, and flags.
pub(super) const SAMPLES: Kept = Kept {
    free: 10 << 20,
    per_second: 4 * SAMPLE_RATE_HZ as u64 + 1_000,
    may_be_told: true,
};

/// A recording that is being read.
pub(super) struct MonoBlocks {
    blocks: Blocks,
    mixdown: Mixdown,
    resampler: Option<Resampler>,
    rate_hz: u32,
    num_in: usize,
    is_read: bool,
    max_samples: usize,
    /// Samples whose keep fits into the memory that the file's size allows.
    room: usize,
    /// Whether there must not be more.
    in_room: bool,
}

/// How reading a block ended.
pub(super) enum Next {
    /// More samples are there.
    Samples,
    End,
    TooLong(TooLong),
}

/// What is wanted of a recording does not fit into the memory that the file's size allows.
pub(super) struct TooLong {
    max_seconds: usize,
}

impl Mono {
    /// Reads a recording to its end.
    pub fn read(
        input: Input,
        options: &ReadOptions,
        kept: Kept,
    ) -> Refused<std::result::Result<Self, TooLong>> {
        let mut blocks = MonoBlocks::of(input, options, kept)?;
        let declared = blocks.declared();
        if blocks.is_counted() && declared.is_some_and(|counted| blocks.is_too_long(counted)) {
            return Ok(Err(blocks.too_long()));
        }
        let mut samples: Vec<f32> = vec![];
        // Growing would hold the old and the new; memory that is not touched costs nothing.
        let expected = declared.unwrap_or(usize::MAX).min(blocks.room);
        samples.reserve_exact(expected + ROOM_FOR_A_CHUNK);
        loop {
            match blocks.next(&mut samples)? {
                Next::Samples => {}
                Next::End => break,
                Next::TooLong(too_long) => return Ok(Err(too_long)),
            }
        }
        if samples.is_empty() {
            return Err(Refusal::no_audio());
        }
        if samples.len() < 1 << 18 {
            samples.shrink_to_fit();
        }
        let facts = blocks.end()?;
        Ok(Ok(Mono { samples, facts }))
    }
}

impl MonoBlocks {
    /// Reads the header.
    pub fn of(input: Input, options: &ReadOptions, kept: Kept) -> Refused<Self> {
        let (len, in_memory) = (input.len(), input.len_in_memory());
        let blocks = Blocks::of(input, options.raw)?;
        let (num_channels, rate_hz) = (blocks.num_channels, blocks.rate_hz);
        decode::check_rate(rate_hz, RATES_HZ)?;
        let seconds = options.max_seconds.unwrap_or(MAX_SECONDS);
        let affordable = (kept.free + 4 * len - in_memory) as usize;
        let read = MonoBlocks {
            mixdown: Mixdown::new(num_channels, options.channel)?,
            resampler: (rate_hz != SAMPLE_RATE_HZ).then(|| Resampler::new(rate_hz, SAMPLE_RATE_HZ)),
            rate_hz,
            num_in: 0,
            is_read: false,
            max_samples: seconds as usize * SAMPLE_RATE_HZ as usize,
            room: affordable / kept.per_second as usize * SAMPLE_RATE_HZ as usize,
            in_room: !(kept.may_be_told && options.max_seconds.is_some()),
            blocks,
        };
        if let Some(counted) = read.declared()
            && read.is_counted()
        {
            read.check_length(counted)?;
        }
        Ok(read)
    }

    /// Samples that the header promises; a lie if need be.
    fn declared(&self) -> Option<usize> {
        let num_channels = self.blocks.num_channels;
        let samples = self.blocks.num_samples()?;
        Some(self.num_out(samples / num_channels))
    }

    /// Whether [`Self::declared`] is the truth.
    fn is_counted(&self) -> bool {
        self.blocks.is_counted()
    }

    /// Puts the next samples behind `samples`.
    pub fn next(&mut self, samples: &mut Vec<f32>) -> Refused<Next> {
        if self.is_read {
            return Ok(Next::End);
        }
        let Some(block) = self.blocks.next()? else {
            self.is_read = true;
            if let Some(resampler) = self.resampler.take() {
                resampler.finish(samples);
            }
            return Ok(Next::Samples);
        };
        let mono = self.mixdown.mix(block);
        self.num_in += mono.len();
        match &mut self.resampler {
            Some(resampler) => resampler.push(mono, samples),
            None => samples.extend_from_slice(mono),
        }
        let num_out = self.num_out(self.num_in);
        self.check_length(num_out)?;
        Ok(if self.is_too_long(num_out) {
            Next::TooLong(self.too_long())
        } else {
            Next::Samples
        })
    }

    /// What is to be said when all is read.
    pub fn end(self) -> Refused<Facts> {
        Ok(Facts {
            original_rate_hz: self.rate_hz,
            seconds: self.num_in as f32 / self.rate_hz as f32,
            clipped: self.mixdown.clipped(),
            end: self.blocks.end()?,
        })
    }

    /// Samples at 16 kHz that so many of the file's make.
    fn num_out(&self, num_in: usize) -> usize {
        match self.rate_hz {
            SAMPLE_RATE_HZ => num_in,
            rate_hz => resample::num_out(num_in, rate_hz, SAMPLE_RATE_HZ),
        }
    }

    fn is_too_long(&self, num_samples: usize) -> bool {
        self.in_room && num_samples > self.room
    }

    fn too_long(&self) -> TooLong {
        TooLong {
            max_seconds: self.room / SAMPLE_RATE_HZ as usize,
        }
    }

    fn check_length(&self, num_samples: usize) -> Refused<()> {
        if num_samples <= self.max_samples {
            return Ok(());
        }
        let seconds = self.max_samples / SAMPLE_RATE_HZ as usize;
        Err(too_long(format!("is longer than {seconds} s")))
    }
}

impl TooLong {
    /// Where nothing else can be done.
    pub fn refusal(&self) -> Refusal {
        let seconds = self.max_seconds;
        too_long(format!(
            "holds more than the {seconds} s of audio that a file of its size may"
        ))
    }
}

fn too_long(fact: String) -> Refusal {
    Refusal::new(
        fact,
        "cut out the part with the speaker, or raise `--max-seconds`",
    )
}
