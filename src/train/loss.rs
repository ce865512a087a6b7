//! The losses of the networks and their gradients: one over speakers, and one for detectors, which say
//! yes or no. The losses of pair heads are in `pair_loss`.

use super::{
    affine::ROW_BY_ROW,
    batch::{give_back, unwritten, zeros},
    options::PairLoss,
};
use crate::{
    kernels::{self, Outer, Packed},
    network::apply_groups,
};
use rayon::prelude::*;

/// Additive angular margin softmax over speakers (Deng et al. 2019, "ArcFace", eq. 3): cross-entropy of
/// the scaled cosines between an embedding and each speaker's weight, after a margin was added to the
/// angle to its own speaker.
#[derive(Debug, Clone, Copy)]
pub struct AngularMargin {
    /// s.
    pub scale: f32,
    /// m, in radians.
    pub margin: f32,
}

/// A loss of a batch and its gradients.
pub struct Loss {
    /// Mean over the batch.
    pub loss: f32,
    /// Share of embeddings whose own speaker has the largest cosine.
    pub accuracy: f32,
    /// `(U, D)`.
    pub d_embeddings: Vec<f32>,
    /// `(S, D)`, followed by the teacher's map (E, D) where there is one.
    pub d_speakers: Vec<f32>,
}

impl Loss {
    /// No loss: zeros, with gradients of these lengths.
    pub(super) fn none(embeddings: usize, speakers: usize) -> Self {
        Loss {
            loss: 0.0,
            accuracy: 0.0,
            d_embeddings: vec![0.0; embeddings],
            d_speakers: zeros(speakers),
        }
    }

    /// Binary cross-entropy of `logits` (U,), mean over the batch. Accuracy is the share of logits on the
    /// right side of 0.
    pub(super) fn binary(logits: &[f32], labels: &[bool]) -> Self {
        let num = logits.len() as f64;
        let (mut total, mut right) = (0.0, 0);
        let examples = logits.iter().zip(labels);
        let d_embeddings = examples.map(|(logit, label)| {
            let mut output = [f64::from(*logit)];
            right += usize::from((*logit > 0.0) == *label);
            total += PairLoss::Bce.of(&mut output, f64::from(u8::from(*label)));
            (output[0] / num) as f32
        });
        let d_embeddings = d_embeddings.collect();
        Loss {
            loss: (total / num) as f32,
            accuracy: right as f32 / num as f32,
            d_embeddings,
            d_speakers: vec![],
        }
    }

    /// The loss and its gradients times `weight`.
    pub(super) fn times(mut self, weight: f32) -> Self {
        if weight != 1.0 {
            self.loss *= weight;
            let gradients = self.d_embeddings.iter_mut().chain(&mut self.d_speakers);
            gradients.for_each(|g| *g *= weight);
        }
        self
    }
}

impl AngularMargin {
    /// `embeddings` (U, D), `speakers` (S, D), `labels` (U,). An embedding with a label of S or more is
    /// of an unknown speaker and adds nothing.
    pub fn loss(&self, embeddings: &[f32], speakers: &[f32], labels: &[u32]) -> Loss {
        let num = labels.len();
        let d = embeddings.len() / num;
        let s = speakers.len() / d;
        let (e, e_norms) = unit_rows(embeddings, d);
        let (w, w_norms) = unit_rows(speakers, d);

        let mut cosines = products(&e, &w, d); // (U, S)
        let rows: Vec<(f32, bool)> = cosines
            .par_chunks_exact_mut(s)
            .zip(labels)
            .map(|(row, label)| self.row(row, *label as usize, num))
            .collect();
        let d_cosines = cosines;

        let (mut d_e, mut d_w) = through_products(&d_cosines, &e, &w, d);
        through_unit_rows(&e, &e_norms, &mut d_e);
        through_unit_rows(&w, &w_norms, &mut d_w);
        give_back(w);
        give_back(d_cosines);
        Loss {
            loss: rows.iter().map(|r| r.0).sum::<f32>() / num as f32,
            accuracy: rows.iter().filter(|r| r.1).count() as f32 / num as f32,
            d_embeddings: d_e,
            d_speakers: d_w,
        }
    }

    /// Replaces the cosines of one embedding by their gradients. Returns its loss, and whether its own
    /// speaker had the largest cosine.
    fn row(&self, cosines: &mut [f32], label: usize, num: usize) -> (f32, bool) {
        if label >= cosines.len() {
            cosines.fill(0.0);
            return (0.0, false);
        }
        let cosine = cosines[label].clamp(-1.0 + 1e-6, 1.0 - 1e-6);
        let right = cosines.iter().all(|c| *c <= cosines[label]);
        let (sin_m, cos_m) = self.margin.sin_cos();
        let sine = (1.0 - cosine * cosine).sqrt();
        // Beyond an angle of π − m, adding m would raise the cosine again. A straight line keeps the
        // loss monotonic.
        let (with_margin, slope) = if cosine > -cos_m {
            (cosine * cos_m - sine * sin_m, cos_m + cosine / sine * sin_m)
        } else {
            (cosine - self.margin * sin_m, 1.0)
        };
        cosines[label] = with_margin;
        let logits = |c: &f32| c * self.scale;
        let top = cosines.iter().map(logits).fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = cosines.iter().map(|c| (logits(c) - top).exp()).sum();
        let loss = top + total.ln() - logits(&cosines[label]);
        for (index, c) in cosines.iter_mut().enumerate() {
            let p = (*c * self.scale - top).exp() / total;
            let wanted = if index == label { 1.0 } else { 0.0 };
            *c = (p - wanted) * self.scale / num as f32;
        }
        cosines[label] *= slope;
        (loss, right)
    }
}

/// Rows that a task computes products of: a multiple of the rows that the kernels compute together.
const ROWS_PER_TASK: usize = 28;

/// The inner product of each row with each weight: `(U, D), (S, D) -> (U, S)`.
pub(super) fn products(rows: &[f32], weights: &[f32], d: usize) -> Vec<f32> {
    let nr = kernels::table().nr;
    let s = weights.len() / d;
    let slice = 16 * nr; // weights that a task packs
    let packed = (weights.par_chunks(slice * d).enumerate())
        .map(|(part, weights)| {
            let n = weights.len() / d;
            let packed = Packed::from_pytorch((n, d, 1), nr, weights, &[]);
            packed.within_rows(d, s).starting_at(0, part * slice)
        })
        .collect();
    let mut products = unwritten(rows.len() / d * s);
    apply(packed, (rows, d), (&mut products, s));
    products
}

/// Gradients of [`products`] (U, S) -> those of the rows (U, D) and of the weights (S, D).
pub(super) fn through_products(
    d_products: &[f32],
    rows: &[f32],
    weights: &[f32],
    d: usize,
) -> (Vec<f32>, Vec<f32>) {
    let table = kernels::table();
    let (s, nr) = (weights.len() / d, table.nr);
    let transposed = (0..d.div_ceil(nr)).into_par_iter().map(|part| {
        let first = part * nr;
        let n = nr.min(d - first);
        let packed = Packed::new((n, s, 1), nr, &[], |o, i, _| weights[i * d + first + o]);
        packed.within_rows(s, d).starting_at(0, first)
    });
    let mut d_rows = vec![0.0f32; rows.len()];
    apply(transposed.collect(), (d_products, s), (&mut d_rows, d));
    let mut d_weights = zeros(weights.len());
    // Enough work for a task, and a multiple of the rows that the kernels compute together.
    const WEIGHTS_PER_TASK: usize = 56;
    d_weights
        .par_chunks_mut(WEIGHTS_PER_TASK * d)
        .enumerate()
        .for_each(|(part, g)| {
            let first = part * WEIGHTS_PER_TASK;
            let inputs = (first, first + g.len() / d);
            (table.outer)(
                Outer {
                    x: d_products,
                    x_step: s,
                    inputs,
                    dy: rows,
                    c_out: d,
                },
                g,
            );
        });
    (d_rows, d_weights)
}

/// Applies maps that write to different columns to each row: `(U, C_in) -> (U, C_out)`.
fn apply(maps: Vec<Packed>, (x, c_in): (&[f32], usize), (y, c_out): (&mut [f32], usize)) {
    let rows = x.par_chunks(ROWS_PER_TASK * c_in);
    let jobs = rows.zip(y.par_chunks_mut(ROWS_PER_TASK * c_out));
    jobs.for_each(|(x, y)| {
        apply_groups(&maps, ROW_BY_ROW, x, y);
    });
}

/// Fewest rows that a task scales.
const ROWS_AT_ONCE: usize = 256;

/// The rows `(N, D)`, scaled to length 1, and their lengths before.
pub(super) fn unit_rows(rows: &[f32], d: usize) -> (Vec<f32>, Vec<f32>) {
    let mut unit = unwritten(rows.len());
    let mut norms = vec![0.0; rows.len() / d];
    (unit.par_chunks_exact_mut(d))
        .zip(rows.par_chunks_exact(d))
        .zip(&mut norms)
        .with_min_len(ROWS_AT_ONCE)
        .for_each(|((unit, row), norm)| {
            *norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            unit.iter_mut().zip(row).for_each(|(u, v)| *u = v / *norm);
        });
    (unit, norms)
}

/// d(x/|x|): du -> (du − u(u·du))/|x|, in place.
pub(super) fn through_unit_rows(unit: &[f32], norms: &[f32], du: &mut [f32]) {
    let d = unit.len() / norms.len();
    (du.par_chunks_exact_mut(d))
        .zip(unit.par_chunks_exact(d))
        .zip(norms)
        .with_min_len(ROWS_AT_ONCE)
        .for_each(|((du, u), norm)| {
            let along: f32 = du.iter().zip(u).map(|(a, b)| a * b).sum();
            for (g, u) in du.iter_mut().zip(u) {
                *g = (*g - u * along) / norm;
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_pulls_each_logit_to_its_side_and_its_gradient_is_right() {
        let logits = [2.0, -0.5, 0.25, -3.0];
        let labels = [true, true, false, false];
        let at = Loss::binary(&logits, &labels);
        assert_eq!(at.accuracy, 0.5);
        for i in 0..4 {
            let moved = |by: f32| {
                let mut logits = logits;
                logits[i] += by;
                Loss::binary(&logits, &labels).loss
            };
            // Step 0.01 on losses near 1 in f32: rounding about 1e-5, truncation about 1e-6.
            let numeric = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((numeric - at.d_embeddings[i]).abs() < 1e-4, "logit {i}");
        }
        // The naive form of the loss would be infinite.
        assert!(Loss::binary(&[-1e4], &[true]).loss.is_finite());
    }
}
