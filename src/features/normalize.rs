//! Frames of an utterance in, normalised frames out: which are speech, and their mean taken off.

use crate::{audio::SAMPLE_RATE_HZ, kernels};

// The VAD's grid: 25 ms frames every 10 ms that fit wholly (`Waveform::speech`).
const VAD_SHIFT: isize = SAMPLE_RATE_HZ as isize / 100;
const VAD_CENTRE: isize = SAMPLE_RATE_HZ as isize / 80;

/// The VAD's word on the frame around sample `centre`: the flag nearest in time (its own, if the
/// frames are 25 ms every 10 ms as well). Without flags (less than 25 ms) nothing is speech.
pub(super) fn is_speech(speech: &[bool], centre: isize) -> bool {
    let nearest = (centre - VAD_CENTRE + VAD_SHIFT / 2).div_euclid(VAD_SHIFT);
    let last = speech.len().saturating_sub(1);
    let index = usize::try_from(nearest).unwrap_or(0).min(last);
    speech.get(index).copied().unwrap_or(false)
}

/// Subtracts each channel's mean over the frames: `(T, C) -> (T, C)`.
pub(super) fn subtract_mean(values: &mut [f32], num_channels: usize) {
    let mut means = vec![0.0; num_channels];
    (kernels::table().means)(values, &mut means);
    for frame in values.chunks_exact_mut(num_channels) {
        for (x, mean) in frame.iter_mut().zip(&means) {
            *x -= mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_on_the_vads_grid_have_their_own_flag() {
        let speech = [true, false, true, true, false];
        let own: Vec<bool> = (0..5).map(|t| is_speech(&speech, 160 * t + 200)).collect();
        assert_eq!(own, speech);
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
    fn the_mean_of_each_channel_goes() {
        let mut values = vec![1.0, 10.0, 3.0, 20.0];
        subtract_mean(&mut values, 2);
        assert_eq!(values, [-1.0, -5.0, 1.0, 5.0]);
        subtract_mean(&mut [], 2);
    }
}
