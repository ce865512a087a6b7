//! The pair head: computes the log-likelihood ratio of two embeddings, the same in either order.
//!
//! Embeddings are not compared directly. Each becomes a *point* first, and a score is computed from
//! two points:
//!
//! ```text
//! point (P,) = [ projected embedding (V,), conditions (4,), quality term (1,) ]
//!                └─ these L numbers are multiplied ───────┘ └─ this is added
//! ```
//!
//! The last two parts exist only with quality terms. The steps:
//!
//! 1. [`Projection`] centres, whitens and scales an embedding: the first part of the point.
//! 2. The logit of two points a and b is w·φ + bias, with φ(a,b) = [a∘b ; a∘a + b∘b] over their
//!    first L numbers. With the weights of a two-covariance PLDA it is the PLDA log-likelihood
//!    ratio (Ioffe 2006; Ramoji et al. 2020, "neural PLDA"). Subtracting the log-odds of the prior
//!    gives an LLR.
//! 3. [`QualityTerms`], if the head is calibrated with them, add one number for each recording. The
//!    conditions of the recording, and whether it is noisy, are in the point too, unscaled, so that
//!    their products get weights in w like the other products ([`multiplied`]). Heads that were
//!    calibrated by an earlier version have the conditions alone.
//! 4. [`LowerSlope`] changes very low LLRs.

use super::{
    CONDITIONS, Cohort, LowerSlope, MULTIPLIED, Projection, QualityTerms, QualityWeights,
    multiplied, products::weighted_dot, quality::ln_sum_exp,
};
use crate::{Error, Result};

/// Parameters of the head, as in the model file. L is the size of the head.
#[derive(Debug, Clone, PartialEq)]
pub struct PairHead {
    /// Turns an embedding of D numbers into the first V numbers of a point.
    pub projection: Projection,
    /// (2L,): w for a∘b, then for a∘a + b∘b. With quality terms, L is V +
    /// [`MULTIPLIED`], or V + [`CONDITIONS`] from an earlier version; otherwise V.
    pub weight: Vec<f32>,
    /// Bias of the logit.
    pub bias: f32,
    /// Prior of "same speaker" that the logit includes: LLR = logit − ln(p/(1−p)).
    pub prior: f32,
    /// If present, an embedding ends in ln t and the conditions, and a point in the quality term of its
    /// recording.
    pub quality: Option<QualityTerms>,
    /// The lower slope, if very low scores have a slope of their own.
    pub lower_slope: Option<LowerSlope>,
}

impl PairHead {
    /// The head without bias, quality terms and lower slope, at prior 0.5.
    pub fn new(projection: Projection, weight: Vec<f32>) -> Self {
        PairHead {
            projection,
            weight,
            bias: 0.0,
            prior: 0.5,
            quality: None,
            lower_slope: None,
        }
    }

    /// Checks sizes and finiteness against the embedding size D.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part.
    pub fn check(&self, embedding_size: usize) -> Result<()> {
        let Projection {
            mean,
            whiten,
            groups,
        } = &self.projection;
        let conditions = self.size().checked_sub(self.voice_size());
        let sizes = self.projection.fits(embedding_size)
            && self.weight.len().is_multiple_of(2)
            && match conditions {
                Some(0) => true,
                Some(CONDITIONS | MULTIPLIED) => self.quality.is_some(),
                _ => false,
            };
        let finite = self.projection.is_finite()
            && self.weight.iter().all(|v| v.is_finite())
            && self.bias.is_finite()
            && self.lower_slope.is_none_or(|slope| slope.below.is_finite());
        if !(sizes && finite && self.prior > 0.0 && self.prior < 1.0) {
            return Err(Error::Usage(format!(
                "pair head: mean {}, whiten {}, weight {}, groups {groups}, finite {finite}, prior {}; wanted \
                 mean {embedding_size}, whiten V·{embedding_size}, weight 2V (with quality terms also \
                 2V + {}), groups that share V evenly, finite, prior within (0, 1)",
                mean.len(),
                whiten
                    .as_ref()
                    .map_or("none".into(), |w| w.len().to_string()),
                self.weight.len(),
                self.prior,
                2 * MULTIPLIED,
            )));
        }
        let quality = self.quality.as_ref();
        quality.map_or(Ok(()), |terms| terms.check(self.voice_size()))
    }

    /// Size of an embedding: D, plus ln t and the conditions if there are quality terms.
    pub fn embedding_size(&self) -> usize {
        self.projection.embedding_size() + (1 + CONDITIONS) * usize::from(self.quality.is_some())
    }

    /// L: how many numbers of a point are multiplied by those of another point.
    pub fn size(&self) -> usize {
        self.weight.len() / 2
    }

    /// V: how many of the L numbers are the projected embedding. The others are the conditions.
    pub fn voice_size(&self) -> usize {
        self.projection.size()
    }

    /// The same head without quality terms, conditions and lower slope: what a calibration starts from.
    pub fn uncalibrated(&self) -> Self {
        let halves = self.weight.chunks_exact(self.size());
        let weight = halves.flat_map(|w| &w[..self.voice_size()]).copied();
        PairHead {
            bias: self.bias,
            prior: self.prior,
            ..Self::new(self.projection.clone(), weight.collect())
        }
    }

    /// Size of a point: L, plus one for the quality term if there is any.
    pub fn point_size(&self) -> usize {
        self.size() + usize::from(self.quality.is_some())
    }

    /// `(D,) or (E,) -> (L,)`: a point without its quality term. Conditions count as 0 (clean) where the
    /// embedding does not end in them.
    pub fn project(&self, embedding: &[f32]) -> Vec<f32> {
        let mut point = vec![0.0; self.size()];
        let (voice, conditions) = point.split_at_mut(self.voice_size());
        voice.copy_from_slice(&self.projection.whitened(embedding));
        self.projection.scale(voice);
        let values = multiplied(self.conditions_of(embedding));
        conditions.copy_from_slice(&values[..conditions.len()]);
        point
    }

    /// The conditions that an embedding ends in; all 0 (clean) if it does not end in them.
    pub fn conditions_of(&self, embedding: &[f32]) -> [f32; CONDITIONS] {
        let stored = embedding.get(self.projection.embedding_size() + 1..);
        let stored = stored.and_then(|stored| stored.first_chunk().copied());
        stored.unwrap_or_default()
    }

    /// ln t, with t in seconds of speech, of an embedding that ends in ln t and the conditions.
    pub fn ln_seconds_of(&self, embedding: &[f32]) -> f32 {
        embedding[self.projection.embedding_size()]
    }

    /// Mean of ln|u| over the groups, where u is the whitened embedding.
    pub fn ln_length(&self, embedding: &[f32]) -> f32 {
        let projection = &self.projection;
        projection.mean_ln_length(&projection.whitened(embedding))
    }

    /// The point of an enrolled speaker: the mean of the projected embeddings, scaled again. The
    /// quality term is computed as for one recording that has the speech of all of them together,
    /// and the means of their ln|u| and of their conditions. `(N, E) -> (P,)`, with E =
    /// [`Self::embedding_size`] and P = [`Self::point_size`].
    pub fn project_enrollment<'a>(&self, embeddings: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut point = vec![0.0; self.point_size()];
        let voice = &mut point[..self.voice_size()];
        let (mut ln_seconds, mut ln_lengths) = (f32::NEG_INFINITY, 0.0);
        let (mut conditions, mut count) = ([0.0; MULTIPLIED], 0.0);
        for embedding in embeddings {
            let mut u = self.projection.whitened(embedding);
            if self.quality.is_some() {
                ln_seconds = ln_sum_exp(ln_seconds, self.ln_seconds_of(embedding));
                let values = multiplied(self.conditions_of(embedding));
                conditions
                    .iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
                ln_lengths += self.projection.mean_ln_length(&u);
                count += 1.0;
            }
            self.projection.scale(&mut u);
            for (s, v) in voice.iter_mut().zip(u.iter()) {
                *s += v;
            }
        }
        self.projection.scale(voice);
        if let Some(QualityTerms { weights, cohort }) = &self.quality {
            let means = conditions.map(|sum| sum / count);
            let conditions = std::array::from_fn(|k| means[k]);
            let term = weights.term(ln_seconds, ln_lengths / count, conditions);
            let products = &mut point[self.voice_size()..self.size()];
            products.copy_from_slice(&means[..products.len()]);
            let of_cohort = cohort
                .as_ref()
                .map(|cohort| self.cohort_mean(cohort, &point));
            let last = self.size();
            point[last] = of_cohort.map_or(term, |mean| term + weights.cohort * mean);
        }
        point
    }

    /// How similar a recording is to the cohort: the mean of its N highest scores against it. For a
    /// point a and the points c of the cohort, with [p, q] for [`Self::weight`], this is μ(a) =
    /// q·(a∘a) plus the mean of the N highest p·(a∘c) + q·(c∘c). The head's constant is left out,
    /// so that scaling the head scales μ. `(P,) -> 1`, NaN if `a` holds a NaN.
    pub fn cohort_mean(&self, cohort: &Cohort, a: &[f32]) -> f32 {
        cohort.mean_of(&self.weight, &a[..self.voice_size()])
    }

    /// The head that compares two parts of one recording. It compares neither of them with the cohort:
    /// both count as typical voices.
    pub fn of_parts(&self) -> Self {
        let mut bias = self.bias;
        let quality = self.quality.as_ref().map(|terms| {
            if let Some(cohort) = &terms.cohort {
                let typical = cohort.typical(&self.weight, self.voice_size());
                bias += 2.0 * terms.weights.cohort * typical;
            }
            let weights = QualityWeights {
                cohort: 0.0,
                ..terms.weights
            };
            let cohort = None;
            QualityTerms { weights, cohort }
        });
        PairHead {
            projection: self.projection.clone(),
            weight: self.weight.clone(),
            bias,
            quality,
            ..*self
        }
    }

    /// Log-likelihood ratio of two points, `(P,)` and `(P,)`; NaN if either holds a NaN. The same
    /// bits in either order.
    pub fn llr(&self, a: &[f32], b: &[f32]) -> f32 {
        self.llr_of(self.product(a, b), self.single_term(a), self.single_term(b))
    }

    /// Σ w·(a∘b), the part of the logit that depends on both points.
    #[inline(always)]
    pub fn product(&self, a: &[f32], b: &[f32]) -> f32 {
        let l = self.size();
        weighted_dot(&self.weight[..l], &a[..l], &b[..l])
    }

    /// Σ w·(a∘a) plus the quality term: the part of the logit that depends on one point alone.
    /// Computed once for a point that is in many trials.
    pub fn single_term(&self, a: &[f32]) -> f32 {
        let (a, quality) = a.split_at(self.size());
        let squares = weighted_dot(&self.weight[self.size()..], a, a);
        squares + quality.iter().sum::<f32>()
    }

    /// Log-likelihood ratio from its three parts.
    #[inline(always)]
    pub fn llr_of(&self, product: f32, term_a: f32, term_b: f32) -> f32 {
        let logit = product + (term_a + term_b) + self.bias;
        let line = logit - (self.prior / (1.0 - self.prior)).ln();
        match self.lower_slope {
            // From the limit up, the slope changes no bit.
            Some(slope) => slope.apply(line.into()) as f32,
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_head_has_its_size() {
        let head = || {
            let projection = Projection::new(vec![0.0; 3], Some(vec![0.5; 6]));
            PairHead::new(projection, vec![1.0; 4])
        };
        assert!(head().check(3).is_ok());
        assert!(head().check(2).is_err());
        let spoils: [fn(&mut PairHead); 15] = [
            |head| head.projection.groups = 0,
            |head| head.projection.groups = 3,
            |head| head.projection.mean.truncate(2),
            |head| head.projection.whiten = Some(vec![0.5; 5]),
            |head| head.projection.whiten = None,
            |head| head.weight.truncate(3),
            |head| head.weight.push(1.0),
            |head| (head.weight, head.projection.whiten) = (vec![], Some(vec![])),
            |head| head.projection.mean[2] = f32::NAN,
            |head| head.projection.whiten = Some(vec![0.5, 0.5, 0.5, 0.5, 0.5, f32::INFINITY]),
            |head| head.weight[0] = f32::NAN,
            |head| head.bias = f32::NEG_INFINITY,
            |head| head.prior = 0.0,
            |head| head.prior = 1.0,
            |head| head.prior = f32::NAN,
        ];
        for (i, spoil) in spoils.iter().enumerate() {
            let mut head = head();
            spoil(&mut head);
            assert!(head.check(3).is_err(), "{i}");
        }
    }

    #[test]
    fn the_ratio_is_the_logit_without_the_prior() {
        let projection = Projection::new(vec![1.0; 2], Some(vec![1.0, 0.0, 0.0, 1.0]));
        let mut head = PairHead::new(projection, vec![3.0, 5.0, -0.5, -0.25]);
        head.bias = 0.75;
        // Both have length √2: (3, 4)/5 and (1, 0), scaled.
        let (a, b) = (head.project(&[4.0, 5.0]), head.project(&[2.0, 1.0]));
        let root = 2.0f32.sqrt();
        let expected = [[0.6 * root, 0.8 * root], [root, 0.0]];
        for (point, expected) in [&a, &b].into_iter().zip(expected) {
            assert!(
                point
                    .iter()
                    .zip(expected)
                    .all(|(x, y)| (x - y).abs() < 1e-6)
            );
        }
        let mut without = head.clone();
        without.projection.whiten = None;
        assert_eq!(without.project(&[4.0, 5.0]), a);
        let whitenings = [&without, &head].map(|head| head.projection.whitening());
        assert_eq!(whitenings[0], whitenings[1]);
        // 3·1.2 − 0.5·(0.72 + 2) − 0.25·1.28 + 0.75
        let llr = head.llr(&a, &b);
        assert!((llr - 2.67).abs() < 1e-5, "{llr}");
        assert_eq!(llr, head.llr(&b, &a));
        head.prior = 0.2;
        assert!((head.llr(&a, &b) - (llr + 4.0f32.ln())).abs() < 1e-5);
        // The mean of both points, scaled to the same length.
        let both = head.project_enrollment([&[4.0, 5.0][..], &[2.0, 1.0]].into_iter());
        let length: f32 = both.iter().map(|v| v * v).sum();
        assert!((length - 2.0).abs() < 1e-5 && (both[0] / both[1] - 2.0).abs() < 1e-5);
        assert!(both[0] > 0.0);
        let nowhere = head.project(&[1.0, 1.0]);
        assert!(nowhere.iter().all(|v| v.is_nan()));
    }
}
