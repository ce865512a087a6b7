//! ln and exp of f32 vectors, accurate to about one unit in the last place.
//!
//! Both split off the power of two and evaluate a polynomial on the remainder (Moshier's Cephes,
//! `logf.c` and `expf.c`).

use super::{lanes::Lanes, levels::ROUND};

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

/// Coefficients of P, highest power first: eʳ = 1 + r + r²·P(r).
const EXP: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    5e-1,
];

/// Range of x in which eˣ and its intermediate results are normal floats. Outside it, x is clamped.
const EXP_BOUNDS: (f32, f32) = (-86.0, 88.7);

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

/// eˣ of every lane, with x clamped to −86..=88.7.
#[inline(always)]
pub(super) fn exp<L: Lanes>(x: L) -> L {
    // This order keeps a NaN.
    let x = L::splat(EXP_BOUNDS.1).min(L::splat(EXP_BOUNDS.0).max(x));
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    let shift = L::splat(ROUND);
    let n = x
        .mul_add(L::splat(std::f32::consts::LOG2_E), shift)
        .sub(shift);
    let r = n.neg_mul_add(L::splat(LN_2.0), x);
    let r = n.neg_mul_add(L::splat(LN_2.1), r);
    let value = polynomial(EXP, r).mul_add(r.mul(r), r.add(L::splat(1.0)));
    // In two steps, because e^88.7 needs 2^128, which is not a finite f32.
    let one = L::splat(1.0);
    value.times_two_to(n.sub(one)).mul(L::splat(2.0))
}

/// [`exp`] of every value.
#[inline(always)]
pub(super) fn exp_all<L: Lanes>(values: &mut [f32]) {
    let mut runs = values.chunks_exact_mut(L::N);
    for run in &mut runs {
        exp(L::load(run)).store(run);
    }
    let rest = runs.into_remainder();
    exp(L::load_part(rest)).store_part(rest);
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

    #[test]
    fn exp_is_right_up_to_its_bounds() {
        let x: Vec<f32> = (-86_000..=88_700).map(|i| i as f32 / 1e3).collect();
        let mut wanted = x.clone();
        reference::exp(&mut wanted);
        for table in every_instance() {
            let mut got = x.clone();
            (table.exp)(&mut got);
            for ((x, g), w) in x.iter().zip(got).zip(&wanted) {
                let name = table.name;
                assert!((g - w).abs() <= 1e-6 * w, "{name}: exp {x}: {g} not {w}");
            }
            let mut beyond = [-1e30, f32::NEG_INFINITY, 89.0, f32::INFINITY, f32::NAN, 0.0];
            (table.exp)(&mut beyond);
            assert!(beyond[..2].iter().all(|&y| y < 1e-37), "{}", table.name);
            assert!(beyond[2..4].iter().all(|&y| y > 3e38), "{}", table.name);
            assert!(beyond[4].is_nan() && beyond[5] == 1.0, "{}", table.name);
        }
    }

    #[test]
    fn every_length_is_covered() {
        for table in every_instance() {
            for len in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31] {
                let mut values = vec![0.0; len];
                (table.exp)(&mut values);
                assert_eq!(values, vec![1.0; len], "{}", table.name);
            }
        }
    }
}
