//! Resamples audio from one rate to another: linear phase, alias-free, `round(N · to / from)` samples,
//! aligned (time 0 stays time 0). Works block by block, so that a recording of hours needs no more
//! memory than its result.
//!
//! A block of n samples goes through an FFT of 2n, its spectrum is filtered, cut off or continued
//! with zeros to the new length, and transformed back; what reaches past the block is added to the
//! next one (overlap-add; filter and block lengths are those of rubato's `Fft`). It is not rubato itself,
//! because rubato brings rustfft's AVX code: without these two, and with a few other changes, the program
//! went from 15.16 to 12.81 MB.

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};
use std::{f64::consts::TAU, sync::Arc};

/// Samples of the lower rate that go through one FFT. More make a steeper filter: with these the
/// passband reaches 98 % of the lower Nyquist frequency.
const CHUNK: usize = 1024;

/// Largest number in the ratio of two rates in lowest terms. A ratio of larger numbers is replaced by a
/// close one of smaller numbers, less than 1 part in 10⁴ away. Otherwise 191 999 Hz would need an FFT of
/// 384 000 samples.
const MAX_TERM: u64 = 1 << 13;

/// A resampler for one recording.
#[derive(Clone)]
pub struct Resampler {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// The filter's spectrum, as far as the lower rate reaches.
    filter: Vec<Complex32>,
    /// Samples that wait until there are enough for one FFT.
    pending: Vec<f32>,
    chunk_in: usize,
    chunk_out: usize,
    /// A chunk of samples, then as many zeros: (2 · chunk_in,)
    padded: Vec<f32>,
    spectrum_in: Vec<Complex32>,
    spectrum_out: Vec<Complex32>,
    /// The result for a chunk, then what is added to the next chunk: (2 · chunk_out,)
    filtered: Vec<f32>,
    /// What the last chunk adds to the next: (chunk_out,)
    overlap: Vec<f32>,
    scratch: Vec<Complex32>,
    /// Samples still to be left out at the start, because of the filter's delay.
    delay: usize,
    from_hz: u32,
    to_hz: u32,
    num_in: usize,
    num_out: usize,
}

impl Resampler {
    /// # Panics
    /// When a rate is 0.
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let (from, to) = ratio(from_hz.into(), to_hz.into());
        let chunk_in = chunk_len(from, to);
        let chunk_out = chunk_in / from * to;
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(2 * chunk_in);
        let inverse = planner.plan_fft_inverse(2 * chunk_out);
        let mut padded = filter(chunk_in, chunk_out);
        let mut filter = forward.make_output_vec();
        forward
            .process(&mut padded, &mut filter)
            .expect("buffers of the plan's sizes");
        // Unless the rate is raised, the bin at the new Nyquist frequency is left out.
        filter.truncate(chunk_out.min(chunk_in + 1));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Resampler {
            filter,
            pending: vec![],
            chunk_in,
            chunk_out,
            padded,
            spectrum_in: forward.make_output_vec(),
            spectrum_out: inverse.make_input_vec(),
            filtered: inverse.make_output_vec(),
            overlap: vec![0.0; chunk_out],
            scratch: vec![Complex32::default(); scratch],
            delay: chunk_out / 2,
            forward,
            inverse,
            from_hz,
            to_hz,
            num_in: 0,
            num_out: 0,
        }
    }

    /// Takes the next samples; what is ready of the result goes to the end of `out`.
    pub fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        self.num_in += samples.len();
        while self.pending.len() + samples.len() >= self.chunk_in {
            if self.pending.is_empty() {
                self.process(&samples[..self.chunk_in], out);
                samples = &samples[self.chunk_in..];
                continue;
            }
            let (fill, rest) = samples.split_at(self.chunk_in - self.pending.len());
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(fill);
            self.process(&pending, out);
            pending.clear();
            self.pending = pending;
            samples = rest;
        }
        self.pending.extend_from_slice(samples);
    }

    /// The rest of the result.
    pub fn finish(mut self, out: &mut Vec<f32>) {
        let wanted = num_out(self.num_in, self.from_hz, self.to_hz);
        let mut last = std::mem::take(&mut self.pending);
        last.resize(self.chunk_in, 0.0);
        while self.num_out < wanted {
            self.process(&last, out);
            last.fill(0.0);
        }
        let surplus = self.num_out - wanted;
        out.truncate(out.len() - surplus);
    }

    /// Filters a chunk `(chunk_in,)`, and appends the result without the filter's delay.
    fn process(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let fits = "buffers of the plan's sizes";
        self.padded[..self.chunk_in].copy_from_slice(samples);
        self.padded[self.chunk_in..].fill(0.0);
        let (spectrum_in, spectrum_out) = (&mut self.spectrum_in, &mut self.spectrum_out);
        self.forward
            .process_with_scratch(&mut self.padded, spectrum_in, &mut self.scratch)
            .expect(fits);
        spectrum_out.fill(Complex32::default());
        for ((y, x), h) in spectrum_out.iter_mut().zip(spectrum_in).zip(&self.filter) {
            *y = *x * h;
        }
        // The first and the last bin must be real; with a rounding error in them the inverse FFT would
        // fail.
        spectrum_out[0].im = 0.0;
        spectrum_out[self.chunk_out].im = 0.0;
        self.inverse
            .process_with_scratch(spectrum_out, &mut self.filtered, &mut self.scratch)
            .expect(fits);
        let (now, next) = self.filtered.split_at(self.chunk_out);
        let skipped = self.delay.min(self.chunk_out);
        self.delay -= skipped;
        self.num_out += self.chunk_out - skipped;
        let sums = now.iter().zip(&self.overlap).map(|(a, b)| a + b);
        out.extend(sums.skip(skipped));
        self.overlap.copy_from_slice(next);
    }
}

/// Resamples `(N,) -> (round(N · to / from),)`, at least one sample unless there are none. Speed
/// perturbation is the same operation: the samples are taken as if recorded at 0.9 times their rate.
///
/// # Panics
/// When a rate is 0.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz || samples.is_empty() {
        return samples.to_vec();
    }
    let mut resampler = Resampler::new(from_hz, to_hz);
    let num_out = num_out(samples.len(), from_hz, to_hz);
    let mut out = Vec::with_capacity(num_out + resampler.chunk_out);
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    out
}

/// Number of samples at the new rate for `num_in` samples; at least one, unless there are none.
pub(super) fn num_out(num_in: usize, from_hz: u32, to_hz: u32) -> usize {
    let (from, to) = (u128::from(from_hz), u128::from(to_hz));
    let rounded = (num_in as u128 * to * 2 + from) / (from * 2);
    (rounded as usize).max(num_in.min(1))
}

/// The ratio of the two rates in lowest terms. If one of its terms is above [`MAX_TERM`], a ratio close
/// to it: the last convergent of its continued fraction whose terms are not above this limit.
fn ratio(from: u64, to: u64) -> (usize, usize) {
    let (mut p, mut q, mut last_p, mut last_q) = (1, 0, 0, 1);
    let (mut numerator, mut denominator) = (from, to);
    while denominator > 0 {
        let whole = numerator / denominator;
        let (next_p, next_q) = (whole * p + last_p, whole * q + last_q);
        if next_p.max(next_q) > MAX_TERM && p > 0 && q > 0 {
            break;
        }
        (last_p, last_q, p, q) = (p, q, next_p, next_q);
        (numerator, denominator) = (denominator, numerator % denominator);
    }
    (p as usize, q as usize)
}

/// A low-pass filter of `len` taps, then as many zeros: a sinc under a squared Blackman-Harris window.
/// Its gain in the passband is one over the length of the FFT, because neither the FFT nor its inverse divides
/// by the length. `(2 · len,)`
fn filter(len: usize, len_out: usize) -> Vec<f32> {
    let points = len.min(len_out) as f64;
    // Where the window's main lobe ends at the lower Nyquist frequency: rubato's fit.
    let beside = 13.745202940783823 / points
        + 121.73532586374934 / points.powi(2)
        + 5964.163279612051 / points.powi(3);
    let cutoff = points / len as f64 / (1.0 + beside);
    let taps = (0..len).map(|n| {
        let phase = TAU * n as f64 / len as f64;
        let window = 0.35875 - 0.48829 * phase.cos() + 0.14128 * (2.0 * phase).cos()
            - 0.01168 * (3.0 * phase).cos();
        let x = TAU / 2.0 * (n as f64 - (len / 2) as f64) * cutoff;
        let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
        window * window * sinc
    });
    let taps: Vec<f64> = taps.collect();
    let sum = taps.iter().sum::<f64>() * 2.0 * len as f64;
    let mut taps: Vec<f32> = taps.iter().map(|tap| (tap / sum) as f32).collect();
    taps.resize(2 * len, 0.0);
    taps
}

/// Samples of a chunk at the rate `from`: a power of two times the smallest chunk that lasts a whole
/// number of samples at both rates (which are in lowest terms). It is even, because half a chunk is the
/// filter's delay, which is taken off in whole samples. A power of two keeps the FFT fast.
fn chunk_len(from: usize, to: usize) -> usize {
    let wanted = CHUNK * from.div_ceil(to);
    from * wanted.div_ceil(from).next_power_of_two().max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tones within 94 % of the lower Nyquist frequency of `rates`, sampled at the first.
    fn chord(num_samples: usize, rate_hz: u32, nyquist_hz: f64) -> Vec<f32> {
        (0..num_samples)
            .map(|n| {
                let t = n as f64 / f64::from(rate_hz) * std::f64::consts::TAU;
                let tones = [0.05, 0.4, 0.94].map(|share| (t * share * nyquist_hz + share).sin());
                (0.2 * tones.iter().sum::<f64>()) as f32
            })
            .collect()
    }

    #[test]
    fn a_chord_stays_the_same_chord_at_the_same_instants() {
        for rate_hz in [
            8_000, 11_025, 12_000, 14_400, 17_600, 22_050, 44_100, 48_000, 96_000, 192_000,
        ] {
            let nyquist_hz = f64::from(rate_hz.min(16_000)) / 2.0;
            let resampled = resample(
                &chord(rate_hz as usize, rate_hz, nyquist_hz),
                rate_hz,
                16_000,
            );
            let wanted = chord(16_000, 16_000, nyquist_hz);
            let worst = (2_000..14_000)
                .map(|n| (resampled[n] - wanted[n]).abs())
                .fold(0.0, f32::max);
            // 16-bit audio has steps of 3e-5; −60 dB of the chord is far below any noise.
            assert!(worst < 6e-4, "{rate_hz} Hz: {worst}");
        }
    }

    #[test]
    fn blocks_make_no_difference_and_awkward_rates_little() {
        for rate_hz in [8_000, 44_100, 44_101, 191_999] {
            let wave = chord(30_011, rate_hz, 4_000.0);
            let mut resampler = Resampler::new(rate_hz, 16_000);
            let mut out = vec![];
            wave.chunks(777)
                .for_each(|block| resampler.push(block, &mut out));
            resampler.finish(&mut out);
            assert_eq!(out, resample(&wave, rate_hz, 16_000), "{rate_hz} Hz");
        }
        assert_eq!(ratio(44_100, 16_000), (441, 160));
        assert_eq!(ratio(191_999, 16_000), (12, 1));
        let (p, q) = ratio(44_101, 16_000);
        assert!((p as f64 / q as f64 / (44_101.0 / 16_000.0) - 1.0).abs() < 1e-6);
        for rate_hz in [1_000, 1_009, 7_919, 65_537, 767_999] {
            let (p, q) = ratio(rate_hz, 16_000);
            let error = p as f64 / q as f64 / (rate_hz as f64 / 16_000.0) - 1.0;
            assert!(error.abs() < 1e-4, "{rate_hz} Hz: {error:e}");
        }
    }

    #[test]
    fn lengths_are_rounded_and_what_is_above_nyquist_is_gone() {
        for (len, from, to, wanted) in [
            (1, 44_100, 16_000, 1),
            (2, 44_100, 16_000, 1),
            (1, 8_000, 16_000, 2),
            (44_101, 44_100, 16_000, 16_000),
            (100_000, 14_400, 16_000, 111_111),
            (7, 16_000, 16_000, 7),
        ] {
            assert_eq!(resample(&vec![0.1; len], from, to).len(), wanted);
        }
        let hiss: Vec<f32> = (0..48_000).map(|n| (n as f32 * 1.5).sin()).collect(); // 11.5 kHz
        let kept = resample(&hiss, 48_000, 16_000);
        assert!(kept[1_000..15_000].iter().all(|x| x.abs() < 1e-4));
    }
}
