//! Filters training crops in the frequency domain: rooms, equalisers, band limits, and the spectral
//! holes of a low-rate codec.

use super::{distortion, random::Random};
use crate::audio::SAMPLE_RATE_HZ;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};
use std::sync::{Arc, Mutex};

/// Length that crops of up to 4 s are padded to for filtering.
pub(super) const FILTER_LEN: usize = 1 << 16;

/// FFTs by size, planned once.
#[derive(Default)]
pub(super) struct Transforms(Mutex<RealFftPlanner<f32>>);

impl Transforms {
    pub(super) fn of(
        &self,
        size: usize,
    ) -> (Arc<dyn RealToComplex<f32>>, Arc<dyn ComplexToReal<f32>>) {
        let mut planner = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        (
            planner.plan_fft_forward(size),
            planner.plan_fft_inverse(size),
        )
    }

    pub(super) fn forward(&self, samples: &mut [f32]) -> Vec<Complex32> {
        let (forward, _) = self.of(samples.len());
        let mut spectrum = forward.make_output_vec();
        forward
            .process(samples, &mut spectrum)
            .expect("lengths are the plan's");
        spectrum
    }

    /// Filters the samples: `shape` changes their spectrum. The padding is long enough for a response of
    /// `tail` samples; what the response adds after the end of `samples` is cut off.
    pub(super) fn filter(
        &self,
        samples: &mut [f32],
        tail: usize,
        shape: impl FnOnce(&mut [Complex32]),
    ) {
        let len = (samples.len() + tail).next_power_of_two().max(FILTER_LEN);
        let mut padded = padded(samples, len);
        let scale = 1.0 / padded.len() as f32;
        let mut spectrum = self.forward(&mut padded);
        shape(&mut spectrum);
        let last = spectrum.len() - 1;
        spectrum[0].im = 0.0;
        spectrum[last].im = 0.0;
        let (_, inverse) = self.of(padded.len());
        inverse
            .process(&mut spectrum, &mut padded)
            .expect("lengths are the plan's");
        samples
            .iter_mut()
            .zip(&padded)
            .for_each(|(s, p)| *s = p * scale);
    }
}

/// Ten gains, evenly spaced in the logarithm of frequency from 60 Hz to 8 kHz.
pub(super) fn equalizer_gains_db(random: &mut Random) -> Vec<f32> {
    let strength_db = random.uniform(1.0, 6.0);
    (0..10).map(|_| strength_db * random.normal()).collect()
}

/// Lower and upper edge of a random band, in Hz. Half of the bands are those of a telephone.
pub(super) fn band_hz(random: &mut Random) -> (f32, f32) {
    if random.chance(0.5) {
        let low = if random.chance(0.6) {
            random.uniform(150.0, 350.0)
        } else {
            0.0
        };
        (low, random.uniform(3300.0, 4000.0))
    } else {
        (0.0, random.uniform(4500.0, 7500.0))
    }
}

/// Lower and upper edge of a telephone line's band, in Hz.
pub(super) fn telephone_hz(random: &mut Random) -> (f32, f32) {
    (random.uniform(150.0, 350.0), random.uniform(3000.0, 3700.0))
}

/// Multiplies the spectrum by the gains and cuts it to the band. Both change slowly over frequency, so
/// they are computed every `STEP` bins and interpolated in between.
pub(super) fn shape(
    spectrum: &mut [Complex32],
    gains_db: Option<&[f32]>,
    band: Option<(f32, f32)>,
) {
    const STEP: usize = 64;
    let hz = SAMPLE_RATE_HZ as f32 / 2.0 / (spectrum.len() - 1) as f32;
    let gain_at = |k: usize| {
        let f = (k as f32 * hz).max(60.0);
        let mut gain = 1.0;
        if let Some(gains_db) = gains_db {
            let at = (f / 60.0).ln() / (8000.0f32 / 60.0).ln() * (gains_db.len() - 1) as f32;
            let below = (at as usize).min(gains_db.len() - 2);
            let share = at - below as f32;
            let db = gains_db[below] * (1.0 - share) + gains_db[below + 1] * share;
            gain *= distortion::gain(db);
        }
        if let Some((low, high)) = band {
            let edge = |distance_hz: f32| (distance_hz / 150.0 + 0.5).clamp(0.0, 1.0);
            gain *= edge(high - f) * if low > 0.0 { edge(f - low) } else { 1.0 };
        }
        gain
    };
    let mut left = gain_at(0);
    for (block, bins) in spectrum.chunks_mut(STEP).enumerate() {
        let right = gain_at((block + 1) * STEP);
        for (i, s) in bins.iter_mut().enumerate() {
            *s *= left + (right - left) * (i as f32 / STEP as f32);
        }
        left = right;
    }
}

impl Transforms {
    /// Imitates a low-rate transform codec: in each frame of 512 samples, magnitudes are rounded to
    /// multiples of a step `depth_db` below the peak of their 16 bins. Bins below half a step vanish.
    pub(super) fn coarsen(&self, samples: &mut [f32], depth_db: f32) {
        const SIZE: usize = 512;
        const BAND: usize = 16;
        let floor = distortion::gain(-depth_db);
        let window: Vec<f32> = (0..SIZE)
            .map(|i| (std::f32::consts::PI * (i as f32 + 0.5) / SIZE as f32).sin())
            .collect();
        let (analysis, synthesis) = self.of(SIZE);
        let mut out = vec![0.0f32; samples.len()];
        let mut spectrum = analysis.make_output_vec();
        let mut frame = vec![0.0f32; SIZE];
        let mut start = 0;
        while start < samples.len() {
            let end = (start + SIZE).min(samples.len());
            frame.fill(0.0);
            for i in start..end {
                frame[i - start] = samples[i] * window[i - start];
            }
            analysis
                .process(&mut frame, &mut spectrum)
                .expect("lengths are the plan's");
            let frame_peak = spectrum.iter().map(|s| s.norm()).fold(0.0, f32::max);
            for band in spectrum.chunks_mut(BAND) {
                let peak = band.iter().map(|s| s.norm()).fold(0.0, f32::max);
                let step = (peak * floor).max(frame_peak * floor * 0.03).max(1e-12);
                for s in band {
                    let magnitude = s.norm();
                    let kept = (magnitude / step).round() * step;
                    *s *= if magnitude > 0.0 {
                        kept / magnitude
                    } else {
                        0.0
                    };
                }
            }
            spectrum[0].im = 0.0;
            spectrum[SIZE / 2].im = 0.0;
            synthesis
                .process(&mut spectrum, &mut frame)
                .expect("lengths are the plan's");
            for i in start..end {
                out[i] += frame[i - start] * window[i - start] / SIZE as f32;
            }
            start += SIZE / 2;
        }
        // The first half frame overlaps with no other and stays as it was.
        let head = (SIZE / 2).min(samples.len());
        samples[head..].copy_from_slice(&out[head..]);
    }
}

pub(super) fn padded(samples: &[f32], len: usize) -> Vec<f32> {
    let mut padded = samples.to_vec();
    padded.resize(len, 0.0);
    padded
}
