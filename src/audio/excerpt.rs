//! Keeps the samples of a recording. Of a long one it keeps an excerpt: stretches spread evenly over it.
//!
//! A voice is known after a few minutes of speech, so hours need no more memory or work than
//! minutes. Up to [`MAX_SECONDS`] every sample is kept. Of a longer recording, stretches that are quiet
//! compared with the loudest are dropped first, then every second stretch, as often as needed.

use super::resample::Resampler;
use super::sample_rate::SAMPLE_RATE_HZ;

/// Most seconds that are kept.
pub const MAX_SECONDS: usize = 180;
/// Length of a stretch, in seconds.
const STRETCH_SECONDS: usize = 4;
/// Samples of a stretch at 16 kHz.
const STRETCH: usize = STRETCH_SECONDS * SAMPLE_RATE_HZ as usize;
/// In dB. A stretch is taken to hold no speech if its loudest 10 ms are softer than the loudest 10 ms of
/// the whole recording by more than this.
const QUIET_DB: f32 = 30.0;

/// What is kept of a recording that is being read.
pub struct Excerpt {
    rate_hz: u32,
    /// Samples of a stretch at the rate of the file.
    stretch_in: usize,
    /// Whether everything is kept.
    all: bool,
    resampler: Option<Resampler>,
    /// Every sample so far, at 16 kHz, while all are kept.
    whole: Vec<f32>,
    /// Kept stretches at 16 kHz with their numbers, once not all are kept.
    stretches: Vec<(usize, Vec<f32>)>,
    /// A stretch is kept if its number is a multiple of this.
    stride: usize,
    /// The stretch that is being read, at the rate of the file.
    current: Vec<f32>,
    num_in: usize,
}

impl Excerpt {
    /// For samples at `rate_hz`; with `all`, everything is kept.
    pub fn new(rate_hz: u32, all: bool) -> Self {
        Excerpt {
            rate_hz,
            stretch_in: STRETCH_SECONDS * rate_hz as usize,
            all,
            resampler: resampler(rate_hz),
            whole: vec![],
            stretches: vec![],
            stride: 1,
            current: vec![],
            num_in: 0,
        }
    }

    /// Takes the next samples of one channel, at the rate of the file.
    pub fn push(&mut self, mut samples: &[f32]) {
        if self.stride == 1 {
            // The cut lies at the same sample, however long the blocks are.
            let room = match self.all {
                true => samples.len(),
                false => MAX_SECONDS * self.rate_hz as usize - self.num_in,
            };
            let (now, later) = samples.split_at(room.min(samples.len()));
            match &mut self.resampler {
                Some(resampler) => resampler.push(now, &mut self.whole),
                None => self.whole.extend_from_slice(now),
            }
            self.num_in += now.len();
            if later.is_empty() {
                return;
            }
            self.cut_into_stretches();
            samples = later;
        }
        while !samples.is_empty() {
            let number = self.num_in / self.stretch_in;
            let rest = self.stretch_in - self.num_in % self.stretch_in;
            let (now, later) = samples.split_at(rest.min(samples.len()));
            if number.is_multiple_of(self.stride) {
                self.current.extend_from_slice(now);
            }
            self.num_in += now.len();
            samples = later;
            if self.num_in.is_multiple_of(self.stretch_in) {
                self.end_stretch(number);
            }
        }
    }

    /// The samples at 16 kHz of the recording so far: what [`Self::finish`] would give now or, if that
    /// is longer than `max_seconds`, some of its stretches. More samples can still be pushed.
    pub fn so_far(&self, max_seconds: usize) -> Vec<f32> {
        let most = max_seconds * SAMPLE_RATE_HZ as usize;
        if self.stride == 1 {
            let rest = match &self.resampler {
                Some(resampler) => {
                    let mut rest = vec![];
                    resampler.clone().finish(&mut rest);
                    rest
                }
                None => vec![],
            };
            let mut some = spread(self.whole.chunks(STRETCH), most);
            some.extend(rest);
            return some;
        }
        let current = at_16_khz(&self.current, self.rate_hz);
        let stretches = self.stretches.iter().map(|(_, samples)| &samples[..]);
        spread(stretches.chain([&current[..]]), most)
    }

    /// The samples at 16 kHz.
    pub fn finish(mut self) -> Vec<f32> {
        if self.stride > 1 {
            self.end_stretch(self.num_in / self.stretch_in);
            let mut kept = vec![];
            // Each stretch is freed before the next is copied.
            for (_, samples) in self.stretches {
                kept.extend_from_slice(&samples);
            }
            return kept;
        }
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(&mut self.whole);
        }
        self.whole
    }

    fn cut_into_stretches(&mut self) {
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(&mut self.whole);
        }
        let whole = std::mem::take(&mut self.whole);
        let levels = whole.chunks(STRETCH).map(loudest).enumerate();
        let kept = self.thinned(levels.collect());
        // Only what stays is copied.
        let stretch = |number: usize| whole.chunks(STRETCH).nth(number).map(<[f32]>::to_vec);
        self.stretches = kept
            .into_iter()
            .filter_map(|number| Some((number, stretch(number)?)))
            .collect();
        self.stride = self.stride.max(2);
    }

    fn end_stretch(&mut self, number: usize) {
        if self.current.is_empty() {
            return;
        }
        let samples = at_16_khz(&self.current, self.rate_hz);
        self.current.clear();
        self.stretches.push((number, samples));
        let kept: usize = self.stretches.iter().map(|(_, s)| s.len()).sum();
        if kept > MAX_SECONDS * SAMPLE_RATE_HZ as usize {
            let levels = self.stretches.iter().map(|(n, s)| (*n, loudest(s)));
            let kept = self.thinned(levels.collect());
            self.stretches.retain(|(number, _)| kept.contains(number));
        }
    }

    /// Chooses which stretches to keep, from their numbers and levels, and returns the numbers. Quiet
    /// stretches are dropped; if that is not enough, so is every second stretch.
    fn thinned(&mut self, levels: Vec<(usize, f32)>) -> Vec<usize> {
        let most = MAX_SECONDS / STRETCH_SECONDS / 2;
        let top = levels.iter().map(|(_, level)| *level).fold(0.0, f32::max);
        let limit = top * 10f32.powf(-QUIET_DB / 10.0);
        let loud = levels.into_iter().filter(|(_, level)| *level > limit);
        let mut kept: Vec<usize> = loud.map(|(number, _)| number).collect();
        while kept.len() > most {
            self.stride *= 2;
            kept.retain(|number| number.is_multiple_of(self.stride));
        }
        kept
    }
}

/// Joins all stretches if together they have at most `most` samples, otherwise every second, third or so
/// on.
fn spread<'a>(stretches: impl Iterator<Item = &'a [f32]> + Clone, most: usize) -> Vec<f32> {
    let len: usize = stretches.clone().map(<[f32]>::len).sum();
    let stride = len.div_ceil(most).max(1);
    let mut some = Vec::with_capacity(len / stride);
    for stretch in stretches.step_by(stride) {
        some.extend_from_slice(stretch);
    }
    some
}

fn at_16_khz(samples: &[f32], rate_hz: u32) -> Vec<f32> {
    let Some(mut resampler) = resampler(rate_hz) else {
        return samples.to_vec();
    };
    let mut resampled = vec![];
    resampler.push(samples, &mut resampled);
    resampler.finish(&mut resampled);
    resampled
}

fn resampler(rate_hz: u32) -> Option<Resampler> {
    (rate_hz != SAMPLE_RATE_HZ).then(|| Resampler::new(rate_hz, SAMPLE_RATE_HZ))
}

/// Mean square of the loudest 10 ms.
fn loudest(samples: &[f32]) -> f32 {
    let power = |frame: &[f32]| frame.iter().map(|x| x * x).sum::<f32>() / frame.len() as f32;
    samples.chunks(160).map(power).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = SAMPLE_RATE_HZ as usize;

    /// What is kept of a recording of `seconds`, in which all samples of a second have the `value` of
    /// that second.
    fn kept(seconds: usize, value: impl Fn(usize) -> f32, block: usize) -> Vec<f32> {
        let samples: Vec<f32> = (0..seconds * RATE).map(|n| value(n / RATE)).collect();
        let mut excerpt = Excerpt::new(SAMPLE_RATE_HZ, false);
        samples.chunks(block).for_each(|block| excerpt.push(block));
        excerpt.finish()
    }

    #[test]
    fn three_minutes_are_kept_as_they_are() {
        let samples = kept(MAX_SECONDS, |second| second as f32, 4096);
        assert_eq!(samples.len(), MAX_SECONDS * RATE);
        assert_eq!(samples[100 * RATE], 100.0);
    }

    #[test]
    fn of_an_hour_stretches_from_the_start_to_the_end_are_kept_whatever_the_blocks() {
        let value = |second| 0.5 + second as f32 / 3600.0;
        let samples = kept(3600, value, 4096);
        assert!(samples.len() <= MAX_SECONDS * RATE);
        assert!(samples.len() >= MAX_SECONDS * RATE / 4);
        assert!(samples[0] < 0.51 && samples[samples.len() - 1] > 1.4);
        assert!(samples == kept(3600, value, 100_000));
    }

    #[test]
    fn speech_in_an_hour_of_silence_is_kept() {
        let loud = |second: usize| if second % 600 == 8 { 0.5 } else { 1e-4 };
        let samples = kept(3600, loud, 4096);
        let loud = samples.iter().filter(|x| **x > 0.1).count();
        assert!(loud >= RATE, "{loud} samples of speech");
    }

    #[test]
    fn all_of_it_is_kept_on_request() {
        let mut excerpt = Excerpt::new(8_000, true);
        (0..400).for_each(|_| excerpt.push(&[0.25; 8_000]));
        assert_eq!(excerpt.finish().len(), 400 * RATE);
    }
}
