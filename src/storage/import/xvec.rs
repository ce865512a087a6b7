//! Imports WeSpeaker's `XVEC` (`wespeaker/models/tdnn.py`, Wang et al. 2023). It has five TDNN
//! layers, each Conv1d → ReLU → BatchNorm, then TSTP pooling, and two Linear layers with ReLU →
//! BatchNorm between them.

use super::state_dict::{Problem, StateDict, Window};
use crate::network::Layer;

/// The epsilon of TSTP pooling.
pub const POOLING_EPS: f32 = 1e-7;

/// Name, taps and dilation of each layer.
const FRAME_LAYERS: [(&str, usize, usize); 5] = [
    ("frame_1", 5, 1),
    ("frame_2", 3, 2),
    ("frame_3", 3, 3),
    ("frame_4", 1, 1),
    ("frame_5", 1, 1),
];

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let mut inputs = None;
    let mut channels = 0;
    for (name, taps, dilation) in FRAME_LAYERS {
        let window = Window {
            taps,
            dilation,
            ..Window::FRAME
        };
        channels = dict.conv1d(&format!("{name}.conv_1d"), inputs, window)?;
        dict.add(Layer::Relu);
        dict.batch_norm(&format!("{name}.bn"), channels)?;
        inputs = Some(channels);
    }
    dict.add(Layer::SampleStatsPool { eps: POOLING_EPS });
    let size = dict.linear("seg_1", 2 * channels)?;
    dict.add(Layer::Relu);
    dict.batch_norm("seg_bn_1", size)?;
    dict.linear("seg_2", size)?;
    Ok(dict.first_channels())
}
