//! Weight gradients: `g[i, o] += Σ_t x[t, i] · dy[t, o]`, `(T, C_in), (T, C_out) -> (C_in, C_out)`.
//!
//! A tile of g stays in registers over the frames; x and dy are read in place.

use super::lanes::Lanes;

/// One product of two frame sequences. Rows of `x` are `x_step` floats apart, so that a Conv1d's
/// tap reads its frames in place.
#[derive(Debug, Clone, Copy)]
pub struct Outer<'a> {
    /// First frame's inputs; frame t starts at t·x_step.
    pub x: &'a [f32],
    /// Floats from one frame of x to the next.
    pub x_step: usize,
    /// Inputs i of this call: a range of each frame of x.
    pub inputs: (usize, usize),
    /// `(T, C_out)`.
    pub dy: &'a [f32],
    /// C_out.
    pub c_out: usize,
}

/// Adds the product to `g`, `(inputs, C_out)` row-major.
#[inline(always)]
pub(super) fn outer<L: Lanes, const NV: usize>(job: Outer, g: &mut [f32]) {
    let nr = NV * L::N;
    let inputs = job.inputs.1 - job.inputs.0;
    let tiles = inputs.div_ceil(L::MR);
    let mut i = 0;
    for tile_index in 0..tiles {
        let height = (inputs - i).div_ceil(tiles - tile_index);
        let mut o = 0;
        while o + nr <= job.c_out {
            macro_rules! tiles_of {
                ($($mr:literal)*) => {
                    match height {
                        $($mr if $mr <= L::MR => tile::<L, $mr, NV>(job, i, o, g),)*
                        _ => unreachable!(),
                    }
                };
            }
            tiles_of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            o += nr;
        }
        for row in i..i + height {
            for col in o..job.c_out {
                let mut sum = 0.0;
                for (t, dy) in job.dy.chunks_exact(job.c_out).enumerate() {
                    sum += job.x[t * job.x_step + job.inputs.0 + row] * dy[col];
                }
                g[row * job.c_out + col] += sum;
            }
        }
        i += height;
    }
}

#[inline(always)]
fn tile<L: Lanes, const MR: usize, const NV: usize>(job: Outer, i: usize, o: usize, g: &mut [f32]) {
    let nr = NV * L::N;
    let mut acc = [[L::splat(0.0); NV]; MR];
    for (t, dy) in job.dy.chunks_exact(job.c_out).enumerate() {
        let x = &job.x[t * job.x_step + job.inputs.0 + i..][..MR];
        let d = &dy[o..][..nr];
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
    for (row, acc) in g[i * job.c_out..].chunks_exact_mut(job.c_out).zip(acc) {
        let row = &mut row[o..][..nr];
        for v in 0..NV {
            let out = &mut row[v * L::N..];
            L::load(out).add(acc[v]).store(out);
        }
    }
}
