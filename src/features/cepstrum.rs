//! Cepstra of log-mel values: the orthonormal DCT-II and the lifter, combined in one matrix.
//!
//! c[k] = lifter[k]·√(2/N)·Σₙ m[n]·cos(π/N·(n + ½)·k). For k = 0 the factor is √(1/N), but √(2/N)
//! with `htk_compat`. After Kaldi's `ComputeDctMatrix` and `ComputeLifterCoeffs`.

use super::config::MfccConfig;
use std::f64::consts::PI;

/// The DCT matrix, multiplied by the lifter.
#[derive(Debug)]
pub(super) struct Cepstrum {
    num_ceps: usize,
    columns: Vec<f32>, // (num_mel_bins, num_ceps)
}

impl Cepstrum {
    pub(super) fn new(config: &MfccConfig) -> Self {
        let (num_mel_bins, num_ceps) = (config.num_mel_bins, config.num_ceps);
        let q = f64::from(config.cepstral_lifter);
        let mut columns = Vec::with_capacity(num_mel_bins * num_ceps);
        for n in 0..num_mel_bins {
            for k in 0..num_ceps {
                let halved = k == 0 && !config.htk_compat;
                let scale = if halved { 1.0 } else { 2.0 } / num_mel_bins as f64;
                let lifted = if q == 0.0 {
                    1.0
                } else {
                    1.0 + 0.5 * q * (PI * k as f64 / q).sin()
                };
                let cos = (PI / num_mel_bins as f64 * (n as f64 + 0.5) * k as f64).cos();
                columns.push((lifted * scale.sqrt() * cos) as f32);
            }
        }
        Cepstrum { num_ceps, columns }
    }

    /// `(num_mel_bins, num_ceps)`.
    pub(super) fn columns(&self) -> &[f32] {
        &self.columns
    }

    /// What mel bin `bin` adds to cepstrum `k`: a factor of the DCT, lifted.
    pub(super) fn at(&self, bin: usize, k: usize) -> f64 {
        f64::from(self.columns[bin * self.num_ceps + k])
    }

    /// The square of the lifter of cepstrum `k`, because the DCT alone is orthonormal.
    pub(super) fn lifter_squared(&self, k: usize) -> f64 {
        let num_mel_bins = self.columns.len() / self.num_ceps;
        (0..num_mel_bins)
            .map(|bin| self.at(bin, k) * self.at(bin, k))
            .sum()
    }
}
