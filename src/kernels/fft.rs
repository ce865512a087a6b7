//! FFT of real samples, several frames at once, one per lane: N/2 rows of two samples in, the power
//! of N/2 bins out (without Nyquist).
//!
//! The samples are read as complex numbers, even ones real and odd ones imaginary; radix-4 passes
//! (and one of radix 2 where N/2 is no power of four) decimate in frequency, in place; the last
//! pass has bin k and its mirror N/2 − k in registers together and takes the two spectra apart:
//! X[k] = (Z[k] + Z*[N/2−k])/2 − i·e^(−2πik/N)·(Z[k] − Z*[N/2−k])/2.

use super::{lanes::Lanes, taper::Taper};
use std::f64::consts::TAU;

/// Real and imaginary part, of as many frames as there are lanes.
pub(super) type Complex<L> = [L; 2];

/// cos φ and sin φ of e^(−iφ).
type Turn = [f32; 2];

/// Tables of one size.
#[derive(Debug, Clone)]
pub(super) struct Fft {
    first: Vec<[Turn; 3]>, // (N/8,)
    passes: Vec<Pass>,
    /// Bins k + r·N/8, r from 0 to 3, come from the rows 4·fours[k]…
    fours: Vec<usize>, // (N/8,)
    apart: Vec<[Turn; 4]>, // (N/16 + 1,), by k and r
}

#[derive(Debug, Clone)]
enum Pass {
    Two(Vec<Turn>),
    Four(Vec<[Turn; 3]>),
}

impl Fft {
    /// The sizes that there are: powers of two from 32.
    pub(super) fn covers(size: usize) -> bool {
        size.is_power_of_two() && size >= 32
    }

    pub(super) fn new(size: usize) -> Self {
        let half = size / 2;
        let quarter = half / 4;
        let mut passes = vec![];
        let mut fours = vec![0, 1, 2, 3]; // of the first pass's four blocks
        let mut block = quarter;
        // `fours[k]`, at first: which block of the last pass so far holds the bins ≡ k modulo
        // their number.
        while block > 4 {
            let radix = if block == 8 { 2 } else { 4 };
            let next = block / radix;
            passes.push(match radix {
                2 => Pass::Two((0..next).map(|j| turn(j, block)).collect()),
                _ => Pass::Four(turns(block)),
            });
            fours = (0..fours.len() * radix)
                .map(|k| fours[k % fours.len()] * radix + k / fours.len())
                .collect();
            block = next;
        }
        let apart = (0..=quarter / 2)
            .map(|k| [0, 1, 2, 3].map(|r| turn(k + r * quarter, size)))
            .collect();
        Fft {
            first: turns(half),
            passes,
            fours,
            apart,
        }
    }

    /// `rows` (N/2,) hold the raw samples; -> `power` (N/2,), four times |FFT|² of the tapered.
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
                Pass::Two(turns) => pass_of_two(turns, rows),
                Pass::Four(turns) => pass_of_four(turns, rows),
            }
        }
        self.last_pass(rows, power);
    }

    #[inline(always)]
    fn last_pass<L: Lanes>(&self, rows: &[Complex<L>], power: &mut [L]) {
        let half = power.len();
        let quarter = half / 4;
        let (blocks, _) = rows.as_chunks::<4>();
        // Bins 0, N/8, N/4, 3N/8: the first is its own mirror, and the third.
        let z = butterfly(blocks[self.fours[0]]);
        let turns = &self.apart[0];
        power[0] = apart(z[0], z[0], &turns[0])[0];
        [power[quarter], power[3 * quarter]] = apart(z[1], z[3], &turns[1]);
        power[2 * quarter] = apart(z[2], z[2], &turns[2])[0];

        for k in 1..quarter / 2 {
            let z = butterfly(blocks[self.fours[k]]);
            let mirror = butterfly(blocks[self.fours[quarter - k]]);
            let turns = &self.apart[k];
            for r in 0..4 {
                let bin = k + r * quarter;
                [power[bin], power[half - bin]] = apart(z[r], mirror[3 - r], &turns[r]);
            }
        }

        let k = quarter / 2;
        let z = butterfly(blocks[self.fours[k]]);
        let turns = &self.apart[k];
        for r in 0..2 {
            let bin = k + r * quarter;
            [power[bin], power[half - bin]] = apart(z[r], z[3 - r], &turns[r]);
        }
    }
}

/// e^(−2πi·j/n).
fn turn(j: usize, n: usize) -> Turn {
    let phase = TAU * j as f64 / n as f64;
    [phase.cos() as f32, phase.sin() as f32]
}

/// Those of outputs 1 to 3 of a radix-4 pass over blocks of `block`.
fn turns(block: usize) -> Vec<[Turn; 3]> {
    (0..block / 4)
        .map(|j| [1, 2, 3].map(|r| turn(r * j, block)))
        .collect()
}

/// Tapers the raw samples, and the radix-4 pass over the whole. From the end, because tapering a
/// sample needs the raw one before it.
#[inline(always)]
fn first_pass<L: Lanes>(taper: &Taper<L>, turns: &[[Turn; 3]], rows: &mut [Complex<L>]) {
    let quarter = turns.len();
    // Raw samples before each quarter, which the pass overwrites before they are read. Kaldi puts
    // the first sample before itself.
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
        [a[j], b[j], c[j], d[j]] = turned(z, &turns[j]);
    }
}

#[inline(always)]
fn pass_of_four<L: Lanes>(turns: &[[Turn; 3]], rows: &mut [Complex<L>]) {
    let quarter = turns.len();
    for block in rows.chunks_exact_mut(4 * quarter) {
        let (low, high) = block.split_at_mut(2 * quarter);
        let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
        for ((((a, b), c), d), turns) in a.iter_mut().zip(b).zip(c).zip(d).zip(turns) {
            [*a, *b, *c, *d] = turned(butterfly([*a, *b, *c, *d]), turns);
        }
    }
}

#[inline(always)]
fn pass_of_two<L: Lanes>(turns: &[Turn], rows: &mut [Complex<L>]) {
    for block in rows.chunks_exact_mut(2 * turns.len()) {
        let (a, b) = block.split_at_mut(turns.len());
        for ((a, b), turn) in a.iter_mut().zip(b).zip(turns) {
            let difference = sub(*a, *b);
            *a = add(*a, *b);
            *b = rotate(difference, turn);
        }
    }
}

/// Transform of four: out[r] = Σ_i (−i)^(r·i) z[i].
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
fn turned<L: Lanes>(z: [Complex<L>; 4], turns: &[Turn; 3]) -> [Complex<L>; 4] {
    [
        z[0],
        rotate(z[1], &turns[0]),
        rotate(z[2], &turns[1]),
        rotate(z[3], &turns[2]),
    ]
}

/// z·(cos − i·sin).
#[inline(always)]
fn rotate<L: Lanes>([re, im]: Complex<L>, turn: &Turn) -> Complex<L> {
    let (cos, sin) = (L::splat(turn[0]), L::splat(turn[1]));
    [
        im.mul_add(sin, re.mul(cos)),
        re.neg_mul_add(sin, im.mul(cos)),
    ]
}

/// Bin k and its mirror of the complex transform -> four times the power of both bins of the real
/// one.
#[inline(always)]
fn apart<L: Lanes>(z: Complex<L>, mirror: Complex<L>, turn: &Turn) -> [L; 2] {
    let (cos, sin) = (L::splat(turn[0]), L::splat(turn[1]));
    let even = [z[0].add(mirror[0]), z[1].sub(mirror[1])];
    let odd = [z[0].sub(mirror[0]), z[1].add(mirror[1])];
    // odd·(−sin − i·cos), its imaginary part negated
    let turned = [
        odd[0].neg_mul_add(sin, odd[1].mul(cos)),
        odd[1].mul_add(sin, odd[0].mul(cos)),
    ];
    let bin = [even[0].add(turned[0]), even[1].sub(turned[1])];
    let mirrored = [even[0].sub(turned[0]), even[1].add(turned[1])];
    [square(bin), square(mirrored)]
}

#[inline(always)]
fn square<L: Lanes>([re, im]: Complex<L>) -> L {
    im.mul_add(im, re.mul(re))
}

#[inline(always)]
fn add<L: Lanes>(a: Complex<L>, b: Complex<L>) -> Complex<L> {
    [a[0].add(b[0]), a[1].add(b[1])]
}

#[inline(always)]
fn sub<L: Lanes>(a: Complex<L>, b: Complex<L>) -> Complex<L> {
    [a[0].sub(b[0]), a[1].sub(b[1])]
}
