//! Conv1d and Linear in training: the forward pass, and the gradients of weights, bias and inputs.
//! All products run on the project's kernels, in parallel over utterances, row blocks or weight tiles.

use super::batch::Batch;
use crate::{
    kernels::{self, Outer, Packed, Steps},
    network::{Affine, padded},
};
use rayon::prelude::*;

/// Gradients of one affine map, in PyTorch's layout.
pub struct AffineGradients {
    /// `(C_out, C_in, K)`.
    pub weight: Vec<f32>,
    /// `(C_out,)`.
    pub bias: Vec<f32>,
}

/// How many input channels a task computes the weight gradient for: seven tiles of the instance
/// with the largest tiles. The tiles of a task share one copy of dy.
const INPUTS_PER_TASK: usize = 98;

/// For a map of one tap: each row of the output is computed from one row of the input.
pub(super) const ROW_BY_ROW: Steps = Steps {
    stride: 1,
    dilation: 1,
    relu: false,
};

impl Affine {
    /// Whether each output frame depends on a single input frame, and no frame is left out. Then all
    /// rows of a batch are one sequence, and the borders between utterances do not matter.
    fn is_pointwise(&self) -> bool {
        self.shape.2 == 1 && self.stride == 1 && self.padding == 0
    }

    /// `(T, C_in) -> (T', C_out)` for each utterance.
    pub fn forward(&self, x: &Batch, weight: &[f32], bias: &[f32], relu: bool) -> Batch {
        let table = kernels::table();
        let packed = Packed::from_pytorch(self.shape, table.nr, weight, bias);
        let rows = x.lengths().map(|t| self.num_frames(t));
        let mut y = Batch::unwritten(rows, self.shape.0);
        let steps = Steps {
            stride: self.stride,
            dilation: self.dilation,
            relu,
        };
        if self.is_pointwise() {
            let jobs = x.blocks().into_par_iter().zip(y.blocks_mut());
            jobs.for_each(|(x, y)| (table.affine)(x, &packed, steps, y));
        } else {
            let jobs = x.utterances().into_par_iter().zip(y.utterances_mut());
            jobs.for_each(|(x, y)| match self.padding {
                0 => (table.affine)(x, &packed, steps, y),
                p => (table.affine)(&padded(x, self.shape.1, p), &packed, steps, y),
            });
        }
        y
    }

    /// `dW[o, i, k] = Σ_t x[t·s + k·d, i]·dy[t, o]`; `db[o] = Σ_t dy[t, o]`.
    pub fn weight_gradients(&self, x: &Batch, dy: &Batch) -> AffineGradients {
        let (c_out, c_in, taps) = self.shape;
        let padded_inputs: Vec<Vec<f32>> = match self.padding {
            0 => vec![],
            p => x
                .utterances()
                .into_par_iter()
                .map(|x| padded(x, c_in, p))
                .collect(),
        };
        let segments: Vec<(&[f32], &[f32])> = if self.is_pointwise() {
            x.blocks().into_iter().zip(dy.blocks()).collect()
        } else if self.padding > 0 {
            padded_inputs
                .iter()
                .map(Vec::as_slice)
                .zip(dy.utterances())
                .collect()
        } else {
            x.utterances().into_iter().zip(dy.utterances()).collect()
        };
        let mut by_tap = vec![0.0f32; taps * c_in * c_out]; // (K, C_in, C_out)
        let tasks: Vec<(usize, usize, &mut [f32])> = by_tap
            .chunks_exact_mut(c_in * c_out)
            .enumerate()
            .flat_map(|(tap, g)| {
                let parts = g.chunks_mut(INPUTS_PER_TASK * c_out).enumerate();
                parts.map(move |(part, g)| (tap, part * INPUTS_PER_TASK, g))
            })
            .collect();
        let table = kernels::table();
        tasks.into_par_iter().for_each(|(tap, first, g)| {
            let inputs = (first, first + g.len() / c_out);
            for (x, dy) in segments.iter().filter(|(_, dy)| !dy.is_empty()) {
                let x = &x[tap * self.dilation * c_in..];
                (table.outer)(
                    Outer {
                        x,
                        x_step: self.stride * c_in,
                        inputs,
                        dy,
                        c_out,
                    },
                    g,
                );
            }
        });
        let mut weight = vec![0.0f32; by_tap.len()];
        for (o, row) in weight.chunks_exact_mut(c_in * taps).enumerate() {
            for (index, w) in row.iter_mut().enumerate() {
                *w = by_tap[((index % taps) * c_in + index / taps) * c_out + o];
            }
        }
        AffineGradients {
            weight,
            bias: dy.row_sum().iter().map(|b| *b as f32).collect(),
        }
    }

    /// `dx[t·s + k·d, i] += Σ_o W[o, i, k]·dy[t, o]`. Computed as the transposed map of dy, with zeros
    /// around its frames and, if there is a stride, between them.
    pub fn input_gradient(&self, x: &Batch, weight: &[f32], dy: &Batch) -> Batch {
        let (c_out, c_in, taps) = self.shape;
        let table = kernels::table();
        let packed = Packed::transposed(self.shape, table.nr, weight);
        if self.is_pointwise() {
            let mut dx = Batch::unwritten(x.lengths(), c_in);
            let jobs = dy.blocks().into_par_iter().zip(dx.blocks_mut());
            jobs.for_each(|(dy, dx)| (table.affine)(dy, &packed, ROW_BY_ROW, dx));
            return dx;
        }
        let mut dx = Batch::zeros(x.lengths(), c_in);
        let steps = Steps {
            dilation: self.dilation,
            ..ROW_BY_ROW
        };
        let margin = (taps - 1) * self.dilation;
        let jobs = dy.utterances().into_par_iter().zip(dx.utterances_mut());
        jobs.for_each(|(dy, dx)| {
            let frames = dy.len() / c_out;
            if frames == 0 {
                return;
            }
            let spread_rows = (frames - 1) * self.stride + 1;
            let mut spread = vec![0.0f32; (spread_rows + 2 * margin) * c_out];
            for (t, row) in dy.chunks_exact(c_out).enumerate() {
                spread[(margin + t * self.stride) * c_out..][..c_out].copy_from_slice(row);
            }
            let mut full = vec![0.0f32; (spread_rows + margin) * c_in]; // the padded input's frames
            (table.affine)(&spread, &packed, steps, &mut full);
            let inner = &full[(self.padding * c_in).min(full.len())..];
            let n = inner.len().min(dx.len());
            dx[..n].copy_from_slice(&inner[..n]);
        });
        dx
    }
}
