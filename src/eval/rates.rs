//! Measures the error rates of a calibrated model at many thresholds, on scored trial lists.
//!
//! Each list is taken as one kind of speech and counts the same, and so does each list at 8 kHz if
//! the model is used there too. The rates are the average over these kinds. The 95 % intervals are
//! wider: they are for a single kind of speech, because a user verifies one kind and gets its
//! rates, not the average. An interval for the average would be much narrower, and the rates of
//! most kinds would lie outside it. The intervals come from a bootstrap in two stages: each
//! replicate draws a list, then speakers in it.

use super::bootstrap::{Interval, below, draw, seeds};
use crate::{
    parallel,
    scoring::{MeasuredPoint, MeasuredRates, Rate},
};
use std::collections::BTreeMap;

/// The scored trials of one list.
#[derive(Debug, Clone)]
pub struct RatedList {
    /// For each trial its LLR, and the numbers of the speakers of the enrolled and of the test
    /// recording, below `num_speakers`.
    pub trials: Vec<(f64, [usize; 2])>,
    /// Speakers in the list.
    pub num_speakers: usize,
    /// Whether these are the trials of another list under other conditions, such as at 8 kHz. They
    /// count in the rates, but not in the number of trials that says which rates can be measured.
    pub is_copy: bool,
}

impl RatedList {
    fn scores(&self, target: bool) -> impl Iterator<Item = f64> {
        let kind = move |(_, [a, b]): &&(f64, [usize; 2])| (a == b) == target;
        self.trials.iter().filter(kind).map(|(llr, _)| *llr)
    }

    /// How many of its trials are target or nontarget trials.
    pub fn count(&self, target: bool) -> usize {
        self.scores(target).count()
    }

    /// Whether there is a target and a nontarget.
    pub fn has_both(&self) -> bool {
        [true, false]
            .iter()
            .all(|target| self.scores(*target).next().is_some())
    }
}

/// Number of thresholds for each factor of ten in an error rate.
const POINTS_PER_DECADE: f64 = 12.0;

/// Measures the rates at thresholds from one that rejects hardly anybody to the one with the
/// smallest false-accept rate that the trials can measure. `None` if a list lacks target or
/// nontarget trials.
pub fn measure(
    lists: &[RatedList],
    blake3: String,
    num_replicates: usize,
    seed: u64,
) -> Option<MeasuredRates> {
    let originals: Vec<&RatedList> = lists.iter().filter(|list| !list.is_copy).collect();
    if originals.is_empty() || !lists.iter().all(RatedList::has_both) {
        return None;
    }
    let count = |target| originals.iter().map(|list| list.count(target)).sum();
    let (targets, nontargets) = (count(true), count(false));
    let by_nontargets = thresholds(lists, false, nontargets);
    let highest = by_nontargets.iter().copied().fold(f64::MIN, f64::max);
    let by_targets = thresholds(lists, true, targets).into_iter();
    let mut thresholds = by_nontargets;
    // Above the highest threshold, the false-accept rate is too small to be measured.
    thresholds.extend(by_targets.filter(|threshold| *threshold < highest));
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    let binned: Vec<Binned> = lists.iter().map(|l| Binned::new(l, &thresholds)).collect();
    let once = |(binned, list): (&Binned, &RatedList)| binned.rates(&vec![1.0; list.num_speakers]);
    let measured = mean(binned.iter().zip(lists).map(once).collect());

    let replicates = parallel::map(&seeds(num_replicates, seed), |seed| {
        let drawn = below(lists.len(), *seed);
        // Another seed, so that the draws of speakers do not depend on the draws of lists.
        binned[drawn].rates(&draw(lists[drawn].num_speakers, seed.wrapping_add(1)))
    });
    let points = (0..thresholds.len()).map(|at| {
        let rate = |pick: fn(&Rates) -> &Vec<f64>| {
            let mut values: Vec<f64> = replicates.iter().map(|r| pick(r)[at]).collect();
            values.retain(|v| v.is_finite());
            let rate = pick(&measured)[at];
            let (low, high) = match values.is_empty() {
                true => (rate, rate),
                false => {
                    let Interval { low, high } = Interval::of(values);
                    (low.min(rate), high.max(rate))
                }
            };
            Rate { rate, low, high }
        };
        MeasuredPoint {
            threshold: thresholds[at],
            false_accept: rate(|r| &r.false_accept),
            false_reject: rate(|r| &r.false_reject),
        }
    });
    Some(MeasuredRates {
        targets,
        nontargets,
        speakers: originals.iter().map(|l| l.num_speakers).sum(),
        lists: originals.len(),
        blake3,
        points: points.collect(),
        by_kind: BTreeMap::new(),
    })
}

/// Thresholds at which the rate of false rejects (for `target`) or of false accepts takes values that
/// are evenly spaced on a logarithmic scale, down to 3 of these trials.
fn thresholds(lists: &[RatedList], target: bool, num_trials: usize) -> Vec<f64> {
    let mut scored: Vec<(f64, f64)> = vec![];
    for list in lists {
        let share = 1.0 / (list.count(target) * lists.len()) as f64;
        scored.extend(list.scores(target).map(|llr| (llr, share)));
    }
    // The trials that are errors at most thresholds first: the lowest targets, the highest nontargets.
    scored.sort_unstable_by(|a, b| match target {
        true => a.0.total_cmp(&b.0),
        false => b.0.total_cmp(&a.0),
    });
    let smallest = 3.0 / num_trials as f64;
    let num = (POINTS_PER_DECADE * -smallest.log10()).ceil().max(1.0) as i32;
    let wanted: Vec<f64> = (0..num)
        .map(|i| smallest.powf(f64::from(num - i) / f64::from(num)))
        .collect();
    let (mut found, mut wrong, mut next) = (vec![], 0.0, 0);
    for (llr, share) in &scored {
        wrong += share;
        while next < wanted.len() && wrong >= wanted[next] - 1e-12 {
            found.push(*llr);
            next += 1;
        }
    }
    found
}

/// The trials of a list, each with the number of thresholds that its score reaches, and its
/// speakers.
struct Binned {
    num_thresholds: usize,
    trials: Vec<(usize, [usize; 2])>,
}

struct Rates {
    false_accept: Vec<f64>,
    false_reject: Vec<f64>,
}

impl Binned {
    fn new(list: &RatedList, thresholds: &[f64]) -> Self {
        let passed = |llr: &f64| thresholds.partition_point(|t| t <= llr);
        let binned = |(llr, speakers): &(f64, [usize; 2])| (passed(llr), *speakers);
        Binned {
            num_thresholds: thresholds.len(),
            trials: list.trials.iter().map(binned).collect(),
        }
    }

    /// False accepts and false rejects at each threshold; NaN where nobody was drawn.
    fn rates(&self, draws: &[f64]) -> Rates {
        let mut passed = [
            vec![0.0; self.num_thresholds + 1],
            vec![0.0; self.num_thresholds + 1],
        ];
        for (bin, [a, b]) in &self.trials {
            if a == b {
                passed[1][*bin] += draws[*a];
            } else {
                passed[0][*bin] += draws[*a] * draws[*b];
            }
        }
        let accepted = |bins: &[f64]| -> Vec<f64> {
            let total: f64 = bins.iter().sum();
            let mut rest = total;
            let after = |bin: &f64| {
                rest -= bin;
                (rest / total).clamp(0.0, 1.0)
            };
            bins[..self.num_thresholds].iter().map(after).collect()
        };
        Rates {
            false_accept: accepted(&passed[0]),
            false_reject: accepted(&passed[1]).iter().map(|a| 1.0 - a).collect(),
        }
    }
}

/// Mean over the lists, each counting the same.
fn mean(lists: Vec<Rates>) -> Rates {
    let num = lists.len() as f64;
    let mean_of = |pick: fn(&Rates) -> &Vec<f64>| -> Vec<f64> {
        let at = |i: usize| lists.iter().map(|list| pick(list)[i]).sum::<f64>() / num;
        (0..pick(&lists[0]).len()).map(at).collect()
    };
    Rates {
        false_accept: mean_of(|r| &r.false_accept),
        false_reject: mean_of(|r| &r.false_reject),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Speakers 0 to 9; targets around 3, nontargets around −3, `shift` added to all.
    fn list(shift: f64) -> RatedList {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut trials = vec![];
        for a in 0..10 {
            for b in 0..10 {
                for _ in 0..20 {
                    let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                    let centre = if a == b { 3.0 } else { -3.0 };
                    trials.push((centre + shift + 12.0 * (uniform - 0.5), [a, b]));
                }
            }
        }
        RatedList {
            trials,
            num_speakers: 10,
            is_copy: false,
        }
    }

    #[test]
    fn rates_are_those_of_the_trials() {
        let rates = measure(&[list(0.0)], "hash".into(), 200, 1).unwrap();
        rates.check().unwrap();
        assert_eq!((rates.targets, rates.nontargets), (200, 1800));
        let at_zero = rates.at_threshold(0.0);
        // Uniform on ±6 around −3 and 3: a quarter beyond 0.
        assert!(
            (at_zero.false_accept.rate - 0.25).abs() < 0.04,
            "{at_zero:?}"
        );
        assert!(
            (at_zero.false_reject.rate - 0.25).abs() < 0.08,
            "{at_zero:?}"
        );
        assert!(at_zero.false_accept.low < 0.25 && at_zero.false_accept.high > 0.25);
        let wanted = rates.at_false_accept_rate(0.05).unwrap();
        let accepted = list(0.0)
            .trials
            .iter()
            .filter(|(llr, [a, b])| a != b && *llr >= wanted.threshold)
            .count();
        assert!((accepted as f64 / 1800.0 - 0.05).abs() < 0.01, "{accepted}");
    }

    #[test]
    fn thresholds_reach_down_to_what_the_trials_support() {
        let rates = measure(&[list(0.0)], String::new(), 10, 1).unwrap();
        let accepted = |p: &MeasuredPoint| (1800.0 * p.false_accept.rate).round();
        // Three of 1800 trials: the rule of three.
        assert_eq!(rates.points.last().map(accepted), Some(3.0));
        // The rate spans 2.78 powers of ten with twelve thresholds each; at some more thresholds few
        // targets are rejected.
        assert!((34..60).contains(&rates.points.len()));
        let rejected = rates.points[0].false_reject.rate;
        assert!(rejected <= 3.0 / 200.0, "{rejected}");
    }

    #[test]
    fn each_list_counts_the_same_however_long() {
        let mut lists = [list(0.0), list(1.0)];
        lists[1].trials.retain(|(_, [a, _])| *a < 3);
        let accepted = |list: &RatedList, threshold: f64, target: bool| {
            let kind = |(_, [a, b]): &&(f64, [usize; 2])| (a == b) == target;
            let of_kind = || list.trials.iter().filter(kind);
            let accepted = of_kind().filter(|(llr, _)| *llr >= threshold);
            accepted.count() as f64 / of_kind().count() as f64
        };
        for point in measure(&lists, String::new(), 10, 1).unwrap().points {
            let mean = |target| {
                let rate = |list| accepted(list, point.threshold, target);
                (rate(&lists[0]) + rate(&lists[1])) / 2.0
            };
            assert!((point.false_accept.rate - mean(false)).abs() < 1e-12);
            assert!((point.false_reject.rate - (1.0 - mean(true))).abs() < 1e-12);
        }
    }

    #[test]
    fn a_copy_counts_for_the_rates_and_supports_no_smaller_ones() {
        let copy = RatedList {
            is_copy: true,
            ..list(1.0)
        };
        let rates = |lists: &[RatedList]| measure(lists, String::new(), 200, 1).unwrap();
        let (alone, both) = (rates(&[list(0.0)]), rates(&[list(0.0), copy.clone()]));
        let facts = |r: &MeasuredRates| (r.targets, r.nontargets, r.speakers, r.lists);
        assert_eq!(facts(&alone), facts(&both));
        assert_eq!(alone.points.len(), both.points.len());
        let smallest = |r: &MeasuredRates| r.points.last().unwrap().false_accept.rate;
        assert!((smallest(&both) - 3.0 / 1800.0).abs() < 0.3 / 1800.0);
        let at = |r: &MeasuredRates| r.at_false_accept_rate(0.05).unwrap().threshold;
        assert!(at(&both) > at(&alone) + 0.3);
        // A copy of nothing, or one in which nobody is heard, has no rates.
        for lists in [
            vec![copy.clone()],
            vec![
                list(0.0),
                RatedList {
                    trials: vec![],
                    ..copy
                },
            ],
        ] {
            assert!(measure(&lists, String::new(), 50, 1).is_none());
        }
    }

    #[test]
    fn lists_that_disagree_widen_the_interval() {
        let width = |lists: &[RatedList]| {
            let rate = measure(lists, String::new(), 200, 1)
                .unwrap()
                .at_threshold(0.0);
            rate.false_accept.high - rate.false_accept.low
        };
        assert!(width(&[list(-2.0), list(2.0)]) > 2.0 * width(&[list(0.0), list(0.0)]));
    }

    #[test]
    fn the_interval_holds_what_one_kind_of_speech_has() {
        let lists: Vec<RatedList> = (-2..=2).map(|shift| list(0.5 * f64::from(shift))).collect();
        let all = measure(&lists, String::new(), 1000, 1).unwrap();
        let at = all.at_threshold(2.0);
        for list in &lists {
            let measured = measure(std::slice::from_ref(list), String::new(), 10, 1).unwrap();
            let rate = measured.at_threshold(2.0).false_accept.rate;
            let stated = &at.false_accept;
            assert!(
                stated.low <= rate && rate <= stated.high,
                "{rate} {stated:?}"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_table_and_no_trials_none() {
        let lists = [list(0.0), list(1.0)];
        assert_eq!(
            measure(&lists, String::new(), 50, 3),
            measure(&lists, String::new(), 50, 3)
        );
        let mut no_targets = list(0.0);
        no_targets.trials.retain(|(_, [a, b])| a != b);
        assert!(measure(&[no_targets], String::new(), 50, 3).is_none());
    }
}
