//! The options that differ for one of several networks, and which part of the shared features it sees.

use super::augment::AugmentOptions;
use serde::{Deserialize, Serialize};

/// What is different for one of several networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberOptions {
    /// Upper end of the mel bins that it sees, in Hz.
    pub high_freq_hz: f32,
    /// [`AugmentOptions::band_limit`] of its crops.
    pub band_limit: f32,
    /// `pitch` of its crops.
    #[serde(default)]
    pub pitch: f32,
    /// Its seed; none for the common `seed` plus its place among the members.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Whether the means over the utterance are subtracted from the features that it sees. False needs
    /// [`MfccConfig::mean_channels`](crate::features::MfccConfig::mean_channels).
    #[serde(default = "yes")]
    pub mean_norm: bool,
    /// Weight of the loss over speakers.
    #[serde(default = "one")]
    pub speaker_weight: f32,
    /// Weight of the loss against a teacher's vectors; 0 needs no teacher.
    #[serde(default)]
    pub teacher_weight: f32,
    /// `shrinkage` of its head; none for the common one.
    #[serde(default)]
    pub head_shrinkage: Option<f64>,
    /// The rest of its augmentation; none for the common one.
    #[serde(default)]
    pub augment: Option<AugmentOptions>,
}

/// The part of the features that a network sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Upper end of the mel bins, in Hz; none for all.
    pub high_freq_hz: Option<f32>,
    /// Whether each channel's mean over the utterance is subtracted.
    pub mean_norm: bool,
    /// Whether it sees log mels in place of the cepstra.
    pub log_mels: bool,
}

impl Seen {
    /// All mel bins, minus their means over the utterance.
    pub const NORMALISED: Seen = Seen {
        high_freq_hz: None,
        mean_norm: true,
        log_mels: false,
    };
}

pub(super) fn one() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

impl MemberOptions {
    /// Six that see different bands and pitches, without a teacher.
    pub fn usual() -> Vec<Self> {
        let member = |high_freq_hz, band_limit, pitch| MemberOptions {
            high_freq_hz,
            band_limit,
            pitch,
            seed: None,
            mean_norm: true,
            speaker_weight: 1.0,
            teacher_weight: 0.0,
            head_shrinkage: None,
            augment: None,
        };
        vec![
            member(3800.0, 0.0, 0.0),
            member(7600.0, 0.35, 0.0),
            member(7600.0, 0.0, 0.0),
            member(3800.0, 0.0, 0.6),
            member(7600.0, 0.35, 0.6),
            member(7600.0, 0.0, 0.6),
        ]
    }

    /// The part of the features that it sees.
    pub fn seen(&self) -> Seen {
        Seen {
            high_freq_hz: Some(self.high_freq_hz),
            mean_norm: self.mean_norm,
            log_mels: false,
        }
    }
}
