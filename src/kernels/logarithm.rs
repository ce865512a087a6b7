//! ln of f32 vectors, accurate to about one unit in the last place.
//!
//! Splits off the power of two and evaluates a polynomial on the remainder (Moshier's Cephes, `logf.c`).

use super::lanes::Lanes;

/// ln 2 as a sum of two numbers. The first has so few digits that its integer multiples are exact.
const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);

/// Coefficients of P, highest power first: ln(1 + f) = f − f²/2 + f³·P(f).
const LN: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_9e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_8e-1,
    2.000_071_5e-1,
    -2.499_999_4e-1,
    3.333_333e-1,
];

/// ln of every lane; each must be positive, normal and finite.
#[inline(always)]
pub(super) fn ln<L: Lanes>(x: L) -> L {
    let (mantissa, exponent) = x.mantissa_and_exponent();
    let f = mantissa.sub(L::splat(1.0));
    let square = f.mul(f);
    let tail = exponent.mul_add(L::splat(LN_2.1), polynomial(LN, f).mul(f).mul(square));
    let tail = L::splat(0.5).neg_mul_add(square, tail);
    exponent.mul_add(L::splat(LN_2.0), f.add(tail))
}

/// [`ln`] of every value.
#[inline(always)]
pub(super) fn ln_all<L: Lanes>(values: &mut [f32]) {
    for run in values.chunks_mut(L::N) {
        ln(L::load_part(run)).store_part(run);
    }
}

#[inline(always)]
fn polynomial<L: Lanes, const D: usize>(coefficients: [f32; D], x: L) -> L {
    let mut sum = L::splat(coefficients[0]);
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, L::splat(*c));
    }
    sum
}

#[cfg(test)]
mod tests {
    use crate::kernels::{reference, tests::every_instance};

    /// Asserts that `got` and `wanted`, both for the same x, agree within a relative error of 1e-6.
    fn assert_close(x: &[f32], got: &[f32], wanted: &[f32], what: &str) {
        for ((x, g), w) in x.iter().zip(got).zip(wanted) {
            assert!((g - w).abs() <= 1e-6 * w.abs(), "{what} {x}: {g} not {w}");
        }
    }

    #[test]
    fn ln_is_right_over_all_normal_floats() {
        // Every exponent, with mantissas at odd steps; and the neighbourhood of 1, where ln is
        // small.
        let all = (0x0080_0000u32..0x7f80_0000).step_by(104_729);
        let near_1 = (0x3f7f_0000u32..0x3f81_0000).step_by(13);
        let x: Vec<f32> = all.chain(near_1).map(f32::from_bits).collect();
        let mut wanted = x.clone();
        reference::ln(&mut wanted);
        for table in every_instance() {
            let mut got = x.clone();
            (table.ln)(&mut got);
            assert_close(&x, &got, &wanted, &format!("{}: ln", table.name));
        }
    }

    #[test]
    fn every_length_is_covered() {
        for table in every_instance() {
            for len in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31] {
                let mut values = vec![1.0; len];
                (table.ln)(&mut values);
                assert_eq!(values, vec![0.0; len], "{}", table.name);
            }
        }
    }
}
