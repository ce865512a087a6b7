//! Imports SpeechBrain's `ECAPA_TDNN` (`speechbrain/lobes/models/ECAPA_TDNN.py`), as in its recipe
//! for VoxCeleb.
//!
//! The convolutions of this network mirror the frames at both ends, and its features are decibels.
//!
//! ```text
//! features (T, 80) ─► conv1d (T, C) ─► three blocks ─► the outputs of all three (T, 3C) ─► conv1d
//!   ─► attentive statistics (6C) ─► linear (D)
//! ```

use super::{
    ecapa::gated_and_added,
    state_dict::{Problem, StateDict, Tensor, Window},
};
use crate::network::Layer;

/// A tensor that only this network has.
pub const RECOGNISED_BY: &str = "blocks.0.conv.conv.weight";

/// Smallest variance in poolings.
const EPS: f32 = 1e-12;

/// Decibels per unit of the natural logarithm. Here the network gets natural logarithms as
/// features, so its first convolution is scaled by this.
const DECIBELS: f32 = 10.0 / std::f32::consts::LN_10;

/// The blocks, with their dilations.
const BLOCKS: [(&str, usize); 3] = [("blocks.1", 2), ("blocks.2", 3), ("blocks.3", 4)];

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let weight = first_weight(dict)?;
    let num_mel_bins = weight.shape[1];
    let window = reflected(dict, weight.shape[2], 1);
    let channels = dict.push_conv1d("blocks.0.conv.conv", weight, window)?; // (T, C)
    relu_norm(dict, "blocks.0", channels)?;
    let blocks = BLOCKS.map(|(name, dilation)| block(dict, name, channels, dilation));
    let layers = blocks.into_iter().collect::<Result<_, _>>()?;
    dict.add(Layer::Concat { layers }); // (T, 3C)
    let width = conv_relu_norm(dict, "mfa", BLOCKS.len() * channels, 1)?;
    let frames = dict.last();

    let statistics = Layer::StatsPool {
        eps: EPS,
        groups: 1,
    };
    let hidden = dict.frame_and_statistics("asp.tdnn.conv.conv", frames, width, statistics)?;
    relu_norm(dict, "asp.tdnn", hidden)?;
    dict.add(Layer::Tanh);
    dict.conv1d("asp.conv.conv", Some(hidden), Window::FRAME)?;
    dict.add(Layer::AttentiveStatsPool {
        layer: frames,
        eps: EPS,
    });
    dict.batch_norm("asp_bn.norm", 2 * width)?;
    dict.linear("fc.conv", 2 * width)?;
    Ok(num_mel_bins)
}

/// The weight of the first convolution, for features in natural logarithms.
fn first_weight(dict: &mut StateDict) -> Result<Tensor, Problem> {
    let mut weight = dict.take(RECOGNISED_BY, &[None, None, None])?;
    weight.values.iter_mut().for_each(|w| *w *= DECIBELS);
    Ok(weight)
}

/// Adds a block: a Res2 convolution between two convolutions of one frame, a gate computed from the
/// whole recording (squeeze and excitation), and a residual connection. Returns its index. `(T, C)
/// -> (T, C)`
fn block(
    dict: &mut StateDict,
    name: &str,
    channels: usize,
    dilation: usize,
) -> Result<usize, Problem> {
    let x = dict.last();
    conv_relu_norm(dict, &format!("{name}.tdnn1"), channels, 1)?;
    res2(dict, &format!("{name}.res2net_block"), channels, dilation)?;
    conv_relu_norm(dict, &format!("{name}.tdnn2"), channels, 1)?;
    let maps = ["conv1", "conv2"].map(|map| format!("{name}.se_block.{map}.conv"));
    gated_and_added(dict, x, channels, maps)
}

/// Adds a Res2 convolution. The channels are divided into equal parts. The result of each part is
/// added to the next part before the next part is convolved. The first part stays as it is.
fn res2(dict: &mut StateDict, name: &str, channels: usize, dilation: usize) -> Result<(), Problem> {
    let x = dict.last();
    let shape = dict.shape(&format!("{name}.blocks.0.conv.conv.weight"));
    let width = match shape.as_deref() {
        Some([width, ..]) if *width > 0 => *width,
        _ => channels,
    };
    let part = |index: usize| Layer::Channels {
        layer: x,
        first: index * width,
        count: width,
    };
    let mut outputs = vec![dict.add(part(0))];
    for index in 1..(channels / width).max(2) {
        let own = dict.add(part(index));
        if index > 1 {
            dict.add(Layer::Add {
                layers: vec![outputs[index - 1], own],
            });
        }
        conv_relu_norm(
            dict,
            &format!("{name}.blocks.{}", index - 1),
            width,
            dilation,
        )?;
        outputs.push(dict.last());
    }
    dict.add(Layer::Concat { layers: outputs });
    Ok(())
}

/// Adds a Conv1d that keeps all frames, a ReLU and a BatchNorm; returns C_out.
fn conv_relu_norm(
    dict: &mut StateDict,
    name: &str,
    in_channels: usize,
    dilation: usize,
) -> Result<usize, Problem> {
    let conv = format!("{name}.conv.conv");
    let weight = dict.take(&format!("{conv}.weight"), &[None, Some(in_channels), None])?;
    let window = reflected(dict, weight.shape[2], dilation);
    let channels = dict.push_conv1d(&conv, weight, window)?;
    relu_norm(dict, name, channels)?;
    Ok(channels)
}

/// Mirrors as many frames at both ends as a Conv1d of `taps` frames needs to keep all frames.
fn reflected(dict: &mut StateDict, taps: usize, dilation: usize) -> Window {
    let window = Window::same(taps, dilation);
    if window.padding > 0 {
        dict.add(Layer::ReflectPad {
            frames: window.padding,
        });
    }
    Window {
        padding: 0,
        ..window
    }
}

fn relu_norm(dict: &mut StateDict, name: &str, channels: usize) -> Result<(), Problem> {
    dict.add(Layer::Relu);
    dict.batch_norm(&format!("{name}.norm.norm"), channels)
}
