//! Mean and variance of each channel over the frames: `(T, C) -> (C)`. Each SIMD lane takes one
//! channel.
//!
//! Blocks of [`BLOCK`] rows are summed in f32 and the block sums are added with Kahan compensation,
//! so the error does not grow with T. The variance is computed in two passes and corrected for the
//! rounding error of the mean (Chan, Golub and LeVeque, 1983).

use super::lanes::{Lanes, MAX_LANES};

/// Rows summed without compensation: few enough to keep the error small, enough to hide the cost of
/// compensating.
pub(super) const BLOCK: usize = 16;

/// Vectors of columns processed together, so that their additions are independent.
const MAX_VECTORS: usize = 4;

/// Mean of each of the C = `means.len()` columns of `x`; NaN where T = 0.
#[inline(always)]
pub(super) fn means<L: Lanes>(x: &[f32], means: &mut [f32]) {
    let channels = means.len();
    let mut c = 0;
    while c < channels {
        macro_rules! strip {
            ($v:literal) => {{
                let [sums, _] = sums::<L, $v, false>(x, channels, c, [L::splat(0.0); $v]);
                finish(sums, x.len() / channels, &mut means[c..])
            }};
        }
        c += match (channels - c).div_ceil(L::N) {
            1 => strip!(1),
            2 => strip!(2),
            3 => strip!(3),
            _ => strip!(4),
        };
    }
}

/// Biased variance of each of the C columns of `x` around its mean; NaN where T = 0.
#[inline(always)]
pub(super) fn variances<L: Lanes>(x: &[f32], means: &[f32], variances: &mut [f32]) {
    let channels = means.len();
    let mut c = 0;
    while c < channels {
        macro_rules! strip {
            ($v:literal) => {{
                let mut centre = [L::splat(0.0); $v];
                for (centre, means) in centre.iter_mut().zip(means[c..].chunks(L::N)) {
                    *centre = L::load_part(means);
                }
                let frames = x.len() / channels;
                let [sums, mut squares] = sums::<L, $v, true>(x, channels, c, centre);
                for (square, sum) in squares.iter_mut().zip(sums) {
                    let off = sum.div(L::splat(frames as f32));
                    *square = off.neg_mul_add(sum, *square);
                }
                finish(squares, frames, &mut variances[c..])
            }};
        }
        c += match (channels - c).div_ceil(L::N) {
            1 => strip!(1),
            2 => strip!(2),
            3 => strip!(3),
            _ => strip!(4),
        };
    }
}

/// Σ (x − centre) and, if `SQUARES`, Σ (x − centre)² of V vectors of columns from column `c` on.
/// Lanes past the last column hold undefined values.
#[inline(always)]
fn sums<L: Lanes, const V: usize, const SQUARES: bool>(
    x: &[f32],
    channels: usize,
    c: usize,
    centre: [L; V],
) -> [[L; V]; 2] {
    let zero = L::splat(0.0);
    let mut totals = [[zero; V]; 2];
    let mut excess = [[zero; V]; 2];
    for block in (0..x.len() / channels).step_by(BLOCK) {
        let mut sums = [[zero; V]; 2];
        for t in block..(block + BLOCK).min(x.len() / channels) {
            let row = &x[t * channels + c..];
            let values = match row.get(..V * L::N) {
                // Lanes past the last column read the next frame; they are ignored.
                Some(row) => load::<L, V>(row),
                None => {
                    let mut part = [0.0; MAX_VECTORS * MAX_LANES];
                    part[..row.len()].copy_from_slice(row);
                    load::<L, V>(&part)
                }
            };
            for v in 0..V {
                let centred = values[v].sub(centre[v]);
                sums[0][v] = sums[0][v].add(centred);
                if SQUARES {
                    sums[1][v] = centred.mul_add(centred, sums[1][v]);
                }
            }
        }
        for s in 0..if SQUARES { 2 } else { 1 } {
            for v in 0..V {
                let part = sums[s][v].sub(excess[s][v]);
                let total = totals[s][v].add(part);
                excess[s][v] = total.sub(totals[s][v]).sub(part);
                totals[s][v] = total;
            }
        }
    }
    totals
}

#[inline(always)]
fn load<L: Lanes, const V: usize>(row: &[f32]) -> [L; V] {
    let mut values = [L::splat(0.0); V];
    for v in 0..V {
        values[v] = L::load(&row[v * L::N..]);
    }
    values
}

/// Divides the sums by T and writes the remaining columns, at most V vectors of them. Returns the
/// number written.
#[inline(always)]
fn finish<L: Lanes, const V: usize>(sums: [L; V], frames: usize, columns: &mut [f32]) -> usize {
    let width = columns.len().min(V * L::N);
    for (sum, columns) in sums.iter().zip(columns[..width].chunks_mut(L::N)) {
        sum.div(L::splat(frames as f32)).store_part(columns);
    }
    width
}

#[cfg(test)]
mod tests {
    use crate::kernels::{
        reference,
        tests::{every_instance, noise},
    };

    fn assert_close(got: &[f32], wanted: &[f32], size: f32, what: &str) {
        for (c, (g, w)) in got.iter().zip(wanted).enumerate() {
            assert!(
                (g - w).abs() <= 1e-6 * size,
                "{what}: column {c}: {g} instead of {w}"
            );
        }
    }

    #[test]
    fn agree_with_the_reference_at_awkward_sizes() {
        for table in every_instance() {
            for frames in [1, 2, 15, 16, 17, 31, 101, 1009] {
                for channels in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 61, 64, 67, 131] {
                    let x = noise(frames * channels, 1);
                    let what = format!("{} {frames}x{channels}", table.name);
                    let (mut means, mut variances) = (vec![0.0; channels], vec![0.0; channels]);
                    (table.means)(&x, &mut means);
                    (table.variances)(&x, &means, &mut variances);
                    let mut wanted = vec![0.0; channels];
                    reference::means(&x, &mut wanted);
                    assert_close(&means, &wanted, 1.0, &what);
                    let mut wanted_variances = vec![0.0; channels];
                    reference::variances(&x, &wanted, &mut wanted_variances);
                    assert_close(&variances, &wanted_variances, 1.0, &what);
                }
            }
        }
    }

    #[test]
    fn a_long_recording_far_from_zero_keeps_its_variance() {
        // A million frames of 1000 ± 0.01: uncompensated sums would lose the variance to rounding.
        let channels = 5;
        let x: Vec<f32> = noise(1_000_000 * channels, 2)
            .iter()
            .map(|x| 1000.0 + 0.01 * x)
            .collect();
        let (mut wanted_means, mut wanted) = (vec![0.0; channels], vec![0.0; channels]);
        reference::means(&x, &mut wanted_means);
        reference::variances(&x, &wanted_means, &mut wanted);
        for table in every_instance() {
            let (mut means, mut variances) = (vec![0.0; channels], vec![0.0; channels]);
            (table.means)(&x, &mut means);
            (table.variances)(&x, &means, &mut variances);
            assert_close(&means, &wanted_means, 1000.0, table.name);
            assert_close(&variances, &wanted, 1e-4, table.name);
        }
    }

    #[test]
    fn no_frame_and_nan_show_in_their_column_only() {
        for table in every_instance() {
            let mut means = [0.0; 3];
            (table.means)(&[], &mut means);
            assert!(means.iter().all(|m| m.is_nan()), "{}", table.name);
            let mut x = noise(20 * 19, 3);
            x[7 * 19 + 17] = f32::NAN;
            let (mut means, mut variances) = ([0.0; 19], [0.0; 19]);
            (table.means)(&x, &mut means);
            (table.variances)(&x, &means, &mut variances);
            for c in 0..19 {
                assert_eq!(means[c].is_nan(), c == 17, "{} column {c}", table.name);
                assert_eq!(variances[c].is_nan(), c == 17, "{} column {c}", table.name);
            }
        }
    }

    #[test]
    fn equal_frames_have_no_variance() {
        for table in every_instance() {
            let x = noise(13, 4).repeat(300);
            let (mut means, mut variances) = ([0.0; 13], [0.0; 13]);
            (table.means)(&x, &mut means);
            (table.variances)(&x, &means, &mut variances);
            assert_close(&means, &x[..13], 1.0, table.name);
            assert!(variances.iter().all(|v| v.abs() < 1e-12), "{}", table.name);
        }
    }
}
