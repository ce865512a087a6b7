//! What one of several networks does differently, and what it sees of the features that all share.

use super::{augment::AugmentOptions, options::TrainOptions, view::View};
use crate::{Error, Result, features::Mfcc};
use serde::{Deserialize, Serialize};

/// What one of several networks does differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberOptions {
    /// It sees the mel bins that end by here.
    pub high_freq_hz: f32,
    /// [`AugmentOptions::band_limit`] of its crops.
    pub band_limit: f32,
    /// [`TrainOptions::pitch`] of its crops.
    #[serde(default)]
    pub pitch: f32,
    /// Of everything random; none for [`TrainOptions::seed`] and its place.
    #[serde(default)]
    pub seed: Option<u64>,
    /// It sees the features less their means over the utterance; false wants
    /// [`MfccConfig::mean_channels`](crate::features::MfccConfig::mean_channels).
    #[serde(default = "yes")]
    pub mean_norm: bool,
    /// [`TrainOptions::speaker_weight`].
    #[serde(default = "one")]
    pub speaker_weight: f32,
    /// [`TrainOptions::teacher_weight`].
    #[serde(default)]
    pub teacher_weight: f32,
    /// [`HeadOptions::shrinkage`](super::options::HeadOptions::shrinkage); none for that of all.
    #[serde(default)]
    pub head_shrinkage: Option<f64>,
    /// The rest of what its crops meet; none for [`TrainOptions::augment`].
    #[serde(default)]
    pub augment: Option<AugmentOptions>,
}

/// What a network sees of the features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// The mel bins that end by here; none for all.
    pub high_freq_hz: Option<f32>,
    /// Less their means over the utterance.
    pub mean_norm: bool,
}

impl Seen {
    /// All mel bins, less their means.
    pub const NORMALISED: Seen = Seen {
        high_freq_hz: None,
        mean_norm: true,
    };
}

pub(super) fn one() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

impl MemberOptions {
    /// Six that hear different things and want no teacher.
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

    /// Refuses what makes no sense. The weights are the [`TrainOptions`]' to check.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it should be.
    pub(super) fn check(&self, mfcc: &Mfcc) -> Result<()> {
        let share = |p: f32| (0.0..=1.0).contains(&p);
        let rules = [
            (share(self.band_limit), "band_limit: from 0 to 1"),
            (share(self.pitch), "pitch: from 0 to 1"),
        ];
        if let Some((_, rule)) = rules.iter().find(|(holds, _)| !holds) {
            return Err(Error::Usage(format!(
                "training option members.{rule} is wanted"
            )));
        }
        View::new(mfcc, self.seen()).map(drop)
    }

    /// Its own options; `seed` is its place's.
    pub(super) fn of(&self, all: &TrainOptions, seed: u64) -> TrainOptions {
        let mut own = all.clone();
        own.seed = self.seed.unwrap_or(seed);
        own.augment = self.augment.clone().unwrap_or(own.augment);
        own.augment.band_limit = self.band_limit;
        own.pitch = self.pitch;
        own.speaker_weight = self.speaker_weight;
        own.teacher_weight = self.teacher_weight;
        own.head.shrinkage = self.head_shrinkage.unwrap_or(own.head.shrinkage);
        own
    }

    /// What it sees.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            high_freq_hz: Some(self.high_freq_hz),
            mean_norm: self.mean_norm,
        }
    }
}
