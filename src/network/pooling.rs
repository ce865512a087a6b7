//! Poolings over frames: `(T, C)` in, one vector out.

/// Means, then sqrt(max(biased variance, eps)): `(T, C) -> (2C)`. Two passes, f64 sums.
pub fn stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    let frames = (x.len() / channels) as f64;
    let mut out = mean(x, channels);
    // `max` would swallow a NaN; a comparison lets it through.
    out.extend(squares(x, &out).iter().map(|s| {
        let variance = (s / frames) as f32;
        if variance < eps {
            eps.sqrt()
        } else {
            variance.sqrt()
        }
    }));
    out
}

/// Means, then sqrt(sample variance + eps): `(T, C) -> (2C)`. Two passes, f64 sums.
pub fn sample_stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    let frames = (x.len() / channels) as f64;
    let mut out = mean(x, channels);
    let freedom = (frames - 1.0).max(1.0); // one frame: the sum is 0
    let squares = squares(x, &out);
    out.extend(
        squares
            .iter()
            .map(|s| (s / freedom + f64::from(eps)).sqrt() as f32),
    );
    out
}

/// Per channel the sum of (x − mean)².
fn squares(x: &[f32], means: &[f32]) -> Vec<f64> {
    let mut squares = vec![0.0f64; means.len()];
    for row in x.chunks_exact(means.len()) {
        for c in 0..means.len() {
            let centred = f64::from(row[c]) - f64::from(means[c]);
            squares[c] += centred * centred;
        }
    }
    squares
}

/// Means over frames: `(T, C) -> (C)`.
pub fn mean(x: &[f32], channels: usize) -> Vec<f32> {
    let frames = (x.len() / channels) as f64;
    let mut sums = vec![0.0f64; channels];
    for row in x.chunks_exact(channels) {
        for c in 0..channels {
            sums[c] += f64::from(row[c]);
        }
    }
    sums.iter().map(|s| (s / frames) as f32).collect()
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
