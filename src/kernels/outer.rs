//! Weight gradients of Conv1d and Linear layers in training: `g[i, o] += Σ_t x[t, i] · dy[t, o]`,
//! `(T, C_in), (T, C_out) -> (C_in, C_out)`.
//!
//! A tile of g stays in registers over all frames.

use super::{
    affine::{balanced, by_rows},
    lanes::Lanes,
};
use std::ops::Range;

/// Operands of one product. Rows of `x` are `x_step` floats apart, so that a tap of a Conv1d reads
/// its frames in place.
#[derive(Debug, Clone, Copy)]
pub struct Outer<'a> {
    /// Inputs of the first frame; frame t starts at t·x_step.
    pub x: &'a [f32],
    /// Floats from one frame of `x` to the next.
    pub x_step: usize,
    /// Range of the inputs i to compute, within each frame of `x`.
    pub inputs: (usize, usize),
    /// `(T, C_out)`.
    pub dy: &'a [f32],
    /// C_out.
    pub c_out: usize,
}

/// Adds the product to `g`, `(inputs, C_out)` row-major.
///
/// `x` and `dy` are first copied tile by tile. Read in place, rows whose distance is close to a
/// power of two would share few sets of the L1 cache and evict each other.
#[inline(always)]
pub(super) fn outer<L: Lanes, const NV: usize>(job: Outer, g: &mut [f32]) {
    let nr = NV * L::N;
    let frames = job.dy.len() / job.c_out;
    if frames == 0 {
        return;
    }
    let whole = job.c_out - job.c_out % nr;
    let mut panels = vec![0.0f32; frames * whole + 15]; // (panel, T, nr)
    let start = panels.as_ptr().align_offset(64).min(15);
    let panels = &mut panels[start..][..frames * whole];
    for (p, panel) in panels.chunks_exact_mut(frames * nr).enumerate() {
        for (to, dy) in panel
            .chunks_exact_mut(nr)
            .zip(job.dy.chunks_exact(job.c_out))
        {
            to.copy_from_slice(&dy[p * nr..][..nr]);
        }
    }
    let mut strip = vec![0.0f32; frames * L::MR]; // (T, MR)
    let inputs = job.inputs.1 - job.inputs.0;
    for Range { start: i, end } in balanced(0..inputs, L::MR) {
        by_rows!(end - i, L::MR, MR => rows::<L, MR, NV>(job, i, panels, &mut strip, g));
        for row in i..end {
            for col in whole..job.c_out {
                let mut sum = 0.0;
                for (t, dy) in job.dy.chunks_exact(job.c_out).enumerate() {
                    sum += job.x[t * job.x_step + job.inputs.0 + row] * dy[col];
                }
                g[row * job.c_out + col] += sum;
            }
        }
    }
}

/// Rows `i..i + MR` of `g` in the columns of all panels.
#[inline(always)]
fn rows<L: Lanes, const MR: usize, const NV: usize>(
    job: Outer,
    i: usize,
    panels: &[f32],
    strip: &mut [f32],
    g: &mut [f32],
) {
    let nr = NV * L::N;
    let frames = job.dy.len() / job.c_out;
    let strip = &mut strip[..frames * MR];
    for (t, to) in strip.chunks_exact_mut(MR).enumerate() {
        to.copy_from_slice(&job.x[t * job.x_step + job.inputs.0 + i..][..MR]);
    }
    for (p, panel) in panels.chunks_exact(frames * nr).enumerate() {
        let g = &mut g[i * job.c_out..];
        tile::<L, MR, NV>(strip, panel, p * nr, job.c_out, g);
    }
}

/// `(T, MR), (T, nr)` -> `MR` rows of `g`, from column `o` on.
#[inline(always)]
fn tile<L: Lanes, const MR: usize, const NV: usize>(
    strip: &[f32],
    panel: &[f32],
    o: usize,
    c_out: usize,
    g: &mut [f32],
) {
    let nr = NV * L::N;
    let mut acc = [[L::splat(0.0); NV]; MR];
    for (x, d) in strip.chunks_exact(MR).zip(panel.chunks_exact(nr)) {
        let mut dv = [L::splat(0.0); NV];
        for v in 0..NV {
            dv[v] = L::load(&d[v * L::N..]);
        }
        for r in 0..MR {
            let xv = L::splat(x[r]);
            for v in 0..NV {
                acc[r][v] = xv.mul_add(dv[v], acc[r][v]);
            }
        }
    }
    for (row, acc) in g.chunks_exact_mut(c_out).zip(acc) {
        let row = &mut row[o..][..nr];
        for v in 0..NV {
            let out = &mut row[v * L::N..];
            L::load(out).add(acc[v]).store(out);
        }
    }
}
