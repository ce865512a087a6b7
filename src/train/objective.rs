//! The loss of a pair head on labelled pairs, and its gradient, for refining the head.
//!
//! A head has one output or two, each linear in φ(a,b) = [a∘b ; a∘a + b∘b]; the whitening before φ
//! is shared. Loss: Σ weight·loss(outputs, wanted) over pairs ([`PairLoss`]), the weights of target
//! pairs summing to the prior p and those of nontarget pairs to 1 − p, plus an L2 pull towards the
//! initial values.

use super::{
    Labelled,
    options::{PairLoss, RefineOptions},
    pair_parameters::{Output, Parameters, Scales},
    pairs::Pairs,
};
use crate::scoring::PairHead;
use nalgebra::DMatrix;
use rayon::prelude::*;

pub(super) struct Objective<'a> {
    centred: DMatrix<f64>, // (D, N)
    pairs: &'a Pairs,
    loss: PairLoss,
    /// The initial values, towards which the L2 terms pull.
    pub start: Parameters,
    pub scales: Scales,
    options: &'a RefineOptions,
}

/// One pair's weighted loss, and its gradient by each output.
struct Term {
    loss: f64,
    gradient: [f64; 2],
}

impl<'a> Objective<'a> {
    pub fn new(
        head: &PairHead,
        start: Parameters,
        labelled: &Labelled,
        pairs: &'a Pairs,
        options: &'a RefineOptions,
    ) -> Self {
        Objective {
            centred: DMatrix::from_fn(labelled.embedding_size(), labelled.len(), |k, i| {
                f64::from(labelled.embeddings()[i][k]) - f64::from(head.projection.mean[k])
            }),
            pairs,
            loss: options.loss,
            scales: start.scales(),
            start,
            options,
        }
    }

    fn wanted(&self, pair: usize) -> f64 {
        match self.loss {
            PairLoss::Mse => self.pairs.grades[pair],
            PairLoss::Bce | PairLoss::Softmax => f64::from(u8::from(self.pairs.is_target(pair))),
        }
    }

    /// The grade of each pair, and the first output that the parameters `theta` give it.
    pub fn grades_and_outputs(&self, theta: &Parameters) -> (Vec<f64>, Vec<f64>) {
        let (points, _) = self.points(theta);
        let outputs = self.outputs(theta, &points);
        let wanted = (0..self.pairs.len()).map(|k| self.wanted(k));
        (wanted.collect(), outputs.iter().map(|o| o[0]).collect())
    }

    /// The points (L, N), of length sqrt L, and the factor that each was scaled by.
    fn points(&self, theta: &Parameters) -> (DMatrix<f64>, Vec<f64>) {
        let size = theta.outputs[0].product.len();
        let mut points = &theta.whiten * &self.centred; // (L, D)·(D, N) -> (L, N)
        let shrink: Vec<f64> = points
            .as_mut_slice()
            .par_chunks_mut(size)
            .map(|u| {
                let scale = (size as f64 / dot(u, u).max(f64::MIN_POSITIVE)).sqrt();
                u.iter_mut().for_each(|v| *v *= scale);
                scale
            })
            .collect();
        (points, shrink)
    }

    /// The outputs for each pair.
    fn outputs(&self, theta: &Parameters, points: &DMatrix<f64>) -> Vec<[f64; 2]> {
        let size = points.nrows();
        let point = |i: usize| &points.as_slice()[i * size..(i + 1) * size];
        let mut all = vec![[0.0; 2]; self.pairs.len()];
        for (which, output) in theta.outputs.iter().enumerate() {
            let weighted = |i: usize, weights: &[f64]| -> Vec<f64> {
                point(i).iter().zip(weights).map(|(p, w)| p * w).collect()
            };
            let selves: Vec<f64> = (0..self.centred.ncols())
                .into_par_iter()
                .map(|i| dot(point(i), &weighted(i, &output.squares)))
                .collect();
            let mut products = points.clone(); // product∘p_i
            products.as_mut_slice().par_chunks_mut(size).for_each(|p| {
                p.iter_mut().zip(&output.product).for_each(|(v, w)| *v *= w);
            });
            all.par_iter_mut().enumerate().for_each(|(k, outputs)| {
                let (a, b) = self.pairs.ends[k];
                let (a, b) = (a as usize, b as usize);
                let left = &products.as_slice()[a * size..(a + 1) * size];
                outputs[which] = dot(left, point(b)) + selves[a] + selves[b] + output.bias;
            });
        }
        all
    }

    /// Loss without the L2 terms (nats, or squared error), and its gradient.
    ///
    /// With G the symmetric sparse matrix of dloss/doutput per pair, P (L, N) the points and
    /// H = P·G: dproduct = ½ Σ_i p_i∘h_i, dsquares = Σ_i (Σ_j g_ij)·p_i∘p_i,
    /// dp_i = product∘h_i + 2 (Σ_j g_ij)·squares∘p_i, summed over the outputs. Each embedding adds up
    /// its own pairs in order, so the bits do not depend on the threads.
    pub fn loss_and_gradient(&self, theta: &Parameters) -> (f64, Parameters) {
        let size = theta.outputs[0].product.len();
        let (points, shrink) = self.points(theta);
        let point = |i: usize| &points.as_slice()[i * size..(i + 1) * size];
        let num_outputs = theta.outputs.len();
        let terms: Vec<Term> = self
            .outputs(theta, &points)
            .into_par_iter()
            .enumerate()
            .map(|(k, mut outputs)| {
                let loss = self.loss.of(&mut outputs[..num_outputs], self.wanted(k));
                let weight = self.pairs.weights[k];
                Term {
                    loss: weight * loss,
                    gradient: outputs.map(|g| weight * g),
                }
            })
            .collect();
        let loss = terms.iter().map(|t| t.loss).sum();

        // (L, N): gradient of the un-normalised projections.
        let mut backward = DMatrix::zeros(size, self.centred.ncols());
        let mut gradients = vec![];
        for (which, output) in theta.outputs.iter().enumerate() {
            let per_embedding: Vec<(Vec<f64>, f64)> = (0..self.centred.ncols())
                .into_par_iter()
                .map(|i| {
                    let mut h = vec![0.0; size];
                    let mut sum = 0.0;
                    for &(other, k) in &self.pairs.of_embedding[i] {
                        let g = terms[k as usize].gradient[which];
                        sum += g;
                        let other = point(other as usize);
                        h.iter_mut().zip(other).for_each(|(h, p)| *h += g * p);
                    }
                    (h, sum)
                })
                .collect();
            let mut gradient = Output {
                product: vec![0.0; size],
                squares: vec![0.0; size],
                bias: terms.iter().map(|t| t.gradient[which]).sum(),
            };
            for (i, (h, sum)) in per_embedding.iter().enumerate() {
                for (l, &p) in point(i).iter().enumerate() {
                    gradient.product[l] += 0.5 * p * h[l];
                    gradient.squares[l] += sum * p * p;
                }
            }
            gradients.push(gradient);
            if self.options.whiten_penalty.is_some() {
                let columns = backward.as_mut_slice().par_chunks_mut(size);
                columns
                    .enumerate()
                    .for_each(|(i, du): (usize, &mut [f64])| {
                        let (h, sum) = &per_embedding[i];
                        let p = point(i);
                        for l in 0..size {
                            du[l] +=
                                output.product[l] * h[l] + 2.0 * sum * output.squares[l] * p[l];
                        }
                    });
            }
        }
        let mut whiten = DMatrix::zeros(size, self.centred.nrows());
        if self.options.whiten_penalty.is_some() {
            let columns = backward.as_mut_slice().par_chunks_mut(size);
            columns
                .enumerate()
                .for_each(|(i, du): (usize, &mut [f64])| {
                    // p = u·sqrt(L)/|u|: only the gradient orthogonal to p remains.
                    let p = point(i);
                    let along = dot(du, p) / size as f64;
                    for l in 0..size {
                        du[l] = shrink[i] * (du[l] - along * p[l]);
                    }
                });
            whiten = backward * self.centred.transpose(); // (L, N)·(N, D)
        }
        let gradient = Parameters {
            whiten,
            outputs: gradients,
        };
        (loss, gradient)
    }

    /// Adds the gradient of ½·penalty·((θ − θ₀)/scale)²; with two outputs, half of it to each.
    pub fn add_penalty(&self, theta: &Parameters, gradient: &mut Parameters) {
        let penalties = Scales {
            whiten: self.options.whiten_penalty.unwrap_or(0.0) / self.scales.whiten.powi(2),
            weight: self.options.weight_penalty
                / theta.outputs.len() as f64
                / self.scales.weight.powi(2),
            bias: 0.0,
        };
        let strengths = theta.per_block(&penalties);
        let moved = theta.flat().zip(self.start.flat());
        for ((g, (now, start)), strength) in gradient.flat_mut().zip(moved).zip(strengths) {
            *g += strength * (now - start);
        }
    }
}

/// The inner product, by eight running sums: so the loop vectorises, and the order of sums is fixed.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail = a_blocks.remainder().iter().zip(b_blocks.remainder());
    let tail: f64 = tail.map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for l in 0..8 {
            sums[l] += x[l] * y[l];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::Projection;

    #[test]
    fn gradient_agrees_with_central_differences() {
        let embeddings: Vec<Vec<f32>> = (0..12)
            .map(|i| {
                (0..5)
                    .map(|k| ((i * 7 + k * 3) as f32).sin() + 0.2)
                    .collect()
            })
            .collect();
        let speakers = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3];
        let labelled = Labelled::new(embeddings, &speakers).unwrap();
        let wave = |n: usize, scale: f32| (0..n).map(|i| scale * (i as f32 * 1.3).cos()).collect();
        let projection = Projection::new(wave(5, 0.1), Some(wave(15, 1.0)));
        let mut head = PairHead::new(projection, wave(6, 0.4));
        head.bias = 0.3;
        for loss in [PairLoss::Bce, PairLoss::Softmax, PairLoss::Mse] {
            let options = RefineOptions {
                loss,
                prior: 0.3,
                num_nontargets: 40,
                ..RefineOptions::default()
            };
            let pairs = Pairs::draw(&labelled, &options).unwrap();
            let start = Parameters::of(&head, options.prior, loss.num_outputs());
            let objective = Objective::new(&head, start, &labelled, &pairs, &options);
            let theta = objective.start.clone();
            let analytic: Vec<f64> = objective.loss_and_gradient(&theta).1.flat().collect();
            assert_eq!(analytic.len(), theta.flat_len());
            for (i, &expected) in analytic.iter().enumerate() {
                let loss_at = |delta: f64| {
                    let mut moved = theta.clone();
                    *moved.flat_mut().nth(i).unwrap() += delta;
                    objective.loss_and_gradient(&moved).0
                };
                // Step 1e-5: truncation about 1e-10, rounding about 1e-11.
                let numeric = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
                assert!(
                    (numeric - expected).abs() < 1e-8,
                    "{loss:?}, parameter {i}: analytic {expected}, numeric {numeric}"
                );
            }
        }
    }
}
