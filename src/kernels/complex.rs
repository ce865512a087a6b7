//! Complex numbers for the FFT, several at once, one per SIMD lane.

use super::lanes::Lanes;

/// Real and imaginary part, for as many frames as there are lanes.
pub(super) type Complex<L> = [L; 2];

#[inline(always)]
pub(super) fn square<L: Lanes>([re, im]: Complex<L>) -> L {
    im.mul_add(im, re.mul(re))
}

#[inline(always)]
pub(super) fn add<L: Lanes>(a: Complex<L>, b: Complex<L>) -> Complex<L> {
    [a[0].add(b[0]), a[1].add(b[1])]
}

#[inline(always)]
pub(super) fn sub<L: Lanes>(a: Complex<L>, b: Complex<L>) -> Complex<L> {
    [a[0].sub(b[0]), a[1].sub(b[1])]
}
