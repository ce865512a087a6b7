//! Linear discriminant analysis: fits the centring and whitening of a pair head.
//!
//! `u = whiten · (x − mean)` makes the within-speaker covariance I and the between-speaker
//! covariance diagonal, largest first (Fukunaga 1990, ch. 10: simultaneous diagonalisation). Every
//! speaker counts once in the mean and in the between-speaker covariance, however many recordings.

use super::Labelled;
use crate::{Error, Result};
use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};

/// Centring and whitening, as the pair head has them.
#[derive(Debug, Clone)]
pub struct Lda {
    /// (D,)
    pub mean: Vec<f64>,
    /// (L, D) row-major.
    pub whiten: Vec<f64>,
    /// (L,): between-speaker variances where the within-speaker variance is 1, largest first.
    pub between: Vec<f64>,
}

/// Fits to `size` (L) dimensions. The within-speaker covariance W becomes
/// (1 − `shrinkage`)·W + `shrinkage`·tr(W)/D·I: with few recordings
/// the small eigenvalues come out too small.
///
/// # Errors
/// [`Error::Usage`] if L is 0, above D or not below the number of speakers, if `shrinkage` is not
/// within 0 to 1, or if W is singular.
pub fn fit(labelled: &Labelled, size: usize, shrinkage: f64) -> Result<Lda> {
    let d = labelled.embedding_size();
    let num_speakers = labelled.by_speaker().len();
    if size == 0 || size > d.min(num_speakers - 1) {
        return Err(Error::Usage(format!(
            "LDA to {size} dimensions from embeddings of {d} and {num_speakers} speakers; \
             choose 1 to {}",
            d.min(num_speakers - 1)
        )));
    }
    if !(0.0..=1.0).contains(&shrinkage) {
        return Err(Error::Usage(format!(
            "LDA shrinkage {shrinkage}; choose 0 to 1, for example 0.05"
        )));
    }
    let mean = speaker_average(labelled);
    let (between, mut within) = covariances(labelled, &mean);
    let floor = shrinkage * within.trace() / d as f64;
    within *= 1.0 - shrinkage;
    within += DMatrix::from_diagonal_element(d, d, floor);

    // W = C Cᵀ; eigenvectors V of C⁻¹ B C⁻ᵀ; whiten = Vᵀ C⁻¹.
    let cholesky = Cholesky::new(within)
        .filter(|c| c.l_dirty().diagonal().min() > 1e-7 * c.l_dirty().diagonal().max())
        .ok_or_else(|| {
            Error::Usage(format!(
                "within-speaker covariance is singular with shrinkage {shrinkage}; raise the \
                 shrinkage or give more recordings"
            ))
        })?;
    let lower = cholesky.l();
    let inverse = lower.clone().try_inverse().unwrap_or(lower); // a Cholesky factor is regular
    let rotated = &inverse * between * inverse.transpose();
    let eigen = SymmetricEigen::new((&rotated + rotated.transpose()) * 0.5);
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));

    let mut whiten = Vec::with_capacity(size * d);
    for &i in &order[..size] {
        let row = eigen.eigenvectors.column(i).transpose() * &inverse; // (1, D)
        whiten.extend(row.iter());
    }
    Ok(Lda {
        mean: mean.iter().copied().collect(),
        whiten,
        between: order[..size]
            .iter()
            .map(|&i| eigen.eigenvalues[i])
            .collect(),
    })
}

/// Mean over speakers of each speaker's mean. (D,)
pub fn speaker_average(labelled: &Labelled) -> DVector<f64> {
    speaker_means(labelled).column_mean()
}

/// (D, S)
fn speaker_means(labelled: &Labelled) -> DMatrix<f64> {
    let mut means = DMatrix::zeros(labelled.embedding_size(), labelled.by_speaker().len());
    for (mut column, members) in means.column_iter_mut().zip(labelled.by_speaker()) {
        for &i in members {
            for (m, &x) in column.iter_mut().zip(&labelled.embeddings()[i]) {
                *m += f64::from(x) / members.len() as f64;
            }
        }
    }
    means
}

/// Between (of the speaker means) and within (unbiased, N − S degrees of freedom). (D, D) each
fn covariances(labelled: &Labelled, mean: &DVector<f64>) -> (DMatrix<f64>, DMatrix<f64>) {
    let means = speaker_means(labelled);
    let deviations = DMatrix::from_fn(labelled.embedding_size(), labelled.len(), |k, i| {
        f64::from(labelled.embeddings()[i][k]) - means[(k, labelled.speakers()[i])]
    });
    let num_speakers = means.ncols();
    let freedom = (labelled.len() - num_speakers) as f64;
    let within = &deviations * deviations.transpose() / freedom;
    let mut centred = means;
    for mut column in centred.column_iter_mut() {
        column -= mean;
    }
    let between = &centred * centred.transpose() / (num_speakers - 1) as f64;
    (between, within)
}
