//! Upper bounds of scores against a panel of enrolled rows: one row per lane, many probes at once.
//!
//! A panel holds [`PANEL_ROWS`] rows as 8-bit numbers, transposed, so that neither one probe nor
//! fourteen need a sum across lanes: `bound[q, r] = scale[r]·Σ_i w[q,i]·cell[i,r] + constant[r] +
//! norm[q]·residual[r]`. 8-bit rows are a quarter of the memory traffic of f32, and one core waits
//! for memory here, not for its arithmetic.

use super::lanes::Lanes;

/// Rows in a panel.
pub const PANEL_ROWS: usize = 32;

/// Enrolled rows, L numbers each.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// `(L, PANEL_ROWS)`.
    pub cells: &'a [i8],
    /// `(PANEL_ROWS,)`: what a cell's unit is worth.
    pub scale: &'a [f32],
    /// `(PANEL_ROWS,)`: added to every score of the row.
    pub constant: &'a [f32],
    /// `(PANEL_ROWS,)`: length of what the 8 bits left out of the row.
    pub residual: &'a [f32],
}

/// Test recordings' sides of the scores.
#[derive(Debug, Clone, Copy)]
pub struct Probes<'a> {
    /// w, `(Q, L)`.
    pub weights: &'a [f32],
    /// |w|, `(Q,)`.
    pub norms: &'a [f32],
}

/// Writes `bounds` (Q, PANEL_ROWS) and the largest of each row of them, `peaks` (Q,).
#[inline(always)]
pub(super) fn scan<V: Lanes>(panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32]) {
    let norms = probes.norms;
    let tiles = norms.len().div_ceil(V::MR);
    let mut first = 0;
    for tile_index in 0..tiles {
        let height = (norms.len() - first).div_ceil(tiles - tile_index);
        macro_rules! tiles_of {
            ($($mr:literal)*) => {
                match height {
                    $($mr if $mr <= V::MR => tile::<V, $mr>(panel, probes, first, bounds, peaks),)*
                    _ => unreachable!(),
                }
            };
        }
        tiles_of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        first += height;
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
