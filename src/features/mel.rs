//! Mel energies of a power spectrum: triangular filters, evenly spaced in mel(f) = 1127·ln(1 +
//! f/700).
//!
//! As in Kaldi's `feat/mel-computations.cc`, the sides of the triangles are straight in mel, not in
//! Hz, and their peaks are 1. SpeechBrain's are straight in Hz ([`Toolkit::SpeechBrain`]).

use super::config::{MfccConfig, Toolkit, refuse};
use crate::Result;

/// The triangular filters: the first FFT bin of each, and the weights of the bins from there on. `warp`
/// is 1 for normal features; otherwise as in [`warped_hz`].
pub(super) fn filters(config: &MfccConfig, warp: f64) -> Result<Vec<(usize, Vec<f32>)>> {
    let fft_size = config.fft_size();
    let hz_per_bin = f64::from(config.sample_frequency_hz) / fft_size as f64;
    let (low_hz, high_hz) = (f64::from(config.low_freq_hz), f64::from(config.high_hz()));
    let (low, high) = (mel(low_hz), mel(high_hz));
    let step = (high - low) / (config.num_mel_bins + 1) as f64;
    // Position of an FFT bin in mel for Kaldi, in Hz for SpeechBrain: on this axis, the sides of the
    // triangles are straight lines.
    let position = |bin: usize| {
        let hz = warped_hz(hz_per_bin * bin as f64, warp, low_hz, high_hz);
        match config.toolkit {
            Toolkit::Kaldi => mel(hz),
            Toolkit::SpeechBrain => hz,
        }
    };
    let positions: Vec<f64> = (0..fft_size / 2).map(position).collect();
    let filter = |filter: usize| {
        let left = low + filter as f64 * step;
        let (start, side) = match config.toolkit {
            Toolkit::Kaldi => (left, step),
            Toolkit::SpeechBrain => (hz(left), hz(left + step) - hz(left)),
        };
        let weight = |bin: usize| {
            let sides = (positions[bin] - start) / side;
            sides.min(2.0 - sides)
        };
        let reached = |bin: &usize| weight(*bin) > 0.0;
        let first_bin = match (0..fft_size / 2).find(reached) {
            Some(first_bin) => first_bin,
            None if config.toolkit == Toolkit::SpeechBrain => 0,
            None => {
                return refuse(
                    "num_mel_bins",
                    config.num_mel_bins,
                    &format!("fewer: filter {filter} falls between two FFT bins"),
                );
            }
        };
        let run = (first_bin..fft_size / 2).take_while(reached);
        Ok((first_bin, run.map(|bin| weight(bin) as f32).collect()))
    };
    (0..config.num_mel_bins).map(filter).collect()
}

/// Maps the frequency `hz` to `warp·hz`, as for a vocal tract shorter by that factor. The map bends
/// towards both ends of the band, which stay fixed. It is the inverse of Kaldi's `VtlnWarpFreq`
/// with `vtln_low` 100 and `vtln_high` -500, because here the FFT bins move and not the filters.
fn warped_hz(hz: f64, warp: f64, low_hz: f64, high_hz: f64) -> f64 {
    if warp == 1.0 || hz <= low_hz || hz >= high_hz {
        return hz;
    }
    let low = 100.0 * warp.max(1.0);
    let high = (high_hz - 500.0) * warp.min(1.0);
    let (from, to) = (low / warp, high / warp);
    if hz < from {
        low_hz + (low - low_hz) / (from - low_hz) * (hz - low_hz)
    } else if hz < to {
        hz * warp
    } else {
        high_hz + (high_hz - high) / (high_hz - to) * (hz - high_hz)
    }
}

fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

/// The inverse of [`mel`].
fn hz(mel: f64) -> f64 {
    700.0 * ((mel / 1127.0).exp() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warped_bank_hears_a_tone_higher() {
        let config = MfccConfig::default();
        let centre = |warp: f64, bin: usize| {
            let filters = filters(&config, warp).unwrap();
            let energy = |(first, run): &(usize, Vec<f32>)| {
                let at = bin.checked_sub(*first);
                at.and_then(|at| run.get(at)).copied().unwrap_or(0.0)
            };
            let energies: Vec<f32> = filters.iter().map(energy).collect();
            let moment: f32 = (1..=40).zip(&energies).map(|(i, e)| i as f32 * e).sum();
            moment / energies.iter().sum::<f32>()
        };
        let step = (mel(7600.0) - mel(20.0)) / 41.0;
        for warp in [0.9, 1.1] {
            // A tone between two peaks divides its energy so that the mean position is that of the
            // tone.
            for hz in [500.0, 1000.0, 3000.0, 6000.0] {
                let wanted = (mel(hz * warp) - mel(20.0)) / step;
                let heard = f64::from(centre(warp, (hz / 31.25) as usize));
                assert!(
                    (heard - wanted).abs() < 1e-3,
                    "{hz} Hz, {warp}: {heard} {wanted}"
                );
            }
        }
        // The ends stay fixed, and the order of frequencies is kept.
        for warp in [0.7, 1.4] {
            let at = |hz| warped_hz(hz, warp, 20.0, 7600.0);
            assert_eq!((at(20.0), at(7600.0), at(8000.0)), (20.0, 7600.0, 8000.0));
            assert!((2..760).all(|n| at(f64::from(n) * 10.0) > at(f64::from(n - 1) * 10.0)));
        }
    }

    #[test]
    fn more_filters_than_fft_bins_can_feed_are_refused() {
        let config = MfccConfig {
            num_mel_bins: 200,
            ..MfccConfig::default()
        };
        let error = filters(&config, 1.0).unwrap_err().to_string();
        assert!(error.contains("num_mel_bins is 200"), "{error}");
    }
}
