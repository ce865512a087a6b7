//! [`Lanes`], the SIMD vector type that every kernel is written over: the same arithmetic on 4, 8
//! or 16 f32 values at once.
//!
//! The `wide` crate implements it for the instruction sets enabled at compile time; `x86.rs` adds
//! two types that are chosen at run time. On aarch64 `wide` emits NEON's fused multiply-add
//! (`vfmaq_f32`), so NEON needs no lanes of its own.

use bytemuck::cast;
use wide::{f32x4, f32x8, f32x16, i32x4, i32x8, i32x16};

/// A vector of `N` f32 lanes.
pub trait Lanes: Copy {
    /// Number of lanes.
    const N: usize;
    /// Rows in a tile of the affine kernel: as many as fit in the registers, with `NV` vectors per
    /// row.
    const MR: usize;
    /// All lanes set to `v`.
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
    /// Lane-wise maximum; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// Lane-wise minimum; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// self − other.
    fn sub(self, other: Self) -> Self;
    /// self · other.
    fn mul(self, other: Self) -> Self;
    /// self / other, correctly rounded.
    fn div(self, other: Self) -> Self;
    /// √self, correctly rounded.
    fn sqrt(self) -> Self;
    /// c − self · b, fused where the CPU has it.
    fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// (m, e) with self = m·2^e and √½ ≤ m < √2; `self` positive and normal.
    fn mantissa_and_exponent(self) -> (Self, Self);
    /// self · 2^n for whole n; `self` in [½, 2], the result normal.
    fn times_two_to(self, n: Self) -> Self;
    /// Transposes a block of N vectors: lane j of row i becomes lane i of row j.
    fn transpose(block: &mut [Self]);

    /// Loads all of `from`, at most N values; the remaining lanes are zero.
    #[inline(always)]
    fn load_part(from: &[f32]) -> Self {
        let mut lanes = [0.0f32; MAX_LANES];
        lanes[..from.len()].copy_from_slice(from);
        Self::load(&lanes)
    }
    /// Writes the first `to.len()` lanes, at most N.
    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        let mut lanes = [0.0f32; MAX_LANES];
        self.store(&mut lanes);
        to.copy_from_slice(&lanes[..to.len()]);
    }
}

/// Number of lanes of the widest type.
pub(super) const MAX_LANES: usize = 16;

/// Bits of √½. Subtracted from a float's bits, they leave in the exponent field the e of
/// [`Lanes::mantissa_and_exponent`].
pub(super) const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

macro_rules! wide_lanes {
    ($type:ty, $int:ty, $n:literal, $mr:literal, $transpose:path) => {
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
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                <$type>::fast_min(self, other)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                <$type>::mul_neg_add(self, b, c)
            }
            #[inline(always)]
            fn mantissa_and_exponent(self) -> (Self, Self) {
                let bits: $int = cast(self);
                let exponent: $int = (bits - <$int>::splat(SQRT_HALF_BITS)) >> 23;
                (cast(bits - (exponent << 23)), exponent.round_float())
            }
            #[inline(always)]
            fn times_two_to(self, n: Self) -> Self {
                let bits: $int = cast(self);
                cast(bits + (n.fast_round_int() << 23))
            }
            #[inline(always)]
            fn transpose(block: &mut [Self]) {
                let mut square = [<$type>::splat(0.0); $n];
                square.copy_from_slice(&block[..$n]);
                block[..$n].copy_from_slice(&$transpose(square));
            }
        }
    };
}

wide_lanes!(f32x4, i32x4, 4, 3, f32x4::transpose);
wide_lanes!(f32x8, i32x8, 8, 6, f32x8::transpose);
wide_lanes!(f32x16, i32x16, 16, 14, transpose_by_quarters);

// `f32x16::transpose` moves one value at a time; this moves whole vectors.
#[inline(always)]
fn transpose_by_quarters(square: [f32x16; 16]) -> [f32x16; 16] {
    let mut halves = [[f32x8::ZERO; 8]; 4]; // rows 0–7 left, right, rows 8–15 left, right
    for i in 0..8 {
        [halves[0][i], halves[1][i]] = cast(square[i]);
        [halves[2][i], halves[3][i]] = cast(square[8 + i]);
    }
    let quarters = halves.map(f32x8::transpose);
    let mut transposed = [f32x16::ZERO; 16];
    for i in 0..8 {
        transposed[i] = cast([quarters[0][i], quarters[2][i]]);
        transposed[8 + i] = cast([quarters[1][i], quarters[3][i]]);
    }
    transposed
}
