//! The layers of a network prepared for running: operations on rows of frames, with weights packed
//! for the kernels.

use super::{
    Activation, Affine, Layer, affine, affine::apply_groups, conv2d::Conv2d, fold, source::Source,
};
use crate::kernels::{self, Packed, PackedInt8, Steps};
use std::ops::Range;

/// What a layer computes from its input: `(T, C)`, or a single row after the pooling.
#[derive(Debug)]
pub(super) enum Operation {
    /// Conv1d or Linear and the ReLU after it; one packed map per group of channels.
    Affine {
        groups: Vec<Packed>,
        steps: Steps,
        padding: usize,
    },
    /// Conv2d and the ReLU after it.
    Conv2d(Conv2d),
    /// Any other activation function.
    Activation(Activation),
    /// x·scale + shift per channel: a BatchNorm that could not be folded, and the ReLU after it.
    Scale {
        scale: Vec<f32>,
        shift: Vec<f32>,
        relu: bool,
    },
    /// As `Affine`, in int8: from u8 to u8 or f32. u8 values come in words of a few channels, see
    /// [`crate::kernels::Int8`].
    Int8 {
        groups: Vec<PackedInt8>,
        steps: Steps,
        padding: usize,
        to_u8: bool,
    },
}

/// A pooling: from `(T, C)` to one vector.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pooling {
    /// `(T, C) -> (2C)`, with the biased variance; one group after the other.
    Stats { eps: f32, groups: usize },
    /// `(T, C) -> (2C)`, with the sample variance.
    SampleStats { eps: f32 },
    /// `(T, C) -> (C)`.
    Mean,
    /// `(T, C) -> (num_frames·C)`.
    Flatten { num_frames: usize },
    /// `(T, C)` and weights `(T, C) -> (2C)`.
    AttentiveStats { eps: f32 },
}

impl Operation {
    /// Taps, stride, dilation and padding.
    fn window(&self) -> (usize, usize, usize, usize) {
        match self {
            Operation::Affine {
                groups,
                steps,
                padding,
            } => (groups[0].taps, steps.stride, steps.dilation, *padding),
            Operation::Int8 {
                groups,
                steps,
                padding,
                ..
            } => (groups[0].taps, steps.stride, steps.dilation, *padding),
            Operation::Conv2d(conv) => {
                let Conv2d { steps, padding, .. } = conv;
                (conv.taps(), steps.stride, steps.dilation, *padding)
            }
            _ => (1, 1, 1, 0),
        }
    }

    /// Range of input frames needed for the output frames `out`. Frames below 0 or past the end are
    /// padding.
    pub fn frames_for(&self, out: Range<isize>) -> Range<isize> {
        let (taps, stride, dilation, padding) = self.window();
        let (stride, padding) = (stride as isize, padding as isize);
        let span = (dilation * (taps - 1)) as isize;
        out.start * stride - padding..(out.end - 1) * stride + span + 1 - padding
    }

    /// Values per output frame for `width` values per input frame: channels, or words of several
    /// channels.
    pub fn width(&self, width: usize) -> usize {
        match self {
            Operation::Affine { groups, .. } => groups[0].out_stride,
            Operation::Int8 { groups, .. } => groups[0].out_stride,
            Operation::Conv2d(conv) => conv.width,
            _ => width,
        }
    }

    /// Whether it applies a ReLU to its outputs; None if it cannot.
    pub fn relu_mut(&mut self) -> Option<&mut bool> {
        match self {
            Operation::Affine { steps, .. } => Some(&mut steps.relu),
            Operation::Conv2d(conv) => Some(&mut conv.steps.relu),
            Operation::Scale { relu, .. } => Some(relu),
            _ => None,
        }
    }

    /// Whether it can run in int8: an affine map whose groups or bins fill words, and whose sums fit
    /// an i32.
    pub fn fits_int8(&self) -> bool {
        match self {
            Operation::Affine { groups, .. } => {
                let map = &groups[0];
                affine::fits_int8((map.c_out, map.c_in, map.taps), groups.len())
            }
            Operation::Conv2d(conv) => conv.fits_int8(),
            _ => false,
        }
    }

    /// Size of the weights, in bytes.
    pub fn weight_bytes(&self) -> usize {
        match self {
            Operation::Affine { groups, .. } => groups.iter().map(Packed::bytes).sum(),
            Operation::Int8 { groups, .. } => groups.iter().map(PackedInt8::bytes).sum(),
            Operation::Conv2d(conv) => conv.weight_bytes(),
            _ => 0,
        }
    }

    /// Whether no output can be below 0.
    pub fn is_never_negative(&self) -> bool {
        match self {
            Operation::Affine { steps, .. } => steps.relu,
            Operation::Conv2d(conv) => conv.steps.relu,
            Operation::Scale { relu, .. } => *relu,
            Operation::Activation(activation) => {
                matches!(activation, Activation::Relu | Activation::Sigmoid)
            }
            Operation::Int8 { .. } => false,
        }
    }

    /// `(T, C) -> (T', C')`, T' from the length of `y`. `x` already includes the padding. u8 words
    /// are stored in the bits of f32 values.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        match self {
            Operation::Affine { groups, steps, .. } => apply_groups(groups, *steps, x, y),
            Operation::Conv2d(conv) => conv.apply(x, y),
            Operation::Activation(activation) => {
                y.copy_from_slice(x);
                activation.apply(y);
            }
            Operation::Scale { scale, shift, relu } => {
                let channels = scale.len();
                let rows = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                for (y, x) in rows {
                    let values = y.iter_mut().zip(x).zip(scale.iter().zip(shift));
                    match relu {
                        // A comparison instead of `max`, which would drop a NaN.
                        true => values.for_each(|((y, x), (scale, shift))| {
                            let value = x * scale + shift;
                            *y = if value < 0.0 { 0.0 } else { value };
                        }),
                        false => values.for_each(|((y, x), (scale, shift))| *y = x * scale + shift),
                    }
                }
            }
            Operation::Int8 {
                groups,
                steps,
                to_u8,
                ..
            } => {
                let int8 = kernels::table().int8;
                let x: &[i32] = bytemuck::cast_slice(x);
                for (g, weights) in groups.iter().enumerate() {
                    let x = &x[g * weights.in_words()..];
                    if *to_u8 {
                        let y = &mut y[g * weights.out_words()..];
                        (int8.affine)(x, weights, *steps, bytemuck::cast_slice_mut(y));
                    } else {
                        (int8.affine_to_f32)(x, weights, *steps, &mut y[g * weights.c_out..]);
                    }
                }
            }
        }
    }
}

/// The pooling of a layer, if it is one.
pub(super) fn pooling(layer: &Layer) -> Option<Pooling> {
    match *layer {
        Layer::StatsPool { eps, groups } => Some(Pooling::Stats { eps, groups }),
        Layer::SampleStatsPool { eps } => Some(Pooling::SampleStats { eps }),
        Layer::MeanPool => Some(Pooling::Mean),
        Layer::Flatten { num_frames } => Some(Pooling::Flatten { num_frames }),
        Layer::AttentiveStatsPool { eps, .. } => Some(Pooling::AttentiveStats { eps }),
        _ => None,
    }
}

/// The operation of one layer that is no pooling and has one input. If the layer will run in int8, it
/// has no weights yet. `index` is its place in the list, by which tensors are named.
pub(super) fn one_operation(layer: &Layer, index: usize, weights: Source) -> Operation {
    let nr = kernels::table().nr;
    let is_int8 = weights.runs_int8(index);
    let mut room = Default::default();
    if let Some(affine) = Affine::of(layer) {
        let groups = match is_int8 && affine.fits_int8() {
            true => affine.unpacked(nr),
            false => {
                let (weight, bias) = weights.weight_and_bias(layer, index, &mut room);
                affine.packed(nr, weight, bias)
            }
        };
        return Operation::Affine {
            groups,
            steps: affine.steps(),
            padding: affine.padding,
        };
    }
    match *layer {
        Layer::Conv2d(ref conv) => {
            let mut conv = Conv2d::new(conv, nr);
            if !is_int8 || !conv.fits_int8() {
                let (weight, bias) = weights.weight_and_bias(layer, index, &mut room);
                conv.pack(nr, weight, bias);
            }
            Operation::Conv2d(conv)
        }
        Layer::BatchNorm { eps, .. } => {
            let (scale, shift) = fold::scale_and_shift(weights, index, eps);
            Operation::Scale {
                scale,
                shift,
                relu: false,
            }
        }
        _ => Operation::Activation(Activation::of(layer).expect("every other layer is one")),
    }
}
