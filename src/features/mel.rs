//! Power spectrum in, mel energies out: triangles evenly spaced in mel(f) = 1127·ln(1 + f/700).
//!
//! Kaldi, `feat/mel-computations.cc`: triangles are straight in mel, not in Hz, and peak at 1.

use super::config::{MfccConfig, refuse};
use crate::Result;

/// Triangular filters, each over one run of FFT bins.
#[derive(Debug)]
pub(super) struct MelBanks {
    filters: Vec<Filter>,
    weights: Vec<f32>, // all filters' runs, one after the other
}

#[derive(Debug)]
struct Filter {
    first_bin: usize,
    num_bins: usize,
}

impl MelBanks {
    pub(super) fn new(config: &MfccConfig) -> Result<Self> {
        let fft_size = config.fft_size();
        let hz_per_bin = f64::from(config.sample_frequency_hz) / fft_size as f64;
        let low = mel(f64::from(config.low_freq_hz));
        let high = mel(f64::from(config.high_hz()));
        let step = (high - low) / (config.num_mel_bins + 1) as f64;
        let mut banks = MelBanks {
            filters: Vec::with_capacity(config.num_mel_bins),
            weights: Vec::new(),
        };
        let mels = (0..fft_size / 2).map(|bin| mel(hz_per_bin * bin as f64));
        let mels: Vec<f64> = mels.collect();
        for filter in 0..config.num_mel_bins {
            let left = low + filter as f64 * step;
            let weight = |bin: usize| {
                let steps = (mels[bin] - left) / step;
                steps.min(2.0 - steps)
            };
            let reached = |bin: &usize| weight(*bin) > 0.0;
            let Some(first_bin) = (0..fft_size / 2).find(reached) else {
                return refuse(
                    "num_mel_bins",
                    config.num_mel_bins,
                    &format!("fewer: filter {filter} falls between two FFT bins"),
                );
            };
            let run = (first_bin..fft_size / 2).take_while(reached);
            let before = banks.weights.len();
            banks.weights.extend(run.map(|bin| weight(bin) as f32));
            banks.filters.push(Filter {
                first_bin,
                num_bins: banks.weights.len() - before,
            });
        }
        Ok(banks)
    }

    /// First bin and weights of each filter.
    pub(super) fn filters(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut weights = self.weights.as_slice();
        self.filters.iter().map(move |filter| {
            let (run, rest) = weights.split_at(filter.num_bins);
            weights = rest;
            (filter.first_bin, run)
        })
    }

    /// `(fft_size/2,) -> (num_mel_bins,)`.
    pub(super) fn energies(&self, power: &[f32], energies: &mut [f32]) {
        for (energy, (first_bin, run)) in energies.iter_mut().zip(self.filters()) {
            let terms = run.iter().zip(&power[first_bin..]);
            *energy = terms.map(|(w, p)| w * p).sum();
        }
    }
}

/// Where filter `bin` ends.
pub(super) fn end_hz(config: &MfccConfig, bin: usize) -> f64 {
    let (low, high) = (
        mel(f64::from(config.low_freq_hz)),
        mel(f64::from(config.high_hz())),
    );
    let end = low + (bin + 2) as f64 * (high - low) / (config.num_mel_bins + 1) as f64;
    700.0 * ((end / 1127.0).exp() - 1.0)
}

fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_first_and_the_last_peak_the_filters_sum_to_one() {
        let config = MfccConfig::default();
        let banks = MelBanks::new(&config).unwrap();
        let step = (mel(7600.0) - mel(20.0)) / 41.0;
        let mut one = vec![0.0; 256];
        let mut energies = vec![0.0; 40];
        for bin in 0..256 {
            one.fill(0.0);
            one[bin] = 1.0;
            banks.energies(&one, &mut energies);
            let steps = (mel(31.25 * bin as f64) - mel(20.0)) / step;
            let sum: f32 = energies.iter().sum();
            if (1.0..=40.0).contains(&steps) {
                assert!((sum - 1.0).abs() < 1e-6, "bin {bin}: {sum}");
            } else {
                assert!(sum < 1.0, "bin {bin}: {sum}");
            }
        }
    }

    #[test]
    fn more_filters_than_fft_bins_can_feed_are_refused() {
        let config = MfccConfig {
            num_mel_bins: 200,
            ..MfccConfig::default()
        };
        let error = MelBanks::new(&config).unwrap_err().to_string();
        assert!(error.contains("num_mel_bins is 200"), "{error}");
    }
}
