//! Computes the figures of a ranking, with any weights of the trials, in a few passes without a sort.
//!
//! Between two neighbouring targets the order of the nontargets changes no figure. So the passes
//! take a run of targets or of nontargets at a time.

use super::{
    metrics::{Costs, Dcf, ErrorRates, Figures, Points},
    ranking::{Ranking, ScoredTrial},
};
use std::{f64::consts::LN_2, ops::AddAssign};

/// Trials sorted by score and divided into runs of neighbours, so that error rates are computed once
/// a run. No figure depends on the order of the trials in a run.
pub struct Sweep<'a> {
    trials: &'a [ScoredTrial],
    /// Where each run ends, rising. A run has only targets, only nontargets, or only one score.
    ends: Vec<u32>,
    /// For each trial log2(1 + e^∓LLR), its share of Cllr.
    bits: Vec<f64>,
    points: &'a Points,
    /// For each threshold (number of trials that it rejects, its index), rising. The thresholds of the
    /// costs have the first indices.
    cuts: Vec<(usize, usize)>,
    /// Trials without a score.
    refused: &'a [ScoredTrial],
}

/// Total weight of some targets and nontargets. Weights are counts, so their sums are exact.
#[derive(Debug, Clone, Copy, Default)]
struct Mass {
    targets: f64,
    nontargets: f64,
}

impl AddAssign for Mass {
    fn add_assign(&mut self, other: Mass) {
        self.targets += other.targets;
        self.nontargets += other.nontargets;
    }
}

impl Mass {
    /// Adds up the weights of `trials`.
    fn of(trials: &[ScoredTrial], weight: impl Fn(&ScoredTrial) -> f64) -> Self {
        let mut mass = Mass::default();
        for trial in trials {
            mass.add(trial.is_target(), weight(trial));
        }
        mass
    }

    fn add(&mut self, is_target: bool, weight: f64) {
        if is_target {
            self.targets += weight;
        } else {
            self.nontargets += weight;
        }
    }
}

/// Number of trials whose Cllr is summed before it is added to the sum of all. In one sum over 60
/// million trials, the rounding errors would show.
const BLOCK: usize = 1024;

impl<'a> Sweep<'a> {
    /// Cuts the ranking into runs, which do not depend on the weights.
    pub fn new(ranking: &'a Ranking, points: &'a Points) -> Self {
        let trials = ranking.scored();
        let costs = points.costs.iter().map(Costs::threshold);
        let thresholds = costs.chain(points.thresholds.iter().copied());
        let rejected = |t: f64| trials.partition_point(|trial| trial.score < t);
        let mut cuts: Vec<(usize, usize)> = thresholds.map(rejected).zip(0..).collect();
        cuts.sort_unstable();
        let bits = trials.iter().map(|trial| {
            let sign = if trial.is_target() { -1.0 } else { 1.0 };
            softplus(sign * trial.score) / LN_2
        });
        Sweep {
            bits: bits.collect(),
            ends: runs(trials, &cuts),
            trials,
            points,
            cuts,
            refused: ranking.refused(),
        }
    }

    /// The figures if each trial counts once.
    pub fn figures(&self) -> Figures {
        self.weighted(|_| 1.0)
            .expect("a ranking has a target and a nontarget")
    }

    /// The figures with `weight(trial)` copies of each trial; `None` if no target or no nontarget is
    /// left.
    pub fn weighted(&self, weight: impl Fn(&ScoredTrial) -> f64) -> Option<Figures> {
        let total = Mass::of(self.trials, &weight);
        if !(total.targets > 0.0 && total.nontargets > 0.0) {
            return None;
        }
        let mut curve = Curve::new(total, self.points);
        let mut pools = Pools::default();
        let mut bits = Mass::default();
        let mut cuts = self.cuts.iter().peekable();
        let mut begin = 0;
        while let Some((_, which)) = cuts.next_if(|(at, _)| *at == 0) {
            curve.mark(*which);
        }
        for &end in &self.ends {
            let end = end as usize;
            let mut run = Mass::default();
            let blocks = self.trials[begin..end].chunks(BLOCK);
            for (trials, shares) in blocks.zip(self.bits[begin..end].chunks(BLOCK)) {
                let mut block = Mass::default();
                for (trial, share) in trials.iter().zip(shares) {
                    let w = weight(trial);
                    // Trials of weight 0 are left out, because a share may be infinite, and 0·∞ is NaN.
                    if w != 0.0 {
                        run.add(trial.is_target(), w);
                        block.add(trial.is_target(), w * share);
                    }
                }
                bits += block;
            }
            begin = end;
            pools.push(run);
            curve.reject(run);
            while let Some((_, which)) = cuts.next_if(|(at, _)| *at == end) {
                curve.mark(*which);
            }
        }
        Some(Figures {
            eer: curve.eer(),
            cllr: 0.5 * (bits.targets / total.targets + bits.nontargets / total.nontargets),
            min_cllr: pools.cllr(&total),
            dcf: curve.dcf(),
            rates: curve.marked.split_off(self.points.costs.len()),
        })
    }

    /// EER over all trials: those without a score are rejected at every threshold.
    pub fn eer_with_refused(&self) -> f64 {
        let count = |trials: &[ScoredTrial]| Mass::of(trials, |_| 1.0);
        let refused = count(self.refused);
        let mut total = refused;
        total += count(self.trials);
        let mut curve = Curve::new(total, self.points);
        curve.reject(refused);
        let mut begin = 0;
        for &end in &self.ends {
            curve.reject(count(&self.trials[begin..end as usize]));
            begin = end as usize;
        }
        curve.eer()
    }

    /// (P_miss, P_fa) from accepting all to rejecting all, at every end of a run.
    pub fn points(&self) -> impl Iterator<Item = ErrorRates> {
        let mut curve = Curve::new(Mass::of(self.trials, |_| 1.0), self.points);
        let mut begin = 0;
        let accept_all = curve.last;
        let rest = self.ends.iter().map(move |&end| {
            curve.reject(Mass::of(&self.trials[begin..end as usize], |_| 1.0));
            begin = end as usize;
            curve.last
        });
        std::iter::once(accept_all).chain(rest)
    }
}

/// Ends of the runs. A run grows while trials of its kind follow; a score shared by both kinds is a
/// run of its own; a threshold ends a run.
fn runs(trials: &[ScoredTrial], cuts: &[(usize, usize)]) -> Vec<u32> {
    let mut ends: Vec<u32> = vec![];
    let mut last_kind = None;
    let mut cuts = cuts.iter().peekable();
    let mut at = 0;
    for group in trials.chunk_by(|a, b| a.score == b.score) {
        let kind = group[0].is_target();
        let kind = group.iter().all(|t| t.is_target() == kind).then_some(kind);
        let mut is_cut = false;
        while cuts.next_if(|(cut, _)| *cut <= at).is_some_and(|(cut, _)| {
            is_cut |= *cut == at;
            true
        }) {}
        at += group.len();
        match ends.last_mut() {
            Some(end) if kind.is_some() && kind == last_kind && !is_cut => *end = at as u32,
            _ => ends.push(at as u32),
        }
        last_kind = kind;
    }
    ends
}

/// The error rates while the threshold rises, and the figures found so far.
struct Curve<'a> {
    total: Mass,
    rejected: Mass,
    last: ErrorRates,
    eer: Option<f64>,
    costs: &'a [Costs],
    min_dcf: Vec<f64>,
    /// The error rates at the thresholds of the costs, then at the others.
    marked: Vec<ErrorRates>,
}

impl<'a> Curve<'a> {
    fn new(total: Mass, points: &'a Points) -> Self {
        let accept_all = ErrorRates {
            miss: 0.0,
            false_alarm: 1.0,
        };
        Curve {
            total,
            rejected: Mass::default(),
            last: accept_all,
            eer: None,
            costs: &points.costs,
            min_dcf: points.costs.iter().map(|c| c.dcf(&accept_all)).collect(),
            marked: vec![accept_all; points.costs.len() + points.thresholds.len()],
        }
    }

    fn reject(&mut self, run: Mass) {
        self.rejected += run;
        let rates = ErrorRates {
            miss: self.rejected.targets / self.total.targets,
            false_alarm: (self.total.nontargets - self.rejected.nontargets) / self.total.nontargets,
        };
        if self.eer.is_none() && rates.miss >= rates.false_alarm {
            let before = self.last.false_alarm - self.last.miss;
            let after = rates.miss - rates.false_alarm;
            let along = before / (before + after);
            self.eer = Some(self.last.miss + along * (rates.miss - self.last.miss));
        }
        for (least, costs) in self.min_dcf.iter_mut().zip(self.costs) {
            *least = least.min(costs.dcf(&rates));
        }
        self.last = rates;
    }

    fn mark(&mut self, which: usize) {
        self.marked[which] = self.last;
    }

    fn eer(&self) -> f64 {
        self.eer
            .expect("the last point rejects all: miss 1, false alarm 0")
    }

    fn dcf(&self) -> Vec<Dcf> {
        let actual = self.costs.iter().zip(&self.marked);
        self.min_dcf
            .iter()
            .zip(actual)
            .map(|(&min, (costs, rates))| Dcf {
                min,
                act: costs.dcf(rates),
            })
            .collect()
    }
}

/// Pool adjacent violators: neighbours merge until the share of targets rises with the score.
#[derive(Default)]
struct Pools(Vec<Mass>);

impl Pools {
    fn push(&mut self, mut pool: Mass) {
        if pool.targets + pool.nontargets == 0.0 {
            return;
        }
        // Merges while the last pool's share of targets is at least that of this one. Compared as
        // products, without dividing.
        while let Some(last) = self
            .0
            .pop_if(|last| last.targets * pool.nontargets >= pool.targets * last.nontargets)
        {
            pool += last;
        }
        self.0.push(pool);
    }

    /// A pool's LLR is ln of its share of all targets over its share of all nontargets.
    fn cllr(&self, total: &Mass) -> f64 {
        let mut bits = Mass::default();
        for pool in &self.0 {
            let odds = (pool.targets / total.targets) / (pool.nontargets / total.nontargets);
            if pool.targets > 0.0 {
                bits.targets += pool.targets * (1.0 / odds).ln_1p() / LN_2;
            }
            if pool.nontargets > 0.0 {
                bits.nontargets += pool.nontargets * odds.ln_1p() / LN_2;
            }
        }
        0.5 * (bits.targets / total.targets + bits.nontargets / total.nontargets)
    }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|), which never overflows.
pub fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}
