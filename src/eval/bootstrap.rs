//! Estimates how far the figures would move with other speakers, by a bootstrap over speakers. Trials
//! of one speaker resemble each other, so intervals from the number of trials would be far too narrow.
//!
//! Each replicate draws as many speakers as there are, with replacement. A trial between two
//! speakers then counts as often as the product of their draws. A trial within one speaker counts
//! as often as that speaker was drawn: two copies of one person make no trials with each other.

use super::{
    metrics::{Figures, percent},
    speakers::Speakers,
    sweep::Sweep,
};
use crate::parallel;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// 2.5th percentile of the replicates.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// The interval of these values, one for each replicate.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Interval {
            low: percentile(&values, 0.025),
            high: percentile(&values, 0.975),
        }
    }

    /// Both ends in per cent: `1.20–3.40`.
    pub fn percent(&self) -> String {
        format!("{}–{}", percent(self.low), percent(self.high))
    }
}

/// The EERs of the replicates of one list, kept to compare the list with another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    /// Names of the speakers, in the order of their numbers in the draws.
    pub(super) speakers: Vec<String>,
    /// None for a replicate without a target or without a nontarget trial.
    pub(super) eers: Vec<Option<f64>>,
}

impl Replicates {
    /// Keeps the results of each replicate of a list, and the names of the list's speakers.
    pub(super) fn new(speakers: &Speakers, figures: &[Option<Figures>]) -> Self {
        let eers = figures.iter().map(|figures| Some(figures.as_ref()?.eer));
        Replicates {
            speakers: speakers.names().to_vec(),
            eers: eers.collect(),
        }
    }
}

/// The interval of each figure, over the replicates that [`replicates`] draws with these arguments.
pub fn intervals(
    sweep: &Sweep,
    speaker_of: &[u32],
    num_speakers: usize,
    num_replicates: usize,
    seed: u64,
) -> Option<Figures<Interval>> {
    let figures = replicates(sweep, speaker_of, num_speakers, num_replicates, seed);
    intervals_of(&figures)
}

/// The figures of each replicate; none for a replicate without a target or without a nontarget trial.
/// `speaker_of` has the speaker of every recording, numbered from 0 to below `num_speakers`. The same
/// seed gives the same draws for every list with so many speakers, and the same bits at any thread
/// count.
pub fn replicates(
    sweep: &Sweep,
    speaker_of: &[u32],
    num_speakers: usize,
    num_replicates: usize,
    seed: u64,
) -> Vec<Option<Figures>> {
    let replicate = |seed: &u64| -> Option<Figures> {
        let draws = draw(num_speakers, *seed);
        sweep.weighted(|trial| {
            let enroll = speaker_of[trial.enroll() as usize];
            let test = speaker_of[trial.test() as usize];
            if enroll == test {
                draws[enroll as usize]
            } else {
                draws[enroll as usize] * draws[test as usize]
            }
        })
    };
    parallel::map(&seeds(num_replicates, seed), replicate)
}

/// A seed for each replicate.
pub(super) fn seeds(num_replicates: usize, seed: u64) -> Vec<u64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..num_replicates).map(|_| rng.next_u64()).collect()
}

/// The interval of each figure. `None` if fewer than half of the replicates have figures: too few
/// speakers to say.
pub fn intervals_of(replicates: &[Option<Figures>]) -> Option<Figures<Interval>> {
    let valid: Vec<&Figures> = replicates.iter().flatten().collect();
    if valid.is_empty() || valid.len() * 2 < replicates.len() {
        return None;
    }
    let table: Vec<Vec<f64>> = valid
        .iter()
        .map(|f| f.values().copied().collect())
        .collect();
    let mut column = 0;
    Some(valid[0].with_values(|| {
        let values = table.iter().map(|row| row[column]).collect();
        column += 1;
        Interval::of(values)
    }))
}

/// Draws the speakers of a replicate. Returns how often each speaker was drawn.
pub(super) fn draw(num_speakers: usize, seed: u64) -> Vec<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draws = vec![0.0; num_speakers];
    for _ in 0..num_speakers {
        draws[below(num_speakers, rng.next_u64())] += 1.0;
    }
    draws
}

/// A number from 0 to below `count`, made from 64 `random` bits. Its bias is below 2^-32 for a `count`
/// below 2^32.
pub(crate) fn below(count: usize, random: u64) -> usize {
    ((u128::from(random) * count as u128) >> 64) as usize
}

/// A percentile of sorted values, interpolated between the two nearest ranks (as numpy's default).
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = sorted[position as usize];
    let above = sorted[(position as usize + 1).min(sorted.len() - 1)];
    // Equal neighbours may both be infinite.
    if below == above {
        below
    } else {
        below + (above - below) * position.fract()
    }
}
