//! Pooling in training, forward and backward: `(T, C) -> (1, ·)` per utterance.

use super::batch::Batch;
use crate::network::{Layer, pooling};
use rayon::prelude::*;

/// `(T, C) -> (1, ·)` for each utterance; `layer` is a pooling.
pub fn forward(x: &Batch, layer: &Layer) -> Batch {
    let rows: Vec<Vec<f32>> = x
        .utterances()
        .into_par_iter()
        .map(|x_u| match *layer {
            // A network in training has no groups.
            Layer::StatsPool { eps, .. } => pooling::stats(x_u, x.channels, eps, 1),
            Layer::SampleStatsPool { eps } => pooling::sample_stats(x_u, x.channels, eps),
            Layer::Flatten { num_frames } => pooling::flatten(x_u, x.channels, num_frames),
            _ => pooling::mean(x_u, x.channels),
        })
        .collect();
    let channels = rows.first().map_or(1, Vec::len);
    Batch::of_rows(rows.concat(), channels)
}

/// The gradient dx of the inputs, from x, y = forward(x) and the gradient dy of the outputs.
///
/// `dmean/dx[t] = 1/T`; `dstd/dx[t] = (x[t] − mean)/(T·std)`, zero where the variance was floored. For
/// a sample variance, T − 1 takes the place of T in the second.
pub fn backward(x: &Batch, layer: &Layer, y: &Batch, dy: &Batch) -> Batch {
    let channels = x.channels;
    let mut dx = Batch::zeros(x.lengths(), channels);
    let jobs = dx.utterances_mut().into_par_iter().enumerate();
    jobs.for_each(|(u, dx)| {
        let (x, y, dy) = (x.utterance(u), y.utterance(u), dy.utterance(u));
        let share = channels as f32 / x.len() as f32; // 1/T
        if let Layer::Flatten { .. } = layer {
            let wrapped = dx.len();
            for (index, d) in dy.iter().enumerate() {
                dx[index % wrapped] += d;
            }
            return;
        }
        let of_mean: Vec<f32> = dy[..channels].iter().map(|d| d * share).collect();
        // The factor of each frame's deviation, and the variance up to which std has no gradient.
        let (of_each, floor) = match *layer {
            Layer::StatsPool { eps, .. } => (share, eps),
            Layer::SampleStatsPool { .. } => (share / (1.0 - share).max(share), 0.0),
            _ => {
                for dx in dx.chunks_exact_mut(channels) {
                    dx.copy_from_slice(&of_mean);
                }
                return;
            }
        };
        let (mean, std) = y.split_at(channels);
        let of_std: Vec<f32> = dy[channels..]
            .iter()
            .zip(std)
            .map(|(d, s)| if s * s > floor { d * of_each / s } else { 0.0 })
            .collect();
        // The compiler vectorises the loop over c only if it sees the length of the slices.
        let (of_mean, of_std, mean) =
            (&of_mean[..channels], &of_std[..channels], &mean[..channels]);
        for (dx, x) in dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                dx[c] = of_mean[c] + of_std[c] * (x[c] - mean[c]);
            }
        }
    });
    dx
}
