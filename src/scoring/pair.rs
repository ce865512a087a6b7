//! The symmetric pair head: two embeddings in, one logit out.
//!
//! Each embedding is centred, whitened (`u = W(x − mean)`), scaled to length 1 (times sqrt L);
//! φ(a,b) = [a∘b ; a∘a + b∘b], logit = w·φ + bias. With two-covariance PLDA as initial values the
//! logit is the PLDA log-likelihood ratio (Ioffe 2006; Ramoji et al. 2020, "neural PLDA").

use crate::{Error, Result};
use zeroize::Zeroizing;

/// The head's numbers, as in the model file. L is the head's dimension, D the embedding's.
#[derive(Debug, Clone, PartialEq)]
pub struct PairHead {
    /// (D,)
    pub mean: Vec<f32>,
    /// (L, D) row-major.
    pub whiten: Vec<f32>,
    /// (2L,): of a∘b, then of a∘a + b∘b.
    pub weight: Vec<f32>,
    /// The logit's bias.
    pub bias: f32,
    /// Prior of "same speaker" that the logit includes; LLR = logit − ln(p/(1−p)).
    pub prior: f32,
}

impl PairHead {
    /// Checks sizes and finiteness against the embedding size D.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part.
    pub fn check(&self, embedding_size: usize) -> Result<()> {
        let l = self.weight.len() / 2;
        let sizes = self.mean.len() == embedding_size
            && l > 0
            && self.weight.len() == 2 * l
            && self.whiten.len() == l * embedding_size;
        let finite = [&self.mean, &self.whiten, &self.weight]
            .iter()
            .all(|part| part.iter().all(|v| v.is_finite()))
            && self.bias.is_finite();
        if !(sizes && finite && self.prior > 0.0 && self.prior < 1.0) {
            return Err(Error::Usage(format!(
                "pair head: mean {}, whiten {}, weight {}, finite {finite}, prior {}; wanted mean {embedding_size}, \
                 whiten L·{embedding_size}, weight 2L, finite, prior within (0, 1)",
                self.mean.len(),
                self.whiten.len(),
                self.weight.len(),
                self.prior,
            )));
        }
        Ok(())
    }

    /// `(D,) -> (L,)`: centred, whitened, length sqrt(L).
    pub fn project(&self, embedding: &[f32]) -> Vec<f32> {
        let d = self.mean.len();
        // As telling as the embedding itself.
        let centred: Zeroizing<Vec<f32>> = Zeroizing::new(
            embedding
                .iter()
                .zip(&self.mean)
                .map(|(x, m)| x - m)
                .collect(),
        );
        let projected: Vec<f32> = self
            .whiten
            .chunks_exact(d)
            .map(|row| dot(row, &centred))
            .collect();
        scaled_to_sqrt_len(projected)
    }

    /// The enrolled speaker's point: mean of the projected embeddings, scaled again. `(N, D) -> (L,)`
    pub fn project_enrolment<'a>(&self, embeddings: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut sum = vec![0.0; self.weight.len() / 2];
        for embedding in embeddings {
            let projected = Zeroizing::new(self.project(embedding));
            for (s, v) in sum.iter_mut().zip(projected.iter()) {
                *s += v;
            }
        }
        scaled_to_sqrt_len(sum)
    }

    /// Two projected points `(L,)`, `(L,)` -> log-likelihood ratio (NaN in, NaN out).
    pub fn llr(&self, a: &[f32], b: &[f32]) -> f32 {
        let l = self.weight.len() / 2;
        let (product, squares) = self.weight.split_at(l);
        let mut logit = self.bias;
        for i in 0..l {
            logit += product[i] * (a[i] * b[i]) + squares[i] * (a[i] * a[i] + b[i] * b[i]);
        }
        logit - (self.prior / (1.0 - self.prior)).ln()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// NaN where there is no direction: a length of 0, or one that overflows (and would scale to 0,
/// which is the score of nobody in particular).
fn scaled_to_sqrt_len(mut v: Vec<f32>) -> Vec<f32> {
    let squared = dot(&v, &v);
    let scale = if squared.is_normal() {
        (v.len() as f32 / squared).sqrt()
    } else {
        f32::NAN
    };
    v.iter_mut().for_each(|x| *x *= scale);
    v
}
