//! Matrices that lead from features back to mel bins. Training multiplies the features by one of
//! them, for networks that see only part of the band, and for networks that read log mels.
//!
//! Cepstra are the log-mel values times an invertible matrix A = F·C (lifter F, orthonormal DCT C),
//! with A⁻¹ = Cᵀ·F⁻¹. So the matrix A·D·A⁻¹ removes from cepstra what the mel bins above a given
//! frequency contribute. D is diagonal, with 1 for each bin that is kept and 0 for the others.

use super::{Mfcc, mel};
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

    /// P, `(C, C)` row-major: `P·x` keeps of the features `x` only the mel bins that end at or
    /// below `high_freq_hz`.
    ///
    /// # Errors
    /// [`Error::Usage`] where the bins cannot be separated: fewer cepstra than mel bins,
    /// `use_energy`, or `htk_compat`. Also for a band that holds no bin.
    pub fn band_projection(&self, high_freq_hz: f32) -> Result<Vec<f32>> {
        let config = &self.config;
        let channels = config.num_frame_channels();
        if channels != config.num_mel_bins || config.use_energy || config.htk_compat {
            return Err(Error::Usage(
                "a network of a narrower band needs as many cepstra as mel bins (or log-mel), \
                 use_energy off and htk_compat off"
                    .into(),
            ));
        }
        let kept = (0..channels)
            .take_while(|bin| mel::end_hz(config, *bin) <= f64::from(high_freq_hz))
            .count();
        if kept == 0 {
            return Err(Error::Usage(format!(
                "a band up to {high_freq_hz} Hz holds no mel bin; the lowest ends at {:.0} Hz",
                mel::end_hz(config, 0)
            )));
        }
        let mut matrix = vec![0.0; channels * channels];
        let Some(cepstrum) = &self.cepstrum else {
            (0..kept).for_each(|bin| matrix[bin * channels + bin] = 1.0);
            return Ok(matrix);
        };
        for j in 0..channels {
            let lifter_squared = cepstrum.lifter_squared(j);
            for k in 0..channels {
                let products = (0..kept).map(|bin| cepstrum.at(bin, k) * cepstrum.at(bin, j));
                let sum: f64 = products.sum();
                matrix[k * channels + j] = (sum / lifter_squared) as f32;
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
    fn what_happens_above_the_band_is_not_seen_and_what_is_below_stays() {
        for num_ceps in [0, 30] {
            let mfcc = mfcc(num_ceps);
            let projection = mfcc.band_projection(2000.0).unwrap();
            let seen = |log_mel: &[f32]| -> Vec<f32> {
                let x = features(&mfcc, log_mel);
                let rows = projection.chunks_exact(30);
                rows.map(|row| row.iter().zip(&x).map(|(p, x)| p * x).sum())
                    .collect()
            };
            let low: Vec<f32> = (0..30).map(|n| (n as f32).sin()).collect();
            let mut other = low.clone();
            other[29] += 5.0;
            other[20] -= 3.0;
            for (a, b) in seen(&low).iter().zip(seen(&other)) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
            other[0] += 1.0;
            assert!(
                seen(&low)
                    .iter()
                    .zip(seen(&other))
                    .any(|(a, b)| (a - b).abs() > 0.1)
            );
        }
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

    #[test]
    fn bins_that_cannot_be_told_apart_and_an_empty_band_are_refused() {
        assert!(mfcc(13).band_projection(2000.0).is_err());
        let text = mfcc(30).band_projection(30.0).unwrap_err().to_string();
        assert!(text.contains("holds no mel bin"), "{text}");
    }
}
