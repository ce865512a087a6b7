//! The rules that training options must keep, checked before any work.

use super::{
    crops::warped,
    options::{
        AugmentOptions, HiddenOptions, OverlapTermOptions, ResidualOptions, StageOptions,
        TrainOptions,
    },
    view::View,
};
use crate::{Error, Result, features::Mfcc};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// Names the first rule that does not hold: `rules! { holds => "option: what it should be"; … }`.
macro_rules! rules {
    ($($holds:expr => $rule:expr;)+) => { all_hold(&[$(($holds, $rule)),+]) };
}

impl TrainOptions {
    /// Refuses options with which training would divide by zero, never end, or learn nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it should be.
    pub fn check(&self) -> Result<()> {
        self.check_single()?;
        check_augment(&self.augment)?;
        if let Some(overlap) = self.of_overlap() {
            overlap.check()?;
        }
        check_hidden(&self.joint.hidden)?;
        if let Some(term) = &self.joint.overlap {
            check_augment(&term.augment)?;
        }
        if let Some(speech) = &self.speech {
            check_augment(&speech.augment)?;
            if !(1..=256).contains(&speech.channels) || !is_range(speech.crop_seconds) {
                return Err(Error::Usage(
                    "training option speech: channels from 1 to 256, crop_seconds from 0.1 to 60"
                        .into(),
                ));
            }
        }
        if let Some(residual) = &self.architecture.residual {
            check_residual(residual)?;
        }
        warped(self)?;
        let mfcc = Mfcc::new(self.front_end.clone())?;
        View::new(&mfcc, self.sees_log_mels())?;
        let weights = [self.speaker_weight, self.teacher_weight];
        let fit = weights.iter().all(|w| *w >= 0.0 && w.is_finite());
        if !fit || weights == [0.0, 0.0] {
            return Err(Error::Usage(
                "training option speaker_weight, teacher_weight: 0 or more, and not both 0".into(),
            ));
        }
        let head = &self.head;
        let num_outputs = head.outputs.unwrap_or(head.loss.num_outputs());
        head.loss.check(num_outputs)
    }

    /// The rules for single options.
    fn check_single(&self) -> Result<()> {
        let positive = |v: f32| v > 0.0 && v.is_finite();
        let each_once = |percent: &[u32], range: RangeInclusive<u32>| {
            let distinct: BTreeSet<&u32> = percent.iter().collect();
            distinct.len() == percent.len() && percent.iter().all(|p| range.contains(p))
        };
        let is_overlap = |o: &OverlapTermOptions| {
            o.examples > 1 && is_range(o.seconds) && o.ridge > 0.0 && o.max_logit.is_finite()
        };
        rules! {
            self.num_steps > 0 => "num_steps: 1 or more";
            self.batch_size <= 1 << 16 => "batch_size: at most 65536";
            self.batch_size > 1 => "batch_size: 2 or more";
            is_range(self.crop_seconds) => "crop_seconds: from 0.1 to 60, shortest first";
            is_range(self.head.crop_seconds) => "head.crop_seconds: from 0.1 to 60, shortest first";
            self.speeds_percent.first() == Some(&100) => "speeds_percent: the first must be 100";
            each_once(&self.speeds_percent, 50..=200) => "speeds_percent: from 50 to 200, each once";
            (1..=10).contains(&self.architecture.stride) => "architecture.stride: from 1 to 10";
            self.warps_percent.first() == Some(&100) => "warps_percent: the first must be 100";
            each_once(&self.warps_percent, 70..=140) => "warps_percent: from 70 to 140, each once";
            (0.0..=1.0).contains(&self.pitch) => "pitch: a share, from 0 to 1";
            positive(self.learning_rate) => "learning_rate: above 0";
            (0.0..1.0).contains(&self.weight_decay) => "weight_decay: from 0, below 1";
            positive(self.scale) => "scale: above 0";
            (0.0..1.5).contains(&self.margin) => "margin: from 0, below 1.5 rad";
            (0.0..=1.0).contains(&self.margin_ramp) => "margin_ramp: from 0 to 1";
            self.head.size > 0 => "head.size: 1 or more";
            (0.0..=1.0).contains(&self.head.shrinkage) => "head.shrinkage: from 0 to 1";
            is_range(self.joint.copy_seconds) => "joint.copy_seconds: from 0.1 to 60, shortest first";
            self.joint.ridge > 0.0 && self.joint.ridge.is_finite() => "joint.ridge: above 0";
            (0.0..=1.0).contains(&self.joint.shrinkage) => "joint.shrinkage: from 0 to 1";
            positive(self.joint.share) => "joint.share: above 0";
            self.joint.overlap.iter().all(is_overlap) =>
                "joint.overlap: examples from 2, seconds from 0.1 to 60, ridge above 0, a finite max_logit";
        }
    }
}

/// Shortest and longest, in seconds.
fn is_range((low, high): (f32, f32)) -> bool {
    low >= 0.1 && high >= low && high <= 60.0
}

/// Names the first rule that does not hold.
fn all_hold(rules: &[(bool, &str)]) -> Result<()> {
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, rule)) => Err(Error::Usage(format!("training option {rule}"))),
        None => Ok(()),
    }
}

fn check_augment(options: &AugmentOptions) -> Result<()> {
    let probabilities = [
        options.clean,
        options.reverberation,
        options.noise,
        options.hum,
        options.babble,
        options.equalizer,
        options.band_limit,
        options.clip,
        options.codec,
        options.mu_law,
        options.telephone,
    ];
    let snr_db = [options.noise_snr_db, options.babble_snr_db];
    let is_snr = |&(low, high): &(f32, f32)| low <= high && low.abs() <= 100.0 && high <= 100.0;
    rules! {
        options.num_rooms <= 100_000 => "augment.num_rooms: at most 100000";
        probabilities.iter().all(|p| (0.0..=1.0).contains(p)) => "augment probabilities: from 0 to 1";
        snr_db.iter().all(is_snr) => "augment SNRs: from -100 to 100 dB, lower first";
    }
}

fn check_residual(options: &ResidualOptions) -> Result<()> {
    let is_size = |size: usize| (1..=4096).contains(&size);
    let is_hop = |hop: usize| (1..=10).contains(&hop);
    let is_stage = |stage: &StageOptions| {
        is_size(stage.channels)
            && (1..=100).contains(&stage.blocks)
            && is_hop(stage.stride)
            && is_hop(stage.stride_bins)
    };
    rules! {
        is_size(options.channels) && is_hop(options.stride_bins) =>
            "architecture.residual: channels from 1 to 4096, stride_bins from 1 to 10";
        options.stages.len() <= 20 && options.stages.iter().all(is_stage) =>
            "architecture.residual.stages: at most 20, with channels from 1 to 4096, blocks from 1 to 100, \
             strides from 1 to 10";
    }
}

fn check_hidden(options: &HiddenOptions) -> Result<()> {
    let least = options.bottleneck.saturating_mul(2);
    let units = format!("joint.hidden.units: expected {least} or more, twice the bottleneck");
    rules! {
        options.bottleneck > 0 => "joint.hidden.bottleneck: expected 1 or more";
        options.units >= least => &units;
        options.batch_size > 0 => "joint.hidden.batch_size: expected 1 or more";
        (0.0..1.0).contains(&options.dropout) => "joint.hidden.dropout: expected 0 or more, and less than 1";
    }
}
