//! Imports WeSpeaker's `ECAPA_TDNN` with attentive statistics pooling
//! (`wespeaker/models/ecapa_tdnn.py`, after Desplanques et al. 2020, "ECAPA-TDNN: Emphasized
//! Channel Attention, Propagation and Aggregation").
//!
//! ```text
//! features (T, 80) ─► conv1d (T, C) ─► three blocks ─► the outputs of all three (T, 3C) ─► conv1d
//!   ─► attentive statistics (6C) ─► linear (D)
//! ```

use super::{
    state_dict::{Problem, StateDict, Window},
    xvec::POOLING_EPS,
};
use crate::network::Layer;

/// The blocks, with their dilations.
const BLOCKS: [(&str, usize); 3] = [("layer2", 2), ("layer3", 3), ("layer4", 4)];

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let channels = conv_relu_norm(dict, "layer1", None, Window::same(5, 1))?; // (T, C)
    let blocks = BLOCKS
        .map(|(name, dilation)| block(dict, &format!("{name}.se_res2block"), channels, dilation));
    let layers = blocks.into_iter().collect::<Result<_, _>>()?;
    dict.add(Layer::Concat { layers }); // (T, 3C)
    let width = dict.conv1d("conv", Some(BLOCKS.len() * channels), Window::FRAME)?;
    let frames = dict.add(Layer::Relu);

    let statistics = Layer::SampleStatsPool { eps: POOLING_EPS };
    let hidden = dict.frame_and_statistics("pool.linear1", frames, width, statistics)?;
    dict.add(Layer::Tanh);
    dict.conv1d("pool.linear2", Some(hidden), Window::FRAME)?;
    dict.add(Layer::AttentiveStatsPool {
        layer: frames,
        eps: POOLING_EPS,
    });
    dict.batch_norm("bn", 2 * width)?;
    dict.linear("linear", 2 * width)?;
    Ok(dict.first_channels())
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
    conv_relu_norm(dict, &format!("{name}.0"), Some(channels), Window::FRAME)?;
    res2(dict, &format!("{name}.1"), channels, dilation)?;
    conv_relu_norm(dict, &format!("{name}.2"), Some(channels), Window::FRAME)?;
    let maps = ["linear1", "linear2"].map(|map| format!("{name}.3.{map}"));
    gated_and_added(dict, x, channels, maps)
}

/// Multiplies the last layer by a gate, which two `maps` compute from the whole recording (squeeze
/// and excitation), and adds the output of layer `x`. Returns its index. `(T, C) -> (T, C)`
pub fn gated_and_added(
    dict: &mut StateDict,
    x: usize,
    channels: usize,
    [squeeze, excite]: [String; 2],
) -> Result<usize, Problem> {
    let y = dict.last();
    dict.add(Layer::MeanPool); // (C)
    let size = dict.linear(&squeeze, channels)?;
    dict.add(Layer::Relu);
    dict.linear(&excite, size)?;
    let gate = dict.add(Layer::Sigmoid);
    let gated = dict.add(Layer::Multiply {
        layers: vec![y, gate],
    });
    Ok(dict.add(Layer::Add {
        layers: vec![x, gated],
    }))
}

/// Adds a Res2 convolution. The channels are divided into equal parts. The result of each part is
/// added to the next part before the next part is convolved. The last part stays as it is.
fn res2(dict: &mut StateDict, name: &str, channels: usize, dilation: usize) -> Result<(), Problem> {
    let x = dict.last();
    let shape = dict.shape(&format!("{name}.convs.0.weight"));
    let (width, taps) = match shape.as_deref() {
        Some([width, _, taps]) if *width > 0 => (*width, *taps),
        _ => (channels, 3),
    };
    let part = |index: usize| Layer::Channels {
        layer: x,
        first: index * width,
        count: width,
    };
    let mut outputs = vec![];
    for index in 0..(channels / width).saturating_sub(1).max(1) {
        let own = dict.add(part(index));
        if let Some(before) = outputs.last() {
            dict.add(Layer::Add {
                layers: vec![*before, own],
            });
        }
        let conv = format!("{name}.convs.{index}");
        dict.conv1d(&conv, Some(width), Window::same(taps, dilation))?;
        dict.add(Layer::Relu);
        dict.batch_norm(&format!("{name}.bns.{index}"), width)?;
        outputs.push(dict.last());
    }
    if channels > width {
        let rest = outputs.len();
        outputs.push(dict.add(part(rest)));
        dict.add(Layer::Concat { layers: outputs });
    }
    Ok(())
}

/// Adds a Conv1d, a ReLU and a BatchNorm; returns C_out.
fn conv_relu_norm(
    dict: &mut StateDict,
    name: &str,
    in_channels: Option<usize>,
    window: Window,
) -> Result<usize, Problem> {
    let channels = dict.conv1d(&format!("{name}.conv"), in_channels, window)?;
    dict.add(Layer::Relu);
    dict.batch_norm(&format!("{name}.bn"), channels)?;
    Ok(channels)
}
