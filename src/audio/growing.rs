//! A recording that is still being made: what a microphone or a line has delivered so far. Once it is
//! complete, it becomes the same [`Waveform`], bit for bit, as a file with these samples.

use super::{
    decode,
    excerpt::Excerpt,
    mixdown::FlatTops,
    mono::{Facts, Mono},
    refusal::Refusal,
    sample_rate::{RATES_HZ, check_rate},
    waveform::Waveform,
};
use crate::Result;
use std::path::Path;

/// Longest excerpt, in seconds, for a look at a recording before its end.
const LOOK_SECONDS: usize = 32;

/// One channel, block by block. At most three minutes are kept, see [`super`].
pub struct Growing {
    rate_hz: u32,
    excerpt: Excerpt,
    clipping: FlatTops,
    num_samples: usize,
    /// The bits of the largest sample so far, without its sign.
    peak_bits: u32,
}

impl Growing {
    /// An empty recording at `rate_hz`.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] for a rate that is not supported.
    pub fn new(rate_hz: u32) -> Result<Self> {
        check_rate(rate_hz, RATES_HZ).map_err(named)?;
        Ok(Growing {
            rate_hz,
            excerpt: Excerpt::new(rate_hz, false),
            clipping: FlatTops::default(),
            num_samples: 0,
            peak_bits: 0,
        })
    }

    /// Appends samples, nominally −1 to 1.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] for samples that are not finite or far beyond full scale. None of the
    /// block is taken then.
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        let peak_bits = decode::checked_peak_bits(samples).map_err(named)?;
        self.peak_bits = self.peak_bits.max(peak_bits);
        self.clipping.count(samples);
        self.num_samples += samples.len();
        self.excerpt.push(samples);
        Ok(())
    }

    /// How many samples there are so far.
    pub fn num_samples(&self) -> usize {
        self.num_samples
    }

    /// Its sample rate, in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// The recording so far; none before its first sample. From half a minute on it is an excerpt of up to
    /// that length, so that looking at an hour costs no more than looking at half a minute.
    pub fn so_far(&self) -> Option<Waveform> {
        let samples = self.excerpt.so_far(LOOK_SECONDS);
        let facts = self.facts();
        (!samples.is_empty()).then(|| Waveform::new(Mono { samples, facts }))
    }

    /// The complete recording.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] if there is no sample, or none that is more than a rounding error.
    pub fn finish(self) -> Result<Waveform> {
        let facts = self.facts();
        let samples = self.excerpt.finish();
        if samples.is_empty() {
            return Err(named(Refusal::no_audio()));
        }
        decode::check_silence(self.peak_bits).map_err(named)?;
        Ok(Waveform::new(Mono { samples, facts }))
    }

    fn facts(&self) -> Facts {
        Facts::new(self.rate_hz, self.num_samples, self.clipping.share())
    }
}

fn named(refusal: Refusal) -> crate::Error {
    refusal.of(Path::new("<samples>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hum of `seconds` at `rate_hz`, louder from second to second.
    fn hum(seconds: usize, rate_hz: u32) -> Vec<f32> {
        let at = |n: usize| {
            let t = n as f32 / rate_hz as f32;
            (0.1 + 0.001 * t) * (t * 700.0).sin()
        };
        (0..seconds * rate_hz as usize).map(at).collect()
    }

    #[test]
    fn what_was_pushed_in_blocks_is_the_recording_of_all_samples() {
        for rate_hz in [8_000, 16_000, 44_100] {
            let samples = hum(2, rate_hz);
            let whole = Waveform::from_samples(samples.clone(), rate_hz).unwrap();
            for block in [1, 37, 4096] {
                let mut growing = Growing::new(rate_hz).unwrap();
                for block in samples.chunks(block) {
                    growing.push(block).unwrap();
                }
                let so_far = growing.so_far().unwrap();
                let finished = growing.finish().unwrap();
                assert_eq!(so_far.samples(), whole.samples(), "{rate_hz} Hz");
                assert_eq!(finished.samples(), whole.samples(), "{rate_hz} Hz");
                assert_eq!(finished.quality(), whole.quality(), "{rate_hz} Hz");
            }
        }
    }

    #[test]
    fn of_more_than_half_a_minute_stretches_from_start_to_end_are_looked_at() {
        for (seconds, rate_hz) in [(100, 16_000), (400, 8_000), (1000, 16_000)] {
            let mut growing = Growing::new(rate_hz).unwrap();
            growing.push(&hum(seconds, rate_hz)).unwrap();
            let so_far = growing.so_far().unwrap();
            let quality = so_far.quality();
            assert!((16.0..=36.0).contains(&quality.used_seconds), "{quality:?}");
            assert_eq!(quality.seconds, seconds as f32);
            // The hum grows louder from second to second.
            let peak = |samples: &[f32]| samples.iter().fold(0.0f32, |max, x| max.max(x.abs()));
            let (first, last) = (
                &so_far.samples()[..16_000],
                so_far.samples().rchunks(16_000),
            );
            assert!(peak(first) < 0.11);
            assert!(peak(last.clone().next().unwrap()) > 0.1 + 0.0008 * seconds as f32);
        }
    }

    #[test]
    fn looking_at_it_does_not_change_it() {
        let samples = hum(200, 8_000);
        let mut looked_at = Growing::new(8_000).unwrap();
        let mut left_alone = Growing::new(8_000).unwrap();
        for block in samples.chunks(8_000 * 17) {
            looked_at.push(block).unwrap();
            left_alone.push(block).unwrap();
            looked_at.so_far();
        }
        let [a, b] = [looked_at, left_alone].map(|growing| growing.finish().unwrap());
        assert_eq!(a.samples(), b.samples());
        // Of 200 s an excerpt is kept.
        assert!(a.quality().used_seconds < 180.0 && a.quality().seconds == 200.0);
    }

    #[test]
    fn senseless_samples_are_refused_and_not_taken() {
        assert!(Growing::new(4_000).is_err());
        let mut growing = Growing::new(16_000).unwrap();
        assert!(growing.so_far().is_none());
        for bad in [f32::NAN, f32::INFINITY, 1e20] {
            assert!(growing.push(&[0.1, bad]).is_err());
        }
        assert_eq!(growing.num_samples(), 0);
        assert!(growing.finish().is_err());
    }
}
