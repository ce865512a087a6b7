//! Upper bounds of the scores of many test recordings against a panel of enrolled speakers. The
//! search in a large store ([`crate::scoring::gallery`]) computes exact scores only where a bound
//! is high enough.
//!
//! A panel holds [`PANEL_ROWS`] speakers as 8-bit numbers, transposed, one speaker per SIMD lane,
//! so that no sum runs across lanes: `bound[q, r] = scale[r]·Σ_i w[q,i]·cell[i,r] + constant[r] +
//! norm[q]·residual[r]`. The search is limited by memory bandwidth, and 8-bit rows need a quarter
//! of that of f32.

use super::{
    affine::{balanced, by_rows},
    lanes::Lanes,
};
use std::ops::Range;

/// Rows in a panel.
pub const PANEL_ROWS: usize = 32;

/// One panel of enrolled speakers, L numbers each.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// `(L, PANEL_ROWS)`.
    pub cells: &'a [i8],
    /// `(PANEL_ROWS,)`: value of one unit of a cell.
    pub scale: &'a [f32],
    /// `(PANEL_ROWS,)`: added to every score of the row.
    pub constant: &'a [f32],
    /// `(PANEL_ROWS,)`: norm of the row's quantization error.
    pub residual: &'a [f32],
}

/// Test recordings to search with.
#[derive(Debug, Clone, Copy)]
pub struct Probes<'a> {
    /// w, `(Q, L)`.
    pub weights: &'a [f32],
    /// |w|, `(Q,)`.
    pub norms: &'a [f32],
}

/// Writes `bounds` (Q, PANEL_ROWS) and their maximum for each recording, `peaks` (Q,).
#[inline(always)]
pub(super) fn scan<V: Lanes>(panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32]) {
    for Range { start: first, end } in balanced(0..probes.norms.len(), V::MR) {
        by_rows!(end - first, V::MR, MR => tile::<V, MR>(panel, probes, first, bounds, peaks));
    }
}

#[inline(always)]
fn tile<V: Lanes, const MR: usize>(
    panel: Panel,
    probes: Probes,
    first: usize,
    bounds: &mut [f32],
    peaks: &mut [f32],
) {
    let size = panel.cells.len() / PANEL_ROWS;
    let norms = probes.norms;
    let mut rows = [&probes.weights[..0]; MR];
    for r in 0..MR {
        rows[r] = &probes.weights[(first + r) * size..][..size];
    }
    let mut peak = [V::splat(f32::NEG_INFINITY); MR];
    for start in (0..PANEL_ROWS).step_by(2 * V::N) {
        let mut acc = [[V::splat(0.0); 2]; MR];
        for (i, cells) in panel.cells.chunks_exact(PANEL_ROWS).enumerate() {
            let c = [
                V::load_i8(&cells[start..]),
                V::load_i8(&cells[start + V::N..]),
            ];
            for r in 0..MR {
                let w = V::splat(rows[r][i]);
                for v in 0..2 {
                    acc[r][v] = w.mul_add(c[v], acc[r][v]);
                }
            }
        }
        for v in 0..2 {
            let at = start + v * V::N;
            let scale = V::load(&panel.scale[at..]);
            let constant = V::load(&panel.constant[at..]);
            let residual = V::load(&panel.residual[at..]);
            for r in 0..MR {
                let rest = V::splat(norms[first + r]).mul_add(residual, constant);
                let bound = acc[r][v].mul_add(scale, rest);
                bound.store(&mut bounds[(first + r) * PANEL_ROWS + at..]);
                peak[r] = peak[r].max(bound);
            }
        }
    }
    for r in 0..MR {
        let mut lanes = [f32::NEG_INFINITY; 16];
        peak[r].store(&mut lanes);
        let mut width = V::N;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = lanes[i].max(lanes[i + width]);
            }
        }
        peaks[first + r] = lanes[0];
    }
}
