//! The ranges of activations, from which the steps of int8 ones follow. A few utterances are run through
//! the network. The largest value of each channel sets the step of its activations. A step that is too
//! wide by a factor of two costs one of eight bits; values beyond the largest step are clipped, which
//! costs more.

use super::pooling;
use crate::kernels::levels;

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
    /// Largest magnitude.
    pub largest: Vec<f32>,
    pub mean: Vec<f32>,
}

impl ActivationStats {
    /// Adds the activations `(T, width)` of one utterance; there are `num_utterances` in all.
    pub fn add(&mut self, values: &[f32], width: usize, num_utterances: usize) {
        self.largest.resize(width, 0.0f32);
        self.mean.resize(width, 0.0f32);
        for frame in values.chunks_exact(width) {
            for (largest, v) in self.largest.iter_mut().zip(frame) {
                *largest = largest.max(v.abs());
            }
        }
        for (mean, of_one) in self.mean.iter_mut().zip(pooling::mean(values, width)) {
            *mean += of_one / num_utterances as f32;
        }
    }

    /// The statistics of each of `channels` over all bins, where a frame holds those of one bin after
    /// the other.
    pub fn of_channels(&self, channels: usize) -> Self {
        let bins = self.largest.len() / channels;
        let mut of_channels = ActivationStats {
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

    /// The range of each channel.
    pub fn ranges(&self) -> Vec<f32> {
        ranges(&self.largest)
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

/// Ranges are the observed maxima times this, as a margin for other recordings. Of values from 0.7
/// to 9, tried with artificial, synthetic and real speech, 3 changed the scores least on the
/// development lists. Smaller margins clip values, larger ones make the steps coarse.
const MARGIN: f32 = 3.0;

/// Range of each channel. It depends mostly on the channel's own maximum and a little on that of
/// all channels, because a channel that is quiet in these utterances may not be in others.
fn ranges(largest: &[f32]) -> Vec<f32> {
    let of_all = largest.iter().fold(0.0f32, |a, b| a.max(*b));
    // All zeros have no range, and for values near zero 1/step would overflow.
    if of_all < 1e-15 {
        return vec![1.0; largest.len()];
    }
    let range = |own: &f32| MARGIN * of_all * (own / of_all).max(0.01).powf(0.75);
    largest.iter().map(range).collect()
}
