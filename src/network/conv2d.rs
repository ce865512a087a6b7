//! A two-dimensional convolution as affine maps over frames, one for each output bin:
//! `(T, F_in·C_in) -> (T', F_out·C_out)`.
//!
//! The channels of the bins that a kernel covers lie next to each other in a frame, so for a given
//! output bin they are the inputs of a Conv1d over frames. No copy of the inputs is needed. All
//! output bins share one Conv1d, except at the edges, where the kernel covers fewer bins: a Conv1d
//! of its own uses only the taps over bins that exist there.

use super::{Conv2dOptions, int8_weights::Int8Weights, ranges::MapLevels, winograd::Winograd};
use crate::kernels::{self, Activations, Packed, PackedInt8, Steps};
use std::ops::Range;

/// Output frames that are computed together for all bins: their inputs stay in the cache.
const FRAMES_TOGETHER: usize = 28;

/// Largest slice of the f32 weights, in bytes. A slice holds the weights of some output channels.
/// It is applied to all frames before the next slice, so that it stays in the cache.
const SLICE_BYTES: usize = 768 << 10;

/// A Conv2d with packed weights.
#[derive(Debug)]
pub struct Conv2d {
    maps: Maps,
    /// The output channels that each slice of the weights computes.
    slices: Vec<Range<usize>>,
    bins: Vec<Bin>,
    kernel: Kernel,
    /// Stride over frames, and whether a ReLU follows.
    pub(super) steps: Steps,
    /// Padding over frames.
    pub(super) padding: usize,
    /// Values of an output frame: F_out·C_out, or fewer words if a word holds several u8 channels.
    pub(super) width: usize,
}

#[derive(Debug)]
enum Maps {
    /// One map for each slice of the weights and each range of [`Kernel::taps`]: all ranges of the
    /// first slice come first.
    F32(Vec<Packed>),
    /// Computes groups of neighbouring bins by Winograd's method, with fewer products.
    Winograd(Box<Winograd>),
    /// The maps in the order of [`Self::F32`], from u8 to f32, or to u8.
    Int8 { maps: Vec<PackedInt8>, to_u8: bool },
}

/// An output bin.
#[derive(Debug, Clone)]
struct Bin {
    /// Index of its range in [`Kernel::taps`].
    taps: usize,
    /// Position of its first input within a frame, in values.
    first_input: usize,
}

/// Sizes of the weight `(C_out, C_in, K over bins, K over frames)`.
#[derive(Debug, Clone)]
struct Kernel {
    c_out: usize,
    c_in: usize,
    bins: usize,
    frames: usize,
    /// F_in·C_in.
    in_width: usize,
    /// The ranges of taps over bins that output bins use, each once: all taps, and fewer at the
    /// edges.
    taps: Vec<Range<usize>>,
}

impl Conv2d {
    /// Prepares a checked Conv2d layer. It has no weights yet and cannot be run before [`Self::pack`] or
    /// [`Self::int8`].
    pub fn new(options: &Conv2dOptions, nr: usize) -> Self {
        let Conv2dOptions {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins,
            stride_bins,
            padding_bins,
            ..
        } = *options;
        let out_bins = options.out_bins();
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
                taps: known.unwrap_or(ranges.len()),
                first_input: first_bin * in_channels,
            });
            if known.is_none() {
                ranges.push(taps);
            }
        }
        let kernel = Kernel {
            c_out: out_channels,
            c_in: in_channels,
            bins: kernel_bins,
            frames: kernel_frames,
            in_width: options.frame_size(),
            taps: ranges,
        };
        let width = out_bins * out_channels;
        let per_output = size_of::<f32>() * in_channels * kernel_bins * kernel_frames;
        let per_slice = (SLICE_BYTES / per_output / nr * nr).max(nr);
        let slices = (0..out_channels).step_by(per_slice);
        let mut conv = Conv2d {
            maps: Maps::F32(vec![]),
            slices: slices
                .map(|from| from..out_channels.min(from + per_slice))
                .collect(),
            bins,
            kernel,
            steps: Steps {
                stride: options.stride_frames,
                dilation: 1,
                relu: false,
            },
            padding: options.padding_frames,
            width,
        };
        conv.maps = match Winograd::of(options, nr) {
            Some(winograd) => Maps::Winograd(Box::new(winograd)),
            None => Maps::F32(conv.each_map(|outputs, taps| {
                let shape = conv.kernel.shape(outputs, taps);
                Packed::of_shape(shape, nr).within_rows(conv.kernel.in_width, width)
            })),
        };
        conv
    }

    fn each_map<M>(&self, map: impl Fn(&Range<usize>, &Range<usize>) -> M) -> Vec<M> {
        let of_slice = |outputs| self.kernel.taps.iter().map(move |taps| (outputs, taps));
        let all = self.slices.iter().flat_map(of_slice);
        all.map(|(outputs, taps)| map(outputs, taps)).collect()
    }

    /// Packs PyTorch's weight `(C_out, C_in, K over bins, K over frames)`.
    pub fn pack(&mut self, nr: usize, weight: &[f32], bias: &[f32]) {
        if let Maps::Winograd(winograd) = &mut self.maps {
            return winograd.pack(nr, weight, bias);
        }
        let kernel = &self.kernel;
        let maps = self.each_map(|outputs, taps| {
            let weight = kernel.of_taps(weight, outputs, taps);
            let bias = &bias[outputs.clone()];
            Packed::from_pytorch(kernel.shape(outputs, taps), nr, &weight, bias)
                .within_rows(kernel.in_width, self.width)
        });
        self.maps = Maps::F32(maps);
    }

    /// The same layer in int8. The ranges of the activations are the same in all bins.
    pub(super) fn int8(&self, weights: &Int8Weights, bias: &[f32], levels: MapLevels) -> Self {
        let int8 = kernels::table().int8;
        let kernel = &self.kernel;
        let width = match levels.output_steps {
            Some(_) => self.width / int8.group,
            None => self.width,
        };
        let maps = self.each_map(|outputs, taps| {
            let values = kernel.of_taps(weights.values, outputs, taps);
            let (shape, layout) = (kernel.shape(outputs, taps), (int8.nr, int8.group));
            let steps = &weights.steps[outputs.clone()];
            let bias = &bias[outputs.clone()];
            let of_outputs = levels.output_steps.map(|steps| Activations {
                steps: &steps[outputs.clone()],
                zero: 0,
            });
            PackedInt8::from_pytorch(shape, layout, &values, steps, bias, levels.zero, of_outputs)
                .within_rows(kernel.in_width / int8.group, width)
        });
        Conv2d {
            maps: Maps::Int8 {
                maps,
                to_u8: levels.output_steps.is_some(),
            },
            width,
            slices: self.slices.clone(),
            bins: self.bins.clone(),
            kernel: kernel.clone(),
            ..*self
        }
    }

    /// Whether it can run in int8: a word holds channels of one bin, and sums fit an i32.
    pub(super) fn fits_int8(&self) -> bool {
        let Kernel {
            c_in, bins, frames, ..
        } = self.kernel;
        kernels::table().int8.fills_words(c_in) && c_in * bins * frames <= PackedInt8::MAX_PRODUCTS
    }

    /// Size of the weights, in bytes.
    pub(super) fn weight_bytes(&self) -> usize {
        match &self.maps {
            Maps::F32(maps) => maps.iter().map(Packed::bytes).sum(),
            Maps::Winograd(winograd) => winograd.weight_bytes(),
            Maps::Int8 { maps, .. } => maps.iter().map(PackedInt8::bytes).sum(),
        }
    }

    /// C_in.
    pub(super) fn in_channels(&self) -> usize {
        self.kernel.c_in
    }

    /// C_out.
    pub(super) fn out_channels(&self) -> usize {
        self.kernel.c_out
    }

    /// K over frames.
    pub(super) fn taps(&self) -> usize {
        self.kernel.frames
    }

    /// `(T, F_in·C_in) -> (T', F_out·C_out)`, T' from the length of `y`. `x` already includes the
    /// padding over frames. u8 words are stored in the bits of f32 values.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        let table = kernels::table();
        let steps = self.steps;
        match &self.maps {
            Maps::Winograd(winograd) => winograd.apply(x, steps, y),
            Maps::F32(maps) => self.each_bin(x, 1, y, |map, x, y| {
                (table.affine)(x, &maps[map], steps, y);
            }),
            Maps::Int8 { maps, to_u8 } => self.each_bin(x, table.int8.group, y, |map, x, y| {
                let words = bytemuck::cast_slice(x);
                match to_u8 {
                    true => {
                        let y = bytemuck::cast_slice_mut(y);
                        (table.int8.affine)(words, &maps[map], steps, y);
                    }
                    false => (table.int8.affine_to_f32)(words, &maps[map], steps, y),
                }
            }),
        }
    }

    /// Calls `with` once for each slice of the weights, block of frames and output bin, with the index of the
    /// bin's map, the map's inputs and its outputs. A value of `x` holds `group` channels.
    fn each_bin(
        &self,
        x: &[f32],
        group: usize,
        y: &mut [f32],
        with: impl Fn(usize, &[f32], &mut [f32]),
    ) {
        let bin_width = self.width / self.bins.len();
        // Outputs in a value of `y`.
        let in_value = self.kernel.c_out / bin_width;
        let hop = self.steps.stride * self.kernel.in_width / group;
        for (slice, outputs) in self.slices.iter().enumerate() {
            for (block, y) in y.chunks_mut(FRAMES_TOGETHER * self.width).enumerate() {
                let x = &x[block * FRAMES_TOGETHER * hop..];
                for (index, bin) in self.bins.iter().enumerate() {
                    let y = &mut y[index * bin_width + outputs.start / in_value..];
                    let map = slice * self.kernel.taps.len() + bin.taps;
                    with(map, &x[bin.first_input / group..], y);
                }
            }
        }
    }
}

impl Kernel {
    /// `(C_out, C_in, K)` of the Conv1d over frames to some outputs, whose inputs are the channels under
    /// these taps.
    fn shape(&self, outputs: &Range<usize>, taps: &Range<usize>) -> (usize, usize, usize) {
        (outputs.len(), taps.len() * self.c_in, self.frames)
    }

    /// The weight of that Conv1d.
    fn of_taps<T: Copy>(
        &self,
        weight: &[T],
        outputs: &Range<usize>,
        taps: &Range<usize>,
    ) -> Vec<T> {
        let mut of_taps = vec![];
        for o in outputs.clone() {
            for (tap, channel) in taps
                .clone()
                .flat_map(|t| (0..self.c_in).map(move |c| (t, c)))
            {
                let first = ((o * self.c_in + channel) * self.bins + tap) * self.frames;
                of_taps.extend_from_slice(&weight[first..][..self.frames]);
            }
        }
        of_taps
    }
}
