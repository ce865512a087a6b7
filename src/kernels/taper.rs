//! Tapers raw samples for the FFT: subtracts the mean, applies pre-emphasis and the window. Several
//! frames at once, one per SIMD lane.

use super::{complex::Complex, lanes::Lanes};

/// The taper of as many frames as there are lanes.
pub(super) struct Taper<'a, L> {
    /// Mean of each frame, or zeros.
    mean: L,
    preemph_coeff: L,
    /// Two factors per row, for two samples; zero past the frame.
    window: &'a [[f32; 2]],
}

impl<'a, L: Lanes> Taper<'a, L> {
    #[inline(always)]
    pub(super) fn new(mean: L, preemph_coeff: f32, window: &'a [[f32; 2]]) -> Self {
        Taper {
            mean,
            preemph_coeff: L::splat(preemph_coeff),
            window,
        }
    }

    /// Tapers row `i` of the raw samples; `previous` is the sample before it.
    #[inline(always)]
    pub(super) fn apply(&self, raw: Complex<L>, previous: L, i: usize) -> Complex<L> {
        let Some(window) = self.window.get(i) else {
            return [L::splat(0.0); 2]; // padding
        };
        let previous = previous.sub(self.mean);
        let [first, second] = [raw[0].sub(self.mean), raw[1].sub(self.mean)];
        [
            previous
                .neg_mul_add(self.preemph_coeff, first)
                .mul(L::splat(window[0])),
            first
                .neg_mul_add(self.preemph_coeff, second)
                .mul(L::splat(window[1])),
        ]
    }

    /// Σ (x − mean)² over the first `length` samples of `rows`, before pre-emphasis and window.
    #[inline(always)]
    pub(super) fn raw_energy(&self, rows: &[Complex<L>], length: usize) -> L {
        let mut sums = [L::splat(0.0); 4];
        for (i, sample) in rows.as_flattened()[..length].iter().enumerate() {
            let centred = sample.sub(self.mean);
            sums[i % 4] = centred.mul_add(centred, sums[i % 4]);
        }
        sums[0].add(sums[1]).add(sums[2].add(sums[3]))
    }

    /// Sum of squares of the tapered samples.
    #[inline(always)]
    pub(super) fn tapered_energy(&self, rows: &[Complex<L>]) -> L {
        let mut sums = [L::splat(0.0); 2];
        let mut previous = rows[0][0];
        for (i, raw) in rows[..self.window.len()].iter().enumerate() {
            let tapered = self.apply(*raw, previous, i);
            for part in 0..2 {
                sums[part] = tapered[part].mul_add(tapered[part], sums[part]);
            }
            previous = raw[1];
        }
        sums[0].add(sums[1])
    }
}
