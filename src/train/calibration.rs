//! Calibration: scores of target and nontarget trials in, scale and offset out, so that
//! `scale·score + offset` is a log-likelihood ratio (Brümmer & du Preez 2006).
//!
//! Logistic regression by Newton's method on the prior-weighted cross-entropy
//! p·mean ln(1 + e^−(s + λ)) + (1−p)·mean ln(1 + e^(s + λ)), λ = ln(p/(1−p)).

use crate::{Error, Result, scoring::PairHead};

/// `llr = scale·score + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Negative only if the scores were upside down.
    pub scale: f64,
    /// In natural-log units.
    pub offset: f64,
}

/// Ridge on scale and offset of the standardised scores: keeps both finite where targets and
/// nontargets do not overlap, and elsewhere moves them by about as little as this.
const PENALTY: f64 = 1e-6;

impl Calibration {
    /// Fits at the effective prior `prior` of a target; every trial counts the same.
    ///
    /// # Errors
    /// As [`Self::of_lists`].
    pub fn fit(targets: &[f64], nontargets: &[f64], prior: f64) -> Result<Self> {
        Self::of_lists(&[(targets, nontargets)], prior)
    }

    /// Do higher scores mean the same speaker? The fit of swapped labels says the contrary.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(&self) -> Result<()> {
        // Said this way a NaN is refused as well.
        if self.scale > 0.0 && self.offset.is_finite() {
            return Ok(());
        }
        Err(Error::Usage(
            "calibration: target trials score lower than nontarget trials; check the labels".into(),
        ))
    }

    /// Fits on several lists (targets, nontargets), each counting the same however long it is: a
    /// scale that suits the longest list only would be of use on that kind of speech only.
    ///
    /// # Errors
    /// [`Error::Usage`] if a list has no target or no nontarget, a score is not finite, all scores
    /// are equal, or `prior` is not within (0, 1).
    pub fn of_lists(lists: &[(&[f64], &[f64])], prior: f64) -> Result<Self> {
        let refuse = |fact: &str| {
            Error::Usage(format!(
                "calibration: {fact}; give scores of target and nontarget trials, all finite, and \
                 a prior within (0, 1)"
            ))
        };
        if lists.is_empty() || lists.iter().any(|(t, n)| t.is_empty() || n.is_empty()) {
            return Err(refuse("no target or no nontarget trials"));
        }
        if !(prior > 0.0 && prior < 1.0) {
            return Err(refuse(&format!("prior {prior}")));
        }
        let all = || lists.iter().flat_map(|(t, n)| t.iter().chain(*n));
        if all().any(|s| !s.is_finite()) {
            return Err(refuse("a score is not finite"));
        }
        let count = all().count() as f64;
        let mean = all().sum::<f64>() / count;
        let spread = (all().map(|s| (s - mean) * (s - mean)).sum::<f64>() / count).sqrt();
        if spread <= f64::EPSILON * mean.abs() {
            return Err(refuse("all scores are equal"));
        }
        let weighted = |scores: &[f64]| {
            let weight = 1.0 / (scores.len() * lists.len()) as f64;
            let one = |s: &f64| ((s - mean) / spread, weight);
            scores.iter().map(one).collect::<Vec<_>>()
        };
        let trials = Standardised {
            targets: lists.iter().flat_map(|(t, _)| weighted(t)).collect(),
            nontargets: lists.iter().flat_map(|(_, n)| weighted(n)).collect(),
            prior,
        };
        let (scale, offset) = trials.newton();
        Ok(Calibration {
            scale: scale / spread,
            offset: offset - scale * mean / spread,
        })
    }

    /// Folds the map into a head, whose logit then is the calibrated LLR at prior 0.5.
    pub fn apply(&self, head: &PairHead) -> PairHead {
        let shift = (f64::from(head.prior) / (1.0 - f64::from(head.prior))).ln();
        let scaled = |w: &f32| (f64::from(*w) * self.scale) as f32;
        PairHead {
            mean: head.mean.clone(),
            whiten: head.whiten.clone(),
            weight: head.weight.iter().map(scaled).collect(),
            groups: head.groups,
            bias: (self.scale * (f64::from(head.bias) - shift) + self.offset) as f32,
            prior: 0.5,
        }
    }
}

/// Standardised scores and their weights, which sum to 1 on either side.
struct Standardised {
    targets: Vec<(f64, f64)>,
    nontargets: Vec<(f64, f64)>,
    prior: f64,
}

impl Standardised {
    fn newton(&self) -> (f64, f64) {
        let (mut scale, mut offset) = (0.0, 0.0);
        let mut loss = self.loss(scale, offset);
        for _ in 0..100 {
            let (gradient, hessian) = self.derivatives(scale, offset);
            let det = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            let step = [
                (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / det,
                (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / det,
            ];
            // Halve until the loss falls: far out, the sigmoid's curvature promises too much.
            let mut length = 1.0;
            let improved = loop {
                let next = (scale - length * step[0], offset - length * step[1]);
                let next_loss = self.loss(next.0, next.1);
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
            (scale, offset) = next;
            loss = next_loss;
        }
        (scale, offset)
    }

    fn shift(&self) -> f64 {
        (self.prior / (1.0 - self.prior)).ln()
    }

    fn loss(&self, scale: f64, offset: f64) -> f64 {
        let mean = |scores: &[(f64, f64)], sign: f64| {
            let term =
                |(s, w): &(f64, f64)| w * softplus(sign * (scale * s + offset + self.shift()));
            scores.iter().map(term).sum::<f64>()
        };
        self.prior * mean(&self.targets, -1.0)
            + (1.0 - self.prior) * mean(&self.nontargets, 1.0)
            + 0.5 * PENALTY * (scale * scale + offset * offset)
    }

    /// Gradient (scale, offset) and Hessian (scale², scale·offset, offset²).
    fn derivatives(&self, scale: f64, offset: f64) -> ([f64; 2], [f64; 3]) {
        let mut gradient = [PENALTY * scale, PENALTY * offset];
        let mut hessian = [PENALTY, 0.0, PENALTY];
        let sides = [
            (&self.targets, 1.0, self.prior),
            (&self.nontargets, 0.0, 1.0 - self.prior),
        ];
        for (scores, label, prior) in sides {
            for (s, w) in scores {
                let weight = prior * w;
                let p = sigmoid(scale * s + offset + self.shift());
                gradient[0] += weight * (p - label) * s;
                gradient[1] += weight * (p - label);
                let curvature = weight * p * (1.0 - p);
                hessian[0] += curvature * s * s;
                hessian[1] += curvature * s;
                hessian[2] += curvature;
            }
        }
        (gradient, hessian)
    }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|), which never overflows.
pub(super) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
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
