//! Two more lane types for x86, and the instances of the kernels that use them: chosen at run time
//! by what the CPU reports. The only file with `unsafe`.
#![allow(unsafe_code)]

use super::{
    Table,
    affine::{self, Steps},
    lanes::Lanes,
    outer::{self, Outer},
    pack::Packed,
    scan::{self, Panel, Probes},
};
use std::arch::x86_64::*;

/// 8 lanes, AVX2 and FMA. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Avx2(__m256);

/// 16 lanes, AVX-512F. Made only inside the instances below.
#[derive(Clone, Copy)]
struct Avx512(__m512);

macro_rules! x86_lanes {
    ($type:ident, $n:literal, $mr:literal, $set1:ident, $loadu:ident, $storeu:ident, $add:ident, $fmadd:ident, $max:ident, $load_i8:ident) => {
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
            fn load_i8(from: &[i8]) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $load_i8(&from[..$n]) })
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
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $fmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: CPU as above.
                Self(unsafe { $max(self.0, other.0) })
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
    _mm256_fmadd_ps,
    _mm256_max_ps,
    widen_avx2
);
x86_lanes!(
    Avx512,
    16,
    14,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    widen_avx512
);

/// 8 values, or more.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn widen_avx2(from: &[i8]) -> __m256 {
    // SAFETY: `from` holds 8 values, checked by the caller; the load needs no alignment.
    let bytes = unsafe { _mm_loadl_epi64(from.as_ptr().cast()) };
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
}

/// 16 values, or more.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen_avx512(from: &[i8]) -> __m512 {
    // SAFETY: `from` holds 16 values, checked by the caller; the load needs no alignment.
    let bytes = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))
}

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

#[target_feature(enable = "avx2,fma")]
fn scan_avx2(panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32]) {
    scan::scan::<Avx2>(panel, probes, bounds, peaks);
}

#[target_feature(enable = "avx512f")]
fn scan_avx512(panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32]) {
    scan::scan::<Avx512>(panel, probes, bounds, peaks);
}

/// The AVX2 kernels, if the CPU has AVX2 and FMA.
pub(super) fn avx2() -> Option<Table> {
    let present = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    present.then_some(Table {
        name: "avx2",
        nr: 16,
        // SAFETY: the CPU has AVX2 and FMA, checked above; a table exists only then.
        affine: |x, weights, steps, y| unsafe { affine_avx2(x, weights, steps, y) },
        // SAFETY: as above.
        outer: |job, g| unsafe { outer_avx2(job, g) },
        // SAFETY: as above.
        scan: |panel, probes, bounds, peaks| unsafe { scan_avx2(panel, probes, bounds, peaks) },
    })
}

/// The AVX-512 kernels, if the CPU has AVX-512F.
pub(super) fn avx512() -> Option<Table> {
    is_x86_feature_detected!("avx512f").then_some(Table {
        name: "avx512",
        nr: 32,
        // SAFETY: the CPU has AVX-512F, checked above; a table exists only then.
        affine: |x, weights, steps, y| unsafe { affine_avx512(x, weights, steps, y) },
        // SAFETY: as above.
        outer: |job, g| unsafe { outer_avx512(job, g) },
        // SAFETY: as above.
        scan: |panel, probes, bounds, peaks| unsafe { scan_avx512(panel, probes, bounds, peaks) },
    })
}
