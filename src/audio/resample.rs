//! Samples at one rate in, samples at another out, through rubato's FFT resampler: linear phase,
//! alias-free, `round(N · to / from)` samples, aligned (time 0 stays time 0).

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Samples of the lower rate that go through one FFT. More make a steeper filter: with these the
/// passband reaches 98 % of the lower Nyquist frequency.
const CHUNK: usize = 1024;

/// Resamples `(N,) -> (round(N · to / from),)`, at least one of any. Speed perturbation is the same
/// thing: treat the samples as if recorded at 0.9 times their rate.
///
/// # Panics
/// When a rate is 0.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz || samples.is_empty() {
        return samples.to_vec();
    }
    let num_out = (samples.len() as u128 * u128::from(to_hz) * 2 + u128::from(from_hz))
        / (u128::from(from_hz) * 2);
    let mut resampler = Fft::<f32>::new_custom(
        from_hz as usize,
        to_hz as usize,
        chunk_len(from_hz as usize, to_hz as usize),
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .expect("rates above 0 and a chunk of more than 0 frames");
    let input = SequentialSlice::new(samples, 1, samples.len()).expect("one channel of N frames");
    let mut out = resampler
        .process_all(&input, samples.len(), None)
        .expect("the buffers were made for these lengths")
        .take_data();
    out.resize((num_out as usize).max(1), 0.0);
    out
}

/// A power of two of the smallest chunks that last a whole number of samples at both rates: even,
/// because half a chunk is the filter's delay, which rubato takes off in whole samples; and without
/// large prime factors, because of the FFT.
fn chunk_len(from: usize, to: usize) -> usize {
    let (mut gcd, mut rest) = (from, to);
    while rest != 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    let smallest = from / gcd;
    let wanted = CHUNK * from.div_ceil(to);
    smallest * wanted.div_ceil(smallest).next_power_of_two().max(2)
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
