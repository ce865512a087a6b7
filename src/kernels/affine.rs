//! The hot kernel: `(T, C_in) -> (T', C_out)`, y[t] = act(bias + Σ_k W_k x[t·s + k·d]).
//!
//! Conv1d by taps (each a run of C_in contiguous floats, so no im2col) and Linear (one tap). A tile
//! of `MR × (NV·N)` outputs stays in registers over all taps and inputs; activations are read in
//! place, weights from packed panels, bias and ReLU sit in the store.

use super::{lanes::Lanes, pack::Packed};

/// What one affine call does, apart from its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// s, input frames per output frame.
    pub stride: usize,
    /// d, input frames between taps.
    pub dilation: usize,
    /// max(·, 0) in the store.
    pub relu: bool,
}

/// Rows that stay in the second-level cache while the panels pass over them.
const ROW_BLOCK: usize = 300;

/// Widest tile of any instance.
const MAX_NR: usize = 32;

/// `x` (T, C_in) -> `y` (T', C_out), T' from `y`'s length; `x` must hold the last row's last tap.
#[inline(always)]
pub(super) fn affine<L: Lanes, const NV: usize>(
    x: &[f32],
    weights: &Packed,
    steps: Steps,
    y: &mut [f32],
) {
    let nr = NV * L::N;
    debug_assert_eq!(weights.nr, nr, "packed for another instance");
    let rows = y.len() / weights.c_out;
    let mut first = 0;
    while first < rows {
        let block = ROW_BLOCK.min(rows - first);
        let tiles = block.div_ceil(L::MR);
        for p in 0..weights.c_out.div_ceil(nr) {
            let (mut row, end) = (first, first + block);
            for tile_index in 0..tiles {
                // Balanced, so that no tile is left with one or two rows.
                let height = (end - row).div_ceil(tiles - tile_index);
                macro_rules! tiles_of {
                    ($($mr:literal)*) => {
                        match height {
                            $($mr if $mr <= L::MR => tile::<L, $mr, NV>(x, weights, steps, p, row, y),)*
                            _ => unreachable!(),
                        }
                    };
                }
                tiles_of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                row += height;
            }
        }
        first += block;
    }
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
    let (c_in, c_out) = (weights.c_in, weights.c_out);
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
            rows[r] = &x[(origin + r * steps.stride) * c_in..][..c_in];
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
    if steps.relu {
        for r in 0..MR {
            for v in 0..NV {
                // This order: where one side is NaN, `max` gives the second, and a NaN must show.
                acc[r][v] = L::splat(0.0).max(acc[r][v]);
            }
        }
    }
    let width = nr.min(c_out - p * nr);
    let y = &mut y[first * c_out..][..MR * c_out];
    if width == nr {
        for (out, acc) in y.chunks_exact_mut(c_out).zip(acc) {
            let out = &mut out[p * nr..][..nr];
            for v in 0..NV {
                acc[v].store(&mut out[v * L::N..]);
            }
        }
    } else {
        let mut whole = [[0.0f32; MAX_NR]; MR];
        for r in 0..MR {
            for v in 0..NV {
                acc[r][v].store(&mut whole[r][v * L::N..]);
            }
        }
        for (out, whole) in y.chunks_exact_mut(c_out).zip(whole) {
            out[p * nr..][..width].copy_from_slice(&whole[..width]);
        }
    }
}
