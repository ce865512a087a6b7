//! Calibration: finds a scale and an offset with which `scale·score + offset` is a log-likelihood ratio
//! (Brümmer & du Preez 2006). It can add terms for what the two recordings are like (Mandasari et al.
//! 2013) and a lower slope for very low scores ([`LowerSlope`]).
//!
//! Noise or a narrow band in one recording lowers the score; in both, it raises the scores of different
//! speakers. So each condition has two weights, one for its sum over both recordings and one for the
//! product. Whether there is noise at all has one for its product ([`multiplied`](crate::scoring::multiplied)).
//!
//! The fit is a logistic regression: Newton's method on the prior-weighted cross-entropy
//! p·mean ln(1 + e^−(s + λ)) + (1−p)·mean ln(1 + e^(s + λ)), λ = ln(p/(1−p)), with the first mean over
//! targets and the second over nontargets. The limit of the lower slope is the best of several values.

use super::quality_trial::{QualityList, QualityTrial};
use crate::{
    Error, Result,
    eval::sweep::softplus,
    scoring::{
        CONDITIONS, LowerSlope, MULTIPLIED, PairHead, QualityTerms, QualityWeights, log_odds,
    },
};
use nalgebra::{SMatrix, SVector};
use rayon::prelude::*;

/// `llr = scale·score + offset + quality`, with a lower slope below a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Negative only if targets score lower than nontargets.
    pub scale: f64,
    /// In natural-log units.
    pub offset: f64,
    /// Weights of the quality terms, each summed over both recordings; none for a fit without them.
    pub quality: Option<QualityWeights>,
    /// Weights of the products over both recordings: n of one times n of the other, likewise h, l and m
    /// (see [`multiplied`](crate::scoring::multiplied)). 0 for a fit without quality terms.
    pub of_both: [f64; MULTIPLIED],
    /// The lower slope, if the fit is closer with one.
    pub lower_slope: Option<LowerSlope>,
}

/// Ridge penalty on the standardised scale and offset. It keeps both finite if the scores of targets
/// and nontargets do not overlap. If they overlap, it changes both only by about its own size.
const PENALTY: f64 = 1e-6;
/// Ridge penalty on the quality terms. It is larger, because their weights are uncertain if there
/// are few kinds of recordings.
const QUALITY_PENALTY: f64 = 1e-5;
/// Values of [`LowerSlope::below`] that are tried, in steps of [`LIMIT_STEP`]: −8, −7.75 … 0.
const LIMITS: std::ops::RangeInclusive<i16> = -32..=0;
const LIMIT_STEP: f32 = 0.25;

/// The share of the mean of both recordings' μ that is subtracted from a score if there is a cohort. It is
/// fixed: a fitted share is larger and suits the lists of the fit, but then too many strangers who say
/// single words are accepted (docs/experiments.md).
const COHORT_SHARE: f64 = 0.5;

/// Number of features of a trial: score, ln t, ln|u|, and sums and products of the conditions (see
/// [`QualityTrial`]).
const NUM_FEATURES: usize = 3 + CONDITIONS + MULTIPLIED;

impl Calibration {
    /// Fits at the effective prior `prior` of a target; every trial counts the same.
    ///
    /// # Errors
    /// As [`Self::of_lists`].
    pub fn fit(targets: &[f64], nontargets: &[f64], prior: f64) -> Result<Self> {
        Self::of_lists(&[(targets, nontargets)], prior)
    }

    /// Checks that higher scores mean the same speaker. If labels are swapped, the scale is negative.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(&self) -> Result<()> {
        // Written so that a NaN is refused as well.
        if self.scale > 0.0 && self.offset.is_finite() {
            return Ok(());
        }
        Err(Error::Usage(
            "calibration: target trials score lower than nontarget trials; check the labels".into(),
        ))
    }

    /// Fits on several lists (targets, nontargets). Each list counts the same, however long it is:
    /// otherwise the scale would suit the longest list and its kind of speech only.
    ///
    /// # Errors
    /// [`Error::Usage`] if a list has no target or no nontarget, a score is not finite, all scores
    /// are equal, or `prior` is not within (0, 1).
    pub fn of_lists(lists: &[(&[f64], &[f64])], prior: f64) -> Result<Self> {
        let side = |scores: &[f64]| scores.iter().map(|&s| [s]).collect();
        let sides: Vec<Sides<1>> = lists
            .iter()
            .map(|(targets, nontargets)| (side(targets), side(nontargets), 1.0))
            .collect();
        let ([scale], offset, _) = regression(sides, prior, [PENALTY], false)?;
        Ok(Calibration {
            scale,
            offset,
            quality: None,
            of_both: [0.0; MULTIPLIED],
            lower_slope: None,
        })
    }

    /// Fits the quality terms and the lower slope as well. If `cohort` is set, [`COHORT_SHARE`] of μ is
    /// subtracted from the scores. The trials' scores must be computed without these terms and without a lower slope.
    ///
    /// # Errors
    /// As [`Self::of_lists`].
    pub fn with_quality(lists: &[&QualityList], prior: f64, cohort: bool) -> Result<Self> {
        let side = |trials: &[QualityTrial]| {
            let features = trials.iter().map(|trial| features(trial, cohort));
            features.collect()
        };
        let sides = lists
            .iter()
            .map(|l| (side(&l.targets), side(&l.nontargets), l.weight));
        let mut penalties = [QUALITY_PENALTY; NUM_FEATURES];
        penalties[0] = PENALTY;
        let (weights, offset, lower_slope) = regression(sides.collect(), prior, penalties, true)?;
        let [scale, seconds, length, of_conditions @ ..] = weights;
        let (sums, products) = of_conditions.split_at(CONDITIONS);
        Ok(Calibration {
            scale,
            offset,
            quality: Some(
                QualityWeights {
                    seconds: seconds as f32,
                    length: length as f32,
                    cohort: weight_of_cohort(cohort) as f32,
                    ..QualityWeights::default()
                }
                .with_conditions(std::array::from_fn(|k| sums[k] as f32)),
            ),
            of_both: std::array::from_fn(|k| products[k]),
            lower_slope,
        })
    }

    /// How well calibrations suit speech that they were not fitted on: the mean Cllr at `prior`
    /// over the lists, each measured with a fit on all other lists. A list comes in several forms.
    /// The fit uses all forms, but only the last one, the list as it is, is measured. The Cllr is
    /// divided by the entropy of the prior, so a system that knows nothing has 1. At prior 0.5 this
    /// is the usual Cllr.
    ///
    /// # Errors
    /// As [`Self::of_lists`]; [`Error::Usage`] for fewer than two lists.
    pub fn cllr_left_out(lists: &[Vec<QualityList>], prior: f64, cohort: bool) -> Result<f64> {
        let of_one = |left_out: usize| {
            let others = [&lists[..left_out], &lists[left_out + 1..]];
            let others: Vec<&QualityList> = others.into_iter().flatten().flatten().collect();
            let found = Self::with_quality(&others, prior, cohort)?;
            let whole = lists[left_out].last();
            Ok(whole.map_or(f64::NAN, |whole| found.cllr(whole, prior)))
        };
        let cllrs: Result<Vec<f64>> = (0..lists.len()).into_par_iter().map(of_one).collect();
        // Added in order, whatever the number of threads.
        Ok(cllrs?.iter().sum::<f64>() / lists.len() as f64)
    }

    fn cllr(&self, list: &QualityList, prior: f64) -> f64 {
        let quality = self.quality.unwrap_or_default();
        let [seconds, length, cohort] =
            [quality.seconds, quality.length, quality.cohort].map(f64::from);
        let (of_sums, of_both) = (quality.of_conditions().map(f64::from), self.of_both);
        let shift = log_odds(prior);
        let mut cost = 0.0;
        for (trials, sign, prior) in [
            (&list.targets, -1.0, prior),
            (&list.nontargets, 1.0, 1.0 - prior),
        ] {
            for trial in trials {
                let scores = self.scale * (trial.score + cohort * trial.cohort);
                let (sums, products) = trial.of_conditions();
                let sums = of_sums.iter().zip(&sums);
                let terms = sums.chain(of_both.iter().zip(&products));
                let conditions: f64 = terms.map(|(w, x)| w * x).sum();
                let recordings = seconds * trial.seconds + length * trial.length + conditions;
                let line = scores + self.offset + recordings;
                let llr = self.lower_slope.map_or(line, |slope| slope.apply(line));
                cost += prior / trials.len() as f64 * softplus(sign * (llr + shift));
            }
        }
        let known = -(prior * prior.ln() + (1.0 - prior) * (1.0 - prior).ln());
        cost / known
    }

    /// Applies scale and offset to a score, or to a limit on scores.
    pub fn moved(&self, score: f32) -> f32 {
        (self.scale * f64::from(score) + self.offset) as f32
    }

    /// Makes the calibration part of a head. The logit of the new head is the calibrated LLR, at prior
    /// 0.5.
    pub fn apply(&self, head: &PairHead) -> PairHead {
        let shift = log_odds(head.prior.into());
        let scaled = |w: &f32| (f64::from(*w) * self.scale) as f32;
        let mut weight: Vec<f32> = head.weight.iter().map(scaled).collect();
        if self.quality.is_some() && self.of_both != [0.0; MULTIPLIED] {
            // The head has no conditions yet. Their weights go to the end of both halves of its weights.
            let squares = weight.split_off(head.voice_size());
            weight.extend(self.of_both.map(|w| w as f32));
            weight.extend(squares);
            weight.extend([0.0; MULTIPLIED]);
        }
        let quality = head.quality.as_ref();
        let cohort = quality.and_then(|quality| quality.cohort.clone());
        let weights = self.quality.or(quality.map(|old| {
            let old = old.weights;
            QualityWeights {
                seconds: scaled(&old.seconds),
                length: scaled(&old.length),
                // The weight of μ stays: the head's scores against the cohort are scaled already.
                ..old.with_conditions(old.of_conditions().map(|w| scaled(&w)))
            }
        }));
        let moved = |slope: LowerSlope| LowerSlope {
            below: self.moved(slope.below),
        };
        PairHead {
            bias: (self.scale * (f64::from(head.bias) - shift) + self.offset) as f32,
            quality: weights.map(|weights| QualityTerms { weights, cohort }),
            lower_slope: self.lower_slope.or(head.lower_slope.map(moved)),
            ..PairHead::new(head.projection.clone(), weight)
        }
    }
}

/// The features of a trial, in the order that [`NUM_FEATURES`] names them.
fn features(trial: &QualityTrial, cohort: bool) -> [f64; NUM_FEATURES] {
    let (sums, products) = trial.of_conditions();
    let mut features = [0.0; NUM_FEATURES];
    let [score, seconds, length, of_conditions @ ..] = &mut features;
    *score = trial.score + weight_of_cohort(cohort) * trial.cohort;
    (*seconds, *length) = (trial.seconds, trial.length);
    let (of_sums, of_products) = of_conditions.split_at_mut(CONDITIONS);
    of_sums.copy_from_slice(&sums);
    of_products.copy_from_slice(&products);
    features
}

/// The weight of the sum of both recordings' μ. μ is a mean of scores, so the scale multiplies it too.
fn weight_of_cohort(cohort: bool) -> f64 {
    if cohort { -COHORT_SHARE / 2.0 } else { 0.0 }
}

/// The target and nontarget trials of a list, with K features each, and the weight of the list.
type Sides<const K: usize> = (Vec<[f64; K]>, Vec<[f64; K]>, f64);

/// Fits the features, the first of which is the score. Returns their weights, the offset, and the lower
/// slope if one was wanted and the fit is closer with it.
fn regression<const K: usize>(
    lists: Vec<Sides<K>>,
    prior: f64,
    penalties: [f64; K],
    with_lower_slope: bool,
) -> Result<([f64; K], f64, Option<LowerSlope>)> {
    let refuse = |fact: &str| {
        Error::Usage(format!(
            "calibration: {fact}; give scores of target and nontarget trials, all finite, and \
             a prior within (0, 1)"
        ))
    };
    if lists.is_empty() || lists.iter().any(|(t, n, _)| t.is_empty() || n.is_empty()) {
        return Err(refuse("no target or no nontarget trials"));
    }
    if !(prior > 0.0 && prior < 1.0) {
        return Err(refuse(&format!("prior {prior}")));
    }
    let all = || lists.iter().flat_map(|(t, n, _)| t.iter().chain(n));
    if all().flatten().any(|s| !s.is_finite()) {
        return Err(refuse("a score is not finite"));
    }
    let count = all().count() as f64;
    let mean: [f64; K] = std::array::from_fn(|k| all().map(|x| x[k]).sum::<f64>() / count);
    let spread: [f64; K] = std::array::from_fn(|k| {
        let squares = all().map(|x| (x[k] - mean[k]).powi(2)).sum::<f64>();
        (squares / count).sqrt()
    });
    let is_constant = |k: usize| spread[k] <= f64::EPSILON * mean[k].abs();
    if is_constant(0) {
        return Err(refuse("all scores are equal"));
    }
    // A feature that is the same in all trials gets no weight: the offset has the same effect.
    let units: [f64; K] =
        std::array::from_fn(|k| if is_constant(k) { 0.0 } else { 1.0 / spread[k] });
    let total: f64 = lists.iter().map(|(_, _, weight)| weight).sum();
    let side = |trials: &[[f64; K]], weight: f64| {
        let weight = weight / (trials.len() as f64 * total);
        let one = |x: &[f64; K]| (std::array::from_fn(|k| (x[k] - mean[k]) * units[k]), weight);
        trials.iter().map(one).collect::<Vec<_>>()
    };
    let mut trials = Standardised {
        targets: lists.iter().flat_map(|(t, _, w)| side(t, *w)).collect(),
        nontargets: lists.iter().flat_map(|(_, n, w)| side(n, *w)).collect(),
        prior,
        penalties,
        lower_slope: None,
    };
    let mut best = trials.newton((SVector::zeros(), 0.0));
    let mut found = None;
    let limits = LIMITS.filter(|_| with_lower_slope);
    let mut at = best.0;
    for below in limits.map(|step| f32::from(step) * LIMIT_STEP) {
        trials.lower_slope = Some(LowerSlope { below });
        // A limit far below all trials changes nothing, so each fit can start where the last one ended.
        let next = trials.newton(at);
        at = next.0;
        if next.1 < best.1 {
            (best, found) = (next, trials.lower_slope);
        }
    }
    let (weights, offset) = best.0;
    let weights: [f64; K] = std::array::from_fn(|k| weights[k] * units[k]);
    let shift: f64 = (0..K).map(|k| weights[k] * mean[k]).sum();
    Ok((weights, offset - shift, found))
}

/// Standardised features of the trials, and the trials' weights, which sum to 1 over targets and to 1
/// over nontargets.
struct Standardised<const K: usize> {
    targets: Vec<([f64; K], f64)>,
    nontargets: Vec<([f64; K], f64)>,
    prior: f64,
    penalties: [f64; K],
    lower_slope: Option<LowerSlope>,
}

/// Weights, and the offset.
type Point<const K: usize> = (SVector<f64, K>, f64);

impl<const K: usize> Standardised<K> {
    /// The point of lowest loss, starting from `at`, and the loss there. With a lower slope the loss is
    /// not convex, but nearly.
    fn newton(&self, mut at: Point<K>) -> (Point<K>, f64) {
        let mut loss = self.loss(&at);
        for _ in 0..100 {
            let Some(step) = self.step(&at) else { break };
            // Halve the step until the loss falls: far from the minimum, a full step is too long.
            let mut length = 1.0;
            let improved = loop {
                let next = (at.0 - step.0 * length, at.1 - step.1 * length);
                let next_loss = self.loss(&next);
                if next_loss < loss {
                    break Some((next, next_loss));
                }
                length *= 0.5;
                if length < 1e-6 {
                    break None;
                }
            };
            let Some((next, next_loss)) = improved else {
                break;
            };
            (at, loss) = (next, next_loss);
        }
        (at, loss)
    }

    /// The logit of a trial, and its derivative by the line (weights·x + offset): 1, or the lower slope.
    fn logit(&self, (weights, offset): &Point<K>, x: &[f64; K]) -> (f64, f64) {
        let sum: f64 = (0..K).map(|k| weights[k] * x[k]).sum();
        let line = sum + offset;
        let prior = log_odds(self.prior);
        match self.lower_slope {
            Some(slope) if line < f64::from(slope.below) => {
                (slope.apply(line) + prior, LowerSlope::SLOPE)
            }
            _ => (line + prior, 1.0),
        }
    }

    fn loss(&self, at: &Point<K>) -> f64 {
        let mean = |trials: &[([f64; K], f64)], sign: f64| {
            let term = |(x, w): &([f64; K], f64)| w * softplus(sign * self.logit(at, x).0);
            trials.iter().map(term).sum::<f64>()
        };
        let (weights, offset) = at;
        let pulls = (0..K).map(|k| self.penalties[k] * weights[k] * weights[k]);
        self.prior * mean(&self.targets, -1.0)
            + (1.0 - self.prior) * mean(&self.nontargets, 1.0)
            + 0.5 * (pulls.sum::<f64>() + PENALTY * offset * offset)
    }

    /// The Newton step H⁻¹·g. The offset is eliminated first, by its Schur complement, so that the
    /// matrices have the fixed size K × K.
    fn step(&self, at: &Point<K>) -> Option<Point<K>> {
        let (weights, offset) = at;
        let mut gradient: SVector<f64, K> = SVector::from_fn(|k, _| self.penalties[k] * weights[k]);
        let mut hessian: SMatrix<f64, K, K> =
            SMatrix::from_diagonal(&SVector::from_row_slice(&self.penalties));
        let (mut offset_gradient, mut offset_curvature) = (PENALTY * offset, PENALTY);
        let mut cross: SVector<f64, K> = SVector::zeros();
        let sides = [
            (&self.targets, 1.0, self.prior),
            (&self.nontargets, 0.0, 1.0 - self.prior),
        ];
        for (trials, label, prior) in sides {
            for (x, w) in trials {
                let (logit, slope) = self.logit(at, x);
                let weight = prior * w * slope;
                let p = sigmoid(logit);
                let x = SVector::<f64, K>::from_row_slice(x);
                let curvature = weight * slope * p * (1.0 - p);
                gradient += x * (weight * (p - label));
                offset_gradient += weight * (p - label);
                hessian += x * x.transpose() * curvature;
                cross += x * curvature;
                offset_curvature += curvature;
            }
        }
        let reduced = hessian - cross * cross.transpose() / offset_curvature;
        let step = reduced
            .cholesky()?
            .solve(&(gradient - cross * (offset_gradient / offset_curvature)));
        let offset_step = (offset_gradient - cross.dot(&step)) / offset_curvature;
        Some((step, offset_step))
    }
}

/// 1/(1 + e^−z).
pub(super) fn sigmoid(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    if z >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}
