//! Power spectrum of a windowed frame: |FFT|² (or |FFT|), computed with realfft.

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex32};
use std::sync::Arc;

/// A planned FFT.
pub(super) struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    use_power: bool,
}

/// Buffers for one FFT.
pub(super) struct Scratch {
    bins: Vec<Complex32>, // (fft_size/2 + 1,)
    fft: Vec<Complex32>,
}

impl Spectrum {
    pub(super) fn new(fft_size: usize, use_power: bool) -> Self {
        Spectrum {
            fft: RealFftPlanner::new().plan_fft_forward(fft_size),
            use_power,
        }
    }

    pub(super) fn scratch(&self) -> Scratch {
        Scratch {
            bins: self.fft.make_output_vec(),
            fft: self.fft.make_scratch_vec(),
        }
    }

    /// `(fft_size,) -> (fft_size/2,)`, without the Nyquist bin, which no mel filter reaches in
    /// Kaldi. Overwrites `frame`.
    pub(super) fn power(&self, frame: &mut [f32], scratch: &mut Scratch, power: &mut [f32]) {
        self.fft
            .process_with_scratch(frame, &mut scratch.bins, &mut scratch.fft)
            .expect("all buffers are made for this size");
        for (power, bin) in power.iter_mut().zip(&scratch.bins) {
            *power = bin.re * bin.re + bin.im * bin.im;
        }
        if !self.use_power {
            power.iter_mut().for_each(|power| *power = power.sqrt());
        }
    }
}

impl std::fmt::Debug for Spectrum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrum")
            .field("fft_size", &self.fft.len())
            .field("use_power", &self.use_power)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The definition, in O(n²) and double precision.
    fn dft_power(frame: &[f32]) -> Vec<f64> {
        let n = frame.len();
        let power = |k: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, &x) in frame.iter().enumerate() {
                let phase = std::f64::consts::TAU * (i * k % n) as f64 / n as f64;
                re += f64::from(x) * phase.cos();
                im -= f64::from(x) * phase.sin();
            }
            re * re + im * im
        };
        (0..n / 2).map(power).collect()
    }

    #[test]
    fn agrees_with_the_definition() {
        for n in [256, 400, 512] {
            let mut frame: Vec<f32> = (0..n).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
            let wanted = dft_power(&frame);
            let spectrum = Spectrum::new(n, true);
            let mut power = vec![0.0; n / 2];
            spectrum.power(&mut frame, &mut spectrum.scratch(), &mut power);
            let largest = wanted.iter().copied().fold(0.0, f64::max);
            for (got, wanted) in power.iter().zip(&wanted) {
                // Each butterfly level rounds a few times, relative to the strongest bin.
                assert!((f64::from(*got) - wanted).abs() < 1e-6 * largest, "n = {n}");
            }
        }
    }

    #[test]
    fn magnitude_is_the_root_of_power() {
        let spectrum = Spectrum::new(8, false);
        let mut power = vec![0.0; 4];
        spectrum.power(
            &mut [1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0],
            &mut spectrum.scratch(),
            &mut power,
        );
        assert_eq!(power[0], 4.0);
    }
}
