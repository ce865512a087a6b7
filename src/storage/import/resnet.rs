//! Imports two-dimensional residual networks: the blocks of CAM++, and WeSpeaker's `ResNet`
//! (`wespeaker/models/resnet.py`, Wang et al. 2023) with basic blocks, TSTP pooling and one or two
//! Linear layers.
//!
//! ```text
//! x ─► conv2d 3×3, relu ─► conv2d 3×3 ─► add ─► relu
//! └──────── nothing, or conv2d 1×1 ───────┘
//! ```

use super::{
    state_dict::{Problem, StateDict, Tensor, constant},
    xvec::POOLING_EPS,
};
use crate::network::{Conv2dOptions, Layer};

/// Channels and bins of a value `(T, F·C)`.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    pub channels: usize,
    pub bins: usize,
}

/// Steps of a Conv2d with an odd square kernel, padded so that no edge is lost.
#[derive(Debug, Clone, Copy)]
pub struct Strides {
    pub frames: usize,
    pub bins: usize,
}

impl Strides {
    pub const NONE: Self = Strides { frames: 1, bins: 1 };
}

/// Number of mel bins that WeSpeaker's networks are trained with. If the number is no multiple of
/// the stride, the tensors do not tell it.
const DEFAULT_BINS: usize = 80;
/// How many bins of the features become one bin after the last block.
const STRIDE: usize = 8;

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let channels = dict.size("layer4.0.conv1.weight", 0).unwrap_or(0);
    let pooled = dict.size("seg_1.weight", 1).unwrap_or(0);
    let last_bins = pooled / (2 * channels.max(1));
    let bins = match last_bins == DEFAULT_BINS.div_ceil(STRIDE) {
        true => DEFAULT_BINS,
        false => last_bins * STRIDE,
    };
    let features = Plane { channels: 1, bins };
    let mut plane = conv_norm(dict, ("conv1", "bn1"), features, 3, Strides::NONE)?;
    dict.add(Layer::Relu);
    for (layer, stride) in [(1, 1), (2, 2), (3, 2), (4, 2)] {
        for block in 0.. {
            let name = format!("layer{layer}.{block}");
            if block > 0 && dict.shape(&format!("{name}.conv1.weight")).is_none() {
                break;
            }
            let stride = if block == 0 { stride } else { 1 };
            let strides = Strides {
                frames: stride,
                bins: stride,
            };
            plane = basic_block(dict, &name, plane, strides)?;
        }
    }
    dict.add(Layer::SampleStatsPool { eps: POOLING_EPS });
    // PyTorch's statistics are (C, F), the means before the deviations.
    let wanted = [None, Some(2 * plane.channels * plane.bins)];
    let weight = dict.take("seg_1.weight", &wanted)?;
    let size = dict.push_linear("seg_1", by_bin(weight, plane))?;
    if dict.shape("seg_2.weight").is_some() {
        dict.add(Layer::Relu);
        dict.batch_norm("seg_bn_1", size)?;
        dict.linear("seg_2", size)?;
    }
    Ok(bins)
}

/// Adds a residual block: two 3×3 convolutions and a shortcut. Returns the shape of its output.
pub fn basic_block(
    dict: &mut StateDict,
    name: &str,
    x: Plane,
    strides: Strides,
) -> Result<Plane, Problem> {
    let input = dict.last();
    let part = |part: &str| format!("{name}.{part}");
    let middle = conv_norm(dict, (&part("conv1"), &part("bn1")), x, 3, strides)?;
    dict.add(Layer::Relu);
    let names = (part("conv2"), part("bn2"));
    let out = conv_norm(dict, (&names.0, &names.1), middle, 3, Strides::NONE)?;
    let main = dict.last();
    let mut shortcut = input;
    if dict.shape(&part("shortcut.0.weight")).is_some() {
        dict.add(Layer::channels(input, 0, x.channels * x.bins));
        let names = (part("shortcut.0"), part("shortcut.1"));
        conv_norm(dict, (&names.0, &names.1), x, 1, strides)?;
        shortcut = dict.last();
    }
    dict.add(Layer::add([main, shortcut]));
    dict.add(Layer::Relu);
    Ok(out)
}

/// Adds a Conv2d with a square kernel of `size` taps, and its BatchNorm.
pub fn conv_norm(
    dict: &mut StateDict,
    (conv, norm): (&str, &str),
    x: Plane,
    size: usize,
    strides: Strides,
) -> Result<Plane, Problem> {
    let wanted = [None, Some(x.channels), Some(size), Some(size)];
    let weight = dict.take(&format!("{conv}.weight"), &wanted)?;
    let channels = weight.shape[0];
    let bias = constant(channels, 0.0);
    let layer = Conv2dOptions {
        stride_frames: strides.frames,
        stride_bins: strides.bins,
        ..Conv2dOptions::new(x.channels, channels, x.bins, size)
    };
    dict.push(Layer::Conv2d(layer), [("weight", weight), ("bias", bias)]);
    dict.batch_norm(norm, channels)?;
    let bins = layer.out_bins();
    Ok(Plane { channels, bins })
}

/// Reorders the inputs of a weight `(out, n·C·F, …)`. PyTorch has all bins of one channel, then
/// those of the next; here all channels of one bin come before those of the next.
pub fn by_bin(mut weight: Tensor, plane: Plane) -> Tensor {
    let Plane { channels, bins } = plane;
    let taps = weight.values.len() / (weight.shape[0] * weight.shape[1]);
    let mut ordered = Vec::with_capacity(weight.values.len());
    for of_plane in weight.values.chunks_exact(channels * bins * taps) {
        for bin in 0..bins {
            for channel in 0..channels {
                let at = (channel * bins + bin) * taps;
                ordered.extend_from_slice(&of_plane[at..at + taps]);
            }
        }
    }
    weight.values = ordered;
    weight
}
