//! Tells speech from pauses in clean recordings, by the level of each frame relative to the recording's
//! own levels. Training labels clean speech with it; models without a speech detector use it in place of
//! one. It gives one flag for each 25 ms frame, every 10 ms, that fits wholly (Kaldi's `snip_edges`), so
//! flag `t` belongs to feature frame `t`.
//!
//! With L_t = 10·log10 of frame `t`'s variance, top = the 95th percentile of L and floor = its
//! 10th percentile, a frame is speech where
//!
//! ```text
//! L_t > clamp(floor + 0.4·(top − floor), top − 30 dB, top − 15 dB)
//! ```
//!
//! then runs of 30 ms or less (clicks) are dropped and the rest grows by 40 ms on either side.

/// Samples per frame (25 ms).
pub(super) const FRAME_LEN: usize = 400;
/// Samples from one flag to the next (10 ms).
pub const HOP: usize = 160;
/// Samples per block. Frame and hop are both whole numbers of blocks, so each sample is read once.
const BLOCK: usize = 80;
/// Shortest run of loud frames that counts as speech. A click of one sample is in 3 frames at most.
const MIN_RUN_FRAMES: usize = 4;
/// Frames that are added on either side of a run, for the weak onsets and endings of words.
const GROW_FRAMES: usize = 4;

/// Digital silence, or next to it: below half a bit of 16-bit audio, or 80 dB below the loudest
/// frame. Such frames are padding and say nothing about the level of the background.
const PADDING_POWER: f32 = 3e-10;
const PADDING_BELOW_PEAK: f32 = 1e-8;

/// Frames of a short word. In a long silence, it fills less than 5 % of the frames, and the 95th
/// percentile misses it. So top is at least the level that this many frames exceed, minus
/// [`WORD_MARGIN_DB`].
const WORD_FRAMES: usize = 30;
/// How far the 95th percentile may be below the level of such a word and still be top, in dB.
const WORD_MARGIN_DB: f32 = 10.0;

/// Seconds that the speech frames stand for: 10 ms each.
pub fn speech_seconds(speech: &[bool]) -> f32 {
    speech.iter().filter(|s| **s).count() as f32 * 0.01
}

/// Frames of 25 ms that fit wholly into `num_samples` at a hop of 10 ms.
pub fn num_frames(num_samples: usize) -> usize {
    if num_samples < FRAME_LEN {
        0
    } else {
        1 + (num_samples - FRAME_LEN) / HOP
    }
}

/// Variance of each frame. `(N,) -> (T,)`
pub(crate) fn frame_powers(samples: &[f32]) -> Vec<f32> {
    const BLOCKS: usize = FRAME_LEN / BLOCK;
    let mut blocks = samples.chunks_exact(BLOCK).map(sum_and_squares);
    let mut frame = [(0.0, 0.0); BLOCKS];
    let mut filled = 0;
    (0..num_frames(samples.len()))
        .map(|_| {
            for block in &mut frame[filled..] {
                *block = blocks.next().expect("frames that fit wholly");
            }
            let (sum, squares) = frame
                .iter()
                .fold((0.0, 0.0), |(s, q), (bs, bq)| (s + bs, q + bq));
            frame.rotate_left(HOP / BLOCK);
            filled = BLOCKS - HOP / BLOCK;
            let mean = sum / FRAME_LEN as f32;
            (squares / FRAME_LEN as f32 - mean * mean).max(0.0)
        })
        .collect()
}

/// Eight partial sums, so that the compiler can keep them in lanes; the order is fixed.
fn sum_and_squares(block: &[f32]) -> (f32, f32) {
    let mut sum = [0.0f32; 8];
    let mut squares = [0.0f32; 8];
    for octet in block.chunks_exact(8) {
        for i in 0..8 {
            sum[i] += octet[i];
            squares[i] += octet[i] * octet[i];
        }
    }
    (sum.iter().sum(), squares.iter().sum())
}

/// Speech or not, one flag per frame of `samples` at 16 kHz. `(N,) -> (T,)`
pub fn speech_frames(samples: &[f32]) -> Vec<bool> {
    flags(&frame_powers(samples))
}

/// How far the loud frames (95th percentile) are above the quiet ones (10th), in dB. `None` for
/// digital silence.
pub fn level_range_db(samples: &[f32]) -> Option<f32> {
    let mut levels: Vec<f32> = frame_powers(samples);
    let last = levels.len().checked_sub(1)?;
    levels.sort_by(f32::total_cmp);
    let (floor, top) = (
        levels[last / 10].max(PADDING_POWER),
        levels[last * 95 / 100],
    );
    (top > PADDING_POWER).then(|| 10.0 * (top / floor).log10())
}

/// Speech or not, by the power of each frame. `(T,) -> (T,)`
pub(super) fn flags(powers: &[f32]) -> Vec<bool> {
    let Some(threshold) = threshold_power(powers) else {
        return vec![false; powers.len()];
    };
    let loud: Vec<bool> = powers.iter().map(|&p| p > threshold).collect();
    grow_runs(&loud)
}

/// The power above which a frame is speech; `None` when every frame is digital silence.
fn threshold_power(powers: &[f32]) -> Option<f32> {
    let peak = powers.iter().copied().fold(0.0, f32::max);
    let padding = PADDING_POWER.max(peak * PADDING_BELOW_PEAK);
    let mut sounding: Vec<f32> = powers.iter().copied().filter(|&p| p > padding).collect();
    if sounding.is_empty() {
        return None;
    }
    let last = sounding.len() - 1;
    let mut level_db = |rank: usize| {
        let (_, power, _) = sounding.select_nth_unstable_by(rank, f32::total_cmp);
        10.0 * power.log10()
    };
    let word_db = level_db(last.saturating_sub(WORD_FRAMES));
    let top_db = level_db(last * 95 / 100).max(word_db - WORD_MARGIN_DB);
    let floor_db = level_db(last / 10);
    let threshold_db = (floor_db + 0.4 * (top_db - floor_db)).clamp(top_db - 30.0, top_db - 15.0);
    Some(10f32.powf(threshold_db / 10.0).max(padding))
}

/// Drops short runs and widens the others.
fn grow_runs(loud: &[bool]) -> Vec<bool> {
    let mut speech = vec![false; loud.len()];
    let mut start = 0;
    for run in loud.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        // In a recording of a few frames, they are all the speech there is.
        let long_enough = run.len() >= MIN_RUN_FRAMES || run.len() == loud.len();
        if run[0] && long_enough {
            let grown_end = (end + GROW_FRAMES).min(loud.len());
            speech[start.saturating_sub(GROW_FRAMES)..grown_end].fill(true);
        }
        start = end;
    }
    speech
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buzz of 100 Hz pulses between `from` and `to`, over faint noise.
    fn buzz(num_samples: usize, from: usize, to: usize, gain: f32) -> Vec<f32> {
        let mut state = 1u32;
        (0..num_samples)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
                let voice = if (from..to).contains(&n) {
                    (-((n % 160) as f32) / 20.0).exp()
                } else {
                    0.0
                };
                gain * (0.001 * noise + voice)
            })
            .collect()
    }

    fn count(flags: &[bool]) -> usize {
        flags.iter().filter(|f| **f).count()
    }

    #[test]
    fn frames_are_counted_as_kaldi_does() {
        for (samples, frames) in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)] {
            assert_eq!(speech_frames(&vec![0.1; samples]).len(), frames);
        }
    }

    #[test]
    fn a_word_is_found_at_any_gain_and_however_long_the_silence() {
        for seconds in [2, 20] {
            for gain in [1.0, 0.003] {
                let flags = speech_frames(&buzz(seconds * 16_000, 8_000, 16_000, gain));
                assert!(flags[55..95].iter().all(|f| *f));
                assert!((50..62).contains(&count(&flags)), "{}", count(&flags));
            }
        }
    }

    #[test]
    fn zero_padding_does_not_move_the_threshold() {
        let plain = buzz(32_000, 8_000, 16_000, 0.5);
        let mut padded = plain.clone();
        padded.extend(vec![0.0; 160_000]);
        assert_eq!(
            count(&speech_frames(&plain)),
            count(&speech_frames(&padded))
        );
    }

    #[test]
    fn a_click_is_no_speech_and_silence_has_none() {
        let mut samples = buzz(32_000, 8_000, 16_000, 0.5);
        samples[24_000] = 0.9;
        assert!(speech_frames(&samples)[140..].iter().all(|f| !f));
        assert_eq!(count(&speech_frames(&[0.25; 16_000])), 0);
    }
}
