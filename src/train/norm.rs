//! BatchNorm in training: normalises by the statistics of the whole batch (all frames of all
//! utterances), collects running statistics for inference, and computes the gradients (Ioffe and
//! Szegedy 2015, §3.1). After a Conv2d, the bins of a channel share its statistics.

use super::batch::{self, Batch, over_bins};
use rayon::prelude::*;

/// What the forward pass keeps for the backward pass.
#[derive(Debug, Clone)]
pub struct NormTape {
    /// The batch's mean per channel.
    pub mean: Vec<f32>,
    inv_std: Vec<f32>,
    /// The batch's unbiased variance per channel, for the running statistics.
    pub variance: Vec<f32>,
}

/// y = (x − mean)/sqrt(var + eps)·weight + bias, per channel.
pub fn forward(x: &Batch, weight: &[f32], bias: &[f32], eps: f32) -> (Batch, NormTape) {
    let rows = (x.values.len() / weight.len()) as f64;
    let over_bins = |sums| over_bins(sums, weight.len());
    let mean = over_bins(x.row_sum())
        .into_iter()
        .map(|s| (s / rows) as f32);
    let mean: Vec<f32> = mean.collect();
    let of_each_bin = mean.repeat(x.channels / weight.len());
    let [squares] = x.column_sums(|_, row, [sum]| {
        for ((s, v), m) in sum.iter_mut().zip(row).zip(&of_each_bin) {
            *s += (v - m) * (v - m);
        }
    });
    let squares = over_bins(squares);
    let inv_std: Vec<f32> = squares
        .iter()
        .map(|s| (1.0 / (s / rows + f64::from(eps)).sqrt()) as f32)
        .collect();
    let variance = squares
        .iter()
        .map(|s| (s / (rows - 1.0).max(1.0)) as f32)
        .collect();
    let scale: Vec<f32> = inv_std.iter().zip(weight).map(|(i, w)| i * w).collect();
    let shift: Vec<f32> = bias
        .iter()
        .zip(&mean)
        .zip(&scale)
        .map(|((b, m), s)| b - m * s)
        .collect();
    let mut y = Batch {
        values: batch::unwritten(x.values.len()),
        ..x.clone_shape()
    };
    let channels = x.channels;
    let [scale, shift] = [scale, shift].map(|values| values.repeat(channels / weight.len()));
    // The compiler vectorises the loops over c only if it sees the length of the slices.
    let (scale, shift) = (&scale[..channels], &shift[..channels]);
    y.blocks_mut()
        .into_par_iter()
        .zip(x.blocks())
        .for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for c in 0..channels {
                    y[c] = x[c] * scale[c] + shift[c];
                }
            }
        });
    (
        y,
        NormTape {
            mean,
            inv_std,
            variance,
        },
    )
}

/// Replaces the gradient dy of the outputs by the gradient dx of the inputs. Returns the gradients
/// of weight and bias.
pub fn backward(
    x: &Batch,
    tape: &NormTape,
    weight: &[f32],
    dy: &mut Batch,
) -> (Vec<f32>, Vec<f32>) {
    let (channels, bins) = (x.channels, x.channels / weight.len());
    let [mean, inv_std] = [&tape.mean, &tape.inv_std].map(|values| values.repeat(bins));
    // Sliced for the compiler, as above.
    let (mean, inv_std) = (&mean[..channels], &inv_std[..channels]);
    let sums = dy.column_sums(|r, row, [dw, db]| {
        let x = &x.values[r * channels..][..channels];
        let (row, dw, db) = (&row[..channels], &mut dw[..channels], &mut db[..channels]);
        for c in 0..channels {
            dw[c] += row[c] * (x[c] - mean[c]) * inv_std[c];
            db[c] += row[c];
        }
    });
    let [dweight, dbias] = sums.map(|sums| over_bins(sums, weight.len()));
    let rows = (x.values.len() / weight.len()) as f64;
    let by_row = |sums: &[f64]| -> Vec<f32> {
        let each: Vec<f32> = sums.iter().map(|d| (d / rows) as f32).collect();
        each.repeat(bins)
    };
    let (by_weight, by_bias) = (by_row(&dweight), by_row(&dbias));
    let (by_weight, by_bias) = (&by_weight[..channels], &by_bias[..channels]);
    let weight = weight.repeat(bins);
    let weight = &weight[..channels];
    dy.blocks_mut()
        .into_par_iter()
        .zip(x.blocks())
        .for_each(|(dy, x)| {
            for (dy, x) in dy.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for c in 0..channels {
                    let normed = (x[c] - mean[c]) * inv_std[c];
                    dy[c] = weight[c] * inv_std[c] * (dy[c] - by_bias[c] - normed * by_weight[c]);
                }
            }
        });
    let narrow = |sums: Vec<f64>| sums.iter().map(|s| *s as f32).collect();
    (narrow(dweight), narrow(dbias))
}
