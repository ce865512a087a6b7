//! `Lanes`: the vector type of every kernel. In: slices of f32. Out: the same arithmetic on 4, 8
//! or 16 of them at once.
//!
//! `wide` supplies the lanes for what the compiler was told the CPU has; `x86.rs` supplies two
//! more that are chosen at run time.

use wide::{f32x4, f32x8, f32x16};

/// A vector of `N` f32 lanes.
pub trait Lanes: Copy {
    /// Number of lanes.
    const N: usize;
    /// Rows of the affine tile: with `NV` vectors a row, what the registers hold.
    const MR: usize;
    /// All lanes `v`.
    fn splat(v: f32) -> Self;
    /// The first N values of `from`.
    fn load(from: &[f32]) -> Self;
    /// The first N values of `from`, widened.
    fn load_i8(from: &[i8]) -> Self;
    /// Writes the lanes to the first N values of `to`.
    fn store(self, to: &mut [f32]);
    /// self + other.
    fn add(self, other: Self) -> Self;
    /// self · b + c, fused where the CPU has it.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// Lane by lane, the larger; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
}

macro_rules! wide_lanes {
    ($type:ty, $n:literal, $mr:literal) => {
        impl Lanes for $type {
            const N: usize = $n;
            const MR: usize = $mr;
            #[inline(always)]
            fn splat(v: f32) -> Self {
                <$type>::splat(v)
            }
            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let mut lanes = [0.0f32; $n];
                lanes.copy_from_slice(&from[..$n]);
                <$type>::from(lanes)
            }
            #[inline(always)]
            fn load_i8(from: &[i8]) -> Self {
                let mut lanes = [0.0f32; $n];
                for (lane, &v) in lanes.iter_mut().zip(&from[..$n]) {
                    *lane = v.into();
                }
                <$type>::from(lanes)
            }
            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                to[..$n].copy_from_slice(&self.to_array());
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                <$type>::mul_add(self, b, c)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                <$type>::fast_max(self, other)
            }
        }
    };
}

wide_lanes!(f32x4, 4, 3);
wide_lanes!(f32x8, 8, 6);
wide_lanes!(f32x16, 16, 14);
