//! Generates noise of any colour, hum and tones, and mixes them into training crops.

use super::{distortion::energy, filter::Transforms, random::Random};
use crate::audio::SAMPLE_RATE_HZ;
use realfft::num_complex::Complex32;

/// Samples of a generated noise: 8 s.
const COLOURED_LEN: usize = 1 << 17;

/// Noise whose amplitude falls or rises with a random power of frequency: brown to bluish.
pub(super) fn coloured_noise(transforms: &Transforms, random: &mut Random) -> Vec<f32> {
    let mut noise: Vec<f32> = (0..COLOURED_LEN).map(|_| random.normal()).collect();
    let exponent = random.uniform(-1.2, 0.3); // amplitude ~ f^exponent
    transforms.filter(&mut noise, 0, |spectrum| {
        let n = spectrum.len() as f32;
        for (k, s) in spectrum.iter_mut().enumerate() {
            *s *= ((k as f32 + 0.005 * n) / n).powf(exponent);
        }
    });
    noise
}

/// Mains hum of 50 or 60 Hz with its harmonics, or a tone of 100 Hz to 4 kHz with two harmonics.
pub(super) fn hum(len: usize, random: &mut Random) -> Vec<f32> {
    let (base_hz, num_harmonics) = match random.index(3) {
        0 => (50.0, 12),
        1 => (60.0, 10),
        _ => (100.0 * 40f32.powf(random.unit()), 3),
    };
    let mut sum = vec![0.0; len];
    for harmonic in 1..=num_harmonics {
        let hz = base_hz * harmonic as f32;
        if hz > 0.45 * SAMPLE_RATE_HZ as f32 {
            break;
        }
        let amplitude = random.unit() / (harmonic as f32).sqrt();
        // A complex number that rotates costs one product per sample, instead of a cosine.
        let step = Complex32::from_polar(1.0, std::f32::consts::TAU * hz / SAMPLE_RATE_HZ as f32);
        let mut pointer = Complex32::from_polar(amplitude, std::f32::consts::TAU * random.unit());
        for v in &mut sum {
            *v += pointer.re;
            pointer *= step;
        }
    }
    sum
}

/// `len` samples from a random place, starting over at the end of `samples`.
pub(super) fn looped<T: Copy + Into<f32>>(
    samples: &[T],
    len: usize,
    random: &mut Random,
) -> Vec<f32> {
    let mut start = random.index(samples.len().saturating_sub(len).max(1));
    let mut piece = Vec::with_capacity(len);
    while piece.len() < len && !samples.is_empty() {
        let end = (start + len - piece.len()).min(samples.len());
        piece.extend(samples[start..end].iter().map(|v| (*v).into()));
        start = 0;
    }
    piece
}

/// Adds noise, scaled so that the energies differ by `snr_db`. Silent samples stay silent.
pub(super) fn add_at_snr(samples: &mut [f32], noise: &[f32], snr_db: f32) {
    let (signal, other) = (energy(samples), energy(noise));
    if other <= 0.0 {
        return;
    }
    let gain = (signal / other * 10f32.powf(-snr_db / 10.0)).sqrt();
    samples
        .iter_mut()
        .zip(noise)
        .for_each(|(s, n)| *s += gain * n);
}
