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

    /// `(num_mel_bins,) -> (num_ceps,)`. The inner loop runs over cepstra, so the compiler can
    /// vectorize it without reordering any sum.
    pub(super) fn apply(&self, log_mel: &[f32], cepstra: &mut [f32]) {
        cepstra.fill(0.0);
        for (m, column) in log_mel.iter().zip(self.columns.chunks_exact(self.num_ceps)) {
            for (c, d) in cepstra.iter_mut().zip(column) {
                *c += m * d;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cepstrum(num_ceps: usize, cepstral_lifter: f32) -> Cepstrum {
        Cepstrum::new(&MfccConfig {
            num_mel_bins: 40,
            num_ceps,
            cepstral_lifter,
            ..MfccConfig::default()
        })
    }

    #[test]
    fn a_flat_spectrum_has_only_cepstrum_0() {
        let mut cepstra = vec![1.0; 13];
        cepstrum(13, 0.0).apply(&[2.0; 40], &mut cepstra);
        assert!((cepstra[0] - 2.0 * 40f32.sqrt()).abs() < 1e-5);
        assert!(cepstra[1..].iter().all(|c| c.abs() < 1e-5));
    }

    #[test]
    fn a_cosine_has_only_its_own_cepstrum() {
        let log_mel: Vec<f32> = (0..40)
            .map(|n| (PI / 40.0 * (f64::from(n) + 0.5) * 7.0).cos() as f32)
            .collect();
        let mut cepstra = vec![0.0; 40];
        cepstrum(40, 0.0).apply(&log_mel, &mut cepstra);
        for (k, c) in cepstra.iter().enumerate() {
            let wanted = if k == 7 { 20f32.sqrt() } else { 0.0 };
            assert!((c - wanted).abs() < 1e-5, "{k}: {c}");
        }
    }

    #[test]
    fn all_cepstra_keep_the_length() {
        let log_mel: Vec<f32> = (0..40).map(|n| (n as f32).sin()).collect();
        let mut cepstra = vec![0.0; 40];
        cepstrum(40, 0.0).apply(&log_mel, &mut cepstra);
        let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>();
        assert!((norm(&log_mel) - norm(&cepstra)).abs() < 1e-4);
    }

    #[test]
    fn the_lifter_peaks_at_half_of_q() {
        let log_mel: Vec<f32> = (0..40).map(|n| (n as f32).sin()).collect();
        let (mut plain, mut lifted) = (vec![0.0; 13], vec![0.0; 13]);
        cepstrum(13, 0.0).apply(&log_mel, &mut plain);
        cepstrum(13, 22.0).apply(&log_mel, &mut lifted);
        assert_eq!(lifted[0], plain[0]);
        assert!((lifted[11] / plain[11] - 12.0).abs() < 1e-4);
    }
}
