//! Conv2d in training: the forward pass, and the gradients of weights, bias and inputs.
//!
//! The forward pass and the gradient of the inputs use the same convolution as inference, utterance
//! by utterance. The gradient of the weights multiplies the patches of inputs under the kernel by
//! the gradients of the outputs. It is summed in fixed groups of utterances, so the number of
//! threads changes no bit.

use super::{
    affine::AffineGradients,
    batch::{Batch, give_back, over_bins, zeros},
};
use crate::{
    kernels::{self, Outer},
    network::{Conv2d, Conv2dOptions, padded},
};
use rayon::prelude::*;

/// Number of groups that the utterances of a batch are divided into. The groups' sums are added in
/// order.
const GROUPS: usize = 16;

/// Rows of patches that are multiplied together: they stay in the cache.
const ROWS_TOGETHER: usize = 256;

/// `(T, F_in·C_in) -> (T', F_out·C_out)` for each utterance.
pub fn forward(options: &Conv2dOptions, x: &Batch, weight: &[f32], bias: &[f32]) -> Batch {
    let conv = packed(options, weight, bias);
    let rows = x.lengths().map(|t| options.num_frames(t));
    let mut y = Batch::unwritten(rows, options.out_bins() * options.out_channels);
    let jobs = x.utterances().into_par_iter().zip(y.utterances_mut());
    jobs.for_each(|(x, y)| {
        let x = padded(x, options.frame_size(), options.padding_frames);
        conv.apply(&x, y);
    });
    y
}

/// `dW[o, i, b, k] = Σ x[t·s + k, f·r + b, i]·dy[t, f, o]` and `db[o] = Σ dy[t, f, o]`. The sums go
/// over the frames t and the bins f of the output; s is the hop over frames, r the hop over bins,
/// and x includes the padding.
pub fn weight_gradients(options: &Conv2dOptions, x: &Batch, dy: &Batch) -> AffineGradients {
    let Conv2dOptions {
        in_channels: c_in,
        out_channels: c_out,
        kernel_frames,
        kernel_bins,
        ..
    } = *options;
    let patch = kernel_bins * c_in;
    let group = x.num_utterances().div_ceil(GROUPS).max(1);
    let (x, of_outputs) = (x.utterances(), dy.utterances());
    let groups = x.par_chunks(group).zip(of_outputs.par_chunks(group));
    // (K over frames, K over bins, C_in, C_out) for each group
    let sums: Vec<Vec<f32>> = groups
        .map(|(x, dy)| {
            let mut sum = vec![0.0f32; kernel_frames * patch * c_out];
            for (x, dy) in x.iter().zip(dy) {
                add_products(options, x, dy, &mut sum);
            }
            sum
        })
        .collect();
    let mut total = vec![0.0f32; kernel_frames * patch * c_out];
    for sum in &sums {
        total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
    }
    let mut weight = vec![0.0f32; total.len()];
    for (o, row) in weight.chunks_exact_mut(patch * kernel_frames).enumerate() {
        for (at, w) in row.iter_mut().enumerate() {
            let (tap, rest) = (at % kernel_frames, at / kernel_frames);
            let (bin, input) = (rest % kernel_bins, rest / kernel_bins);
            *w = total[((tap * kernel_bins + bin) * c_in + input) * c_out + o];
        }
    }
    let bias = over_bins(dy.row_sum(), c_out);
    AffineGradients {
        weight,
        bias: bias.iter().map(|b| *b as f32).collect(),
    }
}

/// Adds the products of one utterance to `sum`, (K over frames, K over bins, C_in, C_out).
fn add_products(options: &Conv2dOptions, x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let Conv2dOptions {
        in_channels: c_in,
        out_channels: c_out,
        num_bins,
        kernel_bins,
        stride_frames,
        stride_bins,
        padding_frames,
        padding_bins,
        ..
    } = *options;
    let (patch, bins) = (kernel_bins * c_in, options.out_bins());
    let frames = dy.len() / (bins * c_out);
    // Zeros around the bins as well as the frames, so that each patch is a piece of one frame.
    let wide = (num_bins + 2 * padding_bins) * c_in;
    let mut around = vec![0.0f32; (x.len() / (num_bins * c_in) + 2 * padding_frames) * wide];
    let inner = around.chunks_exact_mut(wide).skip(padding_frames);
    for (to, x) in inner.zip(x.chunks_exact(num_bins * c_in)) {
        to[padding_bins * c_in..][..x.len()].copy_from_slice(x);
    }
    let together = (ROWS_TOGETHER / bins).max(1);
    let mut patches = vec![0.0f32; together.min(frames) * bins * patch];
    for first in (0..frames).step_by(together) {
        let count = together.min(frames - first);
        let dy = &dy[first * bins * c_out..][..count * bins * c_out];
        for (tap, sum) in sum.chunks_exact_mut(patch * c_out).enumerate() {
            let rows = patches[..count * bins * patch].chunks_exact_mut(bins * patch);
            for (t, row) in rows.enumerate() {
                let frame = &around[((first + t) * stride_frames + tap) * wide..][..wide];
                for (bin, to) in row.chunks_exact_mut(patch).enumerate() {
                    to.copy_from_slice(&frame[bin * stride_bins * c_in..][..patch]);
                }
            }
            let job = Outer {
                x: &patches,
                x_step: patch,
                inputs: (0, patch),
                dy,
                c_out,
            };
            (kernels::table().outer)(job, sum);
        }
    }
}

/// `dx[t·s + k, f·r + b, i] += Σ_o W[o, i, b, k]·dy[t, f, o]`, with s and r as above. This is the transposed convolution
/// of dy. Where a hop is more than 1, there are zeros between the frames or bins of dy.
pub fn input_gradient(options: &Conv2dOptions, x: &Batch, weight: &[f32], dy: &Batch) -> Batch {
    let Conv2dOptions {
        in_channels: c_in,
        out_channels: c_out,
        num_bins,
        kernel_frames,
        kernel_bins,
        stride_frames,
        stride_bins,
        padding_frames,
        padding_bins,
    } = *options;
    let transposed = Conv2dOptions {
        in_channels: c_out,
        out_channels: c_in,
        num_bins: num_bins + 2 * padding_bins + 1 - kernel_bins,
        stride_frames: 1,
        stride_bins: 1,
        padding_frames: kernel_frames - 1 - padding_frames,
        padding_bins: kernel_bins - 1 - padding_bins,
        ..*options
    };
    let taps = kernel_bins * kernel_frames;
    let mut turned = vec![0.0f32; weight.len()]; // (C_in, C_out, K over bins, K over frames)
    for (at, w) in weight.iter().enumerate() {
        let (tap, rest) = (at % taps, at / taps);
        let (i, o) = (rest % c_in, rest / c_in);
        turned[(i * c_out + o) * taps + taps - 1 - tap] = *w;
    }
    let conv = packed(&transposed, &turned, &vec![0.0; c_in]);
    let mut dx = Batch::unwritten(x.lengths(), num_bins * c_in);
    let bins = options.out_bins();
    let (width, margin) = (transposed.frame_size(), transposed.padding_frames);
    let jobs = dy.utterances().into_par_iter().zip(dx.utterances_mut());
    jobs.for_each(|(dy, dx)| {
        let frames = dx.len() / (num_bins * c_in) + 2 * padding_frames + 1 - kernel_frames;
        let mut spread = zeros((frames + 2 * margin) * width);
        for (t, dy) in dy.chunks_exact(bins * c_out).enumerate() {
            let frame = &mut spread[(margin + t * stride_frames) * width..][..width];
            for (to, dy) in frame
                .chunks_mut(stride_bins * c_out)
                .zip(dy.chunks_exact(c_out))
            {
                to[..c_out].copy_from_slice(dy);
            }
        }
        conv.apply(&spread, dx);
        give_back(spread);
    });
    dx
}

fn packed(options: &Conv2dOptions, weight: &[f32], bias: &[f32]) -> Conv2d {
    let nr = kernels::table().nr;
    let mut conv = Conv2d::new(options, nr);
    conv.pack(nr, weight, bias);
    conv
}
