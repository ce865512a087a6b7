//! Imports WeSpeaker's `ECAPA_TDNN` with attentive statistics pooling
//! (`wespeaker/models/ecapa_tdnn.py`, after Desplanques et al. 2020, "ECAPA-TDNN: Emphasized
//! Channel Attention, Propagation and Aggregation"). SpeechBrain's network has the same blocks.
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

/// How an implementation of the network names its tensors, and where implementations differ.
pub struct Style {
    /// The blocks, with their dilations.
    pub blocks: [(&'static str, usize); 3],
    /// Within a block: the convolutions of one frame before and after the Res2 convolution.
    pub around: [&'static str; 2],
    /// The convolution with this number in the Res2 convolution of a block, and its BatchNorm.
    pub res2: fn(usize) -> [String; 2],
    /// The two maps of a block's gate.
    pub gate: [&'static str; 2],
    /// Ends of the names of a convolution and of its BatchNorm.
    pub ends: [&'static str; 2],
    /// The frames beyond the ends mirror those within; otherwise they are zeros.
    pub is_mirrored: bool,
    /// The first part of a Res2 convolution stays as it is; otherwise the last.
    pub first_part_stays: bool,
}

const STYLE: Style = Style {
    blocks: [
        ("layer2.se_res2block", 2),
        ("layer3.se_res2block", 3),
        ("layer4.se_res2block", 4),
    ],
    around: ["0", "2"],
    res2: |index| [format!("1.convs.{index}"), format!("1.bns.{index}")],
    gate: ["3.linear1", "3.linear2"],
    ends: ["conv", "bn"],
    is_mirrored: false,
    first_part_stays: false,
};

/// Adds the network's layers to `dict` and returns its number of mel bins.
pub fn layers(dict: &mut StateDict) -> Result<usize, Problem> {
    let channels = STYLE.layer(dict, "layer1", None, 5)?; // (T, C)
    let joined = STYLE.blocks(dict, channels)?; // (T, 3C)
    let width = dict.conv1d("conv", Some(joined), Window::FRAME)?;
    let frames = dict.add(Layer::Relu);

    let statistics = Layer::SampleStatsPool { eps: POOLING_EPS };
    let hidden = dict.frame_and_statistics("pool.linear1", frames, width, statistics)?;
    dict.add(Layer::Tanh);
    dict.conv1d("pool.linear2", Some(hidden), Window::FRAME)?;
    dict.add(Layer::attentive_stats_pool(frames, POOLING_EPS));
    dict.batch_norm("bn", 2 * width)?;
    dict.linear("linear", 2 * width)?;
    Ok(dict.first_channels())
}

impl Style {
    /// Adds the three blocks and joins their outputs; returns the number of channels. `(T, C) -> (T, 3C)`
    pub fn blocks(&self, dict: &mut StateDict, channels: usize) -> Result<usize, Problem> {
        let block = |(name, dilation)| self.block(dict, name, channels, dilation);
        let layers: Vec<usize> = self
            .blocks
            .into_iter()
            .map(block)
            .collect::<Result<_, _>>()?;
        dict.add(Layer::concat(layers));
        Ok(self.blocks.len() * channels)
    }

    /// Adds a block: a Res2 convolution between two convolutions of one frame, a gate computed from the
    /// whole recording (squeeze and excitation), and a residual connection. Returns its index. `(T, C)
    /// -> (T, C)`
    fn block(
        &self,
        dict: &mut StateDict,
        name: &str,
        channels: usize,
        dilation: usize,
    ) -> Result<usize, Problem> {
        let x = dict.last();
        let [before, behind] = self.around.map(|part| format!("{name}.{part}"));
        self.layer(dict, &before, Some(channels), 1)?;
        self.res2(dict, name, channels, dilation)?;
        self.layer(dict, &behind, Some(channels), 1)?;

        let y = dict.last();
        let [squeeze, excite] = self.gate.map(|map| format!("{name}.{map}"));
        dict.add(Layer::MeanPool); // (C)
        let size = dict.linear(&squeeze, channels)?;
        dict.add(Layer::Relu);
        dict.linear(&excite, size)?;
        let gate = dict.add(Layer::Sigmoid);
        let gated = dict.add(Layer::multiply([y, gate]));
        Ok(dict.add(Layer::add([x, gated])))
    }

    /// Adds a Res2 convolution. The channels are divided into equal parts. The result of each part is
    /// added to the next part before the next part is convolved.
    fn res2(
        &self,
        dict: &mut StateDict,
        block: &str,
        channels: usize,
        dilation: usize,
    ) -> Result<(), Problem> {
        let x = dict.last();
        let names = |index| (self.res2)(index).map(|part| format!("{block}.{part}"));
        let shape = dict.shape(&format!("{}.weight", names(0)[0]));
        let (width, taps) = match shape.as_deref() {
            Some([width, _, taps]) if *width > 0 => (*width, *taps),
            _ => (channels, 3),
        };
        let part = |index: usize| Layer::channels(x, index * width, width);
        let num_convolved = (channels / width).saturating_sub(1).max(1);
        let mut outputs = vec![];
        if self.first_part_stays {
            outputs.push(dict.add(part(0)));
        }
        for index in 0..num_convolved {
            let this_part = dict.add(part(index + usize::from(self.first_part_stays)));
            if index > 0 {
                dict.add(Layer::add([outputs[outputs.len() - 1], this_part]));
            }
            self.conv_relu_norm(dict, &names(index), Some(width), taps, dilation)?;
            outputs.push(dict.last());
        }
        if !self.first_part_stays && channels > width {
            outputs.push(dict.add(part(num_convolved)));
        }
        if outputs.len() > 1 {
            dict.add(Layer::concat(outputs));
        }
        Ok(())
    }

    /// Adds a Conv1d of `taps` frames in a row, a ReLU and a BatchNorm; returns C_out.
    pub fn layer(
        &self,
        dict: &mut StateDict,
        name: &str,
        in_channels: Option<usize>,
        taps: usize,
    ) -> Result<usize, Problem> {
        let names = self.ends.map(|end| format!("{name}.{end}"));
        self.conv_relu_norm(dict, &names, in_channels, taps, 1)
    }

    fn conv_relu_norm(
        &self,
        dict: &mut StateDict,
        [conv, norm]: &[String; 2],
        in_channels: Option<usize>,
        taps: usize,
        dilation: usize,
    ) -> Result<usize, Problem> {
        let window = self.padded(dict, Window::same(taps, dilation));
        let channels = dict.conv1d(conv, in_channels, window)?;
        dict.add(Layer::Relu);
        dict.batch_norm(norm, channels)?;
        Ok(channels)
    }

    /// What is left of the padding of a Conv1d, after the frames that are mirrored at both ends.
    pub fn padded(&self, dict: &mut StateDict, window: Window) -> Window {
        let frames = window.padding;
        if !self.is_mirrored || frames == 0 {
            return window;
        }
        dict.add(Layer::ReflectPad { frames });
        Window {
            padding: 0,
            ..window
        }
    }
}
