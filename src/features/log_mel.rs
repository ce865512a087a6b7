//! The matrix that leads from features back to log mels, for networks that read log mels.
//!
//! Cepstra are the log-mel values times an invertible matrix A = F·C (lifter F, orthonormal DCT C),
//! with A⁻¹ = Cᵀ·F⁻¹.

use super::Mfcc;
use crate::{Error, Result};

impl Mfcc {
    /// A⁻¹, `(num_mel_bins, C)` row-major: `A⁻¹·x` are the log mels from which the features `x`
    /// were computed. With fewer cepstra than mel bins, they are smoothed.
    ///
    /// # Errors
    /// [`Error::Usage`] with `use_energy`, because the energy has taken the place of a cepstrum.
    pub fn log_mel_matrix(&self) -> Result<Vec<f32>> {
        let config = &self.config;
        if config.use_energy {
            return Err(Error::Usage(
                "a network that reads log mels needs use_energy off".into(),
            ));
        }
        let (bins, channels) = (config.num_mel_bins, config.num_frame_channels());
        let mut matrix = vec![0.0; bins * channels];
        let Some(cepstrum) = &self.cepstrum else {
            (0..bins).for_each(|bin| matrix[bin * channels + bin] = 1.0);
            return Ok(matrix);
        };
        for k in 0..channels {
            let lifter_squared = cepstrum.lifter_squared(k);
            for bin in 0..bins {
                matrix[bin * channels + k] = (cepstrum.at(bin, k) / lifter_squared) as f32;
            }
        }
        Ok(matrix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::MfccConfig;

    fn mfcc(num_ceps: usize) -> Mfcc {
        let config = MfccConfig {
            num_mel_bins: 30,
            num_ceps,
            cepstral_lifter: if num_ceps == 0 { 0.0 } else { 22.0 },
            ..MfccConfig::default()
        };
        Mfcc::new(config).unwrap()
    }

    /// What the front-end makes of these log mels.
    fn features(mfcc: &Mfcc, log_mel: &[f32]) -> Vec<f32> {
        let Some(cepstrum) = &mfcc.cepstrum else {
            return log_mel.to_vec();
        };
        let terms = |k| (0..30).map(move |bin| f64::from(log_mel[bin]) * cepstrum.at(bin, k));
        (0..30).map(|k| terms(k).sum::<f64>() as f32).collect()
    }

    #[test]
    fn log_mels_come_back_from_the_cepstra() {
        for num_ceps in [0, 30] {
            let mfcc = mfcc(num_ceps);
            let log_mel: Vec<f32> = (0..30).map(|n| (n as f32).sin()).collect();
            let x = features(&mfcc, &log_mel);
            let matrix = mfcc.log_mel_matrix().unwrap();
            for (row, wanted) in matrix.chunks_exact(30).zip(&log_mel) {
                let got: f32 = row.iter().zip(&x).map(|(p, x)| p * x).sum();
                // 30 products of numbers up to 10, in f32.
                assert!((got - wanted).abs() < 1e-4, "{got} {wanted}");
            }
        }
    }
}
