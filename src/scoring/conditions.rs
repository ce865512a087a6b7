//! The conditions of a recording: how noisy it is and what its band lacks, as numbers that change the
//! score by their weights.

use crate::audio::Quality;

/// How many numbers [`conditions`] gives.
pub const CONDITIONS: usize = 3;

/// The noise of a recording and what its band lacks at the upper and the lower end, `[n, h, l]`:
///
/// - n is 0 at a signal-to-noise ratio of 20 dB or more, and 1 more for every 10 dB below, at most 2.
/// - h is 0 at a bandwidth of 5.5 kHz or more, and 1 more for every 2 kHz below, at most 1.5.
/// - l is 0 where the voice below 250 Hz is at most 17 dB softer than above ([`Quality::low_band_db`]),
///   and 1 where it is softer by 23 dB or more.
///
/// Clean recordings have values of 0, recordings over a telephone have 1, and few lie between. Numbers
/// that vary among recordings of one kind would move their scores, which would raise the EER of that
/// kind.
pub fn conditions(quality: &Quality) -> [f32; CONDITIONS] {
    [
        ((20.0 - quality.snr_db) / 10.0).clamp(0.0, 2.0),
        ((5500.0 - quality.bandwidth_hz) / 2000.0).clamp(0.0, 1.5),
        ((-17.0 - quality.low_band_db) / 6.0).clamp(0.0, 1.0),
    ]
}

/// How many numbers [`multiplied`] gives.
pub const MULTIPLIED: usize = CONDITIONS + 1;

/// What is multiplied by the same of the other recording of a trial: the conditions, and m, which says
/// whether there is noise at all. m is 0 at a signal-to-noise ratio of 20 dB or more, and 1 at 19 dB or
/// less.
///
/// The same noise in both recordings makes strangers sound alike at 20 dB already, where the product
/// of n is still close to 0.
pub fn multiplied(conditions: [f32; CONDITIONS]) -> [f32; MULTIPLIED] {
    let is_noisy = (10.0 * conditions[0]).min(1.0);
    std::array::from_fn(|k| *conditions.get(k).unwrap_or(&is_noisy))
}

/// What one unit of each condition is, as a part of a sentence.
pub const CONDITION_UNITS: [&str; CONDITIONS] = [
    "per 10 dB below 20 dB SNR",
    "per 2 kHz below 5.5 kHz of bandwidth",
    "for a voice that lacks what is below 250 Hz",
];

/// The same for m.
pub const NOISE_UNIT: &str = "for noise below 19 dB SNR on both sides";

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audio::Content;

    /// The conditions of a recording of this SNR (dB), bandwidth (Hz) and level of the low band (dB).
    pub fn conditions_of(snr_db: f32, bandwidth_hz: f32, low_band_db: f32) -> [f32; CONDITIONS] {
        conditions(&Quality {
            original_rate_hz: 16_000,
            seconds: 3.0,
            used_seconds: 3.0,
            speech_seconds: 2.0,
            content: Content::Speech,
            bandwidth_hz,
            low_band_db,
            clipped: 0.0,
            snr_db,
            warning: None,
            truncated: false,
        })
    }

    #[test]
    fn clean_recordings_have_no_conditions_and_bad_ones_bounded_ones() {
        assert_eq!(conditions_of(10.0, 3500.0, 5.0), [1.0, 1.0, 0.0]);
        assert_eq!(conditions_of(20.0, 5500.0, -17.0), [0.0; 3]);
        assert_eq!(conditions_of(-40.0, 1000.0, -40.0), [2.0, 1.5, 1.0]);
        let noisy = |snr_db| multiplied(conditions_of(snr_db, 8000.0, 5.0));
        assert_eq!(noisy(25.0), [0.0; 4]);
        assert_eq!(noisy(10.0), [1.0, 0.0, 0.0, 1.0]);
        assert!((noisy(19.5)[3] - 0.5).abs() < 1e-5);
    }
}
