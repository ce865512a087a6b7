//! The ranges of activations, which set the steps of u8 activations. A few utterances are run through
//! the network; the range of a channel follows from its largest value. A range that is too wide by a
//! factor of two costs one of eight bits. Values beyond the range are clipped, which costs more.

use super::pooling;
use crate::kernels::levels;
use std::ops::RangeInclusive;

/// Ranges and means of the inputs of a layer.
#[derive(Debug)]
pub(super) struct InputRanges {
    /// `(C_in,)`: the largest activation that a u8 can hold.
    pub ranges: Vec<f32>,
    /// `(C_in,)`
    pub means: Vec<f32>,
}

/// How the inputs and outputs of a map in int8 become u8.
#[derive(Debug, Clone, Copy)]
pub(super) struct MapLevels<'a> {
    /// The u8 of an input of 0.
    pub zero: u8,
    /// Steps of its outputs `(C_out,)`, where they stay u8.
    pub output_steps: Option<&'a [f32]>,
}

/// Statistics of activations over the utterances, per channel.
#[derive(Debug, Default)]
pub(super) struct ActivationStats {
    /// Whether any value was below 0.
    pub any_negative: bool,
    /// Largest magnitude.
    pub largest: Vec<f32>,
    pub mean: Vec<f32>,
}

impl ActivationStats {
    /// Adds the activations `(T, width)` of one utterance; there are `num_utterances` in all.
    pub fn add(&mut self, values: &[f32], width: usize, num_utterances: usize) {
        self.largest.resize(width, 0.0f32);
        self.mean.resize(width, 0.0f32);
        self.any_negative |= values.iter().any(|v| *v < 0.0);
        for frame in values.chunks_exact(width) {
            for (largest, v) in self.largest.iter_mut().zip(frame) {
                *largest = largest.max(v.abs());
            }
        }
        for (mean, of_one) in self.mean.iter_mut().zip(pooling::mean(values, width)) {
            *mean += of_one / num_utterances as f32;
        }
    }

    /// The statistics of each of the `channels` of a bin, over all bins. A frame holds the channels of
    /// one bin after the other.
    pub fn of_channels(&self, channels: usize) -> Self {
        let bins = self.largest.len() / channels;
        let mut of_channels = ActivationStats {
            any_negative: self.any_negative,
            largest: vec![0.0; channels],
            mean: vec![0.0; channels],
        };
        let each_bin = self
            .largest
            .chunks(channels)
            .zip(self.mean.chunks(channels));
        for (largest, mean) in each_bin {
            for c in 0..channels {
                of_channels.largest[c] = of_channels.largest[c].max(largest[c]);
                of_channels.mean[c] += mean[c] / bins as f32;
            }
        }
        of_channels
    }

    /// Whether every channel has a mean.
    pub fn is_finite(&self) -> bool {
        self.mean.iter().all(|v| v.is_finite())
    }

    /// The range of each channel. `weights` holds the largest weight that any map gives to the channel.
    pub fn ranges(&self, weights: &[f32]) -> Vec<f32> {
        let rule = match self.any_negative {
            true => OF_FEATURES,
            false => AFTER_RELU,
        };
        ranges(&self.largest, weights, rule)
    }
}

/// The u8 of an activation of 0.
pub(super) fn zero(is_never_negative: bool) -> u8 {
    if is_never_negative { 0 } else { 128 }
}

/// Steps of activations with these ranges: 255 where none is negative, else 127 on each side of zero.
pub(super) fn steps(ranges: &[f32], zero: u8) -> Vec<f32> {
    ranges.iter().map(|range| range / levels(zero)).collect()
}

/// How the range of a channel is computed from its observed maximum. The numbers were chosen on 120
/// development recordings, so that int8 changes the embeddings of the shipped model and of CAM++ little, and
/// those of networks with random weights as well.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// A range is at least the maximum times this, because other recordings can be louder. A smaller
    /// margin clips values; a larger one makes the steps coarse.
    margin: f32,
    /// A range grows with this power of the channel's own maximum, and with the remaining power of the
    /// largest channel's.
    power: f32,
    /// A maximum below this share of the largest channel's is counted as this share.
    floor: f32,
}

/// For activations that can be negative, such as features: their scales differ in the same way in all
/// recordings.
const OF_FEATURES: Rule = Rule {
    margin: 2.0,
    power: 0.75,
    floor: 0.01,
};

/// After a ReLU, a channel that is quiet in these utterances may be loud in others.
const AFTER_RELU: Rule = Rule {
    margin: 3.0,
    power: 0.5,
    floor: 0.1,
};

/// Range of each channel. Channels are compared by what they add to the outputs: their maxima times their
/// `weights`. So a quiet channel with large weights keeps small steps.
fn ranges(largest: &[f32], weights: &[f32], rule: Rule) -> Vec<f32> {
    let added = largest
        .iter()
        .zip(weights)
        .map(|(largest, weight)| largest * weight);
    let most_added = added.fold(0.0f32, f32::max);
    let range = |(largest, weight): (&f32, &f32)| {
        let as_loud = most_added / weight;
        let range = rule.margin * as_loud * (largest / as_loud).max(rule.floor).powf(rule.power);
        // A channel that adds nothing can have any range.
        if POSSIBLE.contains(&range) {
            range
        } else {
            1.0
        }
    };
    largest.iter().zip(weights).map(range).collect()
}

/// Ranges of channels that add something. For values near zero 1/step would overflow.
const POSSIBLE: RangeInclusive<f32> = 1e-15..=1e15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_channel_has_small_steps_only_where_its_weights_are_large() {
        let range = |weight: f32| ranges(&[1.0, 0.01], &[1.0, weight], AFTER_RELU)[1];
        assert_eq!(ranges(&[1.0, 0.01], &[1.0, 100.0], AFTER_RELU), [3.0, 0.03]);
        assert!(range(10.0) > 0.03 && range(1.0) > range(10.0));
        // No range is below the maximum, which would be clipped.
        assert!([0.01, 0.1, 1.0, 1e4].iter().all(|w| range(*w) >= 0.03));
    }

    #[test]
    fn channels_without_values_or_weights_have_ranges_to_divide_by() {
        for (largest, weights) in [
            ([0.0; 2], [1.0; 2]),
            ([1.0; 2], [0.0; 2]),
            ([0.0, 1e-30], [0.0, 1.0]),
        ] {
            for rule in [OF_FEATURES, AFTER_RELU] {
                let ranges = ranges(&largest, &weights, rule);
                assert!(ranges.iter().all(|r| POSSIBLE.contains(r)), "{ranges:?}");
            }
        }
    }
}
