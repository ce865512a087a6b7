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
    pub original_rate_hz: u32,
    pub seconds: f32,
    pub clipped: f32,
    pub end: End,
}

impl Mono {
    /// Reads a recording to its end.
    pub fn read(input: Input, options: &ReadOptions) -> Refused<Self> {
        let mut blocks = Blocks::of(input)?;
        let (num_channels, rate_hz) = (blocks.num_channels, blocks.rate_hz);
        decode::check_rate(rate_hz, RATES_HZ)?;
        let mut mixdown = Mixdown::new(num_channels, options.channel)?;
        let mut resampler =
            (rate_hz != SAMPLE_RATE_HZ).then(|| Resampler::new(rate_hz, SAMPLE_RATE_HZ));
        let limit = Limit::of(&blocks, options);
        let mut samples: Vec<f32> = vec![];
        let num_out = |num_in| match rate_hz {
            SAMPLE_RATE_HZ => num_in,
            _ => resample::num_out(num_in, rate_hz, SAMPLE_RATE_HZ),
        };
        let declared = blocks.num_samples().map(|n| num_out(n / num_channels));
        // Growing would hold the old and the new; memory that is not touched costs nothing.
        let expected = match declared {
            Some(counted) if blocks.is_counted() => {
                limit.check(counted)?;
                counted
            }
            _ => declared.unwrap_or(usize::MAX).min(affordable(&blocks)),
        };
        samples.reserve_exact(expected + ROOM_FOR_A_CHUNK);
        let mut num_in = 0;
        while let Some(block) = blocks.next()? {
            let mono = mixdown.mix(block);
            num_in += mono.len();
            limit.check(num_out(num_in))?;
            match &mut resampler {
                Some(resampler) => resampler.push(mono, &mut samples),
                None => samples.extend_from_slice(mono),
            }
        }
        if let Some(resampler) = resampler {
            resampler.finish(&mut samples);
        }
        if samples.is_empty() {
            return Err(Refusal::no_audio());
        }
        if samples.len() < 1 << 18 {
            samples.shrink_to_fit();
        }
        Ok(Mono {
            samples,
            original_rate_hz: rate_hz,
            seconds: num_in as f32 / rate_hz as f32,
            clipped: mixdown.clipped(),
            end: blocks.end()?,
        })
    }
}

/// Samples that fit into the memory that the file's size allows.
fn affordable(blocks: &Blocks) -> usize {
    blocks.budget_bytes() as usize / size_of::<f32>()
}

/// How much is read.
struct Limit {
    /// At 16 kHz.
    num_samples: usize,
    /// Whether it is for the memory that the file's size allows.
    of_memory: bool,
}

impl Limit {
    fn of(blocks: &Blocks, options: &ReadOptions) -> Self {
        let of_time = |seconds: u32| seconds as usize * SAMPLE_RATE_HZ as usize;
        let affordable = affordable(blocks);
        match options.max_seconds {
            Some(seconds) => Limit {
                num_samples: of_time(seconds),
                of_memory: false,
            },
            None => Limit {
                num_samples: of_time(MAX_SECONDS).min(affordable),
                of_memory: affordable < of_time(MAX_SECONDS),
            },
        }
    }

    fn check(&self, num_samples: usize) -> Refused<()> {
        if num_samples <= self.num_samples {
            return Ok(());
        }
        let seconds = self.num_samples / SAMPLE_RATE_HZ as usize;
        let fact = if self.of_memory {
            format!("holds more than the {seconds} s of audio that a file of its size may")
        } else {
            format!("is longer than {seconds} s")
        };
        Err(Refusal::new(
            fact,
            "cut out the part with the speaker, or raise `--max-seconds`",
        ))
    }
}
