//! A two-dimensional convolution over three neighbouring bins by Winograd's method: each group of four
//! output bins takes six affine maps over frames instead of twelve.
//!
//! The six bins that a group reads become six sums, each sum is an input of an affine map over frames
//! with weights of its own, and four outputs follow from the six products; see
//! [`crate::kernels::winograd`]. This halves the multiplications and doubles the memory for weights.

use super::{Conv2dOptions, Idle};
use crate::kernels::{
    self, Packed, Steps,
    winograd::{self, Bins, OUTPUTS, POINTS},
};

/// Output frames that are computed together: two full tiles of the widest kernel.
const FRAMES_TOGETHER: usize = 28;

/// Most sums of several groups of bins that are computed together: they stay in the cache.
const VALUES_TOGETHER: usize = 1 << 15;

/// Weights of more bytes do not stay in the cache from group to group, so all groups are computed
/// together.
const LARGE_WEIGHT_BYTES: usize = 1 << 20;

/// Most buffers that are kept: two for each thread of a large machine.
const MAX_IDLE: usize = 64;

/// Fewest input and output channels for which the method pays off. With fewer, the sums cost more
/// than the products.
const MIN_CHANNELS: usize = 16;

/// A Conv2d with a kernel of three bins and a hop of one.
#[derive(Debug)]
pub(super) struct Winograd {
    /// The affine map of each of the [`POINTS`] sums.
    maps: Vec<Packed>,
    bias: Vec<f32>,
    /// F_in.
    num_bins: usize,
    /// F_out.
    out_bins: usize,
    /// Padding over bins.
    padding: usize,
    /// Sums and products of earlier calls.
    idle: Idle,
}

impl Winograd {
    /// Prepares a checked Conv2d layer, if this method suits it. It has no weights yet and cannot be run
    /// before [`Self::pack`].
    pub fn of(options: &Conv2dOptions, nr: usize) -> Option<Self> {
        let Conv2dOptions {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins: 3,
            stride_bins: 1,
            padding_bins,
            ..
        } = *options
        else {
            return None;
        };
        let map = || Packed::of_shape((out_channels, in_channels, kernel_frames), nr);
        let suits = in_channels.min(out_channels) >= MIN_CHANNELS;
        suits.then(|| Winograd {
            maps: (0..POINTS).map(|_| map()).collect(),
            bias: vec![],
            num_bins,
            out_bins: options.out_bins(),
            padding: padding_bins,
            idle: Idle::new(MAX_IDLE, 0..=usize::MAX),
        })
    }

    /// Packs PyTorch's weight `(C_out, C_in, 3, K over frames)`.
    pub fn pack(&mut self, nr: usize, weight: &[f32], bias: &[f32]) {
        let Packed {
            c_out, c_in, taps, ..
        } = self.maps[0];
        let mut of_points: Vec<Vec<f32>> = vec![vec![0.0; c_out * c_in * taps]; POINTS];
        for (map, of_bins) in weight.chunks_exact(3 * taps).enumerate() {
            for tap in 0..taps {
                let bins = [0, 1, 2].map(|bin| of_bins[bin * taps + tap]);
                for (of_point, weight) in of_points.iter_mut().zip(winograd::weights(bins)) {
                    of_point[map * taps + tap] = weight;
                }
            }
        }
        let shape = (c_out, c_in, taps);
        let maps = of_points.iter();
        self.maps = maps
            .map(|weight| Packed::from_pytorch(shape, nr, weight, &[]))
            .collect();
        self.bias = bias.to_vec();
    }

    /// Size of the weights.
    pub fn weight_bytes(&self) -> usize {
        self.maps.iter().map(Packed::bytes).sum()
    }

    /// `(T, F_in·C_in) -> (T', F_out·C_out)`, T' from the length of `y`. `x` already includes the
    /// padding over frames.
    pub fn apply(&self, x: &[f32], steps: Steps, y: &mut [f32]) {
        let Packed {
            c_out, c_in, taps, ..
        } = self.maps[0];
        let table = kernels::table();
        let (in_width, out_width) = (self.num_bins * c_in, self.out_bins * c_out);
        let num_groups = self.out_bins.div_ceil(OUTPUTS);
        let linear = Steps {
            relu: false,
            ..steps
        };
        // Frames that the maps read for so many outputs.
        let read_for = |frames: usize| (frames - 1) * steps.stride + taps;
        let most = FRAMES_TOGETHER.min(y.len() / out_width);
        let largest_in = POINTS * read_for(most) * c_in;
        let together = match self.weight_bytes() > LARGE_WEIGHT_BYTES {
            true => num_groups,
            false => (VALUES_TOGETHER / largest_in).clamp(1, num_groups),
        };
        let mut sums = self.idle.buffer(together * largest_in);
        let mut products = self.idle.buffer(together * POINTS * most * c_out);
        for (block, y) in y.chunks_mut(FRAMES_TOGETHER * out_width).enumerate() {
            let x = &x[block * FRAMES_TOGETHER * steps.stride * in_width..];
            let frames = y.len() / out_width;
            let read = read_for(frames);
            let (in_group, out_group) = (POINTS * read * c_in, POINTS * frames * c_out);
            for first in (0..num_groups).step_by(together) {
                let groups = first..num_groups.min(first + together);
                for (group, sums) in groups.clone().zip(sums.chunks_mut(in_group)) {
                    (table.winograd_inputs)(x, self.read_by(group), sums);
                }
                // Each map is read once for all groups.
                for (k, map) in self.maps.iter().enumerate() {
                    for index in 0..groups.len() {
                        let x = &sums[index * in_group + k * read * c_in..][..read * c_in];
                        let y = &mut products[index * out_group + k * frames * c_out..];
                        (table.affine)(x, map, linear, &mut y[..frames * c_out]);
                    }
                }
                for (group, products) in groups.zip(products.chunks(out_group)) {
                    let bins = self.written_by(group);
                    (table.winograd_outputs)(products, &self.bias, steps.relu, bins, y);
                }
            }
        }
        self.idle.give_back(sums);
        self.idle.give_back(products);
    }

    /// The input bins that a group of output bins is computed from.
    fn read_by(&self, group: usize) -> Bins<POINTS> {
        let channels = self.maps[0].c_in;
        let bins = std::array::from_fn(|k| (group * OUTPUTS + k).checked_sub(self.padding));
        Bins {
            first_values: first_values(bins, self.num_bins, channels),
            channels,
            frame: self.num_bins * channels,
        }
    }

    /// The output bins of a group.
    fn written_by(&self, group: usize) -> Bins<OUTPUTS> {
        let channels = self.maps[0].c_out;
        let bins = std::array::from_fn(|k| Some(group * OUTPUTS + k));
        Bins {
            first_values: first_values(bins, self.out_bins, channels),
            channels,
            frame: self.out_bins * channels,
        }
    }
}

fn first_values<const N: usize>(
    bins: [Option<usize>; N],
    num_bins: usize,
    channels: usize,
) -> [Option<usize>; N] {
    bins.map(|bin| bin.filter(|bin| *bin < num_bins).map(|bin| bin * channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Layer, Weights, conv2d::Conv2d, reference};
    use std::slice::from_ref;

    /// Between −1 and 1, without a pattern.
    fn noise(len: usize, seed: usize) -> Vec<f32> {
        let value = |i| ((i + seed) * 7919 % 10_007) as f32 / 5003.5 - 1.0;
        (0..len).map(value).collect()
    }

    #[test]
    fn outputs_are_those_of_the_plain_convolution_at_awkward_sizes() {
        // Frames, bins, channels in and out, taps and stride over frames, padding over bins.
        for [frames, bins, c_in, c_out, taps, stride, padding] in [
            [1, 3, 16, 16, 1, 1, 0],
            [3, 4, 16, 17, 3, 1, 1],
            [31, 5, 33, 16, 3, 1, 1],
            [70, 9, 18, 40, 3, 2, 1],
            [40, 7, 16, 16, 2, 1, 0],
            // The weights of this one do not stay in a cache.
            [33, 6, 128, 128, 3, 1, 1],
            [5, 2, 16, 16, 3, 1, 2],
        ] {
            let options = Conv2dOptions {
                kernel_frames: taps,
                stride_frames: stride,
                padding_frames: 0,
                padding_bins: padding,
                ..Conv2dOptions::new(c_in, c_out, bins, 3)
            };
            let layer = Layer::Conv2d(options);
            let (weight, bias) = (noise(c_out * c_in * 3 * taps, 1), noise(c_out, 2));
            let x = noise(frames * bins * c_in, 3);
            let weights: Weights = [("0.weight", weight.clone()), ("0.bias", bias.clone())]
                .map(|(name, values)| (name.to_string(), values))
                .into();
            let wanted = reference::forward(from_ref(&layer), &weights, &x, bins * c_in);
            let nr = kernels::table().nr;
            assert!(Winograd::of(&options, nr).is_some());
            let mut conv = Conv2d::new(&options, nr);
            conv.pack(nr, &weight, &bias);
            // Of two calls, the second uses the buffers of the first.
            for _ in 0..2 {
                let mut y = vec![f32::NAN; wanted.len()];
                conv.apply(&x, &mut y);
                for (i, (y, wanted)) in y.iter().zip(&wanted).enumerate() {
                    // Sums of c_in·3·taps products; the method's own sums are up to ten times as large.
                    let tolerance = 1e-5 * ((c_in * taps) as f64).sqrt();
                    let difference = (f64::from(*y) - wanted).abs();
                    assert!(difference < tolerance, "{layer:?} {i}: {y} {wanted}");
                }
            }
        }
    }
}
