//! A two-dimensional convolution as affine maps over frames, one for each output bin:
//! `(T, F_in·C_in) -> (T', F_out·C_out)`.
//!
//! The channels of the bins that a kernel covers lie next to each other in a frame, so for a given
//! output bin they are the inputs of a Conv1d over frames. All output bins share the weights,
//! except at the edges, where the kernel covers fewer bins. No copy of the inputs is needed.

use super::Layer;
use crate::kernels::{self, Packed, Steps};
use std::ops::Range;

/// Output frames that are computed together for all bins: their inputs stay in the cache.
const FRAMES_TOGETHER: usize = 28;

/// A Conv2d with packed weights.
#[derive(Debug)]
pub(super) struct Conv2d {
    /// Weights for each range of taps over bins that occurs.
    weights: Vec<Packed>,
    bins: Vec<Bin>,
    /// Over frames.
    pub steps: Steps,
    /// K over frames.
    pub taps: usize,
    /// Over frames.
    pub padding: usize,
    /// F_out·C_out.
    pub width: usize,
}

/// An output bin.
#[derive(Debug)]
struct Bin {
    /// Index of its weights.
    weights: usize,
    /// Position of its first input within a frame.
    first_input: usize,
}

impl Conv2d {
    /// From a checked Conv2d layer with PyTorch's weight `(C_out, C_in, K over bins, K over frames)`.
    pub fn new(layer: &Layer, nr: usize, weight: &[f32], bias: &[f32]) -> Option<Self> {
        let Layer::Conv2d {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins,
            stride_frames,
            stride_bins,
            padding_frames,
            padding_bins,
        } = *layer
        else {
            return None;
        };
        let out_bins = super::conv1d_frames(num_bins, kernel_bins, stride_bins, 1, padding_bins);
        let mut ranges: Vec<Range<usize>> = vec![];
        let mut bins = vec![];
        for bin in 0..out_bins {
            // The kernel covers input bins from `start − padding_bins` on.
            let start = bin * stride_bins;
            let taps = padding_bins.saturating_sub(start)
                ..kernel_bins.min(num_bins + padding_bins - start);
            let first_bin = start + taps.start - padding_bins;
            let known = ranges.iter().position(|range| *range == taps);
            bins.push(Bin {
                weights: known.unwrap_or(ranges.len()),
                first_input: first_bin * in_channels,
            });
            if known.is_none() {
                ranges.push(taps);
            }
        }
        let packed = ranges.iter().map(|taps| {
            let shape = (out_channels, taps.len() * in_channels, kernel_frames);
            let at = |o: usize, i: usize, frame: usize| {
                let (tap, channel) = (taps.start + i / in_channels, i % in_channels);
                weight[((o * in_channels + channel) * kernel_bins + tap) * kernel_frames + frame]
            };
            Packed::new(shape, nr, bias, at)
                .within_rows(num_bins * in_channels, out_bins * out_channels)
        });
        Some(Conv2d {
            weights: packed.collect(),
            bins,
            steps: Steps {
                stride: stride_frames,
                dilation: 1,
                relu: false,
            },
            taps: kernel_frames,
            padding: padding_frames,
            width: out_bins * out_channels,
        })
    }

    /// `(T, F_in·C_in) -> (T', F_out·C_out)`, T' from the length of `y`. `x` already includes the
    /// padding over frames.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        let affine = kernels::table().affine;
        let hop = self.steps.stride * self.weights[0].in_stride;
        for (block, y) in y.chunks_mut(FRAMES_TOGETHER * self.width).enumerate() {
            let x = &x[block * FRAMES_TOGETHER * hop..];
            for (index, bin) in self.bins.iter().enumerate() {
                let weights = &self.weights[bin.weights];
                let y = &mut y[index * weights.c_out..];
                affine(&x[bin.first_input..], weights, self.steps, y);
            }
        }
    }
}
