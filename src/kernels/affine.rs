//! The f32 kernel that computes Conv1d and Linear layers, where verification spends most of its
//! time: `(T, C_in) -> (T', C_out)`, y[t] = act(bias + Σ_k W_k x[t·s + k·d]).
//!
//! A Conv1d is computed tap by tap. Each tap reads C_in contiguous floats, so no im2col copy is
//! needed; a Linear has one tap. A tile of `MR × (NV·N)` outputs stays in registers over all taps
//! and inputs. Activations are read in place, weights from packed panels; a sum starts from the
//! bias, and ReLU is applied when it is stored.

use super::{lanes::Lanes, pack::Packed};
use std::ops::Range;

/// Options of one affine map, apart from its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// s, hop of the outputs in input frames.
    pub stride: usize,
    /// d, distance between taps in input frames.
    pub dilation: usize,
    /// Apply max(·, 0) when storing.
    pub relu: bool,
}

/// Rows per block, a multiple of every tile height: their activations stay in the L2 cache while
/// all panels pass over them.
pub(super) const ROW_BLOCK: usize = 308;

/// Largest number of outputs per panel of any instance.
pub(super) const MAX_NR: usize = 32;

/// Calls a tile with its number of rows as a constant: `by_rows!(rows, most, MR => tile::<MR>(…))`. No
/// instance has more rows than 14 in a tile.
macro_rules! by_rows {
    ($rows:expr, $most:expr, $mr:ident => $tile:expr) => {
        by_rows!($rows, $most, $mr => $tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    ($rows:expr, $most:expr, $mr:ident => $tile:expr; $($count:literal)+) => {
        match $rows {
            $($count if $count <= $most => {
                const $mr: usize = $count;
                $tile
            })+
            _ => unreachable!(),
        }
    };
}
pub(super) use by_rows;

/// Computes `y` (T', C_out) from `x` (T, C_in). T' follows from the length of `y`; `x` must reach
/// to the last tap of the last row. Rows start `in_stride` and `out_stride` values apart, and the
/// values of `y` between rows are left unchanged.
#[inline(always)]
pub(super) fn affine<L: Lanes, const NV: usize>(
    x: &[f32],
    weights: &Packed,
    steps: Steps,
    y: &mut [f32],
) {
    let nr = NV * L::N;
    debug_assert_eq!(weights.nr, nr, "packed for another instance");
    let rows = y.len().div_ceil(weights.out_stride);
    if rows == 1 {
        return one_row::<L, NV>(x, weights, steps, y);
    }
    for block in balanced(0..rows, ROW_BLOCK) {
        for p in 0..weights.c_out.div_ceil(nr) {
            for Range { start: row, end } in balanced(block.clone(), L::MR) {
                by_rows!(end - row, L::MR, MR => tile::<L, MR, NV>(x, weights, steps, p, row, y));
            }
        }
    }
}

/// Splits `rows` into pieces of at most `most` rows and nearly equal size, so that no tile is left
/// with only one or two rows.
pub(super) fn balanced(rows: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let pieces = rows.len().div_ceil(most);
    let mut row = rows.start;
    (0..pieces).map(move |index| {
        let start = row;
        row += (rows.end - start).div_ceil(pieces - index);
        start..row
    })
}

#[inline(always)]
fn tile<L: Lanes, const MR: usize, const NV: usize>(
    x: &[f32],
    weights: &Packed,
    steps: Steps,
    p: usize,
    first: usize,
    y: &mut [f32],
) {
    let nr = NV * L::N;
    let c_in = weights.c_in;
    let bias = &weights.bias()[p * nr..][..nr];
    let mut acc = [[L::splat(0.0); NV]; MR];
    for v in 0..NV {
        let b = L::load(&bias[v * L::N..]);
        for r in 0..MR {
            acc[r][v] = b;
        }
    }
    for (tap, panel) in weights.panel(p).chunks_exact(c_in * nr).enumerate() {
        let origin = first * steps.stride + tap * steps.dilation;
        let mut rows = [&x[..0]; MR];
        for r in 0..MR {
            rows[r] = &x[(origin + r * steps.stride) * weights.in_stride..][..c_in];
        }
        for (i, w) in panel.chunks_exact(nr).enumerate() {
            let mut wv = [L::splat(0.0); NV];
            for v in 0..NV {
                wv[v] = L::load(&w[v * L::N..]);
            }
            for r in 0..MR {
                let xv = L::splat(rows[r][i]);
                for v in 0..NV {
                    acc[r][v] = xv.mul_add(wv[v], acc[r][v]);
                }
            }
        }
    }
    store(acc, weights, steps, p, first, y);
}

/// A tile of one row has too few independent sums to hide the latency of the additions, so this
/// computes several panels side by side. Each output is the same sum in the same order as in a
/// tile.
#[inline(always)]
fn one_row<L: Lanes, const NV: usize>(x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32]) {
    let panels = weights.c_out.div_ceil(NV * L::N);
    let mut p = 0;
    while p < panels {
        macro_rules! panels_of {
            ($($np:literal)*) => {
                match (panels - p).min(if NV == 2 { 6 } else { 2 }) {
                    $($np => {
                        row_of_panels::<L, $np, NV>(x, weights, steps, p, y);
                        p += $np;
                    })*
                    _ => unreachable!(),
                }
            };
        }
        panels_of!(1 2 3 4 5 6);
    }
}

#[inline(always)]
fn row_of_panels<L: Lanes, const NP: usize, const NV: usize>(
    x: &[f32],
    weights: &Packed,
    steps: Steps,
    first: usize,
    y: &mut [f32],
) {
    let nr = NV * L::N;
    let c_in = weights.c_in;
    let mut acc = [[L::splat(0.0); NV]; NP];
    for p in 0..NP {
        for v in 0..NV {
            acc[p][v] = L::load(&weights.bias()[(first + p) * nr + v * L::N..]);
        }
    }
    for tap in 0..weights.taps {
        let row = &x[tap * steps.dilation * weights.in_stride..][..c_in];
        let mut panels = [&x[..0]; NP];
        for p in 0..NP {
            panels[p] = &weights.panel(first + p)[tap * c_in * nr..][..c_in * nr];
        }
        for (i, x) in row.iter().enumerate() {
            let xv = L::splat(*x);
            for p in 0..NP {
                let w = &panels[p][i * nr..][..nr];
                for v in 0..NV {
                    acc[p][v] = xv.mul_add(L::load(&w[v * L::N..]), acc[p][v]);
                }
            }
        }
    }
    for p in 0..NP {
        store([acc[p]], weights, steps, first + p, 0, y);
    }
}

/// Applies ReLU if requested, and stores rows `first..` of panel `p`.
#[inline(always)]
fn store<L: Lanes, const MR: usize, const NV: usize>(
    mut acc: [[L; NV]; MR],
    weights: &Packed,
    steps: Steps,
    p: usize,
    first: usize,
    y: &mut [f32],
) {
    let nr = NV * L::N;
    if steps.relu {
        for r in 0..MR {
            for v in 0..NV {
                // This order keeps a NaN: `max` returns its second operand where either is NaN.
                acc[r][v] = L::splat(0.0).max(acc[r][v]);
            }
        }
    }
    let width = nr.min(weights.c_out - p * nr);
    let y = &mut y[first * weights.out_stride + p * nr..];
    // Indexed loops: iterating over the rows spills the sums to memory, at a tenth of the speed.
    if width == nr {
        for r in 0..MR {
            let out = &mut y[r * weights.out_stride..][..nr];
            for v in 0..NV {
                acc[r][v].store(&mut out[v * L::N..]);
            }
        }
    } else {
        let mut whole = [[0.0f32; MAX_NR]; MR];
        for r in 0..MR {
            for v in 0..NV {
                acc[r][v].store(&mut whole[r][v * L::N..]);
            }
        }
        for r in 0..MR {
            y[r * weights.out_stride..][..width].copy_from_slice(&whole[r][..width]);
        }
    }
}
