//! Scores of target and nontarget trials in, figures out: EER, minimum and actual detection cost,
//! Cllr and its minimum. All from one sort.
//!
//! Operating points: accept every score ≥ t, for every t that makes a difference, from accepting
//! all to rejecting all. Equal scores are accepted or rejected together. With P_miss the share of
//! targets rejected and P_fa the share of nontargets accepted:
//!
//! - EER: where P_miss = P_fa on the line that joins neighbouring points (no convex hull). Where
//!   scores tie this line is a coin tossed among the tied ones.
//! - DCF = c_miss·p·P_miss + c_fa·(1−p)·P_fa, over the cost of the better of accepting all and
//!   rejecting all: the minimum over all points, and the actual one at the LLR threshold
//!   ln(c_fa(1−p)/(c_miss·p)).
//! - Cllr = ½ mean log2(1 + e^−LLR) over targets + ½ mean log2(1 + e^LLR) over nontargets, and its
//!   minimum over monotonic maps of the scores (pool adjacent violators; Brümmer & du Preez 2006).

use std::f64::consts::LN_2;

/// What errors cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// Prior of a target.
    pub p_target: f64,
    /// Of a target rejected.
    pub c_miss: f64,
    /// Of a nontarget accepted.
    pub c_fa: f64,
}

impl Costs {
    /// The LLR from which accepting costs less: ln(c_fa(1−p)/(c_miss·p)).
    pub fn threshold(&self) -> f64 {
        (self.c_fa * (1.0 - self.p_target) / (self.c_miss * self.p_target)).ln()
    }

    fn dcf(&self, miss: f64, false_alarm: f64) -> f64 {
        let reject_all = self.c_miss * self.p_target;
        let accept_all = self.c_fa * (1.0 - self.p_target);
        (reject_all * miss + accept_all * false_alarm) / reject_all.min(accept_all)
    }
}

/// The figures of one trial list.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Metrics {
    /// Equal error rate, 0 to 1.
    pub eer: f64,
    /// Least detection cost over thresholds, 1 for a system that answers always the same.
    pub min_dcf: f64,
    /// Detection cost at the threshold that is right for LLRs.
    pub act_dcf: f64,
    /// In bits; 1 for a system that answers always LLR 0.
    pub cllr: f64,
    /// Cllr after the best monotonic map: what calibration cannot repair.
    pub min_cllr: f64,
}

/// Targets rejected and nontargets accepted at one threshold, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ErrorRates {
    /// P_miss, or false reject rate.
    pub miss: f64,
    /// P_fa, or false accept rate.
    pub false_alarm: f64,
}

/// Trials by rising score, equal scores in one group; at least one target and one nontarget.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Rising.
    group_scores: Vec<f64>,
    /// Per trial, in the caller's order.
    trials: Vec<Ranked>,
}

#[derive(Debug, Clone, Copy)]
struct Ranked {
    group: u32,
    is_target: bool,
    /// log2(1 + e^∓LLR): this trial's share of Cllr.
    bits: f64,
}

/// Weight of the trials with one score. Weights are counts, so their sums are exact.
#[derive(Debug, Clone, Copy, Default)]
struct Mass {
    targets: f64,
    nontargets: f64,
}

impl Ranking {
    /// `None` without a target or without a nontarget: no error rate exists then. −∞ is a score
    /// that every threshold rejects, and so is NaN.
    pub fn new(scores: &[f64], is_target: &[bool]) -> Option<Self> {
        let kinds = &is_target[..scores.len()];
        if !kinds.contains(&true) || !kinds.contains(&false) {
            return None;
        }
        let score_of = |i: usize| match scores[i] {
            s if s.is_nan() => f64::NEG_INFINITY,
            s => s + 0.0, // −0 and 0 are one score
        };
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_unstable_by(|&i, &j| score_of(i).total_cmp(&score_of(j)));
        let mut group_scores: Vec<f64> = vec![];
        let mut trials = vec![
            Ranked {
                group: 0,
                is_target: false,
                bits: 0.0
            };
            scores.len()
        ];
        for i in order {
            let score = score_of(i);
            if group_scores.last() != Some(&score) {
                group_scores.push(score);
            }
            let sign = if kinds[i] { -1.0 } else { 1.0 };
            trials[i] = Ranked {
                group: group_scores.len() as u32 - 1,
                is_target: kinds[i],
                bits: softplus(sign * score) / LN_2,
            };
        }
        Some(Ranking {
            group_scores,
            trials,
        })
    }

    /// The figures, each trial counting once.
    pub fn metrics(&self, costs: &Costs) -> Metrics {
        self.weighted_metrics(costs, |_| 1.0)
            .expect("checked when made: a target and a nontarget")
    }

    /// The figures with `weight(trial)` copies of each trial; `None` if that leaves no target or
    /// no nontarget.
    pub fn weighted_metrics(
        &self,
        costs: &Costs,
        weight: impl Fn(usize) -> f64,
    ) -> Option<Metrics> {
        let mut groups = vec![Mass::default(); self.group_scores.len()];
        let mut total = Mass::default();
        let mut bits = Mass::default();
        for (i, trial) in self.trials.iter().enumerate() {
            let w = weight(i);
            if w == 0.0 {
                continue;
            }
            let group = &mut groups[trial.group as usize];
            if trial.is_target {
                group.targets += w;
                total.targets += w;
                bits.targets += w * trial.bits;
            } else {
                group.nontargets += w;
                total.nontargets += w;
                bits.nontargets += w * trial.bits;
            }
        }
        if total.targets == 0.0 || total.nontargets == 0.0 {
            return None;
        }
        let threshold = costs.threshold();
        let mut rejected = Mass::default();
        let mut last = ErrorRates {
            miss: 0.0,
            false_alarm: 1.0,
        };
        let mut eer = None;
        let mut min_dcf = costs.dcf(last.miss, last.false_alarm);
        let mut act_dcf = min_dcf;
        for (group, &score) in groups.iter().zip(&self.group_scores) {
            rejected.targets += group.targets;
            rejected.nontargets += group.nontargets;
            let rates = ErrorRates {
                miss: rejected.targets / total.targets,
                false_alarm: (total.nontargets - rejected.nontargets) / total.nontargets,
            };
            if eer.is_none() && rates.miss >= rates.false_alarm {
                let before = last.false_alarm - last.miss;
                let after = rates.miss - rates.false_alarm;
                let along = before / (before + after);
                eer = Some(last.miss + along * (rates.miss - last.miss));
            }
            let dcf = costs.dcf(rates.miss, rates.false_alarm);
            min_dcf = min_dcf.min(dcf);
            if score < threshold {
                act_dcf = dcf;
            }
            last = rates;
        }
        Some(Metrics {
            eer: eer.expect("the last point rejects all: miss 1, false alarm 0"),
            min_dcf,
            act_dcf,
            cllr: 0.5 * (bits.targets / total.targets + bits.nontargets / total.nontargets),
            min_cllr: min_cllr(&groups, &total),
        })
    }

    /// Error rates when scores ≥ `threshold` are accepted.
    pub fn error_rates(&self, threshold: f64) -> ErrorRates {
        let (mut targets, mut missed, mut accepted) = (0.0, 0.0, 0.0);
        for trial in &self.trials {
            let accept = self.group_scores[trial.group as usize] >= threshold;
            if trial.is_target {
                targets += 1.0;
                missed += f64::from(u8::from(!accept));
            } else {
                accepted += f64::from(u8::from(accept));
            }
        }
        ErrorRates {
            miss: missed / targets,
            false_alarm: accepted / (self.trials.len() as f64 - targets),
        }
    }
}

/// Pool adjacent violators: neighbouring groups merge until the share of targets rises with the
/// score; a pool's LLR is then ln of its share of all targets over its share of all nontargets.
fn min_cllr(groups: &[Mass], total: &Mass) -> f64 {
    let mut pools: Vec<Mass> = Vec::with_capacity(groups.len());
    for &group in groups {
        let mut pool = group;
        // targets/(targets + nontargets) not below the last pool's, without dividing
        while let Some(last) = pools.last()
            && last.targets * pool.nontargets >= pool.targets * last.nontargets
        {
            pool.targets += last.targets;
            pool.nontargets += last.nontargets;
            pools.pop();
        }
        pools.push(pool);
    }
    let (mut target_bits, mut nontarget_bits) = (0.0, 0.0);
    for pool in pools {
        let odds = (pool.targets / total.targets) / (pool.nontargets / total.nontargets);
        if pool.targets > 0.0 {
            target_bits += pool.targets * (1.0 / odds).ln_1p() / LN_2;
        }
        if pool.nontargets > 0.0 {
            nontarget_bits += pool.nontargets * odds.ln_1p() / LN_2;
        }
    }
    0.5 * (target_bits / total.targets + nontarget_bits / total.nontargets)
}

/// ln(1 + e^z), which never overflows.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}
