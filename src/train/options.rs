//! Everything that decides what training makes of its recordings, with the values that we use.

use super::{
    architecture::ArchitectureOptions,
    augment::AugmentOptions,
    ensemble,
    head::RefineOptions,
    member::{MemberOptions, Seen, one},
    pair_loss::PairLoss,
};
use crate::{
    Error, Result,
    features::{Mfcc, MfccConfig},
    network::{Layer, infer},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything that decides the result, apart from the recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Features.
    pub front_end: MfccConfig,
    /// Layers.
    pub architecture: ArchitectureOptions,
    /// Augmentation.
    pub augment: AugmentOptions,
    /// Of everything random.
    pub seed: u64,
    /// Optimisation steps.
    pub num_steps: usize,
    /// Crops per step.
    pub batch_size: usize,
    /// Shortest and longest crop, in seconds.
    pub crop_seconds: (f32, f32),
    /// Playing speeds, in per cent; the first must be 100.
    pub speeds_percent: Vec<u32>,
    /// What formants are moved to, in per cent, while the pitch stays; the first must be 100. Each
    /// makes new speakers of all, at each speed.
    #[serde(default = "as_recorded")]
    pub warps_percent: Vec<u32>,
    /// Weight of the loss over speakers.
    #[serde(default = "one")]
    pub speaker_weight: f32,
    /// Weight of the loss against a teacher's vectors; 0 wants no teacher.
    #[serde(default)]
    pub teacher_weight: f32,
    /// Share of the crops, 0 to 1, that speak higher or lower, and faster or slower, in the same
    /// voice: as excited people do.
    #[serde(default)]
    pub pitch: f32,
    /// Peak of the one-cycle schedule.
    pub learning_rate: f32,
    /// Of AdamW.
    pub weight_decay: f32,
    /// s of AAM-softmax.
    pub scale: f32,
    /// m of AAM-softmax, reached at `margin_ramp`.
    pub margin: f32,
    /// Share of the steps over which m grows from 0.
    pub margin_ramp: f32,
    /// The pair head.
    pub head: HeadOptions,
    /// Networks that are trained one after the other, each with the next seed, and made one; none
    /// for a single network.
    pub members: Vec<MemberOptions>,
    /// The detector of overlapped speech, trained last; none without it.
    #[serde(default)]
    pub overlap: Option<OverlapOptions>,
    /// The speech detector; none leaves it to the level of the frames.
    #[serde(default)]
    pub speech: Option<SpeechOptions>,
}

/// What is different for the speech detector: one logit for each frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechOptions {
    /// C of its layers.
    pub channels: usize,
    /// Optimisation steps, in per cent of the others' [`TrainOptions::num_steps`].
    pub steps_percent: usize,
    /// Crops per step.
    pub batch_size: usize,
    /// Shortest and longest crop, in seconds.
    pub crop_seconds: (f32, f32),
    /// What its crops meet.
    pub augment: AugmentOptions,
}

impl Default for SpeechOptions {
    /// Noise of every kind and level; no babble: the voices in it are speech.
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

/// What is different for the detector of overlapped speech: two voices at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlapOptions {
    /// [`ArchitectureOptions::channels`].
    pub channels: usize,
    /// Optimisation steps, in per cent of the others' [`TrainOptions::num_steps`].
    pub steps_percent: usize,
    /// Shortest and longest example, in seconds.
    pub crop_seconds: (f32, f32),
    /// What both kinds of examples meet.
    pub augment: AugmentOptions,
}

impl Default for OverlapOptions {
    /// Rooms and noise, which should not be taken for a second voice. No babble: it is several.
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

/// How the head is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadOptions {
    /// L.
    pub size: usize,
    /// Of the within-speaker covariance towards a multiple of I.
    pub shrinkage: f64,
    /// Crops of each training utterance, besides the first as it is.
    pub crops_per_utterance: usize,
    /// Shortest and longest of them, in seconds.
    pub crop_seconds: (f32, f32),
    /// What the pair head is trained for: `bce`, `softmax` or `mse`.
    pub loss: PairLoss,
    /// Its outputs; none for as many as the loss needs.
    pub outputs: Option<usize>,
    /// Steps of refinement (BCE, softmax or MSE) on pairs; 0 keeps PLDA.
    pub bce_steps: usize,
    /// Weight of a target pair within one session, against one across sessions.
    pub same_session: f64,
}

impl Default for HeadOptions {
    fn default() -> Self {
        HeadOptions {
            size: 64,
            shrinkage: 0.5,
            crops_per_utterance: 4,
            // Short ones: else an LDA does not know how far what is said moves an embedding.
            crop_seconds: (0.5, 3.0),
            loss: PairLoss::Bce,
            outputs: None,
            bce_steps: 25,
            same_session: 0.3,
        }
    }
}

impl HeadOptions {
    /// How the pair head is refined.
    pub fn refine(&self, seed: u64) -> RefineOptions {
        RefineOptions {
            loss: self.loss,
            num_steps: self.bce_steps,
            same_session: self.same_session,
            seed,
            ..RefineOptions::default()
        }
    }
}

fn as_recorded() -> Vec<u32> {
    vec![100]
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            // As fine as 40 bins up to what a telephone carries, 3800 Hz.
            front_end: MfccConfig {
                num_mel_bins: 54,
                num_ceps: 54,
                ..MfccConfig::default()
            },
            architecture: ArchitectureOptions {
                channels: 96,
                ..ArchitectureOptions::default()
            },
            augment: AugmentOptions::default(),
            seed: 1,
            num_steps: 8000,
            batch_size: 64,
            crop_seconds: (1.3, 2.9),
            speeds_percent: vec![100, 90, 110, 85, 115],
            warps_percent: vec![100, 90, 110],
            pitch: 0.0,
            speaker_weight: 1.0,
            teacher_weight: 0.0,
            learning_rate: 3e-3,
            weight_decay: 0.05,
            scale: 30.0,
            margin: 0.2,
            margin_ramp: 0.5,
            head: HeadOptions::default(),
            members: MemberOptions::usual(),
            overlap: Some(OverlapOptions::default()),
            speech: Some(SpeechOptions::default()),
        }
    }
}

impl TrainOptions {
    /// Refuses what would divide by zero, never end, or teach nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it should be.
    pub fn check(&self) -> Result<()> {
        let range = |(low, high): (f32, f32)| low >= 0.1 && high >= low && high <= 60.0;
        let positive = |v: f32| v > 0.0 && v.is_finite();
        let distinct: BTreeSet<&u32> = self.speeds_percent.iter().collect();
        let distinct_warps: BTreeSet<&u32> = self.warps_percent.iter().collect();
        let rules = [
            (self.num_steps > 0, "num_steps: 1 or more"),
            (self.batch_size <= 1 << 16, "batch_size: at most 65536"),
            (self.batch_size > 1, "batch_size: 2 or more"),
            (
                range(self.crop_seconds),
                "crop_seconds: from 0.1 to 60, shortest first",
            ),
            (
                range(self.head.crop_seconds),
                "head.crop_seconds: from 0.1 to 60, shortest first",
            ),
            (
                self.speeds_percent.first() == Some(&100),
                "speeds_percent: the first must be 100",
            ),
            (
                distinct.len() == self.speeds_percent.len()
                    && distinct.iter().all(|s| (50..=200).contains(*s)),
                "speeds_percent: from 50 to 200, each once",
            ),
            (
                (1..=10).contains(&self.architecture.stride),
                "architecture.stride: from 1 to 10",
            ),
            (
                self.warps_percent.first() == Some(&100),
                "warps_percent: the first must be 100",
            ),
            (
                distinct_warps.len() == self.warps_percent.len()
                    && distinct_warps.iter().all(|w| (70..=140).contains(*w)),
                "warps_percent: from 70 to 140, each once",
            ),
            (
                (0.0..=1.0).contains(&self.pitch),
                "pitch: a share, from 0 to 1",
            ),
            (positive(self.learning_rate), "learning_rate: above 0"),
            (
                self.weight_decay >= 0.0 && self.weight_decay < 1.0,
                "weight_decay: from 0, below 1",
            ),
            (positive(self.scale), "scale: above 0"),
            (
                (0.0..1.5).contains(&self.margin),
                "margin: from 0, below 1.5 rad",
            ),
            (
                (0.0..=1.0).contains(&self.margin_ramp),
                "margin_ramp: from 0 to 1",
            ),
            (self.head.size > 0, "head.size: 1 or more"),
        ];
        if let Some((_, rule)) = rules.iter().find(|(holds, _)| !holds) {
            return Err(Error::Usage(format!("training option {rule} is wanted")));
        }
        self.augment.check()?;
        if let Some(overlap) = self.of_overlap() {
            overlap.check()?;
        }
        if let Some(speech) = &self.speech {
            speech.augment.check()?;
            if !(1..=256).contains(&speech.channels) || !range(speech.crop_seconds) {
                return Err(Error::Usage(
                    "training option speech: channels from 1 to 256, crop_seconds from 0.1 to 60"
                        .into(),
                ));
            }
        }
        self.warped()?;
        let mfcc = Mfcc::new(self.front_end.clone())?;
        for member in &self.members {
            member.check(&mfcc)?;
        }
        for (options, _) in self.of_each() {
            options.augment.check()?;
            let weights = [options.speaker_weight, options.teacher_weight];
            let fit = weights.iter().all(|w| *w >= 0.0 && w.is_finite());
            if !fit || weights == [0.0, 0.0] {
                return Err(Error::Usage(
                    "training option speaker_weight, teacher_weight: 0 or more, and not both 0"
                        .into(),
                ));
            }
            if !(0.0..=1.0).contains(&options.head.shrinkage) {
                return Err(Error::Usage(
                    "training option head.shrinkage, head_shrinkage of a member: from 0 to 1"
                        .into(),
                ));
            }
        }
        ensemble::check(self)?;
        let head = &self.head;
        let num_outputs = head.outputs.unwrap_or(head.loss.num_outputs());
        head.loss.check(num_outputs)
    }

    /// Does any network learn from a teacher?
    pub fn wants_teacher(&self) -> bool {
        let each = self.of_each();
        each.iter().any(|(own, _)| own.teacher_weight > 0.0)
    }

    /// The options of each network that is trained, and what it sees of the features.
    pub fn of_each(&self) -> Vec<(TrainOptions, Seen)> {
        let single = TrainOptions {
            members: vec![],
            overlap: None,
            speech: None,
            ..self.clone()
        };
        if self.members.is_empty() {
            return vec![(single, Seen::NORMALISED)];
        }
        let members = self.members.iter().zip(self.seed..);
        let options = members.map(|(member, seed)| (member.of(&single, seed), member.seen()));
        options.collect()
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
            members: vec![],
            overlap: None,
            speech: None,
            ..self.clone()
        })
    }

    /// The front-end with each of [`Self::warps_percent`] but the first.
    pub(super) fn warped(&self) -> Result<Vec<Mfcc>> {
        let warp =
            |percent: &u32| Mfcc::warped(self.front_end.clone(), f64::from(*percent) / 100.0);
        self.warps_percent.iter().skip(1).map(warp).collect()
    }

    /// The layer list, BatchNorms and all.
    ///
    /// # Errors
    /// An option that makes no sense.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let num_features = self.front_end.num_frame_channels();
        let layers = self.architecture.layers(num_features)?;
        infer(&layers, num_features)
            .map_err(|e| Error::Usage(format!("the architecture does not fit together: {e}")))?;
        Ok(layers)
    }
}
