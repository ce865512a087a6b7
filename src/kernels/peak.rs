//! How fast one core can multiply and add at all: independent chains of fused multiply-adds that
//! never leave the registers. In: rounds. Out: a sum that keeps the compiler from leaving them out.
//!
//! What a kernel reaches is told as a share of this.

use super::lanes::Lanes;

/// Chains in flight: more than latency × units of any x86 or Arm core so far (5 × 2), and with the
/// two factors no more than the 16 registers of plain SSE2.
const CHAINS: usize = 12;

/// Floating-point operations of one round, for vectors of `lanes` values.
pub const fn flop_per_round(lanes: usize) -> usize {
    2 * CHAINS * lanes
}

#[inline(always)]
pub(super) fn peak<L: Lanes>(rounds: usize) -> f32 {
    let seed = std::hint::black_box(0.5);
    let (factor, term) = (L::splat(seed), L::splat(1.0 - seed));
    let mut chains = [L::splat(0.0); CHAINS];
    for (i, chain) in chains.iter_mut().enumerate() {
        // Each begins elsewhere: equal ones would be computed once.
        *chain = L::splat(seed + i as f32);
    }
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = chain.mul_add(factor, term);
        }
    }
    let sum = chains[1..].iter().fold(chains[0], |sum, c| sum.add(*c));
    let mut lanes = [0.0; super::MAX_LANES];
    sum.store(&mut lanes);
    lanes[0]
}
