//! Random numbers that depend only on the seed, a purpose and a place (step, slot, …), and not on
//! earlier draws. So a resumed run needs no generator state. The generator is xoshiro256++, seeded
//! by BLAKE3.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator for one purpose.
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The generator of `purpose` at `place` under `seed`.
    pub fn new(seed: u64, purpose: &str, place: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&seed.to_le_bytes())
            .update(purpose.as_bytes());
        for number in place {
            hasher.update(&number.to_le_bytes());
        }
        Random(Xoshiro256PlusPlus::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform between both ends of a range.
    pub fn within(&mut self, (low, high): (f32, f32)) -> f32 {
        self.uniform(low, high)
    }

    /// Uniform in 0..n (n below 2³²; 0 for n = 0).
    pub fn index(&mut self, n: usize) -> usize {
        (((self.0.next_u64() >> 32) * n as u64) >> 32) as usize
    }

    /// True with probability p.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Normal, mean 0, variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }
}
