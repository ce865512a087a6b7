//! Poolings over frames: `(T, C)` to one vector.

use crate::kernels;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// For each group of channels the means, then sqrt(max(biased variance, eps)): `(T, C) -> (2C)`.
pub fn stats(x: &[f32], channels: usize, eps: f32, groups: usize) -> Vec<f32> {
    stats_of_moments(moments(x, channels), eps, groups)
}

/// Means, then sqrt(sample variance + eps): `(T, C) -> (2C)`.
pub fn sample_stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    sample_stats_of_moments(moments(x, channels), x.len() / channels, eps)
}

/// Means, then biased variances: `(T, C) -> (2C)`.
pub(super) fn moments(x: &[f32], channels: usize) -> Vec<f32> {
    let mut out = mean(x, channels);
    let mut variances = vec![0.0; channels];
    (kernels::table().variances)(x, &out, &mut variances);
    out.extend(variances);
    out
}

/// [`stats`] from the [`moments`] of the frames.
pub(super) fn stats_of_moments(mut moments: Vec<f32>, eps: f32, groups: usize) -> Vec<f32> {
    let channels = moments.len() / 2;
    for variance in &mut moments[channels..] {
        // A comparison instead of `max`, which would drop a NaN.
        *variance = if *variance < eps { eps } else { *variance }.sqrt();
    }
    let (means, deviations) = moments.split_at(channels);
    let per_group = channels / groups;
    let mut stats = Vec::with_capacity(moments.len());
    for (means, deviations) in means.chunks(per_group).zip(deviations.chunks(per_group)) {
        stats.extend_from_slice(means);
        stats.extend_from_slice(deviations);
    }
    stats
}

/// [`sample_stats`] from the [`moments`] of `num_frames` frames.
pub(super) fn sample_stats_of_moments(
    mut moments: Vec<f32>,
    num_frames: usize,
    eps: f32,
) -> Vec<f32> {
    let channels = moments.len() / 2;
    let frames = num_frames as f32;
    let correction = frames / (frames - 1.0).max(1.0); // one frame: the variance is 0
    for variance in &mut moments[channels..] {
        *variance = (*variance * correction + eps).sqrt();
    }
    moments
}

/// Means over frames: `(T, C) -> (C)`.
pub fn mean(x: &[f32], channels: usize) -> Vec<f32> {
    let mut means = vec![0.0; channels];
    (kernels::table().means)(x, &mut means);
    means
}

/// The first `num_frames` frames in a row; a shorter utterance is repeated: `(T, C) ->
/// (num_frames·C)`.
pub fn flatten(x: &[f32], channels: usize, num_frames: usize) -> Vec<f32> {
    x.iter()
        .copied()
        .cycle()
        .take(num_frames * channels)
        .collect()
}

/// Gives the statistics of any run of consecutive parts of an utterance, at little cost for many
/// runs: the difference of two sums, over all frames before the end and before the start of the
/// run. The sums are of x, and of x² if variances are pooled. They are in f64, because the variance
/// is the small difference of mean square and squared mean.
pub(super) struct RunningSums {
    /// The sums over all frames before a part, by the index of the part: `(C,)` or `(2C,)`.
    before: BTreeMap<usize, Vec<f64>>,
    num_channels: usize,
}

impl RunningSums {
    /// Sums the [`moments`] of the parts, or their [`mean`]s if there are no variances. Keeps only
    /// the sums before the parts `at`, because an hour of audio has thousands of parts.
    pub fn new(
        pooled: &[Vec<f32>],
        parts: &[Range<usize>],
        with_variances: bool,
        at: &BTreeSet<usize>,
    ) -> Self {
        let width = pooled[0].len();
        let num_channels = if with_variances { width / 2 } else { width };
        let mut sums = vec![0.0f64; width];
        let mut before = BTreeMap::from([(0, sums.clone())]);
        for (index, (statistics, part)) in pooled.iter().zip(parts).enumerate() {
            let frames = part.len() as f64;
            let (means, variances) = statistics.split_at(num_channels);
            let (of_x, of_squares) = sums.split_at_mut(num_channels);
            for (sum, mean) in of_x.iter_mut().zip(means) {
                *sum += frames * f64::from(*mean);
            }
            for ((sum, variance), mean) in of_squares.iter_mut().zip(variances).zip(means) {
                *sum += frames * (f64::from(*variance) + f64::from(*mean).powi(2));
            }
            if at.contains(&(index + 1)) {
                before.insert(index + 1, sums.clone());
            }
        }
        RunningSums {
            before,
            num_channels,
        }
    }

    /// [`combined_moments`] or [`combined_means`] of the parts in `range`, which have `num_frames`
    /// frames.
    pub fn combined(&self, range: Range<usize>, num_frames: usize) -> Vec<f32> {
        let scale = 1.0 / num_frames as f64;
        let ends = self.before[&range.end]
            .iter()
            .zip(&self.before[&range.start]);
        let means: Vec<f64> = ends.map(|(end, start)| (end - start) * scale).collect();
        let (means, squares) = means.split_at(self.num_channels);
        let variances = squares.iter().zip(means).map(|(square, mean)| {
            let variance = square - mean * mean;
            // A comparison instead of `max`, which would drop a NaN.
            if variance < 0.0 { 0.0 } else { variance }
        });
        let values = means.iter().copied().chain(variances);
        values.map(|value| value as f32).collect()
    }
}

/// Largest value of each channel: `(T, C) -> (C)`.
pub(super) fn largest(x: &[f32], channels: usize) -> Vec<f32> {
    let mut largest = vec![f32::NEG_INFINITY; channels];
    for row in x.chunks_exact(channels) {
        for (largest, value) in largest.iter_mut().zip(row) {
            // A comparison instead of `max`, which would drop a NaN.
            *largest = if *value <= *largest { *largest } else { *value };
        }
    }
    largest
}

/// Moments of `x`, where the weights of a channel's frames are e^(logit − `largest`), the softmax
/// over frames times a constant: sums of the weights, then weighted means, then weighted variances,
/// `(T, C), (T, C) -> (3C)`.
pub(super) fn attentive_moments(x: &[f32], logits: &[f32], largest: &[f32]) -> Vec<f32> {
    let channels = largest.len();
    let mut weights = logits.to_vec();
    for row in weights.chunks_exact_mut(channels) {
        for (logit, largest) in row.iter_mut().zip(largest) {
            *logit -= largest;
        }
    }
    (kernels::table().exp)(&mut weights);
    let of_weights = mean(&weights, channels);
    let weighted_mean = |products: &[f32]| -> Vec<f32> {
        let means = mean(products, channels);
        let shares = means.iter().zip(&of_weights);
        // All weights of a part can be 0, where those of another part are far larger.
        shares
            .map(|(mean, weight)| if *weight == 0.0 { 0.0 } else { mean / weight })
            .collect()
    };
    let mut products: Vec<f32> = x.iter().zip(&weights).map(|(x, w)| w * x).collect();
    let means = weighted_mean(&products);
    let frames = x.chunks_exact(channels).zip(weights.chunks_exact(channels));
    for (products, (x, weights)) in products.chunks_exact_mut(channels).zip(frames) {
        for c in 0..channels {
            let off = x[c] - means[c];
            products[c] = weights[c] * off * off;
        }
    }
    let num_frames = (x.len() / channels) as f32;
    let sums = of_weights.iter().map(|weight| weight * num_frames);
    sums.chain(means).chain(weighted_mean(&products)).collect()
}

/// Weighted means, then weighted variances, over the frames of all parts, from the parts'
/// [`attentive_moments`]: `(2C)`.
pub(super) fn combined_weighted_moments(moments: &[Vec<f32>]) -> Vec<f32> {
    let channels = moments[0].len() / 3;
    let mut out = vec![0.0; 2 * channels];
    for c in 0..channels {
        let of_kind = |kind: usize| {
            moments
                .iter()
                .map(move |m| f64::from(m[kind * channels + c]))
        };
        let total: f64 = of_kind(0).sum();
        let mean = of_kind(0)
            .zip(of_kind(1))
            .map(|(w, mean)| w * mean)
            .sum::<f64>()
            / total;
        let parts = of_kind(0).zip(of_kind(1)).zip(of_kind(2));
        let squares = parts.map(|((w, m), variance)| w * (variance + (m - mean).powi(2)));
        out[c] = mean as f32;
        out[channels + c] = (squares.sum::<f64>() / total) as f32;
    }
    out
}

/// Means over the frames of all parts.
pub(super) fn combined_means(means: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
    let frames = parts.iter().map(Range::len).sum::<usize>() as f64;
    let mut sums = vec![0.0f64; means[0].len()];
    for (means, part) in means.iter().zip(parts) {
        for (sum, mean) in sums.iter_mut().zip(means) {
            *sum += f64::from(*mean) * part.len() as f64;
        }
    }
    sums.iter().map(|sum| (sum / frames) as f32).collect()
}

/// Means, then biased variances, over the frames of all parts. The variance is the mean of the
/// parts' variances plus the mean squared distance of their means from the common mean.
pub(super) fn combined_moments(moments: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
    let channels = moments[0].len() / 2;
    let mut out = combined_means(moments, parts);
    let mut squares = vec![0.0f64; channels];
    for (moments, part) in moments.iter().zip(parts) {
        let (means, variances) = moments.split_at(channels);
        for c in 0..channels {
            let distance = f64::from(means[c]) - f64::from(out[c]);
            squares[c] += (f64::from(variances[c]) + distance * distance) * part.len() as f64;
        }
    }
    let frames = parts.iter().map(Range::len).sum::<usize>() as f64;
    for (variance, square) in out[channels..].iter_mut().zip(squares) {
        *variance = (square / frames) as f32;
    }
    out
}
