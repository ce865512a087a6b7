//! Reads a recording as mono samples at 16 kHz. It is decoded, mixed and resampled block by block, so
//! that memory grows only with the samples that are kept.

use super::decode::Blocks;
use super::end::End;
use super::excerpt::Excerpt;
use super::input::Input;
use super::mixdown::Mixdown;
use super::options::ReadOptions;
use super::refusal::{Refusal, Refused};
use super::resample;
use super::sample_rate::{RATES_HZ, SAMPLE_RATE_HZ, check_rate};
use crate::remedy::Remedy;

/// Longest recording that is read, in seconds, unless the options say otherwise.
pub const MAX_SECONDS: u32 = 3 * 3600;

/// A recording at 16 kHz, and the facts that only its original samples show.
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

impl Facts {
    /// The facts of a complete recording of `num_in` samples at `rate_hz`.
    pub fn new(rate_hz: u32, num_in: usize, clipped: f32) -> Self {
        Facts {
            original_rate_hz: rate_hz,
            seconds: num_in as f32 / rate_hz as f32,
            clipped,
            end: End::default(),
        }
    }
}

impl Mono {
    /// Reads a recording to its end.
    pub fn read(input: Input, options: &ReadOptions) -> Refused<Self> {
        let mut blocks = Blocks::of(input, options.raw)?;
        let rate_hz = blocks.rate_hz;
        check_rate(rate_hz, RATES_HZ)?;
        let max_seconds = options.max_seconds.unwrap_or(MAX_SECONDS);
        let check_length = |num_in: usize| {
            let num_out = resample::num_out(num_in, rate_hz, SAMPLE_RATE_HZ);
            match num_out <= max_seconds as usize * SAMPLE_RATE_HZ as usize {
                true => Ok(()),
                false => Err(too_long(max_seconds)),
            }
        };
        if let Some(counted) = blocks.num_counted() {
            check_length(counted)?;
        }
        let mut mixdown = Mixdown::new(blocks.num_channels, options.channel)?;
        let mut excerpt = Excerpt::new(rate_hz, options.all);
        let mut num_in = 0;
        while let Some(block) = blocks.next()? {
            let mono = mixdown.mix(block);
            num_in += mono.len();
            check_length(num_in)?;
            excerpt.push(mono);
        }
        let samples = excerpt.finish();
        if samples.is_empty() {
            return Err(Refusal::no_audio());
        }
        Ok(Mono {
            facts: Facts {
                end: blocks.end()?,
                ..Facts::new(rate_hz, num_in, mixdown.clipped())
            },
            samples,
        })
    }
}

fn too_long(max_seconds: u32) -> Refusal {
    Refusal::new(
        format!("is longer than {max_seconds} s"),
        Remedy::Shorten("max_seconds"),
    )
}
