//! The training options that differ for the two detectors: of speech, and of overlapped speech.

use super::augment::AugmentOptions;
use serde::{Deserialize, Serialize};

/// The speech detector: a network with one logit for each frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechOptions {
    /// Channels of its layers.
    pub channels: usize,
    /// Optimisation steps, in per cent of `num_steps`.
    pub steps_percent: usize,
    /// Crops per step.
    pub batch_size: usize,
    /// Shortest and longest crop, in seconds.
    pub crop_seconds: (f32, f32),
    /// Augmentation of its crops.
    pub augment: AugmentOptions,
}

impl Default for SpeechOptions {
    /// Noise of every kind and level, but no babble, because babble is speech.
    fn default() -> Self {
        SpeechOptions {
            channels: 16,
            steps_percent: 50,
            batch_size: 32,
            crop_seconds: (1.2, 2.8),
            augment: AugmentOptions {
                clean: 0.2,
                reverberation: 0.2,
                noise: 0.6,
                hum: 0.15,
                equalizer: 0.3,
                band_limit: 0.3,
                clip: 0.03,
                codec: 0.1,
                mu_law: 0.15,
                noise_snr_db: (0.0, 35.0),
                ..AugmentOptions::default()
            },
        }
    }
}

/// The detector of overlapped speech: a network with one logit for each recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlapOptions {
    /// Channels of its frame layers.
    pub channels: usize,
    /// Optimisation steps, in per cent of `num_steps`.
    pub steps_percent: usize,
    /// Shortest and longest example, in seconds.
    pub crop_seconds: (f32, f32),
    /// Augmentation of the examples with one voice and of those with two.
    pub augment: AugmentOptions,
}

impl Default for OverlapOptions {
    /// Rooms and noise, which must not pass for a second voice. No babble, because babble is several
    /// voices.
    fn default() -> Self {
        OverlapOptions {
            channels: 48,
            steps_percent: 150,
            crop_seconds: (1.5, 4.0),
            augment: AugmentOptions {
                reverberation: 0.5,
                noise: 0.35,
                band_limit: 0.2,
                codec: 0.1,
                ..AugmentOptions::default()
            },
        }
    }
}
