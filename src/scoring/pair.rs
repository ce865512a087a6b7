//! The pair head: computes the log-likelihood ratio of two embeddings, the same in either order.
//!
//! Each embedding is centred, whitened (`u = W(x − mean)`) and scaled to length sqrt(L). Embeddings
//! of several networks form g groups of L/g values, each scaled separately. With φ(a,b) = [a∘b ;
//! a∘a + b∘b], logit = w·φ + bias. Initialized from two-covariance PLDA, the logit is the PLDA
//! log-likelihood ratio (Ioffe 2006; Ramoji et al. 2020, "neural PLDA").
//!
//! A calibrated head may add quality terms of the recordings (see `quality.rs`) and a knee
//! (`knee.rs`). The conditions of a recording then follow u in its point, unscaled, so
//! that their products have weights in w like any other.

use super::{
    CONDITIONS, Cohort, QualityWeights, bend,
    products::{dot, weighted_dot},
    quality::ln_sum_exp,
};
use crate::{Error, Result};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Parameters of the head, as in the model file. L is the size of the head, D that of the
/// embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct PairHead {
    /// (D,)
    pub mean: Vec<f32>,
    /// W, (V, D) row-major; None for the identity, where V = D.
    pub whiten: Option<Vec<f32>>,
    /// (2L,): w for a∘b, then for a∘a + b∘b. L is V, or V + [`CONDITIONS`] with quality terms.
    pub weight: Vec<f32>,
    /// g: number of groups of the whitened embedding that are scaled separately.
    pub groups: usize,
    /// Bias of the logit.
    pub bias: f32,
    /// Prior of "same speaker" that the logit includes: LLR = logit − ln(p/(1−p)).
    pub prior: f32,
    /// Weights of the quality terms. If present, an embedding ends in ln t and the conditions, and a
    /// point in the quality term of its recording.
    pub quality: Option<QualityWeights>,
    /// Speakers whose similarity to a recording is one of the quality terms.
    pub cohort: Option<Cohort>,
    /// LLR below which scores fall with the slope [`super::KNEE_SLOPE`].
    pub knee: Option<f32>,
}

impl PairHead {
    /// Checks sizes and finiteness against the embedding size D.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part.
    pub fn check(&self, embedding_size: usize) -> Result<()> {
        let whiten = self.whiten.as_deref();
        let v = whiten.map_or(embedding_size, |w| w.len() / embedding_size.max(1));
        let conditions = (self.weight.len() / 2).checked_sub(v);
        let sizes = self.mean.len() == embedding_size
            && v > 0
            && self.weight.len().is_multiple_of(2)
            && (conditions == Some(0) || conditions == Some(CONDITIONS) && self.quality.is_some())
            && whiten.is_none_or(|w| w.len() == v * embedding_size)
            // False for 0 groups.
            && v.is_multiple_of(self.groups);
        let finite = [&self.mean, whiten.unwrap_or_default(), &self.weight]
            .iter()
            .all(|part| part.iter().all(|v| v.is_finite()))
            && self.bias.is_finite()
            && self.quality.is_none_or(|q| q.is_finite())
            && self.knee.is_none_or(f32::is_finite);
        if !(sizes && finite && self.prior > 0.0 && self.prior < 1.0) {
            return Err(Error::Usage(format!(
                "pair head: mean {}, whiten {}, weight {}, groups {}, finite {finite}, prior {}; wanted mean \
                 {embedding_size}, whiten V·{embedding_size}, weight 2V (with quality terms also \
                 2V + {}), groups that share V evenly, finite, prior within (0, 1)",
                self.mean.len(),
                whiten.map_or("none".into(), |w| w.len().to_string()),
                self.weight.len(),
                self.groups,
                self.prior,
                2 * CONDITIONS,
            )));
        }
        self.check_cohort()
    }

    /// Checks that the cohort fits the head, and that there is one if it has a weight.
    fn check_cohort(&self) -> Result<()> {
        let weight = self.quality.map(|quality| quality.cohort);
        let Some(cohort) = &self.cohort else {
            return match weight {
                None | Some(0.0) => Ok(()),
                Some(weight) => Err(Error::Usage(format!(
                    "pair head: a weight of {weight} for a cohort that is not there"
                ))),
            };
        };
        let speakers = cohort.points.len() / self.voice_size();
        let finite = cohort.points.iter().all(|v| v.is_finite());
        let sizes = cohort.points.len() == speakers * self.voice_size()
            && (1..=Cohort::MAX_SPEAKERS).contains(&speakers)
            && (1..=speakers).contains(&cohort.top);
        if sizes && finite && weight.is_some() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "pair head: cohort of {} numbers, {speakers} speakers, top {}, finite {finite}, quality terms {}; \
             wanted {} numbers a speaker, finite, 1 to {} speakers, a top of 1 to as many, quality terms",
            cohort.points.len(),
            cohort.top,
            weight.is_some(),
            self.voice_size(),
            Cohort::MAX_SPEAKERS,
        )))
    }

    /// Size of an embedding: D, plus ln t and the conditions if there are quality terms.
    pub fn embedding_size(&self) -> usize {
        self.mean.len() + (1 + CONDITIONS) * usize::from(self.quality.is_some())
    }

    /// L: the numbers of a point that are multiplied with another's.
    pub fn size(&self) -> usize {
        self.weight.len() / 2
    }

    /// V: of these the whitened embedding, without the conditions.
    pub fn voice_size(&self) -> usize {
        let whiten = self.whiten.as_ref();
        whiten.map_or(self.mean.len(), |w| w.len() / self.mean.len())
    }

    /// The same head without quality terms, conditions, cohort and knee: what a calibration starts from.
    pub fn uncalibrated(&self) -> Self {
        let halves = self.weight.chunks_exact(self.size());
        PairHead {
            weight: halves
                .flat_map(|w| &w[..self.voice_size()])
                .copied()
                .collect(),
            mean: self.mean.clone(),
            whiten: self.whiten.clone(),
            quality: None,
            cohort: None,
            knee: None,
            ..*self
        }
    }

    /// Size of a point: L, plus one for the quality term if there is any.
    pub fn point_size(&self) -> usize {
        self.size() + usize::from(self.quality.is_some())
    }

    /// `(D,) or (E,) -> (L,)`: centres, whitens, and scales to length sqrt(V) (each group to
    /// sqrt(V/g)). Conditions count as 0 (clean) where the embedding does not end in them.
    pub fn project(&self, embedding: &[f32]) -> Vec<f32> {
        let mut point = vec![0.0; self.size()];
        let (voice, conditions) = point.split_at_mut(self.voice_size());
        voice.copy_from_slice(&Zeroizing::new(self.whitened(embedding)));
        self.scale(voice);
        let own = self.conditions_of(embedding);
        conditions
            .iter_mut()
            .zip(own)
            .for_each(|(to, own)| *to = own);
        point
    }

    /// The conditions that an embedding ends in; all 0 (clean) if it does not end in them.
    pub fn conditions_of(&self, embedding: &[f32]) -> [f32; CONDITIONS] {
        let own = embedding.get(self.mean.len() + 1..);
        let own = own.and_then(|own| own.first_chunk().copied());
        own.unwrap_or_default()
    }

    /// Mean of ln|u| over the groups.
    pub fn ln_length(&self, embedding: &[f32]) -> f32 {
        self.mean_ln_length(&Zeroizing::new(self.whitened(embedding)))
    }

    fn mean_ln_length(&self, u: &[f32]) -> f32 {
        let groups = u.chunks_exact(u.len() / self.groups);
        groups.map(|u| 0.5 * dot(u, u).ln()).sum::<f32>() / self.groups as f32
    }

    /// u = W(x − mean), `(D,) -> (V,)`.
    fn whitened(&self, embedding: &[f32]) -> Vec<f32> {
        let d = self.mean.len();
        // Reveals as much about the voice as the embedding itself.
        let centred: Zeroizing<Vec<f32>> = Zeroizing::new(
            embedding
                .iter()
                .zip(&self.mean)
                .map(|(x, m)| x - m)
                .collect(),
        );
        match &self.whiten {
            Some(whiten) => {
                let rows = whiten.chunks_exact(d);
                rows.map(|row| dot(row, &centred)).collect()
            }
            None => centred.to_vec(),
        }
    }

    /// W, (V, D) row-major, also if it is the identity.
    pub fn whitening(&self) -> Cow<'_, [f32]> {
        self.whiten.as_deref().map_or_else(
            || {
                let size = self.mean.len();
                let mut identity = vec![0.0; size * size];
                let diagonal = identity.iter_mut().step_by(size + 1);
                diagonal.for_each(|value| *value = 1.0);
                identity.into()
            },
            Cow::from,
        )
    }

    /// The point of an enrolled speaker: the mean of the projected embeddings, scaled again. Its
    /// quality term is that of one recording with all their speech and the means of their ln|u| and
    /// conditions.
    /// `(N, E) -> (P,)`, with E = [`Self::embedding_size`] and P = [`Self::point_size`].
    pub fn project_enrolment<'a>(&self, embeddings: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut point = vec![0.0; self.point_size()];
        let voice = &mut point[..self.voice_size()];
        let (mut ln_seconds, mut ln_lengths) = (f32::NEG_INFINITY, 0.0);
        let (mut conditions, mut count) = ([0.0; CONDITIONS], 0.0);
        for embedding in embeddings {
            let mut u = Zeroizing::new(self.whitened(embedding));
            if self.quality.is_some() {
                ln_seconds = ln_sum_exp(ln_seconds, embedding[self.mean.len()]);
                let sums = conditions.iter_mut().zip(self.conditions_of(embedding));
                sums.for_each(|(sum, own)| *sum += own);
                ln_lengths += self.mean_ln_length(&u);
                count += 1.0;
            }
            self.scale(&mut u);
            for (s, v) in voice.iter_mut().zip(u.iter()) {
                *s += v;
            }
        }
        self.scale(voice);
        if let Some(quality) = self.quality {
            let means = conditions.map(|sum| sum / count);
            let [noise, high, low] = means;
            let own = quality.seconds * ln_seconds
                + quality.length * (ln_lengths / count)
                + quality.noise * noise
                + quality.high * high
                + quality.low * low;
            let products = &mut point[self.voice_size()..self.size()];
            products
                .iter_mut()
                .zip(means)
                .for_each(|(to, mean)| *to = mean);
            let cohort = self.cohort.as_ref().map(|cohort| cohort.mean(self, &point));
            let last = self.size();
            point[last] = cohort.map_or(own, |mean| own + quality.cohort * mean);
        }
        point
    }

    fn scale(&self, v: &mut [f32]) {
        let size = v.len() / self.groups;
        v.chunks_exact_mut(size).for_each(scale_to_sqrt_len);
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
        self.squares(a) + quality.iter().sum::<f32>()
    }

    /// Σ w·(a∘a). `(L,) -> 1`
    pub(super) fn squares(&self, a: &[f32]) -> f32 {
        weighted_dot(&self.weight[self.size()..], a, a)
    }

    /// Log-likelihood ratio from its three parts.
    #[inline(always)]
    pub fn llr_of(&self, product: f32, term_a: f32, term_b: f32) -> f32 {
        let logit = product + (term_a + term_b) + self.bias;
        let line = logit - (self.prior / (1.0 - self.prior)).ln();
        match self.knee {
            // Above the knee the bits do not change.
            Some(knee) => bend(line.into(), knee.into()) as f32,
            None => line,
        }
    }
}

impl Cohort {
    /// μ(a) = q·(a∘a) + the mean of the N highest p·(a∘c) + q·(c∘c), where [p, q] is `head.weight`.
    /// Leaves out the head's constant, so that scaling the head scales μ. `(P,) -> 1`, NaN if `a`
    /// holds a NaN.
    pub fn mean(&self, head: &PairHead, a: &[f32]) -> f32 {
        self.mean_of(&head.weight, &a[..head.voice_size()])
    }
}

/// Scales `v` to length sqrt(L). NaN if it has no direction: its length is 0, or overflows. (A
/// scale of 0 would give the score of an average voice.)
fn scale_to_sqrt_len(v: &mut [f32]) {
    let squared = dot(v, v);
    let scale = if squared.is_normal() {
        (v.len() as f32 / squared).sqrt()
    } else {
        f32::NAN
    };
    v.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_head_has_its_size() {
        let head = || PairHead {
            mean: vec![0.0; 3],
            whiten: Some(vec![0.5; 6]),
            weight: vec![1.0; 4],
            groups: 1,
            bias: 0.0,
            prior: 0.5,
            quality: None,
            cohort: None,
            knee: None,
        };
        assert!(head().check(3).is_ok());
        assert!(head().check(2).is_err());
        let spoils: [fn(&mut PairHead); 15] = [
            |head| head.groups = 0,
            |head| head.groups = 3,
            |head| head.mean.truncate(2),
            |head| head.whiten = Some(vec![0.5; 5]),
            |head| head.whiten = None,
            |head| head.weight.truncate(3),
            |head| head.weight.push(1.0),
            |head| (head.weight, head.whiten) = (vec![], Some(vec![])),
            |head| head.mean[2] = f32::NAN,
            |head| head.whiten = Some(vec![0.5, 0.5, 0.5, 0.5, 0.5, f32::INFINITY]),
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
        let mut head = PairHead {
            mean: vec![1.0; 2],
            whiten: Some(vec![1.0, 0.0, 0.0, 1.0]),
            weight: vec![3.0, 5.0, -0.5, -0.25],
            groups: 1,
            bias: 0.75,
            prior: 0.5,
            quality: None,
            cohort: None,
            knee: None,
        };
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
        let without = PairHead {
            whiten: None,
            ..head.clone()
        };
        assert_eq!(without.project(&[4.0, 5.0]), a);
        assert_eq!(without.whitening(), head.whitening());
        // 3·1.2 − 0.5·(0.72 + 2) − 0.25·1.28 + 0.75
        let llr = head.llr(&a, &b);
        assert!((llr - 2.67).abs() < 1e-5, "{llr}");
        assert_eq!(llr, head.llr(&b, &a));
        head.prior = 0.2;
        assert!((head.llr(&a, &b) - (llr + 4.0f32.ln())).abs() < 1e-5);
        // The mean of both points, scaled to the same length.
        let both = head.project_enrolment([&[4.0, 5.0][..], &[2.0, 1.0]].into_iter());
        let length: f32 = both.iter().map(|v| v * v).sum();
        assert!((length - 2.0).abs() < 1e-5 && (both[0] / both[1] - 2.0).abs() < 1e-5);
        assert!(both[0] > 0.0);
        let nowhere = head.project(&[1.0, 1.0]);
        assert!(nowhere.iter().all(|v| v.is_nan()));
    }
}
