//! The optimiser: AdamW (Loshchilov and Hutter 2019).

use crate::network::Weights;
use rayon::prelude::*;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// First and second moments of each weight that has a gradient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdamW {
    /// Running mean of gradients.
    pub m: Weights,
    /// Running mean of squared gradients.
    pub v: Weights,
}

impl AdamW {
    /// Takes the `step`-th step, from 0. Only the weights whose names `decays` accepts decay: matrices,
    /// not biases or BatchNorms.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        gradients: &Weights,
        step: usize,
        learning_rate: f32,
        weight_decay: f32,
        decays: impl Fn(&str) -> bool,
    ) {
        let t = step as i32 + 1;
        let correction_1 = 1.0 - BETA_1.powi(t);
        let correction_2 = 1.0 - BETA_2.powi(t);
        for (name, gradient) in gradients {
            let Some(weight) = weights.get_mut(name) else {
                continue;
            };
            let zeros = || vec![0.0; gradient.len()];
            let m = self.m.entry(name.clone()).or_insert_with(zeros);
            let v = self.v.entry(name.clone()).or_insert_with(zeros);
            let decay = 1.0
                - if decays(name) {
                    learning_rate * weight_decay
                } else {
                    0.0
                };
            const CHUNK: usize = 8192;
            weight
                .par_chunks_mut(CHUNK)
                .zip(gradient.par_chunks(CHUNK))
                .zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)))
                .for_each(|((weight, gradient), (m, v))| {
                    for i in 0..weight.len() {
                        let g = gradient[i];
                        m[i] += (1.0 - BETA_1) * (g - m[i]);
                        v[i] += (1.0 - BETA_2) * (g * g - v[i]);
                        let step = m[i] / correction_1 / ((v[i] / correction_2).sqrt() + EPSILON);
                        weight[i] = weight[i] * decay - learning_rate * step;
                    }
                });
        }
    }
}

/// One-cycle learning rate (Smith 2018) with cosine arms: up from max/25 over the first 30 % of the
/// steps, down to max/250,000.
pub fn one_cycle(step: usize, num_steps: usize, max: f32) -> f32 {
    let at = step as f32 / num_steps.saturating_sub(1).max(1) as f32;
    let arm = |from: f32, to: f32, share: f32| {
        to + (from - to) * 0.5 * (1.0 + (std::f32::consts::PI * share).cos())
    };
    const RISE: f32 = 0.3;
    if at < RISE {
        arm(max / 25.0, max, at / RISE)
    } else {
        arm(max, max / 250_000.0, (at - RISE) / (1.0 - RISE))
    }
}
