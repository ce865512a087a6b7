//! Pair head refinement ("neural PLDA", Ramoji et al. 2020): a head and labelled embeddings in, a
//! head trained with BCE-with-logits on same/different pairs out. Also the cosine as a head.
//!
//! Loss: Σ weight·(max(z,0) − z·y + ln(1 + e^−|z|)) over pairs, the weights of target pairs
//! summing to the prior p and those of nontarget pairs to 1 − p, plus an L2 pull towards the
//! initial values. Parameters move in units of their own block's root mean square, so that one
//! learning rate suits W, the weights and the bias. Full batch, Adam, f64.
// Longer than 400 lines: parameters, objective and gradient are one formula, read side by side.

use super::{Labelled, calibration, pairs::Pairs, plda};
use crate::{Error, Result, scoring::PairHead};
use nalgebra::DMatrix;
use rayon::prelude::*;

/// How to refine.
#[derive(Debug, Clone)]
pub struct RefineOptions {
    /// Effective prior of a target pair, which the logit then includes.
    pub prior: f64,
    /// Adam steps.
    pub num_steps: usize,
    /// Of Adam, falling linearly to 0; in units of each block's root mean square.
    pub learning_rate: f64,
    /// L2 pull of weights and bias towards the initial values, in the same units.
    pub weight_penalty: f64,
    /// L2 pull of the whitening towards the initial values; `None` leaves it as it is.
    pub whiten_penalty: Option<f64>,
    /// Weight of a target pair within one session against one across sessions (of one speaker).
    pub same_session: f64,
    /// Most target pairs of one speaker, drawn at random beyond that. Speakers weigh the same.
    pub max_targets_per_speaker: usize,
    /// Number of nontarget pairs, drawn at random within domains.
    pub num_nontargets: usize,
    /// Of the draws.
    pub seed: u64,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions {
            prior: 0.5,
            num_steps: 200,
            learning_rate: 0.02,
            weight_penalty: 1e-4,
            whiten_penalty: Some(1e-4),
            same_session: 0.0,
            max_targets_per_speaker: 300,
            num_nontargets: 200_000,
            seed: 1,
        }
    }
}

/// What a refinement did.
#[derive(Debug, Clone)]
pub struct Report {
    /// Target pairs trained on.
    pub num_targets: usize,
    /// Nontarget pairs trained on.
    pub num_nontargets: usize,
    /// Loss per pair, in bits, without the L2 terms: Cllr of the training pairs at prior 0.5.
    pub loss_before: f64,
    /// The same, after.
    pub loss_after: f64,
}

/// Trains weight, bias and (with a `whiten_penalty`) the whitening of `head`.
///
/// # Errors
/// [`Error::Usage`] for a prior outside (0, 1), a head of another embedding size, or labels that
/// leave no target or no nontarget pair.
pub fn refine(
    head: &PairHead,
    labelled: &Labelled,
    options: &RefineOptions,
) -> Result<(PairHead, Report)> {
    head.check(labelled.embedding_size())?;
    if !(options.prior > 0.0 && options.prior < 1.0) {
        return Err(Error::Usage(format!(
            "refinement at prior {}; choose within (0, 1), for example 0.5",
            options.prior
        )));
    }
    let pairs = Pairs::draw(labelled, options)?;
    let start = Parameters::of(head, options.prior);
    let objective = Objective {
        centred: centred(head, labelled),
        pairs: &pairs,
        scales: start.scales(),
        start,
        options,
    };
    let mut theta = objective.start.clone();
    let loss_before = objective.loss_and_gradient(&theta).0;
    let mut adam = Adam::new(theta.flat_len());
    for step in 0..options.num_steps {
        let (_, mut gradient) = objective.loss_and_gradient(&theta);
        objective.add_penalty(&theta, &mut gradient);
        let rate = options.learning_rate * (1.0 - step as f64 / options.num_steps as f64);
        adam.step(&mut theta, &gradient, &objective.scales, rate);
    }
    let loss_after = objective.loss_and_gradient(&theta).0;
    let refined = theta.into_head(head, options.prior);
    refined.check(labelled.embedding_size())?;
    let report = Report {
        num_targets: pairs.num_targets(),
        num_nontargets: pairs.len() - pairs.num_targets(),
        loss_before: loss_before / std::f64::consts::LN_2,
        loss_after: loss_after / std::f64::consts::LN_2,
    };
    Ok((refined, report))
}

/// `scale`·cosine as a head: `mean` (D,), `whiten` (L, D) row-major (the identity for the plain
/// cosine). Points have length sqrt L, so the weight of each product is scale/L.
pub fn cosine(mean: &[f64], whiten: &[f64], scale: f64) -> PairHead {
    let size = whiten.len() / mean.len();
    let mut weight = vec![(scale / size as f64) as f32; size];
    weight.resize(2 * size, 0.0);
    PairHead {
        mean: plda::to_f32(mean),
        whiten: plda::to_f32(whiten),
        weight,
        bias: 0.0,
        prior: 0.5,
    }
}

/// The plain cosine of embeddings centred on the speakers' average: what to beat.
pub fn plain_cosine(labelled: &Labelled, scale: f64) -> PairHead {
    let d = labelled.embedding_size();
    let mean = super::lda::speaker_average(labelled);
    cosine(mean.as_slice(), DMatrix::identity(d, d).as_slice(), scale)
}

/// LLRs of target and of nontarget pairs, for [`calibration::Calibration::fit`] or the metrics.
///
/// # Errors
/// As [`refine`].
pub fn score_pairs(
    head: &PairHead,
    labelled: &Labelled,
    options: &RefineOptions,
) -> Result<(Vec<f64>, Vec<f64>)> {
    head.check(labelled.embedding_size())?;
    let pairs = Pairs::draw(labelled, options)?;
    let points: Vec<Vec<f32>> = labelled
        .embeddings()
        .par_iter()
        .map(|e| head.project(e))
        .collect();
    let mut llrs: Vec<f64> = pairs
        .ends()
        .par_iter()
        .map(|&(a, b)| f64::from(head.llr(&points[a as usize], &points[b as usize])))
        .collect();
    let nontargets = llrs.split_off(pairs.num_targets());
    Ok((llrs, nontargets))
}

/// The trained numbers, or their gradient, or Adam's moments.
#[derive(Debug, Clone)]
struct Parameters {
    whiten: DMatrix<f64>, // (L, D)
    product: Vec<f64>,    // (L,)
    squares: Vec<f64>,    // (L,)
    bias: f64,
}

/// Units of the blocks.
#[derive(Debug, Clone, Copy)]
struct Scales {
    whiten: f64,
    weight: f64,
    bias: f64,
}

impl Parameters {
    fn of(head: &PairHead, prior: f64) -> Self {
        let size = head.weight.len() / 2;
        let weight: Vec<f64> = head.weight.iter().map(|&w| f64::from(w)).collect();
        let whiten = head.whiten.iter().map(|&w| f64::from(w));
        Parameters {
            whiten: DMatrix::from_row_iterator(size, head.mean.len(), whiten),
            product: weight[..size].to_vec(),
            squares: weight[size..].to_vec(),
            bias: f64::from(head.bias) - log_odds(f64::from(head.prior)) + log_odds(prior),
        }
    }

    fn into_head(self, from: &PairHead, prior: f64) -> PairHead {
        PairHead {
            mean: from.mean.clone(),
            whiten: plda::to_f32(self.whiten.transpose().as_slice()),
            weight: plda::to_f32(&[self.product, self.squares].concat()),
            bias: self.bias as f32,
            prior: prior as f32,
        }
    }

    fn scales(&self) -> Scales {
        let rms = |v: &[f64]| (v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64).sqrt();
        Scales {
            whiten: rms(self.whiten.as_slice()),
            weight: rms(&self.product),
            bias: 1.0,
        }
    }

    fn flat_len(&self) -> usize {
        self.whiten.len() + 2 * self.product.len() + 1
    }

    /// Every number in one order; the weights' slices are in the order of `scale_of`.
    fn flat(&self) -> impl Iterator<Item = f64> {
        let whiten = self.whiten.iter();
        let weights = self.product.iter().chain(&self.squares);
        whiten.chain(weights).chain([&self.bias]).copied()
    }

    fn flat_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        let whiten = self.whiten.iter_mut();
        let weights = self.product.iter_mut().chain(&mut self.squares);
        whiten.chain(weights).chain([&mut self.bias])
    }

    /// Per number of [`Self::flat`].
    fn per_block(&self, whiten: f64, weight: f64, bias: f64) -> impl Iterator<Item = f64> + use<> {
        let weights = std::iter::repeat_n(weight, 2 * self.product.len());
        std::iter::repeat_n(whiten, self.whiten.len())
            .chain(weights)
            .chain([bias])
    }
}

struct Objective<'a> {
    centred: DMatrix<f64>, // (D, N)
    pairs: &'a Pairs,
    start: Parameters,
    scales: Scales,
    options: &'a RefineOptions,
}

impl Objective<'_> {
    /// Loss in nats without the L2 terms, and its gradient.
    ///
    /// With G the symmetric sparse matrix of dloss/dlogit per pair, P (L, N) the points and
    /// H = P·G: dproduct = ½ Σ_i p_i∘h_i, dsquares = Σ_i (Σ_j g_ij)·p_i∘p_i,
    /// dp_i = product∘h_i + 2 (Σ_j g_ij)·squares∘p_i. One pass per embedding: no scattered sums,
    /// so the bits do not depend on the threads.
    fn loss_and_gradient(&self, theta: &Parameters) -> (f64, Parameters) {
        let size = theta.product.len();
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
        let point = |i: usize| &points.as_slice()[i * size..(i + 1) * size];
        let weighted = |i: usize, weights: &[f64]| -> Vec<f64> {
            point(i).iter().zip(weights).map(|(p, w)| p * w).collect()
        };
        let selves: Vec<f64> = (0..self.centred.ncols())
            .into_par_iter()
            .map(|i| dot(point(i), &weighted(i, &theta.squares)))
            .collect();
        let mut products = points.clone(); // product∘p_i
        products.as_mut_slice().par_chunks_mut(size).for_each(|p| {
            p.iter_mut().zip(&theta.product).for_each(|(v, w)| *v *= w);
        });

        let terms: Vec<(f64, f64)> = (0..self.pairs.len())
            .into_par_iter()
            .map(|k| {
                let (a, b) = self.pairs.ends()[k];
                let (a, b) = (a as usize, b as usize);
                let left = &products.as_slice()[a * size..(a + 1) * size];
                let logit = dot(left, point(b)) + selves[a] + selves[b] + theta.bias;
                let label = f64::from(u8::from(self.pairs.is_target(k)));
                let weight = self.pairs.weight(k);
                (
                    weight * (calibration::softplus(logit) - logit * label),
                    weight * (calibration::sigmoid(logit) - label),
                )
            })
            .collect();
        let loss = terms.iter().map(|t| t.0).sum();

        // (L, N): gradient of the un-normalised projections, after H has been used up.
        let per_embedding: Vec<(Vec<f64>, f64)> = (0..self.centred.ncols())
            .into_par_iter()
            .map(|i| {
                let mut h = vec![0.0; size];
                let mut sum = 0.0;
                for &(other, k) in self.pairs.of(i) {
                    let g = terms[k as usize].1;
                    sum += g;
                    let other = point(other as usize);
                    h.iter_mut().zip(other).for_each(|(h, p)| *h += g * p);
                }
                (h, sum)
            })
            .collect();
        let mut gradient = Parameters {
            whiten: DMatrix::zeros(size, self.centred.nrows()),
            product: vec![0.0; size],
            squares: vec![0.0; size],
            bias: terms.iter().map(|t| t.1).sum(),
        };
        for (i, (h, sum)) in per_embedding.iter().enumerate() {
            for (l, &p) in point(i).iter().enumerate() {
                gradient.product[l] += 0.5 * p * h[l];
                gradient.squares[l] += sum * p * p;
            }
        }
        if self.options.whiten_penalty.is_some() {
            let mut backward = DMatrix::zeros(size, self.centred.ncols());
            let columns = backward.as_mut_slice().par_chunks_mut(size);
            columns
                .enumerate()
                .for_each(|(i, du): (usize, &mut [f64])| {
                    let (h, sum) = &per_embedding[i];
                    let p = point(i);
                    for l in 0..size {
                        du[l] = theta.product[l] * h[l] + 2.0 * sum * theta.squares[l] * p[l];
                    }
                    // p = u·sqrt(L)/|u|: only what is across p passes.
                    let along = dot(du, p) / size as f64;
                    for l in 0..size {
                        du[l] = shrink[i] * (du[l] - along * p[l]);
                    }
                });
            gradient.whiten = backward * self.centred.transpose(); // (L, N)·(N, D)
        }
        (loss, gradient)
    }

    /// Adds the gradient of ½·penalty·((θ − θ₀)/scale)².
    fn add_penalty(&self, theta: &Parameters, gradient: &mut Parameters) {
        let whiten = self.options.whiten_penalty.unwrap_or(0.0) / self.scales.whiten.powi(2);
        let weight = self.options.weight_penalty / self.scales.weight.powi(2);
        let strengths = theta.per_block(whiten, weight, 0.0);
        let moved = theta.flat().zip(self.start.flat());
        for ((g, (now, start)), strength) in gradient.flat_mut().zip(moved).zip(strengths) {
            *g += strength * (now - start);
        }
    }
}

/// Kingma & Ba 2015, with β 0.9 and 0.999.
struct Adam {
    first: Vec<f64>,
    second: Vec<f64>,
    count: i32,
}

impl Adam {
    fn new(size: usize) -> Self {
        Adam {
            first: vec![0.0; size],
            second: vec![0.0; size],
            count: 0,
        }
    }

    fn step(&mut self, theta: &mut Parameters, gradient: &Parameters, scales: &Scales, rate: f64) {
        self.count += 1;
        let correct_first = 1.0 - 0.9_f64.powi(self.count);
        let correct_second = 1.0 - 0.999_f64.powi(self.count);
        let units = theta.per_block(scales.whiten, scales.weight, scales.bias);
        let moments = self.first.iter_mut().zip(&mut self.second);
        let numbers = theta.flat_mut().zip(gradient.flat());
        for (((value, g), unit), (first, second)) in numbers.zip(units).zip(moments) {
            let g = g * unit; // gradient in the block's own units
            *first = 0.9 * *first + 0.1 * g;
            *second = 0.999 * *second + 0.001 * g * g;
            let direction = *first / correct_first / ((*second / correct_second).sqrt() + 1e-12);
            *value -= rate * unit * direction;
        }
    }
}

/// (D, N)
fn centred(head: &PairHead, labelled: &Labelled) -> DMatrix<f64> {
    DMatrix::from_fn(labelled.embedding_size(), labelled.len(), |k, i| {
        f64::from(labelled.embeddings()[i][k]) - f64::from(head.mean[k])
    })
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// Eight running sums, so that the loop vectorises in one fixed order.
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
        let head = PairHead {
            mean: wave(5, 0.1),
            whiten: wave(15, 1.0),
            weight: wave(6, 0.4),
            bias: 0.3,
            prior: 0.5,
        };
        let options = RefineOptions {
            prior: 0.3,
            num_nontargets: 40,
            ..RefineOptions::default()
        };
        let pairs = Pairs::draw(&labelled, &options).unwrap();
        let start = Parameters::of(&head, options.prior);
        let objective = Objective {
            centred: centred(&head, &labelled),
            pairs: &pairs,
            scales: start.scales(),
            start,
            options: &options,
        };
        let theta = objective.start.clone();
        let analytic: Vec<f64> = objective.loss_and_gradient(&theta).1.flat().collect();
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
                "parameter {i}: analytic {expected}, numeric {numeric}"
            );
        }
    }
}
