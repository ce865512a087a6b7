//! The data of the plots: the error trade-off, thinned to points that the eye can tell apart, and the
//! histograms of target and nontarget scores.

use super::{metrics::ErrorRates, ranking::Ranking, sweep::Sweep};

/// Smallest distance between two points of a curve, in units of the DET plot's normal deviate scale.
const DET_STEP: f64 = 0.01;

/// The points of the error trade-off, from accepting all to rejecting all. A point too close to the
/// last one kept is left out, unless it is a corner or an end.
pub fn det_points(sweep: &Sweep) -> Vec<ErrorRates> {
    let mut kept: Vec<ErrorRates> = vec![];
    let mut last: Option<ErrorRates> = None;
    let far = |a: f64, b: f64| (probit(a) - probit(b)).abs() > DET_STEP;
    for point in sweep.points() {
        let is_far = kept
            .last()
            .is_none_or(|k| far(k.miss, point.miss) || far(k.false_alarm, point.false_alarm));
        if is_far {
            // The corner before a jump.
            kept.extend(last.take());
            kept.push(point);
        } else {
            last = Some(point);
        }
    }
    kept.extend(last);
    kept
}

/// The normal deviate of a probability: the inverse of the normal distribution function (Acklam's
/// rational approximation, relative error below 1.2e-9), bounded at 1e-7 and 1 − 1e-7.
pub fn probit(p: f64) -> f64 {
    let p = p.clamp(1e-7, 1.0 - 1e-7);
    let poly = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let a = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.383_577_518_672_69e2,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    let b = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    let c = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    let d = [
        7.784695709041462e-03,
        3.224671290700398e-01,
        2.445134137142996e+00,
        3.754408661907416e+00,
        1.0,
    ];
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        poly(&c, q) / poly(&d, q)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        poly(&a, r) * q / poly(&b, r)
    }
}

/// Shares of the targets and of the nontargets in equal steps of the score.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Where the first step begins.
    pub low: f64,
    /// Width of a step.
    pub step: f64,
    /// Share of the targets in each step. Scores beyond the ends count in the first or the last step.
    pub targets: Vec<f64>,
    /// The same for nontargets.
    pub nontargets: Vec<f64>,
}

const NUM_STEPS: usize = 80;

impl Histogram {
    /// The histogram from the 0.1 % quantile of the scores to the 99.9 % quantile.
    pub fn of(ranking: &Ranking) -> Self {
        let trials = ranking.scored();
        let quantile = |share: f64| {
            let at = (share * (trials.len() - 1) as f64) as usize;
            trials[at].score
        };
        let (low, high) = (quantile(0.001), quantile(0.999));
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let step = ((high - low) / NUM_STEPS as f64).max(1e-12);
        let mut histogram = Histogram {
            low,
            step,
            targets: vec![0.0; NUM_STEPS],
            nontargets: vec![0.0; NUM_STEPS],
        };
        let shares = [
            1.0 / ranking.num_targets() as f64,
            1.0 / ranking.num_nontargets() as f64,
        ];
        for trial in trials {
            // Saturates at both ends.
            let bin = (((trial.score - low) / step) as usize).min(NUM_STEPS - 1);
            match trial.is_target() {
                true => histogram.targets[bin] += shares[0],
                false => histogram.nontargets[bin] += shares[1],
            }
        }
        histogram
    }
}
