//! Imports CAM++ of 3D-Speaker (Wang et al. 2023, "CAM++: A Fast and Efficient Network for Speaker
//! Verification Using Context-Aware Masking"). WeSpeaker uses the same tensor names.
//!
//! ```text
//! features (T, 80) ─► residual blocks over frames and bins ─► tdnn (T/2, C)
//!   ─► three blocks of layers, each of which adds a few channels ─► statistics ─► linear (D)
//! ```
//!
//! A layer of a block reads x, all channels before it:
//!
//! ```text
//! x ─► batch_norm, relu, linear, relu ─► h (T/2, B)
//! h ─► mean over the recording + mean of each 100 frames ─► linear, relu, linear, sigmoid ─► mask
//! h ─► conv1d (T/2, G) ─► times mask ─► further channels of x
//! ```

use super::{
    resnet::{Plane, Strides, basic_block, by_bin, conv_norm},
    state_dict::{Problem, StateDict, Window},
};
use crate::network::Layer;

/// Dilation of the layers of each block. How many layers a block has follows from the tensors.
const DILATIONS: [usize; 3] = [1, 2, 2];
/// Frames in a segment of the mask.
const SEGMENT_FRAMES: usize = 100;
/// How many bins of the features become one bin after the residual blocks.
const HEAD_STRIDE: usize = 8;

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    // (T, 80) -> (T, 10·32)
    let channels = dict.size("head.conv2.weight", 0).unwrap_or(0);
    let inputs = dict.size("xvector.tdnn.linear.weight", 1).unwrap_or(0);
    let bins = inputs / channels.max(1) * HEAD_STRIDE;
    let by_two = Strides { frames: 1, bins: 2 };
    let features = Plane { channels: 1, bins };
    let mut plane = conv_norm(dict, ("head.conv1", "head.bn1"), features, 3, Strides::NONE)?;
    dict.add(Layer::Relu);
    for layer in ["head.layer1", "head.layer2"] {
        plane = basic_block(dict, &format!("{layer}.0"), plane, by_two)?;
        plane = basic_block(dict, &format!("{layer}.1"), plane, Strides::NONE)?;
    }
    plane = conv_norm(dict, ("head.conv2", "head.bn2"), plane, 3, by_two)?;
    dict.add(Layer::Relu);

    // (T, 10·32) -> (T/2, 128)
    let window = Window {
        stride: 2,
        ..Window::same(5, 1)
    };
    let name = "xvector.tdnn.linear";
    let wanted = [None, Some(plane.channels * plane.bins), Some(window.taps)];
    let weight = dict.take(&format!("{name}.weight"), &wanted)?;
    let mut channels = dict.push_conv1d(name, by_bin(weight, plane), window)?;
    norm_relu(dict, "xvector.tdnn.nonlinear", channels)?;

    for (block, dilation) in (1..).zip(DILATIONS) {
        for layer in 1.. {
            let name = format!("xvector.block{block}.tdnnd{layer}");
            if layer > 1 && dict.shape(&format!("{name}.linear1.weight")).is_none() {
                break;
            }
            channels = dense_layer(dict, &name, channels, dilation)?;
        }
        let name = format!("xvector.transit{block}");
        norm_relu(dict, &format!("{name}.nonlinear"), channels)?;
        channels = dict.conv1d(&format!("{name}.linear"), Some(channels), Window::FRAME)?;
    }
    norm_relu(dict, "xvector.out_nonlinear", channels)?;

    // (T/2, 512) -> (2·512) -> (D)
    dict.add(Layer::SampleStatsPool { eps: 0.0 });
    let wanted = [None, Some(2 * channels), Some(1)];
    let weight = dict.take("xvector.dense.linear.weight", &wanted)?;
    let size = dict.push_linear("xvector.dense.linear", weight)?;
    dict.batch_norm("xvector.dense.nonlinear.batchnorm", size)?;
    Ok(bins)
}

/// Adds a layer of a block. Returns the number of channels including those that the layer adds.
fn dense_layer(
    dict: &mut StateDict,
    name: &str,
    channels: usize,
    dilation: usize,
) -> Result<usize, Problem> {
    let x = dict.last();
    let part = |part: &str| format!("{name}.{part}");
    norm_relu(dict, &part("nonlinear1"), channels)?;
    let width = dict.conv1d(&part("linear1"), Some(channels), Window::FRAME)?;
    norm_relu(dict, &part("nonlinear2"), width)?;
    let h = dict.last(); // (T/2, B)
    let again = Layer::channels(h, 0, width);

    let segments = dict.add(Layer::SegmentMean {
        num_frames: SEGMENT_FRAMES,
    }); // (T/200, B)
    dict.add(again.clone());
    let mean = dict.add(Layer::MeanPool); // (B)
    dict.add(Layer::add([segments, mean]));
    let half = dict.conv1d(&part("cam_layer.linear1"), Some(width), Window::FRAME)?;
    dict.add(Layer::Relu);
    dict.conv1d(&part("cam_layer.linear2"), Some(half), Window::FRAME)?;
    let mask = dict.add(Layer::Sigmoid); // (T/200, G)

    let taps = dict.size(&part("cam_layer.linear_local.weight"), 2);
    let taps = taps.unwrap_or(3);
    dict.add(again);
    let window = Window::same(taps, dilation);
    let added = dict.conv1d(&part("cam_layer.linear_local"), Some(width), window)?;
    let local = dict.last(); // (T/2, G)
    let masked = dict.add(Layer::multiply([local, mask]));
    dict.add(Layer::concat([x, masked]));
    Ok(channels + added)
}

/// Adds a BatchNorm and a ReLU.
fn norm_relu(dict: &mut StateDict, name: &str, channels: usize) -> Result<(), Problem> {
    dict.batch_norm(&format!("{name}.batchnorm"), channels)?;
    dict.add(Layer::Relu);
    Ok(())
}
