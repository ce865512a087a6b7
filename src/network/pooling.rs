//! Poolings over frames: `(T, C)` in, one vector out.

/// Means, then sqrt(max(biased variance, eps)): `(T, C) -> (2C)`. Two passes, f64 sums.
pub fn stats(x: &[f32], channels: usize, eps: f32) -> Vec<f32> {
    let frames = (x.len() / channels) as f64;
    let mut out = mean(x, channels);
    let mut squares = vec![0.0f64; channels];
    for row in x.chunks_exact(channels) {
        for c in 0..channels {
            let centred = f64::from(row[c]) - f64::from(out[c]);
            squares[c] += centred * centred;
        }
    }
    // `max` would swallow a NaN; a comparison lets it through.
    out.extend(squares.iter().map(|s| {
        let variance = (s / frames) as f32;
        if variance < eps {
            eps.sqrt()
        } else {
            variance.sqrt()
        }
    }));
    out
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
