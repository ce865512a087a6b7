//! Ridge regression: the linear map from many inputs to a few outputs.
//!
//! Let z be an input, centred and scaled to variance 1, and y its output. The fit finds the matrix A with the
//! smallest `mean |A·z − y|² + ridge·|A|²` (Hoerl & Kennard 1970, "Ridge Regression"). It sums in f64, in an
//! order that does not depend on the number of threads.

use crate::{
    Error, Result,
    network::{Layer, Weights},
    scoring::Projection,
};
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
    /// The output for the input `x`: (D,) -> (E,).
    pub fn answer(&self, x: &[f32]) -> Vec<f32> {
        let x = DVector::from_iterator(x.len(), x.iter().map(|v| f64::from(*v)));
        let answer = &self.weight * x + &self.bias;
        answer.iter().map(|v| *v as f32).collect()
    }

    /// This map, followed by the centring and whitening of `projection`: (D,) -> (L,).
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

impl LinearMap {
    /// Appends the map to a network's layers, as a Linear.
    pub fn append(&self, layers: &mut Vec<Layer>, weights: &mut Weights) {
        let index = layers.len();
        // nalgebra stores columns one after the other; those of the transpose are the rows of the
        // weight.
        let weight = self.weight.transpose();
        let tensors = [
            ("weight", weight.as_slice()),
            ("bias", self.bias.as_slice()),
        ];
        for (tensor, values) in tensors {
            let values = values.iter().map(|v| *v as f32).collect();
            weights.insert(format!("{index}.{tensor}"), values);
        }
        layers.push(Layer::linear(self.weight.ncols(), self.weight.nrows()));
    }

    /// As [`Self::append`], as a branch that reads all channels of `layer`.
    pub fn append_branch(&self, layer: usize, layers: &mut Vec<Layer>, weights: &mut Weights) {
        layers.push(Layer::channels(layer, 0, self.weight.ncols()));
        self.append(layers, weights);
    }
}

/// Examples that are added to the sums together.
const AT_ONCE: usize = 2048;
/// Columns of the matrix of products that a thread computes at a time.
const COLUMNS: usize = 256;

/// A fitted map, and how its inputs were scaled for the fit.
pub struct Regression {
    /// The map. It takes inputs that are not scaled.
    pub map: LinearMap,
    /// How the inputs were scaled.
    pub scaling: Scaling,
}

/// Fits the map from each input (D,) to its output (E,).
///
/// # Errors
/// [`Error::Usage`] where the ridge is too small for the inputs.
pub fn fit(examples: &[(&[f32], &[f32])], ridge: f64) -> Result<Regression> {
    let (d, e) = (examples[0].0.len(), examples[0].1.len());
    let n = examples.len() as f64;
    let scaling = Scaling::of(examples.iter().map(|(x, _)| *x));
    let mut mean_output = DVector::<f64>::zeros(e);
    for (_, y) in examples {
        let outputs = mean_output.iter_mut().zip(*y);
        outputs.for_each(|(sum, y)| *sum += f64::from(*y) / n);
    }
    let (products, targets) = sums(examples, &scaling);
    let regular = products + DMatrix::from_diagonal_element(d, d, ridge);
    let cholesky = Cholesky::new(regular).ok_or_else(|| {
        Error::Usage(format!(
            "training option joint: a ridge of {ridge} is too small; 0.003 is usual"
        ))
    })?;
    let weight = cholesky.solve(&targets).transpose(); // (E, D)
    Ok(Regression {
        map: scaling.before(weight, mean_output),
        scaling,
    })
}

/// How inputs are centred and scaled to variance 1. An input that never changes counts as 0.
pub struct Scaling {
    /// (D,)
    mean: Vec<f64>,
    /// 1 / standard deviation, (D,).
    per_unit: Vec<f64>,
}

impl Scaling {
    /// Measures the mean and the variance of inputs (D,), at least one.
    fn of<'a>(inputs: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let n = inputs.clone().count() as f64;
        let (mut mean, mut square) = (vec![], vec![]);
        for x in inputs {
            mean.resize(x.len(), 0.0);
            square.resize(x.len(), 0.0);
            for (k, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
                mean[k] += x / n;
                square[k] += x * x / n;
            }
        }
        let per_unit = mean.iter().zip(square).map(|(mean, square)| {
            let variance: f64 = square - mean * mean;
            match variance > 1e-12 * square {
                true => 1.0 / variance.sqrt(),
                false => 0.0,
            }
        });
        let per_unit = per_unit.collect();
        Scaling { mean, per_unit }
    }

    /// D.
    pub fn size(&self) -> usize {
        self.mean.len()
    }

    /// The standard deviation of input `k`; 0 if it never changes.
    pub fn deviation(&self, k: usize) -> f64 {
        match self.per_unit[k] {
            0.0 => 0.0,
            per_unit => 1.0 / per_unit,
        }
    }

    /// Centres and scales an input. (D,) -> (D,)
    pub fn scaled(&self, x: &[f32]) -> impl Iterator<Item = f32> {
        let of_each = x.iter().zip(self.mean.iter().zip(&self.per_unit));
        of_each.map(|(x, (mean, per_unit))| ((f64::from(*x) - mean) * per_unit) as f32)
    }

    /// Makes one map of this scaling, followed by `weight` (E, D) and `bias`.
    pub fn before(&self, mut weight: DMatrix<f64>, bias: DVector<f64>) -> LinearMap {
        for (mut column, per_unit) in weight.column_iter_mut().zip(&self.per_unit) {
            column *= *per_unit;
        }
        let mean = DVector::from_column_slice(&self.mean);
        let bias = bias - &weight * mean;
        LinearMap { weight, bias }
    }
}

/// The means over the examples of z·zᵀ (D, D) and of z·yᵀ (D, E), where z is the scaled input.
fn sums(examples: &[(&[f32], &[f32])], scaling: &Scaling) -> (DMatrix<f64>, DMatrix<f64>) {
    let Scaling { mean, per_unit } = scaling;
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
            let transposed = z.rows(block * COLUMNS, columns).transpose();
            let product = &z * transposed; // (D, columns)
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
        let map = fit(&examples, 1e-9).unwrap().map;
        for (x, y) in &examples {
            let answer = map.answer(x);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
            assert!(answer.iter().zip(*y).all(near), "{answer:?} {y:?}");
        }
        // A large ridge draws the map to the mean of the outputs.
        let flat = fit(&examples, 1e6).unwrap().map;
        let (steep, flat) = (map.weight.norm(), flat.weight.norm());
        assert!(flat < 1e-5 * steep, "{flat} {steep}");
    }
}
