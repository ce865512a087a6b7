//! Vector types for AVX2 and AVX-512, and the kernels compiled for them, chosen at run time by what
//! the CPU reports. The only file with `unsafe`.
#![allow(unsafe_code)]

use super::{
    affine::{self, Steps},
    columns,
    instance::Table,
    int8::{self, Int8, IntLanes, Quantiser},
    lanes::{Lanes, SQRT_HALF_BITS},
    logarithm,
    mfcc::{self, MfccPlan},
    outer::{self, Outer},
    pack::Packed,
    pack_int8::PackedInt8,
    peak,
    scan::{self, Panel, Probes},
    winograd::{self, Bins, OUTPUTS, POINTS},
};
use std::arch::x86_64::*;

/// 8 lanes; needs AVX2 and FMA. Created only in the instances below.
#[derive(Clone, Copy)]
struct Avx2(__m256);

/// 16 lanes; needs AVX-512F. Created only in the instances below.
#[derive(Clone, Copy)]
struct Avx512(__m512);

macro_rules! x86_lanes {
    ($type:ident, $n:literal, $mr:literal, $ops:ident) => {
        impl Lanes for $type {
            const N: usize = $n;
            const MR: usize = $mr;
            #[inline(always)]
            fn splat(v: f32) -> Self {
                // SAFETY: called only by the instances below, whose callers checked the CPU.
                Self(unsafe { $ops::set1(v) })
            }
            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let from = &from[..$n];
                // SAFETY: CPU as above; `from` holds $n values, and the load needs no alignment.
                Self(unsafe { $ops::loadu(from.as_ptr()) })
            }
            #[inline(always)]
            fn load_i8(from: &[i8]) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::widen(&from[..$n]) })
            }
            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                let to = &mut to[..$n];
                // SAFETY: CPU as above; `to` holds $n values, and the store needs no alignment.
                unsafe { $ops::storeu(to.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::add(self.0, other.0) })
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::fmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::max(self.0, other.0) })
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::min(self.0, other.0) })
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::sub(self.0, other.0) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::mul(self.0, other.0) })
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::div(self.0, other.0) })
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::sqrt(self.0) })
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $ops::fnmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn mantissa_and_exponent(self) -> (Self, Self) {
                // SAFETY: CPU as above.
                unsafe {
                    let bits = $ops::bits(self.0);
                    let scaled = $ops::sub_int(bits, $ops::set1_int(SQRT_HALF_BITS));
                    let exponent = $ops::shift_right::<23>(scaled);
                    let mantissa = $ops::sub_int(bits, $ops::shift_left::<23>(exponent));
                    (Self($ops::of_bits(mantissa)), Self($ops::of_int(exponent)))
                }
            }
            #[inline(always)]
            fn times_two_to(self, n: Self) -> Self {
                // SAFETY: CPU as above.
                unsafe {
                    let n = $ops::shift_left::<23>($ops::to_int(n.0));
                    Self($ops::of_bits($ops::add_int($ops::bits(self.0), n)))
                }
            }
            #[inline(always)]
            fn transpose(block: &mut [Self]) {
                let block: &mut [Self; $n] = (&mut block[..$n]).try_into().expect("N rows");
                // SAFETY: CPU as above.
                unsafe { $ops::transpose(block) }
            }
        }
    };
}

/// AVX2 and FMA intrinsics under the names that `x86_lanes!` uses.
mod ymm {
    use crate::kernels::x86::Avx2;
    pub(super) use crate::kernels::x86::widen_avx2 as widen;
    pub use std::arch::x86_64::{
        _mm256_add_epi32 as add_int, _mm256_add_ps as add, _mm256_castps_si256 as bits,
        _mm256_castsi256_ps as of_bits, _mm256_cvtepi32_ps as of_int, _mm256_cvtps_epi32 as to_int,
        _mm256_div_ps as div, _mm256_fmadd_ps as fmadd, _mm256_fnmadd_ps as fnmadd,
        _mm256_loadu_ps as loadu, _mm256_max_ps as max, _mm256_min_ps as min, _mm256_mul_ps as mul,
        _mm256_set1_epi32 as set1_int, _mm256_set1_ps as set1, _mm256_slli_epi32 as shift_left,
        _mm256_sqrt_ps as sqrt, _mm256_srai_epi32 as shift_right, _mm256_storeu_ps as storeu,
        _mm256_sub_epi32 as sub_int, _mm256_sub_ps as sub,
    };
    use std::arch::x86_64::{
        _mm256_permute2f128_ps as halves, _mm256_shuffle_ps as pairs,
        _mm256_unpackhi_ps as interleave_high, _mm256_unpacklo_ps as interleave_low,
    };

    /// 8 × 8: swaps single lanes, then pairs, then halves.
    ///
    /// # Safety
    /// The CPU has AVX2.
    #[inline(always)]
    pub unsafe fn transpose(block: &mut [Avx2; 8]) {
        // SAFETY: the caller guarantees AVX2.
        unsafe {
            let mut singles = [block[0].0; 8];
            for i in [0, 2, 4, 6] {
                singles[i] = interleave_low(block[i].0, block[i + 1].0);
                singles[i + 1] = interleave_high(block[i].0, block[i + 1].0);
            }
            let mut quads = [block[0].0; 8];
            for i in [0, 4] {
                quads[i] = pairs::<0x44>(singles[i], singles[i + 2]);
                quads[i + 1] = pairs::<0xEE>(singles[i], singles[i + 2]);
                quads[i + 2] = pairs::<0x44>(singles[i + 1], singles[i + 3]);
                quads[i + 3] = pairs::<0xEE>(singles[i + 1], singles[i + 3]);
            }
            for i in 0..4 {
                block[i].0 = halves::<0x20>(quads[i], quads[i + 4]);
                block[i + 4].0 = halves::<0x31>(quads[i], quads[i + 4]);
            }
        }
    }
}

/// AVX-512F intrinsics under the names that `x86_lanes!` uses.
mod zmm {
    use crate::kernels::x86::Avx512;
    pub(super) use crate::kernels::x86::widen_avx512 as widen;
    pub use std::arch::x86_64::{
        _mm512_add_epi32 as add_int, _mm512_add_ps as add, _mm512_castps_si512 as bits,
        _mm512_castsi512_ps as of_bits, _mm512_cvtepi32_ps as of_int, _mm512_cvtps_epi32 as to_int,
        _mm512_div_ps as div, _mm512_fmadd_ps as fmadd, _mm512_fnmadd_ps as fnmadd,
        _mm512_loadu_ps as loadu, _mm512_max_ps as max, _mm512_min_ps as min, _mm512_mul_ps as mul,
        _mm512_set1_epi32 as set1_int, _mm512_set1_ps as set1, _mm512_slli_epi32 as shift_left,
        _mm512_sqrt_ps as sqrt, _mm512_srai_epi32 as shift_right, _mm512_storeu_ps as storeu,
        _mm512_sub_epi32 as sub_int, _mm512_sub_ps as sub,
    };
    use std::arch::x86_64::{
        _mm512_shuffle_f32x4 as quarters, _mm512_shuffle_ps as pairs,
        _mm512_unpackhi_ps as interleave_high, _mm512_unpacklo_ps as interleave_low,
    };

    /// 16 × 16: swaps single lanes, then pairs, quads and halves.
    ///
    /// # Safety
    /// The CPU has AVX-512F.
    #[inline(always)]
    pub unsafe fn transpose(block: &mut [Avx512; 16]) {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe {
            let mut singles = [block[0].0; 16];
            for i in [0, 2, 4, 6, 8, 10, 12, 14] {
                singles[i] = interleave_low(block[i].0, block[i + 1].0);
                singles[i + 1] = interleave_high(block[i].0, block[i + 1].0);
            }
            // Row 4g + j: columns j, 4 + j, 8 + j, 12 + j of rows 4g to 4g + 3.
            let mut quads = [block[0].0; 16];
            for i in [0, 4, 8, 12] {
                quads[i] = pairs::<0x44>(singles[i], singles[i + 2]);
                quads[i + 1] = pairs::<0xEE>(singles[i], singles[i + 2]);
                quads[i + 2] = pairs::<0x44>(singles[i + 1], singles[i + 3]);
                quads[i + 3] = pairs::<0xEE>(singles[i + 1], singles[i + 3]);
            }
            for j in 0..4 {
                // Columns j and 8 + j (even), 4 + j and 12 + j (odd), of the upper and lower rows.
                let upper_even = quarters::<0x88>(quads[j], quads[4 + j]);
                let upper_odd = quarters::<0xDD>(quads[j], quads[4 + j]);
                let lower_even = quarters::<0x88>(quads[8 + j], quads[12 + j]);
                let lower_odd = quarters::<0xDD>(quads[8 + j], quads[12 + j]);
                block[j].0 = quarters::<0x88>(upper_even, lower_even);
                block[4 + j].0 = quarters::<0x88>(upper_odd, lower_odd);
                block[8 + j].0 = quarters::<0xDD>(upper_even, lower_even);
                block[12 + j].0 = quarters::<0xDD>(upper_odd, lower_odd);
            }
        }
    }
}

x86_lanes!(Avx2, 8, 6, ymm);
x86_lanes!(Avx512, 16, 14, zmm);

/// Widens the first 8 values; `from` may hold more.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn widen_avx2(from: &[i8]) -> __m256 {
    // SAFETY: `from` holds 8 values, checked by the caller; the load needs no alignment.
    let bytes = unsafe { _mm_loadl_epi64(from.as_ptr().cast()) };
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
}

/// Widens the first 16 values; `from` may hold more.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen_avx512(from: &[i8]) -> __m512 {
    // SAFETY: `from` holds 16 values, checked by the caller; the load needs no alignment.
    let bytes = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))
}

/// A kernel compiled for CPU features, as a safe function pointer. Named: the function that is compiled,
/// the kernel that it calls, the arguments that it passes on.
macro_rules! compiled {
    ($features:literal, $name:ident, $kernel:path, ($($arg:ident: $type:ty),+) $(-> $output:ty)?) => {{
        #[target_feature(enable = $features)]
        fn $name($($arg: $type),+) $(-> $output)? {
            $kernel($($arg),+)
        }
        // SAFETY: only the tables below hold it, and those are made only where the CPU has the features.
        |$($arg),+| unsafe { $name($($arg),+) }
    }};
}

/// A function that makes the table of the f32 kernels for some CPU features, with given int8 kernels. `$scan`
/// is the vector type of the search.
macro_rules! instance {
    ($table:ident, $name:literal, $features:literal, $lanes:ident, $nr:literal, $scan:ident) => {
        /// The CPU must have the features.
        fn $table(int8: Int8) -> Table {
            Table {
                name: $name,
                nr: $nr,
                affine: compiled!($features, affine, affine::affine::<$lanes, 2>,
                    (x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32])),
                outer: compiled!($features, outer, outer::outer::<$lanes, 2>, (job: Outer, g: &mut [f32])),
                lanes: <$lanes as Lanes>::N,
                peak: compiled!($features, peak, peak::peak::<$lanes>, (rounds: usize) -> f32),
                scan: compiled!($features, scan, scan::scan::<$scan>,
                    (panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32])),
                mfcc: compiled!($features, mfcc, mfcc::mfcc::<$lanes>,
                    (plan: &MfccPlan, frames: &[&[f32]], out: &mut [f32])),
                exp: compiled!($features, exp, logarithm::exp_all::<$lanes>, (values: &mut [f32])),
                means: compiled!($features, means, columns::means::<$lanes>, (x: &[f32], out: &mut [f32])),
                variances: compiled!($features, variances, columns::variances::<$lanes>,
                    (x: &[f32], means: &[f32], out: &mut [f32])),
                winograd_inputs: compiled!($features, winograd_inputs, winograd::inputs::<$lanes>,
                    (x: &[f32], bins: Bins<POINTS>, sums: &mut [f32])),
                winograd_outputs: compiled!($features, winograd_outputs, winograd::outputs::<$lanes>,
                    (products: &[f32], bias: &[f32], relu: bool, bins: Bins<OUTPUTS>, y: &mut [f32])),
                int8,
            }
        }
    };
}

instance!(avx2_table, "avx2", "avx2,fma", Avx2, 16, Avx2);
// The search uses vectors of 8 values here too: with 16 it takes twice as long on AMD's Zen 4.
instance!(avx512_table, "avx512", "avx512f", Avx512, 32, Avx2);

/// 8 lanes of two i16 each; AVX2. Created only in the instances below.
#[derive(Clone, Copy)]
struct Pairs(__m256i);

/// 8 lanes of four bytes each; AVX-VNNI. Created only in the instances below.
#[derive(Clone, Copy)]
struct Quads(__m256i);

/// 16 lanes of four bytes each; AVX-512 VNNI. Created only in the instances below.
#[derive(Clone, Copy)]
struct WideQuads(__m512i);

macro_rules! x86_int_lanes {
    ($type:ident, $floats:ident, $n:literal, $group:literal, $set1:ident, $loadu:ident, $to_f32:ident,
     |$sum:ident, $x:ident, $w:ident| $dot:expr, |$bits:ident, $to:ident| $pack:expr) => {
        impl IntLanes for $type {
            type Floats = $floats;
            const GROUP: usize = $group;
            #[inline(always)]
            fn splat(word: i32) -> Self {
                // SAFETY: called only by the instances below, whose callers checked the CPU.
                Self(unsafe { $set1(word) })
            }
            #[inline(always)]
            fn load(from: &[i32]) -> Self {
                let from = &from[..$n];
                // SAFETY: CPU as above; `from` holds $n values, and the load needs no alignment.
                Self(unsafe { $loadu(from.as_ptr().cast()) })
            }
            #[inline(always)]
            fn dot(self, x: Self, w: Self) -> Self {
                let ($sum, $x, $w) = (self.0, x.0, w.0);
                // SAFETY: CPU as above.
                Self(unsafe { $dot })
            }
            #[inline(always)]
            fn to_f32(self) -> $floats {
                // SAFETY: CPU as above.
                $floats(unsafe { $to_f32(self.0) })
            }
            #[inline(always)]
            fn pack_low_bytes(floats: $floats, to: &mut [i32]) {
                let to = &mut to[..$n / $group];
                let ($bits, $to) = (floats.0, to.as_mut_ptr());
                // SAFETY: CPU as above; `to` holds the $n / $group words that are stored.
                unsafe { $pack }
            }
        }
    };
}

x86_int_lanes!(
    Pairs,
    Avx2,
    8,
    2,
    _mm256_set1_epi32,
    _mm256_loadu_si256,
    _mm256_cvtepi32_ps,
    |sum, x, w| _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)),
    |bits, to| {
        let bytes = _mm256_and_si256(_mm256_castps_si256(bits), _mm256_set1_epi32(0xFF));
        // Packing gives each half twice; keep the first copy of each.
        let pairs = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(bytes, bytes));
        _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(pairs));
    }
);
x86_int_lanes!(
    Quads,
    Avx2,
    8,
    4,
    _mm256_set1_epi32,
    _mm256_loadu_si256,
    _mm256_cvtepi32_ps,
    |sum, x, w| _mm256_dpbusd_avx_epi32(sum, x, w),
    |bits, to| {
        let bytes = _mm256_and_si256(_mm256_castps_si256(bits), _mm256_set1_epi32(0xFF));
        let pairs = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(bytes, bytes));
        let pairs = _mm256_castsi256_si128(pairs);
        _mm_storel_epi64(to.cast(), _mm_packus_epi16(pairs, pairs));
    }
);
x86_int_lanes!(
    WideQuads,
    Avx512,
    16,
    4,
    _mm512_set1_epi32,
    _mm512_loadu_si512,
    _mm512_cvtepi32_ps,
    |sum, x, w| _mm512_dpbusd_epi32(sum, x, w),
    |bits, to| _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_castps_si512(bits)))
);

/// A function that makes the int8 kernels for some CPU features.
macro_rules! int8_instance {
    ($kernels:ident, $features:literal, $lanes:ident, $nr:literal) => {
        /// The CPU must have the features.
        fn $kernels() -> Int8 {
            Int8 {
                nr: $nr,
                group: $lanes::GROUP,
                quantise: compiled!($features, quantise, int8::quantise::<$lanes>,
                    (x: &[f32], quantiser: &Quantiser, y: &mut [i32], stride: usize)),
                affine: compiled!($features, affine, int8::affine::<$lanes, 2, i32>,
                    (x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [i32])),
                affine_to_f32: compiled!($features, affine_to_f32, int8::affine::<$lanes, 2, f32>,
                    (x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [f32])),
            }
        }
    };
}

int8_instance!(int8_avx2, "avx2,fma", Pairs, 16);
int8_instance!(int8_avx_vnni, "avx2,fma,avxvnni", Quads, 16);
int8_instance!(int8_avx512_vnni, "avx512f,avx512vnni", WideQuads, 32);

/// The AVX2 kernels, if the CPU has AVX2 and FMA. Their int8 kernels use AVX-VNNI where available.
pub(super) fn avx2() -> Option<Table> {
    let table = avx2_without_vnni()?;
    Some(match is_x86_feature_detected!("avxvnni") {
        true => avx2_table(int8_avx_vnni()),
        false => table,
    })
}

/// The AVX2 kernels without AVX-VNNI.
pub(super) fn avx2_without_vnni() -> Option<Table> {
    let present = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    present.then(|| avx2_table(int8_avx2()))
}

/// The AVX-512 kernels, if the CPU has AVX-512F. Their int8 kernels use AVX-512 VNNI where
/// available, otherwise those of AVX2.
pub(super) fn avx512() -> Option<Table> {
    let int8 = match is_x86_feature_detected!("avx512vnni") {
        true => int8_avx512_vnni(),
        false => avx2()?.int8,
    };
    is_x86_feature_detected!("avx512f").then(|| avx512_table(int8))
}
