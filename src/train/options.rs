//! The options of training, as plain data with defaults. Together with the recordings they decide the
//! result. [`TrainOptions::check`] refuses what makes no sense.

mod architecture;
mod augment;
mod detectors;
mod head;
mod joint;

pub use architecture::{ArchitectureOptions, ResidualOptions, StageOptions};
pub use augment::AugmentOptions;
pub use detectors::{OverlapOptions, SpeechOptions};
pub use head::{HeadOptions, PairLoss, RefineOptions};
pub use joint::{HiddenOptions, JointOptions, OverlapTermOptions};

use crate::features::MfccConfig;
use serde::{Deserialize, Serialize};

/// Everything that decides the result, apart from the recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Features.
    pub front_end: MfccConfig,
    /// Layers.
    pub architecture: ArchitectureOptions,
    /// Augmentation.
    pub augment: AugmentOptions,
    /// Seed of everything random.
    pub seed: u64,
    /// Optimisation steps.
    pub num_steps: usize,
    /// Crops per step.
    pub batch_size: usize,
    /// Shortest and longest crop, in seconds.
    pub crop_seconds: (f32, f32),
    /// Playing speeds, in per cent; the first must be 100. A speaker at another speed counts as another
    /// speaker.
    pub speeds_percent: Vec<u32>,
    /// Factors on the formants, in per cent, while the pitch stays; the first must be 100. A speaker
    /// with another factor counts as another speaker, at each speed.
    #[serde(default = "as_recorded")]
    pub warps_percent: Vec<u32>,
    /// Weight of the loss over speakers.
    #[serde(default = "one")]
    pub speaker_weight: f32,
    /// Weight of the loss against a teacher's vectors; 0 needs no teacher.
    #[serde(default)]
    pub teacher_weight: f32,
    /// Share of the crops, 0 to 1, that get another pitch and speed while the formants stay, as when a
    /// speaker is excited. The speaker counts as the same.
    #[serde(default)]
    pub pitch: f32,
    /// Peak learning rate of the one-cycle schedule.
    pub learning_rate: f32,
    /// Weight decay of AdamW.
    pub weight_decay: f32,
    /// Scale s of AAM-softmax.
    pub scale: f32,
    /// Margin m of AAM-softmax, after the steps of `margin_ramp`.
    pub margin: f32,
    /// Share of the steps over which m grows from 0.
    pub margin_ramp: f32,
    /// The pair head.
    pub head: HeadOptions,
    /// The detector of overlapped speech, trained after the network; none if no detector is trained.
    #[serde(default)]
    pub overlap: Option<OverlapOptions>,
    /// The speech detector, trained last. Without one, a frame is speech or not by its level.
    #[serde(default)]
    pub speech: Option<SpeechOptions>,
    /// The joint embedding of `train --onto`, which trains nothing else.
    #[serde(default)]
    pub joint: JointOptions,
}

fn one() -> f32 {
    1.0
}

fn as_recorded() -> Vec<u32> {
    vec![100]
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            // These bins are as narrow as 40 bins that end at 3800 Hz, the upper limit of a telephone
            // line.
            front_end: MfccConfig {
                num_mel_bins: 54,
                num_ceps: 54,
                speech_only: true,
                ..MfccConfig::default()
            },
            architecture: ArchitectureOptions {
                channels: 256,
                residual: Some(ResidualOptions::usual()),
                ..ArchitectureOptions::default()
            },
            // Noise, rooms, lines and codecs: a network that has heard none of them scores the
            // recording, not the voice.
            augment: AugmentOptions {
                clean: 0.25,
                reverberation: 0.3,
                noise: 0.45,
                hum: 0.08,
                babble: 0.1,
                equalizer: 0.35,
                clip: 0.04,
                codec: 0.12,
                mu_law: 0.12,
                telephone: 0.12,
                noise_snr_db: (2.0, 32.0),
                babble_snr_db: (6.0, 25.0),
                band_limit: 0.3,
                ..AugmentOptions::default()
            },
            seed: 1,
            num_steps: 8000,
            batch_size: 64,
            crop_seconds: (1.3, 2.9),
            speeds_percent: vec![100, 90, 110],
            warps_percent: vec![100],
            pitch: 0.0,
            speaker_weight: 1.0,
            teacher_weight: 0.0,
            learning_rate: 3e-3,
            weight_decay: 0.05,
            scale: 30.0,
            margin: 0.2,
            margin_ramp: 0.5,
            head: HeadOptions {
                shrinkage: 0.3,
                ..HeadOptions::default()
            },
            overlap: Some(OverlapOptions::default()),
            speech: Some(SpeechOptions::default()),
            joint: JointOptions::default(),
        }
    }
}

impl TrainOptions {
    /// Does the network learn from a teacher?
    pub fn wants_teacher(&self) -> bool {
        self.teacher_weight > 0.0
    }

    /// Whether the network sees log mels, as a residual one does, in place of the cepstra.
    pub fn sees_log_mels(&self) -> bool {
        self.architecture.residual.is_some()
    }

    /// Number of values of a frame that the network sees: cepstra, or log mels.
    pub fn num_seen(&self) -> usize {
        match self.sees_log_mels() {
            true => self.front_end.num_mel_bins,
            false => self.front_end.num_frame_channels(),
        }
    }

    /// The same options without detectors.
    fn without_detectors(&self) -> TrainOptions {
        TrainOptions {
            overlap: None,
            speech: None,
            ..self.clone()
        }
    }

    /// The options that the detector of overlapped speech is trained with: a network of one output.
    pub fn of_overlap(&self) -> Option<TrainOptions> {
        let overlap = self.overlap.as_ref()?;
        Some(TrainOptions {
            architecture: ArchitectureOptions {
                channels: overlap.channels,
                embedding_size: 1,
                stride: self.architecture.stride,
                ..ArchitectureOptions::default()
            },
            augment: overlap.augment.clone(),
            num_steps: (self.num_steps.saturating_mul(overlap.steps_percent) / 100).max(1),
            warps_percent: as_recorded(),
            pitch: 0.0,
            crop_seconds: overlap.crop_seconds,
            ..self.without_detectors()
        })
    }

    /// The options that the speech detector is trained with.
    pub fn of_speech(&self) -> Option<TrainOptions> {
        let speech = self.speech.as_ref()?;
        Some(TrainOptions {
            augment: speech.augment.clone(),
            num_steps: (self.num_steps.saturating_mul(speech.steps_percent) / 100).max(1),
            batch_size: speech.batch_size,
            ..self.without_detectors()
        })
    }
}
