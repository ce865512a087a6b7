//! Mixes blocks of interleaved channels to mono: one channel, or the mean of all. Also finds the
//! share of clipped samples in the worst channel, because a mean hides clipping.

use super::refusal::{Refusal, Refused};
use crate::remedy::Remedy;

/// Mixes several channels to one, block by block.
pub struct Mixdown {
    num_channels: usize,
    /// The channel to take, from 0; `None` takes the mean of all.
    channel: Option<usize>,
    /// First the clipping of the mono mix, then that of each channel that goes into it.
    clipping: Vec<FlatTops>,
    mono: Vec<f32>,
    of_one: Vec<f32>,
}

impl Mixdown {
    /// `channel` counts from 1.
    pub fn new(num_channels: usize, channel: Option<usize>) -> Refused<Self> {
        let n = num_channels;
        if let Some(k) = channel
            && !(1..=n).contains(&k)
        {
            let fact = format!(
                "has {n} channel{}, so there is no channel {k}",
                if n == 1 { "" } else { "s" }
            );
            return Err(Refusal::new(fact, Remedy::Channel(n)));
        }
        let mixed = if channel.is_none() && n > 1 { n } else { 0 };
        Ok(Mixdown {
            num_channels,
            channel: channel.map(|k| k - 1),
            clipping: vec![FlatTops::default(); 1 + mixed],
            mono: vec![],
            of_one: vec![],
        })
    }

    /// `(N · channels,) -> (N,)`
    pub fn mix<'a>(&'a mut self, block: &'a [f32]) -> &'a [f32] {
        let n = self.num_channels;
        if n == 1 {
            self.clipping[0].count(block);
            return block;
        }
        self.mono.clear();
        match self.channel {
            Some(k) => self.mono.extend(block.iter().skip(k).step_by(n)),
            None => {
                let mean = |frame: &[f32]| frame.iter().sum::<f32>() / n as f32;
                self.mono.extend(block.chunks_exact(n).map(mean));
            }
        }
        self.clipping[0].count(&self.mono);
        for (k, clipping) in self.clipping[1..].iter_mut().enumerate() {
            self.of_one.clear();
            self.of_one.extend(block.iter().skip(k).step_by(n));
            clipping.count(&self.of_one);
        }
        &self.mono
    }

    /// Share of samples in flat tops, of the worst channel.
    pub fn clipped(&self) -> f32 {
        self.clipping
            .iter()
            .map(FlatTops::share)
            .fold(0.0, f32::max)
    }
}

/// Counts samples that lie in flat tops: three or more in a row within 0.1 % of the highest or
/// lowest. A wave that only touches full scale leaves its peak at once.
///
/// This takes one pass: a new peak that is more than 0.1 % above the old one starts the count anew.
#[derive(Debug, Clone, Default)]
pub struct FlatTops {
    high: Extreme,
    low: Extreme,
    num_samples: u64,
}

/// One side of the wave.
#[derive(Debug, Clone, Default)]
struct Extreme {
    peak: f32,
    run: u64,
    flat: u64,
}

impl FlatTops {
    /// Lowest peak that counts as clipped. In softer recordings, the steps of 16-bit audio alone make
    /// flat tops.
    const MIN_PEAK: f32 = 0.05;

    /// Takes the next samples.
    pub fn count(&mut self, samples: &[f32]) {
        self.num_samples += samples.len() as u64;
        self.high.count(samples, 1.0);
        self.low.count(samples, -1.0);
    }

    /// Share of samples in flat tops, 0 to 1.
    pub fn share(&self) -> f32 {
        let flat: u64 = [&self.high, &self.low]
            .iter()
            .filter(|side| side.peak >= Self::MIN_PEAK)
            .map(|side| side.flat)
            .sum();
        flat as f32 / self.num_samples.max(1) as f32
    }
}

impl Extreme {
    const NEAR: f32 = 0.999;
    const MIN_RUN: u64 = 3;

    fn count(&mut self, samples: &[f32], sign: f32) {
        // Few samples are near the peak: blocks without any are passed over in lanes.
        for block in samples.chunks(64) {
            let near = self.peak * Self::NEAR;
            if !block.iter().fold(false, |any, x| any | (sign * x >= near)) {
                self.run = 0;
                continue;
            }
            for x in block {
                let x = sign * x;
                if x * Self::NEAR > self.peak {
                    (self.peak, self.run, self.flat) = (x, 1, 0);
                } else if x >= self.peak * Self::NEAR {
                    self.run += 1;
                    self.flat += match self.run {
                        Self::MIN_RUN => Self::MIN_RUN,
                        0..Self::MIN_RUN => 0,
                        _ => 1,
                    };
                } else {
                    self.run = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(samples: &[f32]) -> f32 {
        let mut tops = FlatTops::default();
        tops.count(samples);
        tops.share()
    }

    #[test]
    fn flat_tops_are_those_of_the_highest_level() {
        assert_eq!(share(&[0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]), 0.5);
        assert_eq!(share(&[0.5, 0.5, 0.5, 0.5, 0.0, 0.9, 0.0, 0.0]), 0.0);
        assert_eq!(share(&[0.5, 0.5, 0.0, 0.5, 0.5, 0.0, -0.9, 0.0]), 0.0);
        assert_eq!(share(&[0.01; 8]), 0.0);
        assert_eq!(share(&[]), 0.0);
    }

    #[test]
    fn blocks_make_no_difference() {
        let wave: Vec<f32> = (0..1_000)
            .map(|n| (n as f32 * 0.07).sin().clamp(-0.7, 0.7))
            .collect();
        let mut tops = FlatTops::default();
        wave.chunks(37).for_each(|block| tops.count(block));
        assert_eq!(tops.share(), share(&wave));
        assert!(tops.share() > 0.4);
    }
}
