//! Selects speech frames and subtracts their mean.

use super::MfccConfig;
use crate::{audio::SAMPLE_RATE_HZ, kernels};

// The VAD (speech detection, `Waveform::speech`) marks frames of 25 ms every 10 ms that fit
// entirely. Hop of these frames, and distance of their centre from their start, in samples.
const VAD_SHIFT: isize = SAMPLE_RATE_HZ as isize / 100;
const VAD_CENTRE: isize = SAMPLE_RATE_HZ as isize / 80;

/// Whether the frame around sample `centre` is speech. Takes the VAD flag nearest in time, which is
/// the frame's own flag if frames are 25 ms every 10 ms. Without flags (less than 25 ms) nothing is
/// speech.
pub(super) fn is_speech(speech: &[bool], centre: isize) -> bool {
    let nearest = (centre - VAD_CENTRE + VAD_SHIFT / 2).div_euclid(VAD_SHIFT);
    let last = speech.len().saturating_sub(1);
    let index = usize::try_from(nearest).unwrap_or(0).min(last);
    speech.get(index).copied().unwrap_or(false)
}

/// Limits the range of log energies: those more than `range_db` below the largest are raised to
/// that limit.
pub(super) fn limit_range(values: &mut [f32], range_db: f32) {
    let largest = values.iter().copied().fold(f32::MIN, f32::max);
    let floor = largest - range_db / 10.0 * std::f32::consts::LN_10;
    values.iter_mut().for_each(|x| *x = x.max(floor));
}

/// Subtracts each channel's mean over these frames, `(T, C) -> (T, C)`. With `mean_channels`, also
/// appends the means to every frame, `(T, 2C)`.
pub(super) fn subtract_mean(mut values: Vec<f32>, config: &MfccConfig) -> Vec<f32> {
    let mut means = vec![0.0; config.num_frame_channels()];
    (kernels::table().means)(&values, &mut means);
    for frame in values.chunks_exact_mut(means.len()) {
        for (x, mean) in frame.iter_mut().zip(&means) {
            *x -= mean;
        }
    }
    if !config.mean_channels {
        return values;
    }
    let mut with_means = Vec::with_capacity(2 * values.len());
    for frame in values.chunks_exact(means.len()) {
        with_means.extend_from_slice(frame);
        with_means.extend_from_slice(&means);
    }
    with_means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_on_the_vads_grid_have_their_own_flag() {
        let speech = [true, false, true, true, false];
        let flags: Vec<bool> = (0..5).map(|t| is_speech(&speech, 160 * t + 200)).collect();
        assert_eq!(flags, speech);
    }

    #[test]
    fn frames_on_another_grid_take_the_nearest_flag() {
        let speech = [true, false, true];
        let centres = [-100, 0, 279, 280, 360, 439, 440, 5000];
        let flags = centres.map(|centre| is_speech(&speech, centre));
        assert_eq!(flags, [true, true, true, false, false, false, true, true]);
        assert!(!is_speech(&[], 200));
    }

    #[test]
    fn the_mean_of_each_channel_goes_or_moves_behind() {
        let config = |mean_channels| MfccConfig {
            num_ceps: 2,
            mean_channels,
            ..MfccConfig::default()
        };
        let normalised = |mean_channels| {
            let values = vec![1.0, 10.0, 3.0, 20.0];
            subtract_mean(values, &config(mean_channels))
        };
        assert_eq!(normalised(false), [-1.0, -5.0, 1.0, 5.0]);
        let with_means = [-1.0, -5.0, 2.0, 15.0, 1.0, 5.0, 2.0, 15.0];
        assert_eq!(normalised(true), with_means);
        assert!(subtract_mean(vec![], &config(true)).is_empty());
    }
}
