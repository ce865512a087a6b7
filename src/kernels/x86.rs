//! Two more lane types for x86, and the instances of the kernels that use them: chosen at run time
//! by what the CPU reports. The only file with `unsafe`.
#![allow(unsafe_code)]

use super::{
    Table,
    affine::{self, Steps},
    int8::{self, Int8, IntLanes, Output, Quantiser},
    lanes::Lanes,
    outer::{self, Outer},
    pack::Packed,
    pack_int8::PackedInt8,
};
use std::arch::x86_64::*;

/// 8 lanes, AVX2 and FMA. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Avx2(__m256);

/// 16 lanes, AVX-512F. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Avx512(__m512);

macro_rules! x86_lanes {
    ($type:ident, $n:literal, $mr:literal, $set1:ident, $loadu:ident, $storeu:ident, $add:ident, $mul:ident, $fmadd:ident, $max:ident, $min:ident) => {
        impl Lanes for $type {
            const N: usize = $n;
            const MR: usize = $mr;
            #[inline(always)]
            fn splat(v: f32) -> Self {
                // SAFETY: reached only from the instances below, whose callers checked the CPU.
                Self(unsafe { $set1(v) })
            }
            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let from = &from[..$n];
                // SAFETY: CPU as above; `from` holds $n values, and the load needs no alignment.
                Self(unsafe { $loadu(from.as_ptr()) })
            }
            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                let to = &mut to[..$n];
                // SAFETY: CPU as above; `to` holds $n values, and the store needs no alignment.
                unsafe { $storeu(to.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $fmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $min(self.0, other.0) })
            }
        }
    };
}

x86_lanes!(
    Avx2,
    8,
    6,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps
);
x86_lanes!(
    Avx512,
    16,
    14,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_min_ps
);

#[target_feature(enable = "avx2,fma")]
fn affine_avx2(x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32]) {
    affine::affine::<Avx2, 2>(x, weights, steps, y);
}

#[target_feature(enable = "avx512f")]
fn affine_avx512(x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32]) {
    affine::affine::<Avx512, 2>(x, weights, steps, y);
}

#[target_feature(enable = "avx2,fma")]
fn outer_avx2(job: Outer, g: &mut [f32]) {
    outer::outer::<Avx2, 2>(job, g);
}

#[target_feature(enable = "avx512f")]
fn outer_avx512(job: Outer, g: &mut [f32]) {
    outer::outer::<Avx512, 2>(job, g);
}

/// 8 lanes of pairs of i16, AVX2. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Pairs(__m256i);

/// 8 lanes of four bytes, AVX-VNNI. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Quads(__m256i);

/// 16 lanes of four bytes, AVX-512 VNNI. Made only inside the instances below.
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
                // SAFETY: reached only from the instances below, whose callers checked the CPU.
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
        // Each half twice, then the first of either.
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

macro_rules! int8_instances {
    ($lanes:ident, $features:literal, $quantise:ident, $affine:ident) => {
        #[target_feature(enable = $features)]
        fn $quantise(x: &[f32], quantiser: &Quantiser, y: &mut [i32]) {
            int8::quantise::<$lanes>(x, quantiser, y);
        }

        #[target_feature(enable = $features)]
        fn $affine<O: Output<$lanes>>(x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [O]) {
            int8::affine::<$lanes, 2, O>(x, weights, steps, y);
        }
    };
}

int8_instances!(Pairs, "avx2,fma", quantise_avx2, int8_avx2);
int8_instances!(Quads, "avx2,fma,avxvnni", quantise_avx_vnni, int8_avx_vnni);
int8_instances!(
    WideQuads,
    "avx512f,avx512vnni",
    quantise_avx512_vnni,
    int8_avx512_vnni
);

/// The AVX2 kernels, if the CPU has AVX2 and FMA; those in whole numbers by AVX-VNNI, if it has it.
pub(super) fn avx2() -> Option<Table> {
    let table = avx2_without_vnni()?;
    Some(Table {
        int8: avx_vnni().unwrap_or(table.int8),
        ..table
    })
}

/// As on a CPU without AVX-VNNI.
pub(super) fn avx2_without_vnni() -> Option<Table> {
    let present = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    present.then_some(Table {
        name: "avx2",
        nr: 16,
        // SAFETY: the CPU has AVX2 and FMA, checked above; a table exists only then.
        affine: |x, weights, steps, y| unsafe { affine_avx2(x, weights, steps, y) },
        // SAFETY: as above.
        outer: |job, g| unsafe { outer_avx2(job, g) },
        int8: Int8 {
            nr: 16,
            group: 2,
            // SAFETY: as above.
            quantise: |x, quantiser, y| unsafe { quantise_avx2(x, quantiser, y) },
            // SAFETY: as above.
            affine: |x, weights, steps, y| unsafe { int8_avx2(x, weights, steps, y) },
            // SAFETY: as above.
            affine_to_f32: |x, weights, steps, y| unsafe { int8_avx2(x, weights, steps, y) },
        },
    })
}

/// VNNI over AVX2 registers.
fn avx_vnni() -> Option<Int8> {
    let present = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("avxvnni");
    present.then_some(Int8 {
        nr: 16,
        group: 4,
        // SAFETY: the CPU has AVX2, FMA and AVX-VNNI, checked above.
        quantise: |x, quantiser, y| unsafe { quantise_avx_vnni(x, quantiser, y) },
        // SAFETY: as above.
        affine: |x, weights, steps, y| unsafe { int8_avx_vnni(x, weights, steps, y) },
        // SAFETY: as above.
        affine_to_f32: |x, weights, steps, y| unsafe { int8_avx_vnni(x, weights, steps, y) },
    })
}

/// VNNI over AVX-512 registers.
fn avx512_vnni() -> Option<Int8> {
    let present = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
    present.then_some(Int8 {
        nr: 32,
        group: 4,
        // SAFETY: the CPU has AVX-512F and AVX-512 VNNI, checked above.
        quantise: |x, quantiser, y| unsafe { quantise_avx512_vnni(x, quantiser, y) },
        // SAFETY: as above.
        affine: |x, weights, steps, y| unsafe { int8_avx512_vnni(x, weights, steps, y) },
        // SAFETY: as above.
        affine_to_f32: |x, weights, steps, y| unsafe { int8_avx512_vnni(x, weights, steps, y) },
    })
}

/// The AVX-512 kernels, if the CPU has AVX-512F; those in whole numbers by VNNI, if it has it, or
/// AVX2's.
pub(super) fn avx512() -> Option<Table> {
    let int8 = avx512_vnni().or(avx2().map(|table| table.int8))?;
    is_x86_feature_detected!("avx512f").then_some(Table {
        name: "avx512",
        nr: 32,
        // SAFETY: the CPU has AVX-512F, checked above; a table exists only then.
        affine: |x, weights, steps, y| unsafe { affine_avx512(x, weights, steps, y) },
        // SAFETY: as above.
        outer: |job, g| unsafe { outer_avx512(job, g) },
        int8,
    })
}
