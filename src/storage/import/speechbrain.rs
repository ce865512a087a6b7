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
    ecapa::Style,
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

const STYLE: Style = Style {
    blocks: [("blocks.1", 2), ("blocks.2", 3), ("blocks.3", 4)],
    around: ["tdnn1", "tdnn2"],
    res2: |index| {
        ["conv.conv", "norm.norm"].map(|end| format!("res2net_block.blocks.{index}.{end}"))
    },
    gate: ["se_block.conv1.conv", "se_block.conv2.conv"],
    ends: ["conv.conv", "norm.norm"],
    is_mirrored: true,
    first_part_stays: true,
};

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let weight = first_weight(dict)?;
    let num_mel_bins = weight.shape[1];
    let window = STYLE.padded(dict, Window::same(weight.shape[2], 1));
    let channels = dict.push_conv1d("blocks.0.conv.conv", weight, window)?; // (T, C)
    dict.add(Layer::Relu);
    dict.batch_norm("blocks.0.norm.norm", channels)?;
    let joined = STYLE.blocks(dict, channels)?; // (T, 3C)
    let taps = dict.size("mfa.conv.conv.weight", 2).unwrap_or(1);
    let width = STYLE.layer(dict, "mfa", Some(joined), taps)?;
    let frames = dict.last();

    let statistics = Layer::stats_pool(EPS);
    let hidden = dict.frame_and_statistics("asp.tdnn.conv.conv", frames, width, statistics)?;
    dict.add(Layer::Relu);
    dict.batch_norm("asp.tdnn.norm.norm", hidden)?;
    dict.add(Layer::Tanh);
    dict.conv1d("asp.conv.conv", Some(hidden), Window::FRAME)?;
    dict.add(Layer::attentive_stats_pool(frames, EPS));
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
