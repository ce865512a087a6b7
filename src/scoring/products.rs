//! Sums of products over two vectors, added in the same order on every CPU.

use wide::f32x16;

/// Σ w·(a∘b) in sixteen partial sums that are added pairwise. Multiplications and additions are
/// never fused, so the order and the bits are the same on every CPU. Written with vectors, because
/// the compiler turns a loop over lanes into shuffles.
#[inline(always)]
pub(super) fn weighted_dot(w: &[f32], a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (w, w_rest) = w.as_chunks::<LANES>();
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = f32x16::ZERO;
    for ((&w, &a), &b) in w.iter().zip(a).zip(b) {
        sums += f32x16::new(w) * (f32x16::new(a) * f32x16::new(b));
    }
    let mut sums = sums.to_array();
    for (lane, ((w, a), b)) in w_rest.iter().zip(a_rest).zip(b_rest).enumerate() {
        sums[lane] += w * (a * b);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Σ a·b in sixteen sums, in the same order on every CPU. A single sum would wait for each
/// addition, and building an index projects a quarter of a million speakers.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, rest_a) = a.as_chunks::<16>();
    let (b, rest_b) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}
