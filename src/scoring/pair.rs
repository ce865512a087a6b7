//! The symmetric pair head: two embeddings in, one logit out.
//!
//! Each embedding is centred, whitened (`u = W(x − mean)`), scaled to length 1 (times sqrt L), each
//! of g groups of L/g values for itself where several networks made it;
//! φ(a,b) = [a∘b ; a∘a + b∘b], logit = w·φ + bias. With two-covariance PLDA as initial values the
//! logit is the PLDA log-likelihood ratio (Ioffe 2006; Ramoji et al. 2020, "neural PLDA").
//!
//! A calibrated head may hold pair features more, of what the recordings are like (see `quality.rs`),
//! and a knee (`knee.rs`).

use super::{Cohort, QualityWeights, bend, quality::ln_sum_exp};
use crate::{Error, Result};
use std::borrow::Cow;
use wide::f32x16;
use zeroize::Zeroizing;

/// The head's numbers, as in the model file. L is the head's dimension, D the embedding's.
#[derive(Debug, Clone, PartialEq)]
pub struct PairHead {
    /// (D,)
    pub mean: Vec<f32>,
    /// (L, D) row-major; none for the identity, where L = D.
    pub whiten: Option<Vec<f32>>,
    /// (2L,): of a∘b, then of a∘a + b∘b.
    pub weight: Vec<f32>,
    /// g: parts of the whitened embedding that are scaled each for itself.
    pub groups: usize,
    /// The logit's bias.
    pub bias: f32,
    /// Prior of "same speaker" that the logit includes; LLR = logit − ln(p/(1−p)).
    pub prior: f32,
    /// Weights of what a recording is like. With them an embedding ends in ln t, and a point in
    /// what its recording adds to every logit.
    pub quality: Option<QualityWeights>,
    /// Whom a recording is compared with for one more of them.
    pub cohort: Option<Cohort>,
    /// LLR below which a nat of the line counts as [`super::KNEE_SLOPE`].
    pub knee: Option<f32>,
}

impl PairHead {
    /// Checks sizes and finiteness against the embedding size D.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part.
    pub fn check(&self, embedding_size: usize) -> Result<()> {
        let l = self.weight.len() / 2;
        let whiten = self.whiten.as_deref();
        let sizes = self.mean.len() == embedding_size
            && l > 0
            && self.weight.len() == 2 * l
            && whiten.map_or(l == embedding_size, |w| w.len() == l * embedding_size)
            // 0 divides none.
            && l.is_multiple_of(self.groups);
        let finite = [&self.mean, whiten.unwrap_or_default(), &self.weight]
            .iter()
            .all(|part| part.iter().all(|v| v.is_finite()))
            && self.bias.is_finite()
            && self.quality.is_none_or(|q| q.is_finite())
            && self.knee.is_none_or(f32::is_finite);
        if !(sizes && finite && self.prior > 0.0 && self.prior < 1.0) {
            return Err(Error::Usage(format!(
                "pair head: mean {}, whiten {}, weight {}, groups {}, finite {finite}, prior {}; wanted mean \
                 {embedding_size}, whiten L·{embedding_size}, weight 2L, groups that share L evenly, \
                 finite, prior within (0, 1)",
                self.mean.len(),
                whiten.map_or("none".into(), |w| w.len().to_string()),
                self.weight.len(),
                self.groups,
                self.prior,
            )));
        }
        self.check_cohort()
    }

    /// Numbers in an embedding: D, and ln t where it counts.
    pub fn embedding_size(&self) -> usize {
        self.mean.len() + usize::from(self.quality.is_some())
    }

    /// L.
    pub fn size(&self) -> usize {
        self.weight.len() / 2
    }

    /// Numbers in a point: L, and what the recording adds where it counts.
    pub fn point_size(&self) -> usize {
        self.size() + usize::from(self.quality.is_some())
    }

    /// `(D,) -> (L,)`: centred, whitened, length sqrt(L), each group's sqrt(L/g). Behind D the
    /// embedding may go on.
    pub fn project(&self, embedding: &[f32]) -> Vec<f32> {
        let mut u = self.whitened(embedding);
        self.scale(&mut u);
        u
    }

    /// Mean over groups of ln|u|.
    pub fn ln_length(&self, embedding: &[f32]) -> f32 {
        self.mean_ln_length(&Zeroizing::new(self.whitened(embedding)))
    }

    fn mean_ln_length(&self, u: &[f32]) -> f32 {
        let groups = u.chunks_exact(self.size() / self.groups);
        groups.map(|u| 0.5 * dot(u, u).ln()).sum::<f32>() / self.groups as f32
    }

    /// `(D,) -> (L,)`: u.
    fn whitened(&self, embedding: &[f32]) -> Vec<f32> {
        let d = self.mean.len();
        // As telling as the embedding itself.
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

    /// W, also where it is the identity: (L, D) row-major.
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

    /// The enrolled speaker's point: mean of the projected embeddings, scaled again; as one recording
    /// it has all their speech, and their mean ln|u|. `(N, E) -> (P,)`, E and P as
    /// [`Self::embedding_size`] and [`Self::point_size`] say.
    pub fn project_enrolment<'a>(&self, embeddings: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut point = vec![0.0; self.size()];
        let (mut ln_seconds, mut ln_lengths, mut count) = (f32::NEG_INFINITY, 0.0, 0.0);
        for embedding in embeddings {
            let mut u = Zeroizing::new(self.whitened(embedding));
            if self.quality.is_some() {
                ln_seconds = ln_sum_exp(ln_seconds, embedding[self.mean.len()]);
                ln_lengths += self.mean_ln_length(&u);
                count += 1.0;
            }
            self.scale(&mut u);
            for (s, v) in point.iter_mut().zip(u.iter()) {
                *s += v;
            }
        }
        self.scale(&mut point);
        if let Some(quality) = self.quality {
            let lengths = quality.seconds * ln_seconds + quality.length * (ln_lengths / count);
            let cohort = self.cohort.as_ref().map(|cohort| cohort.mean(self, &point));
            point.push(cohort.map_or(lengths, |mean| lengths + quality.cohort * mean));
        }
        point
    }

    fn scale(&self, v: &mut [f32]) {
        let size = v.len() / self.groups;
        v.chunks_exact_mut(size).for_each(scale_to_sqrt_len);
    }

    /// Two projected points `(P,)`, `(P,)` -> log-likelihood ratio (NaN in, NaN out). The same bits
    /// whichever comes first.
    pub fn llr(&self, a: &[f32], b: &[f32]) -> f32 {
        self.llr_of(self.product(a, b), self.own(a), self.own(b))
    }

    /// Σ w·(a∘b), the part of the logit that takes both points.
    #[inline(always)]
    pub fn product(&self, a: &[f32], b: &[f32]) -> f32 {
        let l = self.size();
        weighted_dot(&self.weight[..l], &a[..l], &b[..l])
    }

    /// Σ w·(a∘a) and what the recording's quality adds, the part that one point alone brings: once
    /// per point where it is in many trials.
    pub fn own(&self, a: &[f32]) -> f32 {
        let (a, quality) = a.split_at(self.size());
        self.squares(a) + quality.iter().sum::<f32>()
    }

    /// Σ w·(a∘a). `(L,) -> 1`
    pub(super) fn squares(&self, a: &[f32]) -> f32 {
        weighted_dot(&self.weight[self.size()..], a, a)
    }

    /// The log-likelihood ratio from its parts.
    #[inline(always)]
    pub fn llr_of(&self, product: f32, own_a: f32, own_b: f32) -> f32 {
        let logit = product + (own_a + own_b) + self.bias;
        let line = logit - (self.prior / (1.0 - self.prior)).ln();
        match self.knee {
            // Above it the same bits.
            Some(knee) => bend(line.into(), knee.into()) as f32,
            None => line,
        }
    }
}

/// Σ w·(a∘b) in sixteen partial sums that are then added pairwise: one order on every CPU, multiplied
/// and added apart, never fused. Written in vectors: as a loop over lanes it comes out shuffled.
#[inline(always)]
fn weighted_dot(w: &[f32], a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (w, w_rest) = w.as_chunks::<LANES>();
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = f32x16::ZERO;
    for ((&w, &a), &b) in w.iter().zip(a).zip(b) {
        sums += f32x16::new(w) * (f32x16::new(a) * f32x16::new(b));
    }
    let mut sums = sums.to_array();
    for (lane, ((w, a), b)) in w_rest.iter().zip(a_rest).zip(b_rest).enumerate() {
        sums[lane] += w * (a * b);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// In 16 sums side by side, in the same order on every CPU: a quarter of a million speakers are
/// projected for an index, and one sum waits for itself.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, rest_a) = a.as_chunks::<16>();
    let (b, rest_b) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// NaN where there is no direction: a length of 0, or one that overflows (and would scale to 0,
/// which is the score of nobody in particular).
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
        // Length √2 of (3, 4)/5 and of (1, 0).
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
        // The mean of both, as long as either.
        let both = head.project_enrolment([&[4.0, 5.0][..], &[2.0, 1.0]].into_iter());
        let length: f32 = both.iter().map(|v| v * v).sum();
        assert!((length - 2.0).abs() < 1e-5 && (both[0] / both[1] - 2.0).abs() < 1e-5);
        assert!(both[0] > 0.0);
        let nowhere = head.project(&[1.0, 1.0]);
        assert!(nowhere.iter().all(|v| v.is_nan()));
    }
}
