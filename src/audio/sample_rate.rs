//! The sample rate that every recording is brought to, and the rates that it may have before.

use super::refusal::{Refusal, Refused};
use std::ops::RangeInclusive;

/// The sample rate that every recording has once it is read, in Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Sample rates that a recording may have, in Hz. A lower rate cannot carry speech; a higher one
/// comes from a damaged header.
pub const RATES_HZ: RangeInclusive<u32> = 8_000..=192_000;

pub(super) fn check_rate(rate_hz: u32, taken: RangeInclusive<u32>) -> Refused<()> {
    if taken.contains(&rate_hz) {
        return Ok(());
    }
    let (from, to) = RATES_HZ.into_inner();
    Err(Refusal::new(
        format!("claims a sample rate of {rate_hz} Hz, but only {from} to {to} Hz are read"),
        "record at 16000 Hz, or correct the header",
    ))
}
