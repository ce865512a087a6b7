//! Fits pair heads to labelled embeddings: the plain cosine, LDA and PLDA, and a PLDA refined on
//! same/different pairs ("neural PLDA", Ramoji et al. 2020) by any [`PairLoss`].
//!
//! Every head is saved as one logit over the same pair features. For two softmax outputs, the logit is
//! their difference; the output of a regression becomes a logit by calibration. Refinement uses Adam on
//! all pairs at once, in f64. Whitening, weights and bias each move in a unit of their own (for the
//! first two, their root mean square), so that one learning rate suits all.

use super::{
    Labelled,
    calibration::Calibration,
    lda,
    objective::Objective,
    options::{HeadOptions, PairLoss, RefineOptions},
    pair_loss::pearson,
    pair_parameters::{Parameters, Scales},
    pairs::Pairs,
    plda::{self, PldaOptions},
};
use crate::{
    Error, Result,
    scoring::{PairHead, Projection},
};
use nalgebra::DMatrix;
use rayon::prelude::*;

/// What a refinement did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Target pairs trained on.
    pub num_targets: usize,
    /// Nontarget pairs trained on.
    pub num_nontargets: usize,
    /// Loss per pair without the L2 terms: bits (Cllr of the training pairs at prior 0.5), or the
    /// mean squared error.
    pub loss_before: f64,
    /// The same, after.
    pub loss_after: f64,
    /// For a regression ([`PairLoss::Mse`]), Pearson's correlation of its outputs with the grades
    /// of similarity.
    pub pearson: Option<f64>,
}

/// The head that the options ask for: LDA and PLDA, then refined.
///
/// # Errors
/// As [`plda::fit_head`] and [`refine`].
pub fn fit(
    labelled: &Labelled,
    options: &HeadOptions,
    seed: u64,
) -> Result<(PairHead, Option<Report>)> {
    let plda = fit_plda(labelled, options)?;
    if options.bce_steps == 0 {
        return Ok((plda, None));
    }
    let (head, report) = refine(&plda, labelled, &options.refine(seed))?;
    Ok((head, Some(report)))
}

/// LDA and PLDA, not refined.
///
/// # Errors
/// As [`plda::fit_head`].
pub(super) fn fit_plda(labelled: &Labelled, options: &HeadOptions) -> Result<PairHead> {
    let options = PldaOptions {
        size: lda_size(labelled, options),
        shrinkage: options.shrinkage,
        ..PldaOptions::default()
    };
    plda::fit_head(labelled, &options)
}

/// L: the size that the options ask for, but at most D and less than the number of speakers.
pub(super) fn lda_size(labelled: &Labelled, options: &HeadOptions) -> usize {
    let most = labelled.by_speaker().len() - 1;
    options.size.min(labelled.embedding_size()).min(most)
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
    if !(options.prior > 0.0 && options.prior < 1.0) {
        return Err(Error::Usage(format!(
            "refinement at prior {}; choose within (0, 1), for example 0.5",
            options.prior
        )));
    }
    head.check(labelled.embedding_size())?;
    let pairs = Pairs::draw(labelled, options)?;
    let num_outputs = options.loss.num_outputs();
    let mut start = Parameters::of(head, options.prior, num_outputs);
    if options.loss == PairLoss::Mse {
        // From log-likelihood ratios to grades, by the best straight line.
        let objective = Objective::new(head, start.clone(), labelled, &pairs, options);
        let (grades, outputs) = objective.grades_and_outputs(&start);
        let (scale, offset) = line(&outputs, &grades, |k| pairs.weights[k]);
        start.rescale(scale, offset);
    }
    let objective = Objective::new(head, start, labelled, &pairs, options);
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
    let regression = (options.loss == PairLoss::Mse).then(|| objective.grades_and_outputs(&theta));
    let mut refined = theta.into_head(head, options.prior);
    if let Some((_, outputs)) = &regression {
        // A grade is no log-likelihood ratio until it is calibrated.
        refined.prior = 0.5;
        let (targets, nontargets) = outputs.split_at(pairs.num_targets);
        refined = Calibration::fit(targets, nontargets, options.prior)?.apply(&refined);
    }
    refined.check(labelled.embedding_size())?;
    let unit = match options.loss {
        PairLoss::Mse => 1.0,
        PairLoss::Bce | PairLoss::Softmax => std::f64::consts::LN_2,
    };
    let report = Report {
        num_targets: pairs.num_targets,
        num_nontargets: pairs.len() - pairs.num_targets,
        loss_before: loss_before / unit,
        loss_after: loss_after / unit,
        pearson: regression.and_then(|(grades, outputs)| pearson(&outputs, &grades)),
    };
    Ok((refined, report))
}

/// Least squares: y ≈ scale·x + offset. If that line does not rise, the scale is 1, because a higher
/// output must mean more similar.
fn line(x: &[f64], y: &[f64], weight: impl Fn(usize) -> f64) -> (f64, f64) {
    let total: f64 = (0..x.len()).map(&weight).sum();
    let mean = |v: &[f64]| (0..v.len()).map(|k| weight(k) * v[k]).sum::<f64>() / total;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut product, mut square) = (0.0, 0.0);
    for k in 0..x.len() {
        product += weight(k) * (x[k] - mean_x) * (y[k] - mean_y);
        square += weight(k) * (x[k] - mean_x) * (x[k] - mean_x);
    }
    let scale = if product > 0.0 { product / square } else { 1.0 };
    (scale, mean_y - scale * mean_x)
}

/// The cosine as a head: `mean` (D,), `whiten` (L, D) row-major (the identity for the plain cosine).
/// Points have length sqrt L, so the weight of each product is 1/L.
pub fn cosine(mean: &[f64], whiten: &[f64]) -> PairHead {
    let size = whiten.len() / mean.len();
    let mut weight = vec![(1.0 / size as f64) as f32; size];
    weight.resize(2 * size, 0.0);
    let projection = Projection::new(plda::to_f32(mean), Some(plda::to_f32(whiten)));
    PairHead::new(projection, weight)
}

/// The plain cosine of embeddings minus the mean over speakers. This is the baseline.
pub fn plain_cosine(labelled: &Labelled) -> PairHead {
    let d = labelled.embedding_size();
    let mean = lda::speaker_average(labelled);
    cosine(mean.as_slice(), DMatrix::identity(d, d).as_slice())
}

/// LLRs of target and of nontarget pairs, for [`Calibration::fit`] or the metrics.
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
        .ends
        .par_iter()
        .map(|&(a, b)| f64::from(head.llr(&points[a as usize], &points[b as usize])))
        .collect();
    let nontargets = llrs.split_off(pairs.num_targets);
    Ok((llrs, nontargets))
}

/// The optimiser Adam (Kingma & Ba 2015), with β 0.9 and 0.999.
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
        let units = theta.per_block(scales);
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
