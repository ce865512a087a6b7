//! Fits a pair head by two-covariance PLDA.
//!
//! The model says that an embedding is x = y + e: y ~ N(0, B) is drawn once for each speaker, e ~
//! N(0, W) for each recording (Ioffe 2006; Brümmer & de Villiers 2010). The pair head scales
//! embeddings to one length *after* whitening, and then has one weight for each dimension. So the
//! fit has three steps: [`lda::fit`] makes B and W diagonal, the resulting points are scaled to
//! length sqrt L, and a variance b of speakers and w of recordings is fitted to each dimension of
//! the points, around 0 (points of one length have no better centre). The log-likelihood ratio is
//! then linear in [a∘b ; a∘a + b∘b].

use super::{Labelled, lda};
use crate::{
    Result,
    scoring::{PairHead, Projection},
};
use rayon::prelude::*;

/// How to fit.
#[derive(Debug, Clone)]
pub struct PldaOptions {
    /// L.
    pub size: usize,
    /// Shrinkage of the within-speaker covariance towards tr(W)/D·I, 0 to 1.
    pub shrinkage: f64,
    /// EM iterations.
    pub num_iterations: usize,
    /// Number of groups of dimensions. Each group is scaled to one length separately.
    pub groups: usize,
}

impl Default for PldaOptions {
    fn default() -> Self {
        PldaOptions {
            size: 128,
            shrinkage: 0.05,
            num_iterations: 50,
            groups: 1,
        }
    }
}

/// Variances per dimension of a two-covariance model with diagonal B and W.
#[derive(Debug, Clone)]
pub struct DiagonalPlda {
    /// (L,): of speakers.
    pub between: Vec<f64>,
    /// (L,): of recordings of one speaker.
    pub within: Vec<f64>,
}

/// The log-likelihood ratio as product·(a∘b) + squares·(a∘a + b∘b) + bias.
#[derive(Debug, Clone)]
pub struct PairWeights {
    /// (L,)
    pub product: Vec<f64>,
    /// (L,)
    pub squares: Vec<f64>,
    /// Log-determinants.
    pub bias: f64,
}

/// LDA, length normalisation, diagonal PLDA: a head whose logit is the LLR (prior 0.5).
///
/// # Errors
/// As [`lda::fit`].
pub fn fit_head(labelled: &Labelled, options: &PldaOptions) -> Result<PairHead> {
    let lda = lda::fit(labelled, options.size, options.shrinkage)?;
    let points = project(labelled, &lda.mean, &lda.whiten, options.groups);
    let weights =
        DiagonalPlda::fit(&points, labelled.by_speaker(), options.num_iterations).pair_weights();
    let mut projection = Projection::new(to_f32(&lda.mean), Some(to_f32(&lda.whiten)));
    projection.groups = options.groups;
    let weight = to_f32(&[weights.product, weights.squares].concat());
    let mut head = PairHead::new(projection, weight);
    head.bias = weights.bias as f32;
    Ok(head)
}

impl DiagonalPlda {
    /// Expectation–maximisation, starting from the moments of the analysis of variance.
    /// `points` N × (L,), `by_speaker` indices into them. Speakers may differ in recordings.
    pub fn fit(points: &[Vec<f64>], by_speaker: &[Vec<usize>], num_iterations: usize) -> Self {
        let (between, within) = (0..points[0].len())
            .map(|k| {
                // Sufficient statistics of dimension k: (recordings, sum) per speaker, and Σ x².
                let speakers: Vec<(f64, f64)> = by_speaker
                    .iter()
                    .map(|m| (m.len() as f64, m.iter().map(|&i| points[i][k]).sum()))
                    .collect();
                let squares: f64 = points.iter().map(|p| p[k] * p[k]).sum();
                fit_dimension(&speakers, squares, num_iterations)
            })
            .unzip();
        DiagonalPlda { between, within }
    }

    /// `ln N([a;b]; 0, [[B+W, B],[B, B+W]]) − ln N(a; 0, B+W) − ln N(b; 0, B+W)`. With t = b + w per
    /// dimension the inverse of the joint covariance is [[t, −b],[−b, t]]/(t² − b²), hence
    /// product = b/(t² − b²), squares = −½·b²/(t·(t² − b²)), bias = Σ ½·ln(t²/(t² − b²)).
    pub fn pair_weights(&self) -> PairWeights {
        let mut weights = PairWeights {
            product: vec![],
            squares: vec![],
            bias: 0.0,
        };
        for (&b, &w) in self.between.iter().zip(&self.within) {
            let t = b + w;
            let det = w * (t + b); // t² − b²
            weights.product.push(b / det);
            weights.squares.push(-0.5 * b * b / (t * det));
            weights.bias += 0.5 * (t * t / det).ln();
        }
        weights
    }
}

fn fit_dimension(speakers: &[(f64, f64)], squares: f64, num_iterations: usize) -> (f64, f64) {
    let num_speakers = speakers.len() as f64;
    let num_points: f64 = speakers.iter().map(|(n, _)| n).sum();
    // E Σ (x − x̄_s)² = (N − S)·w;  E Σ x̄_s² = S·b + w·Σ 1/n_s
    let explained: f64 = speakers.iter().map(|(n, f)| f * f / n).sum();
    let floor = 1e-9 * squares / num_points + f64::MIN_POSITIVE;
    let mut w = ((squares - explained) / (num_points - num_speakers)).max(floor);
    let means: f64 = speakers.iter().map(|(n, f)| (f / n) * (f / n)).sum();
    let inverses: f64 = speakers.iter().map(|(n, _)| 1.0 / n).sum();
    let mut b = ((means - w * inverses) / num_speakers).max(1e-3 * w);
    for _ in 0..num_iterations {
        let (mut speaker_square, mut residual) = (0.0, squares);
        for &(n, f) in speakers {
            let variance = 1.0 / (1.0 / b + n / w);
            let mean = variance * f / w;
            let square = mean * mean + variance;
            speaker_square += square;
            residual += n * square - 2.0 * mean * f;
        }
        b = (speaker_square / num_speakers).max(floor);
        w = (residual / num_points).max(floor);
    }
    (b, w)
}

/// `PairHead::project` in f64. N × (L,)
pub(super) fn project(
    labelled: &Labelled,
    mean: &[f64],
    whiten: &[f64],
    groups: usize,
) -> Vec<Vec<f64>> {
    let project_one = |embedding: &Vec<f32>| -> Vec<f64> {
        let rows = whiten.chunks_exact(mean.len());
        let mut point: Vec<f64> = rows
            .map(|row| {
                let centred = embedding.iter().zip(mean).map(|(&x, m)| f64::from(x) - m);
                row.iter().zip(centred).map(|(r, c)| r * c).sum()
            })
            .collect();
        let size = point.len() / groups;
        for group in point.chunks_exact_mut(size) {
            let square: f64 = group.iter().map(|v| v * v).sum();
            let scale = (size as f64 / square.max(f64::MIN_POSITIVE)).sqrt();
            group.iter_mut().for_each(|v| *v *= scale);
        }
        point
    };
    labelled.embeddings().par_iter().map(project_one).collect()
}

pub(super) fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}
