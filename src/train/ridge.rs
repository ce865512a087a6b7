//! Ridge regression: the linear map from many inputs to a few outputs.
//!
//! Let z be an input, centred and scaled to variance 1, and y its output. The fit finds the matrix A with the
//! smallest `mean |A·z − y|² + ridge·|A|²` (Hoerl & Kennard 1970, "Ridge Regression"). It sums in f64, in an
//! order that does not depend on the number of threads.

use crate::{Error, Result, scoring::Projection};
use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;

/// y ≈ W·x + b.
#[derive(Debug, Clone)]
pub struct LinearMap {
    /// W, (E, D).
    pub weight: DMatrix<f64>,
    /// b, (E,).
    pub bias: DVector<f64>,
}

impl LinearMap {
    /// (D,) -> (E,)
    pub fn answer(&self, x: &[f32]) -> Vec<f32> {
        let x = DVector::from_iterator(x.len(), x.iter().map(|v| f64::from(*v)));
        let answer = &self.weight * x + &self.bias;
        answer.iter().map(|v| *v as f32).collect()
    }

    /// This map, and then the centring and whitening of `projection`: (D,) -> (L,).
    pub fn then(&self, projection: &Projection) -> LinearMap {
        let whiten = projection.whitening();
        let whiten = whiten.iter().map(|v| f64::from(*v));
        let whiten = DMatrix::from_row_iterator(projection.size(), self.bias.len(), whiten);
        let mean = projection.mean.iter().map(|v| f64::from(*v));
        let mean = DVector::from_iterator(self.bias.len(), mean);
        LinearMap {
            weight: &whiten * &self.weight,
            bias: &whiten * (&self.bias - mean),
        }
    }
}

/// Examples that are added to the sums together.
const AT_ONCE: usize = 2048;
/// Columns of the matrix of products that a thread computes at a time.
const COLUMNS: usize = 256;

/// Fits the map from each input (D,) to its output (E,).
///
/// # Errors
/// [`Error::Usage`] where the ridge is too small for the inputs.
pub fn fit(examples: &[(&[f32], &[f32])], ridge: f64) -> Result<LinearMap> {
    let (d, e) = (examples[0].0.len(), examples[0].1.len());
    let n = examples.len() as f64;
    let mut mean = DVector::<f64>::zeros(d);
    let mut square = DVector::<f64>::zeros(d);
    let mut mean_output = DVector::<f64>::zeros(e);
    for (x, y) in examples {
        for (k, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
            mean[k] += x / n;
            square[k] += x * x / n;
        }
        let outputs = mean_output.iter_mut().zip(*y);
        outputs.for_each(|(sum, y)| *sum += f64::from(*y) / n);
    }
    // An input that never changes counts as 0.
    let per_unit = DVector::from_fn(d, |k, _| {
        let variance = square[k] - mean[k] * mean[k];
        match variance > 1e-12 * square[k] {
            true => 1.0 / variance.sqrt(),
            false => 0.0,
        }
    });
    let (products, targets) = sums(examples, &mean, &per_unit);
    let regular = products + DMatrix::from_diagonal_element(d, d, ridge);
    let cholesky = Cholesky::new(regular).ok_or_else(|| {
        Error::Usage(format!(
            "training option joint: a ridge of {ridge} is too small; 0.003 is usual"
        ))
    })?;
    let mut weight = cholesky.solve(&targets).transpose(); // (E, D)
    for (mut column, per_unit) in weight.column_iter_mut().zip(&per_unit) {
        column *= *per_unit;
    }
    let bias = mean_output - &weight * mean;
    Ok(LinearMap { weight, bias })
}

/// The means over the examples of z·zᵀ, (D, D), and of z·yᵀ, (D, E), with z = (x − `mean`)·`per_unit`.
fn sums(
    examples: &[(&[f32], &[f32])],
    mean: &DVector<f64>,
    per_unit: &DVector<f64>,
) -> (DMatrix<f64>, DMatrix<f64>) {
    let (d, e) = (examples[0].0.len(), examples[0].1.len());
    let share = 1.0 / examples.len() as f64;
    let mut products = DMatrix::<f64>::zeros(d, d);
    let mut targets = DMatrix::<f64>::zeros(d, e);
    for some in examples.chunks(AT_ONCE) {
        let z = DMatrix::from_fn(d, some.len(), |k, i| {
            (f64::from(some[i].0[k]) - mean[k]) * per_unit[k]
        });
        let y = DMatrix::from_fn(e, some.len(), |k, i| f64::from(some[i].1[k]));
        let blocks = products.as_mut_slice().par_chunks_mut(d * COLUMNS);
        blocks.enumerate().for_each(|(block, sums)| {
            let columns = sums.len() / d;
            let own = z.rows(block * COLUMNS, columns).transpose();
            let product = &z * own; // (D, columns)
            let sums = sums.iter_mut().zip(product.iter());
            sums.for_each(|(sum, product)| *sum += share * product);
        });
        targets += &z * y.transpose() * share;
    }
    (products, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_map_is_found_and_a_constant_input_does_no_harm() {
        let input = |n: usize| -> Vec<f32> {
            let wave = |k: f32| (n as f32 * k).sin();
            vec![3.0 + 10.0 * wave(0.7), 0.01 * wave(1.9), 5.0, wave(2.3)]
        };
        let output =
            |x: &[f32]| -> Vec<f32> { vec![0.2 * x[0] - 30.0 * x[1] + 1.0, x[3] - 0.1 * x[0]] };
        let inputs: Vec<Vec<f32>> = (0..AT_ONCE + 100).map(input).collect();
        let outputs: Vec<Vec<f32>> = inputs.iter().map(|x| output(x)).collect();
        let pairs = inputs.iter().zip(&outputs);
        let examples: Vec<(&[f32], &[f32])> = pairs.map(|(x, y)| (&x[..], &y[..])).collect();
        let map = fit(&examples, 1e-9).unwrap();
        for (x, y) in &examples {
            let answer = map.answer(x);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
            assert!(answer.iter().zip(*y).all(near), "{answer:?} {y:?}");
        }
        // A large ridge draws the map to the mean of the outputs.
        let flat = fit(&examples, 1e6).unwrap();
        let (steep, flat) = (map.weight.norm(), flat.weight.norm());
        assert!(flat < 1e-5 * steep, "{flat} {steep}");
    }
}
