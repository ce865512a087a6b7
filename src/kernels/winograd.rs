//! Winograd's F(4, 3): computes four outputs of a convolution with three taps from six products
//! instead of twelve (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks").
//!
//! It runs along the bins of a frame. `inputs` makes six sums v = Bᵀd of six neighbouring bins d.
//! Each sum is multiplied by its own weight, which [`weights`] makes from the three taps (G).
//! `outputs` makes four outputs y = Aᵀm of the six products m. A, B and G are constant matrices.
//! The affine kernel computes the products.

use super::lanes::Lanes;

/// Number of bins that are read for a group of outputs, and of products that are computed for it.
pub const POINTS: usize = 6;
/// Number of output bins in a group.
pub const OUTPUTS: usize = 4;

/// Where the channels of N neighbouring bins begin in a frame. None for a bin beyond the edge: its
/// channels count as 0.
#[derive(Debug, Clone, Copy)]
pub struct Bins<const N: usize> {
    pub first_values: [Option<usize>; N],
    /// C, channels of a bin.
    pub channels: usize,
    /// Values from one frame to the next.
    pub frame: usize,
}

/// The weight of each of the six products: G applied to the weights of the three taps.
pub fn weights([a, b, c]: [f32; 3]) -> [f32; POINTS] {
    let [a, b, c] = [a, b, c].map(f64::from);
    let sides = [(a + c) / 6.0, (a + 4.0 * c) / 24.0];
    let all = [
        a / 4.0,
        -sides[0] - b / 6.0,
        -sides[0] + b / 6.0,
        sides[1] + b / 12.0,
        sides[1] - b / 12.0,
        c,
    ];
    all.map(|weight| weight as f32)
}

/// Computes the sums Bᵀd: `(T, bins, C) -> (6, T, C)`, T from the length of `sums`.
#[inline(always)]
pub(super) fn inputs<L: Lanes>(x: &[f32], bins: Bins<POINTS>, sums: &mut [f32]) {
    let channels = bins.channels;
    let size = sums.len() / POINTS;
    let [four, minus_four, minus_five] = [4.0, -4.0, -5.0].map(L::splat);
    let two = L::splat(2.0);
    for t in 0..size / channels {
        let frame = &x[t * bins.frame..];
        for c in (0..channels).step_by(L::N) {
            let width = L::N.min(channels - c);
            let mut d = [L::splat(0.0); POINTS];
            for (d, first) in d.iter_mut().zip(bins.first_values) {
                if let Some(first) = first {
                    *d = load(&frame[first + c..], width);
                }
            }
            let even = minus_four.mul_add(d[2], d[4]);
            let odd = minus_four.mul_add(d[1], d[3]);
            let far = d[4].sub(d[2]);
            let apart = two.mul(d[3].sub(d[1]));
            let points = [
                four.mul_add(d[0], minus_five.mul_add(d[2], d[4])),
                even.add(odd),
                even.sub(odd),
                far.add(apart),
                far.sub(apart),
                four.mul_add(d[1], minus_five.mul_add(d[3], d[5])),
            ];
            for (k, point) in points.into_iter().enumerate() {
                store(point, &mut sums[k * size + t * channels + c..], width);
            }
        }
    }
}

/// Computes the outputs Aᵀm, adds the bias and applies a ReLU if asked to: `(6, T, C) -> (T, bins,
/// C)`. Bins beyond the edge are not written.
#[inline(always)]
pub(super) fn outputs<L: Lanes>(
    products: &[f32],
    bias: &[f32],
    relu: bool,
    bins: Bins<OUTPUTS>,
    y: &mut [f32],
) {
    let channels = bins.channels;
    let size = products.len() / POINTS;
    let [two, four, eight] = [2.0, 4.0, 8.0].map(L::splat);
    let lowest = L::splat(if relu { 0.0 } else { f32::NEG_INFINITY });
    for t in 0..size / channels {
        let frame = &mut y[t * bins.frame..];
        for c in (0..channels).step_by(L::N) {
            let width = L::N.min(channels - c);
            let mut m = [L::splat(0.0); POINTS];
            for (k, m) in m.iter_mut().enumerate() {
                *m = load(&products[k * size + t * channels + c..], width);
            }
            let bias = load(&bias[c..], width);
            let (sum, difference) = (m[1].add(m[2]).add(bias), m[1].sub(m[2]).add(bias));
            let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
            let outputs = [
                m[0].add(sum).add(far_sum),
                two.mul_add(far_difference, difference),
                four.mul_add(far_sum, sum),
                eight.mul_add(far_difference, difference).add(m[5]),
            ];
            for (output, first) in outputs.into_iter().zip(bins.first_values) {
                if let Some(first) = first {
                    // This order keeps a NaN: `max` returns its second operand where either is NaN.
                    store(lowest.max(output), &mut frame[first + c..], width);
                }
            }
        }
    }
}

#[inline(always)]
fn load<L: Lanes>(from: &[f32], width: usize) -> L {
    match width == L::N {
        true => L::load(from),
        false => L::load_part(&from[..width]),
    }
}

#[inline(always)]
fn store<L: Lanes>(values: L, to: &mut [f32], width: usize) {
    match width == L::N {
        true => values.store(to),
        false => values.store_part(&mut to[..width]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tests::{every_instance, noise};

    /// Bins `from..from + N` of `num_bins` with `channels` each.
    fn bins<const N: usize>(from: isize, num_bins: usize, channels: usize) -> Bins<N> {
        let place = |k: usize| usize::try_from(from + k as isize).ok();
        let inside = |bin: &usize| *bin < num_bins;
        Bins {
            first_values: std::array::from_fn(|k| {
                place(k).filter(inside).map(|bin| bin * channels)
            }),
            channels,
            frame: num_bins * channels,
        }
    }

    #[test]
    fn four_outputs_are_those_of_the_three_taps() {
        let taps = [0.75, -1.5, 0.625];
        let weights = weights(taps);
        for table in every_instance() {
            for (frames, num_bins, channels, from) in
                [(1, 6, 16, 1), (3, 5, 1, 0), (2, 9, 37, 4), (5, 4, 8, 0)]
            {
                let x = noise(frames * num_bins * channels, 7);
                let mut sums = vec![f32::NAN; POINTS * frames * channels];
                (table.winograd_inputs)(&x, bins(from - 1, num_bins, channels), &mut sums);
                for (sums, weight) in sums.chunks_mut(frames * channels).zip(weights) {
                    sums.iter_mut().for_each(|v| *v *= weight);
                }
                let bias = noise(channels, 8);
                let mut y = vec![f32::NAN; x.len()];
                let out = bins(from, num_bins, channels);
                (table.winograd_outputs)(&sums, &bias, channels == 37, out, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let (bin, c) = (i / channels % num_bins, i % channels);
                    if !(from as usize..from as usize + OUTPUTS).contains(&bin) {
                        assert!(y.is_nan(), "only the group is written");
                        continue;
                    }
                    let mut wanted = bias[c];
                    for (k, tap) in taps.iter().enumerate() {
                        if (1..=num_bins).contains(&(bin + k)) {
                            wanted += tap * x[i + k * channels - channels];
                        }
                    }
                    if channels == 37 {
                        wanted = wanted.max(0.0);
                    }
                    // The sums are up to ten times the inputs.
                    assert!((y - wanted).abs() < 1e-5, "{}: {y} {wanted}", table.name);
                }
            }
        }
    }

    #[test]
    fn a_nan_is_not_hidden_by_the_relu() {
        for table in every_instance() {
            let mut products = noise(POINTS * 16, 9);
            products[3] = f32::NAN;
            let mut y = vec![0.0; 4 * 16];
            (table.winograd_outputs)(&products, &[0.0; 16], true, bins(0, 4, 16), &mut y);
            assert!(y[3].is_nan(), "{}", table.name);
        }
    }
}
