//! Pair heads fitted on synthetic Gaussian speakers.

mod losses;
mod plda;

use nalgebra::{DMatrix, DVector};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

struct Gaussian(Xoshiro256PlusPlus);

impl Gaussian {
    fn new(seed: u64) -> Self {
        Gaussian(Xoshiro256PlusPlus::seed_from_u64(seed))
    }
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
    /// Box–Muller.
    fn draw(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
    fn vector(&mut self, size: usize) -> DVector<f64> {
        DVector::from_fn(size, |_, _| self.draw())
    }
    fn matrix(&mut self, rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |_, _| self.draw())
    }
}

/// Cllr in bits (Brümmer & du Preez 2006).
fn cllr(targets: &[f64], nontargets: &[f64]) -> f64 {
    let cost = |llrs: &[f64], sign: f64| {
        let sum: f64 = llrs.iter().map(|s| (sign * s).exp().ln_1p()).sum();
        sum / llrs.len() as f64 / std::f64::consts::LN_2
    };
    0.5 * (cost(targets, -1.0) + cost(nontargets, 1.0))
}
