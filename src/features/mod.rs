//! Feature extraction: [`Waveform`] to [`Features`], Kaldi's MFCC or log-mel values minus the mean.
//!
//! ```text
//! samples ─► frame ─► spectrum ─► mel ─► ln ─► cepstrum ─► normalize ─► (T, C)
//!            cut,     |FFT|²     energies     DCT, lifter  speech frames,
//!            window                                        minus their mean
//! ```
//!
//! The files here make the tables of the path from samples to cepstra; the kernels compute it, for
//! several frames at once where they support the FFT size.
//!
//! Follows Kaldi's `feat/feature-mfcc.cc` and `feature-fbank.cc`, checked by
//! `tests/golden_features.rs`.

mod cepstrum;
mod config;
mod frame;
mod log_mel;
mod matrix;
mod mel;
mod normalize;
mod plan;

pub use config::{MfccConfig, Toolkit, WindowType};
pub use matrix::Features;

use crate::{
    Result,
    audio::Waveform,
    kernels::{self, MfccPlan, Table},
};
use cepstrum::Cepstrum;
use frame::Framer;

/// The `top_db` of SpeechBrain's `Fbank`.
const SPEECHBRAIN_RANGE_DB: f32 = 80.0;

/// The feature extractor: tables built once from an [`MfccConfig`].
#[derive(Debug)]
pub struct Mfcc {
    config: MfccConfig,
    framer: Framer,
    cepstrum: Option<Cepstrum>, // none: log-mel
    plan: MfccPlan,
}

impl Mfcc {
    /// Checks the options and builds the tables.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] naming the option.
    pub fn new(config: MfccConfig) -> Result<Self> {
        Self::warped(config, 1.0)
    }

    /// As [`Self::new`], for training: features as if the same speech, at the same pitch, came from
    /// a vocal tract shorter by `warp` (Jaitly and Hinton 2013, "Vocal tract length perturbation").
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn warped(config: MfccConfig, warp: f64) -> Result<Self> {
        config.check()?;
        let filters = mel::filters(&config, warp)?;
        let cepstrum = (config.num_ceps > 0).then(|| Cepstrum::new(&config));
        Ok(Mfcc {
            plan: plan::plan(&config, filters, cepstrum.as_ref()),
            framer: Framer::new(&config),
            cepstrum,
            config,
        })
    }

    /// The options.
    pub fn config(&self) -> &MfccConfig {
        &self.config
    }

    /// C, the number of feature channels.
    pub fn num_channels(&self) -> usize {
        self.config.num_channels()
    }

    /// Number of frames in `num_samples` samples, speech or not.
    pub fn num_frames(&self, num_samples: usize) -> usize {
        self.framer.num_frames(num_samples)
    }

    /// All frames as Kaldi computes them: no VAD, no mean subtraction. `(num_samples,) -> (T, C)`.
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        self.frames_with(kernels::table(), samples)
    }

    /// [`Self::frames`] with the kernels of `table`.
    pub fn frames_with(&self, table: &Table, samples: &[f32]) -> Vec<f32> {
        let frames: Vec<usize> = (0..self.num_frames(samples.len())).collect();
        self.compute(table, samples, &frames)
    }

    /// Features of `waveform`: of its speech frames alone if `speech_only`, and minus their mean if
    /// `mean_norm`.
    pub fn extract(&self, waveform: &Waveform) -> Features {
        self.extract_samples(waveform.samples(), waveform.speech())
    }

    /// [`Self::extract`] for part of a recording: `samples` of nominally −1 to 1, and the VAD's
    /// flags for them, one for each 25 ms frame every 10 ms.
    pub fn extract_samples(&self, samples: &[f32], speech: &[bool]) -> Features {
        let frames: Vec<usize> = (0..self.num_frames(samples.len()))
            .filter(|frame| self.keeps_frame(*frame, speech))
            .collect();
        let values = self.compute(kernels::table(), samples, &frames);
        self.normalised(values)
    }

    /// As [`Self::extract_samples`], but from frames that [`Self::frames`] has computed already.
    /// `(T, C) -> (T', C')`
    pub fn select(&self, frames: &[f32], speech: &[bool]) -> Features {
        let rows = frames.chunks_exact(self.config.num_frame_channels());
        // Row by row: an iterator over all values takes several times as long.
        let mut values = Vec::with_capacity(frames.len());
        for (t, row) in rows.enumerate() {
            if self.keeps_frame(t, speech) {
                values.extend_from_slice(row);
            }
        }
        self.normalised(values)
    }

    /// Features of all frames that [`Self::frames`] computed, pauses included. The detector of
    /// overlapped speech needs pauses, because they show when one voice ends and another begins.
    /// `(T, C) -> (T, C')`
    pub fn with_pauses(&self, frames: &[f32]) -> Features {
        self.normalised(frames.to_vec())
    }

    fn normalised(&self, mut values: Vec<f32>) -> Features {
        if self.config.toolkit == Toolkit::SpeechBrain {
            normalize::limit_range(&mut values, SPEECHBRAIN_RANGE_DB);
        }
        if self.config.mean_norm {
            values = normalize::subtract_mean(values, &self.config);
        }
        Features::new(values, self.num_channels())
    }

    fn keeps_frame(&self, frame: usize, speech: &[bool]) -> bool {
        !self.config.speech_only || normalize::is_speech(speech, self.framer.centre(frame))
    }

    // (num_samples,) -> (T, C), where T is the length of `frames`.
    fn compute(&self, table: &Table, samples: &[f32], frames: &[usize]) -> Vec<f32> {
        let mfcc = match self.plan.has_lane_fft() {
            true => table.mfcc,
            false => kernels::reference::mfcc_of_any_size,
        };
        let edges = self.framer.edges(samples, frames);
        let slices = self.framer.slices(samples, frames, &edges);
        let mut values = vec![0.0; frames.len() * self.config.num_frame_channels()];
        mfcc(&self.plan, &slices, &mut values);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(num_samples: usize) -> Vec<f32> {
        (0..num_samples)
            .map(|i| ((i * i) as f32 * 1e-4).sin() * 0.1)
            .collect()
    }

    #[test]
    fn only_speech_frames_stay_and_their_mean_is_zero() {
        let config = MfccConfig {
            speech_only: true,
            ..MfccConfig::default()
        };
        let mfcc = Mfcc::new(config).unwrap();
        let samples = ramp(4000);
        let speech: Vec<bool> = (0..mfcc.num_frames(4000)).map(|t| t % 3 != 0).collect();
        let features = mfcc.extract_samples(&samples, &speech);
        let kept = speech.iter().filter(|&&s| s).count();
        assert_eq!((features.num_frames(), features.num_channels()), (kept, 40));
        for c in 0..40 {
            let sum: f32 = features.values().iter().skip(c).step_by(40).sum();
            assert!(sum.abs() < 1e-3, "channel {c}: {sum}");
        }
    }

    #[test]
    fn without_normalisation_frames_are_kaldis() {
        let mfcc = Mfcc::new(MfccConfig {
            speech_only: false,
            mean_norm: false,
            ..MfccConfig::default()
        })
        .unwrap();
        let samples = ramp(2000);
        let features = mfcc.extract_samples(&samples, &[]);
        assert_eq!(features.values(), mfcc.frames(&samples));
        assert_eq!(features.num_frames(), 11);
    }

    #[test]
    fn less_than_a_frame_is_no_frame() {
        for snip_edges in [true, false] {
            let mfcc = Mfcc::new(MfccConfig {
                snip_edges,
                ..MfccConfig::default()
            })
            .unwrap();
            assert!(mfcc.frames(&[]).is_empty());
            assert!(mfcc.frames(&[0.5; 79]).is_empty());
            assert_eq!(mfcc.extract_samples(&[0.5; 79], &[]).num_frames(), 0);
        }
    }

    #[test]
    fn features_are_finite_whatever_the_level() {
        let mfcc = Mfcc::new(MfccConfig {
            use_energy: true,
            ..MfccConfig::default()
        })
        .unwrap();
        for level in [0.0, 1e-30, 1.0, 1e15, 1e38] {
            let samples: Vec<f32> = ramp(800).iter().map(|x| x * 10.0 * level).collect();
            let frames = mfcc.frames(&samples);
            assert!(frames.iter().all(|x| x.is_finite()), "level {level}");
        }
    }

    #[test]
    fn refusals_name_the_option() {
        type Spoil = fn(&mut MfccConfig);
        let spoils: [(&str, Spoil); 12] = [
            ("sample_frequency_hz", |c| c.sample_frequency_hz = 8000),
            ("dither", |c| c.dither = 1.0),
            ("frame_length_ms", |c| c.frame_length_ms = f32::NAN),
            ("frame_length_ms", |c| c.frame_length_ms = 1e30),
            ("frame_shift_ms", |c| c.frame_shift_ms = 0.0),
            ("high_freq_hz", |c| c.high_freq_hz = 8001.0),
            ("high_freq_hz", |c| c.high_freq_hz = -7990.0),
            ("num_mel_bins", |c| c.num_mel_bins = usize::MAX),
            ("num_ceps", |c| c.num_ceps = 41),
            ("cepstral_lifter", |c| {
                (c.num_ceps, c.cepstral_lifter) = (0, 22.0);
            }),
            ("toolkit", |c| c.toolkit = Toolkit::SpeechBrain),
            ("energy_floor", |c| c.energy_floor = -1.0),
        ];
        for (option, spoil) in spoils {
            let mut config = MfccConfig::default();
            spoil(&mut config);
            let text = Mfcc::new(config).unwrap_err().to_string();
            assert!(text.contains(option), "{option}: {text}");
        }
    }

    #[test]
    fn the_options_survive_json_and_strangers_are_refused() {
        let json = serde_json::to_string(&MfccConfig::default()).unwrap();
        let back: MfccConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(back, MfccConfig::default());
        let stranger = json.replacen('{', "{\"vtln_warp\":1,", 1);
        assert!(serde_json::from_str::<MfccConfig>(&stranger).is_err());
    }
}
