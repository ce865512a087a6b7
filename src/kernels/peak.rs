//! Measures the peak arithmetic speed of one core: independent chains of fused multiply-adds that
//! never leave the registers. The speed of a kernel is reported as a share of this peak.

use super::lanes::{Lanes, MAX_LANES};

/// Number of independent chains. More than latency × units of any x86 or Arm core so far (5 × 2);
/// together with the two constants they still fit the 16 registers of SSE2.
const CHAINS: usize = 12;

/// Floating-point operations per round, for vectors of `lanes` values.
pub const fn flop_per_round(lanes: usize) -> usize {
    2 * CHAINS * lanes
}

#[inline(always)]
pub(super) fn peak<L: Lanes>(rounds: usize) -> f32 {
    let seed = std::hint::black_box(0.5);
    let (factor, term) = (L::splat(seed), L::splat(1.0 - seed));
    let mut chains = [L::splat(0.0); CHAINS];
    for (i, chain) in chains.iter_mut().enumerate() {
        // Different start values: equal chains would be computed only once.
        *chain = L::splat(seed + i as f32);
    }
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = chain.mul_add(factor, term);
        }
    }
    let sum = chains[1..].iter().fold(chains[0], |sum, c| sum.add(*c));
    let mut lanes = [0.0; MAX_LANES];
    sum.store(&mut lanes);
    lanes[0]
}
