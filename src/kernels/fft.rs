//! Power spectrum of real frames by FFT, several frames at once, one per SIMD lane. The input is
//! N/2 rows of two samples; the output is the power of the N/2 bins below half the sample rate
//! (Nyquist).
//!
//! Even samples become the real parts and odd samples the imaginary parts of a complex FFT of N/2
//! points. It is decimated in frequency, in place, in radix-4 passes, with one radix-2 pass where
//! N/2 is not a power of four. The last pass holds bin k and its mirror N/2 − k in registers
//! together and separates the two spectra:
//!
//! X[k] = (Z[k] + Z*[N/2−k])/2 − i·e^(−2πik/N)·(Z[k] − Z*[N/2−k])/2.

use super::{
    complex::{Complex, add, square, sub},
    lanes::Lanes,
    taper::Taper,
};
use std::f64::consts::TAU;

/// cos φ and sin φ of the factor e^(−iφ).
type Twiddle = [f32; 2];

/// Twiddle factors and output order for one FFT size.
#[derive(Debug, Clone)]
pub(super) struct Fft {
    first: Vec<[Twiddle; 3]>, // (N/8,)
    passes: Vec<Pass>,
    /// Where the last pass finds a bin: bins k + r·N/8, with r from 0 to 3, are computed from the
    /// four rows that start at 4·block_of_bin[k].
    block_of_bin: Vec<usize>, // (N/8,)
    separation: Vec<[Twiddle; 4]>, // (N/16 + 1,), by k and r
}

#[derive(Debug, Clone)]
enum Pass {
    Two(Vec<Twiddle>),
    Four(Vec<[Twiddle; 3]>),
}

impl Fft {
    /// Supported sizes: powers of two from 32.
    pub(super) fn covers(size: usize) -> bool {
        size.is_power_of_two() && size >= 32
    }

    pub(super) fn new(size: usize) -> Self {
        let half = size / 2;
        let quarter = half / 4;
        let mut passes = vec![];
        let mut block_of_bin = vec![0, 1, 2, 3]; // of the first pass's four blocks
        let mut block = quarter;
        // While the loop runs, `block_of_bin[k]` is the block of the latest pass that holds the
        // bins ≡ k modulo the number of blocks.
        while block > 4 {
            let radix = if block == 8 { 2 } else { 4 };
            let next = block / radix;
            passes.push(match radix {
                2 => Pass::Two((0..next).map(|j| twiddle(j, block)).collect()),
                _ => Pass::Four(twiddles(block)),
            });
            block_of_bin = (0..block_of_bin.len() * radix)
                .map(|k| block_of_bin[k % block_of_bin.len()] * radix + k / block_of_bin.len())
                .collect();
            block = next;
        }
        let separation = (0..=quarter / 2)
            .map(|k| [0, 1, 2, 3].map(|r| twiddle(k + r * quarter, size)))
            .collect();
        Fft {
            first: twiddles(half),
            passes,
            block_of_bin,
            separation,
        }
    }

    /// Tapers the raw samples in `rows` (N/2,) and writes 4·|FFT|² to `power` (N/2,). Overwrites
    /// `rows`.
    #[inline(always)]
    pub(super) fn power<L: Lanes>(
        &self,
        taper: &Taper<L>,
        rows: &mut [Complex<L>],
        power: &mut [L],
    ) {
        first_pass(taper, &self.first, rows);
        for pass in &self.passes {
            match pass {
                Pass::Two(twiddles) => pass_of_two(twiddles, rows),
                Pass::Four(twiddles) => pass_of_four(twiddles, rows),
            }
        }
        self.last_pass(rows, power);
    }

    #[inline(always)]
    fn last_pass<L: Lanes>(&self, rows: &[Complex<L>], power: &mut [L]) {
        let half = power.len();
        let quarter = half / 4;
        let (blocks, _) = rows.as_chunks::<4>();
        // Bins 0, N/8, N/4, 3N/8: bins 0 and N/4 are their own mirrors.
        let z = butterfly(blocks[self.block_of_bin[0]]);
        let twiddles = &self.separation[0];
        power[0] = separate(z[0], z[0], &twiddles[0])[0];
        [power[quarter], power[3 * quarter]] = separate(z[1], z[3], &twiddles[1]);
        power[2 * quarter] = separate(z[2], z[2], &twiddles[2])[0];

        for k in 1..quarter / 2 {
            let z = butterfly(blocks[self.block_of_bin[k]]);
            let mirror = butterfly(blocks[self.block_of_bin[quarter - k]]);
            let twiddles = &self.separation[k];
            for r in 0..4 {
                let bin = k + r * quarter;
                [power[bin], power[half - bin]] = separate(z[r], mirror[3 - r], &twiddles[r]);
            }
        }

        let k = quarter / 2;
        let z = butterfly(blocks[self.block_of_bin[k]]);
        let twiddles = &self.separation[k];
        for r in 0..2 {
            let bin = k + r * quarter;
            [power[bin], power[half - bin]] = separate(z[r], z[3 - r], &twiddles[r]);
        }
    }
}

/// e^(−2πi·j/n).
fn twiddle(j: usize, n: usize) -> Twiddle {
    let phase = TAU * j as f64 / n as f64;
    [phase.cos() as f32, phase.sin() as f32]
}

/// Twiddle factors for outputs 1 to 3 of a radix-4 pass over blocks of `block` rows.
fn twiddles(block: usize) -> Vec<[Twiddle; 3]> {
    (0..block / 4)
        .map(|j| [1, 2, 3].map(|r| twiddle(r * j, block)))
        .collect()
}

/// Tapers the raw samples and does the first radix-4 pass. Runs backwards, because tapering a
/// sample needs the raw sample before it.
#[inline(always)]
fn first_pass<L: Lanes>(taper: &Taper<L>, twiddles: &[[Twiddle; 3]], rows: &mut [Complex<L>]) {
    let quarter = twiddles.len();
    // The raw sample before each quarter, saved because the pass overwrites it before it is read.
    // As in Kaldi, the first sample is its own predecessor.
    let mut edges = [rows[0][0]; 4];
    for r in 1..4 {
        edges[r] = rows[r * quarter - 1][1];
    }
    let (low, high) = rows.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    let [a, b, c, d] = [a, b, c, d].map(|rows| &mut rows[..quarter]);
    for j in (0..quarter).rev() {
        let before = match j.checked_sub(1) {
            Some(i) => [a[i][1], b[i][1], c[i][1], d[i][1]],
            None => edges,
        };
        let z = butterfly([
            taper.apply(a[j], before[0], j),
            taper.apply(b[j], before[1], j + quarter),
            taper.apply(c[j], before[2], j + 2 * quarter),
            taper.apply(d[j], before[3], j + 3 * quarter),
        ]);
        [a[j], b[j], c[j], d[j]] = rotated(z, &twiddles[j]);
    }
}

#[inline(always)]
fn pass_of_four<L: Lanes>(twiddles: &[[Twiddle; 3]], rows: &mut [Complex<L>]) {
    let quarter = twiddles.len();
    for block in rows.chunks_exact_mut(4 * quarter) {
        let (low, high) = block.split_at_mut(2 * quarter);
        let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
        for ((((a, b), c), d), twiddles) in a.iter_mut().zip(b).zip(c).zip(d).zip(twiddles) {
            [*a, *b, *c, *d] = rotated(butterfly([*a, *b, *c, *d]), twiddles);
        }
    }
}

#[inline(always)]
fn pass_of_two<L: Lanes>(twiddles: &[Twiddle], rows: &mut [Complex<L>]) {
    for block in rows.chunks_exact_mut(2 * twiddles.len()) {
        let (a, b) = block.split_at_mut(twiddles.len());
        for ((a, b), twiddle) in a.iter_mut().zip(b).zip(twiddles) {
            let difference = sub(*a, *b);
            *a = add(*a, *b);
            *b = rotate(difference, twiddle);
        }
    }
}

/// DFT of four values: out[r] = Σ_i (−i)^(r·i) z[i].
#[inline(always)]
fn butterfly<L: Lanes>([a, b, c, d]: [Complex<L>; 4]) -> [Complex<L>; 4] {
    let (sum_ac, difference_ac) = (add(a, c), sub(a, c));
    let (sum_bd, [re, im]) = (add(b, d), sub(b, d));
    [
        add(sum_ac, sum_bd),
        [difference_ac[0].add(im), difference_ac[1].sub(re)],
        sub(sum_ac, sum_bd),
        [difference_ac[0].sub(im), difference_ac[1].add(re)],
    ]
}

#[inline(always)]
fn rotated<L: Lanes>(z: [Complex<L>; 4], twiddles: &[Twiddle; 3]) -> [Complex<L>; 4] {
    [
        z[0],
        rotate(z[1], &twiddles[0]),
        rotate(z[2], &twiddles[1]),
        rotate(z[3], &twiddles[2]),
    ]
}

/// z·(cos − i·sin).
#[inline(always)]
fn rotate<L: Lanes>([re, im]: Complex<L>, twiddle: &Twiddle) -> Complex<L> {
    let (cos, sin) = (L::splat(twiddle[0]), L::splat(twiddle[1]));
    [
        im.mul_add(sin, re.mul(cos)),
        re.neg_mul_add(sin, im.mul(cos)),
    ]
}

/// Computes four times the power of two bins of the real FFT, from bin k of the complex FFT and its
/// mirror.
#[inline(always)]
fn separate<L: Lanes>(z: Complex<L>, mirror: Complex<L>, twiddle: &Twiddle) -> [L; 2] {
    let (cos, sin) = (L::splat(twiddle[0]), L::splat(twiddle[1]));
    let even = [z[0].add(mirror[0]), z[1].sub(mirror[1])];
    let odd = [z[0].sub(mirror[0]), z[1].add(mirror[1])];
    // odd·(−sin − i·cos), its imaginary part negated
    let rotated = [
        odd[0].neg_mul_add(sin, odd[1].mul(cos)),
        odd[1].mul_add(sin, odd[0].mul(cos)),
    ];
    let bin = [even[0].add(rotated[0]), even[1].sub(rotated[1])];
    let mirrored = [even[0].sub(rotated[0]), even[1].add(rotated[1])];
    [square(bin), square(mirrored)]
}
