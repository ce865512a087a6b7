//! Measures and distorts samples: energy, gain, clipping, mu-law, the level and steps of 16-bit audio.

use super::random::Random;

/// The factor by which samples are multiplied to change their level by `db`.
pub(super) fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Sum of the squares.
pub(super) fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|v| v * v).sum()
}

/// Clips at a level that 0.5 to 10 % of the samples exceed.
pub(super) fn clip(samples: &mut [f32], random: &mut Random) {
    let mut levels: Vec<f32> = samples.iter().map(|v| v.abs()).collect();
    let share = 0.005 * 20f32.powf(random.unit());
    let rank = ((1.0 - share) * levels.len() as f32) as usize;
    if rank < levels.len() {
        let (_, limit, _) = levels.select_nth_unstable_by(rank, f32::total_cmp);
        let limit = *limit;
        samples.iter_mut().for_each(|v| *v = v.clamp(-limit, limit));
    }
}

/// A sample coded as 8-bit mu-law and decoded again (ITU-T G.711).
pub(super) fn through_mu_law(sample: f32) -> f32 {
    const BIAS: i32 = 33;
    let linear = ((sample.abs() * 8192.0) as i32).min(8158) + BIAS;
    // The 4 bits after the leading one are kept. The decoder returns the middle of the range of values
    // that share these bits.
    let dropped = (31 - linear.leading_zeros() as i32) - 4;
    let decoded = ((linear >> dropped) << dropped) + (1 << dropped) / 2 - BIAS;
    (decoded as f32 / 8192.0).copysign(sample)
}

/// Scales the peak to `peak_db` relative to full scale, and rounds to 16-bit steps as in files. A
/// band that a filter emptied then holds rounding noise, as in real recordings: none has exact
/// silence in a band.
pub(super) fn quantise(samples: &mut [f32], peak_db: f32) {
    let peak = samples.iter().fold(1e-9f32, |peak, v| peak.max(v.abs()));
    let gain = gain(peak_db) / peak;
    samples
        .iter_mut()
        .for_each(|v| *v = (*v * gain * 32768.0).round() / 32768.0);
}
