//! Poolings over frames: `(T, C)` in, one vector out.

use crate::kernels;

/// Means, then sqrt(max(biased variance, eps)): `(T, C) -> (2C)`.
pub fn stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    let mut out = mean(x, channels);
    let mut deviations = vec![0.0; channels];
    (kernels::table().variances)(x, &out, &mut deviations);
    for deviation in &mut deviations {
        // `max` would swallow a NaN; a comparison lets it through.
        *deviation = if *deviation < eps { eps } else { *deviation }.sqrt();
    }
    out.extend(deviations);
    out
}

/// Means, then sqrt(sample variance + eps): `(T, C) -> (2C)`.
pub fn sample_stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    let frames = (x.len() / channels) as f32;
    let correction = frames / (frames - 1.0).max(1.0); // one frame: the variance is 0
    let mut out = mean(x, channels);
    let mut variances = vec![0.0; channels];
    (kernels::table().variances)(x, &out, &mut variances);
    out.extend(variances.iter().map(|v| (v * correction + eps).sqrt()));
    out
}

/// Means over frames: `(T, C) -> (C)`.
pub fn mean(x: &[f32], channels: usize) -> Vec<f32> {
    let mut means = vec![0.0; channels];
    (kernels::table().means)(x, &mut means);
    means
}

/// The first `num_frames` frames in a row, begun again where the utterance is shorter:
/// `(T, C) -> (num_frames·C)`.
pub fn flatten(x: &[f32], channels: usize, num_frames: usize) -> Vec<f32> {
    x.iter()
        .copied()
        .cycle()
        .take(num_frames * channels)
        .collect()
}
