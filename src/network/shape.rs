//! Shape inference, done once when a model is loaded: checks that the layers fit together, and
//! computes the size of the embedding and the smallest number of frames.

mod output;
mod step;
#[cfg(test)]
mod tests;

use super::{Layer, frame_count::FrameCount};
use crate::{Error, Result};

pub(super) use output::Shape;
use step::Step;

/// Shapes of a checked layer list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shapes {
    /// D, size of the embedding.
    pub embedding_size: usize,
    /// Smallest number of input frames for which every layer has at least one output frame.
    pub receptive_field: usize,
}

/// Most channels of all outputs that are needed at the same time: what a frame takes in memory.
const MAX_LIVE_CHANNELS: usize = 1 << 16;

/// Infers the shapes from `(T, num_features)` on.
///
/// # Errors
/// [`Error::Layer`] for the first layer whose input shape does not fit, or that reads a layer that
/// does not come before it.
pub fn infer(layers: &[Layer], num_features: usize) -> Result<Shapes> {
    let outputs = outputs(layers, num_features)?;
    check_uses(layers, &outputs)?;
    match outputs.last() {
        Some(Shape::Vector(embedding_size)) => Ok(Shapes {
            embedding_size: *embedding_size,
            receptive_field: receptive_field(layers, &outputs),
        }),
        last => Err(Error::Layer {
            index: layers.len(),
            kind: "end of the list",
            got: last.unwrap_or(&features(num_features)).to_string(),
            wanted: "one vector per utterance".into(),
            remedy: "put stats_pool, mean_pool or flatten before the last linear".into(),
        }),
    }
}

fn features(num_features: usize) -> Shape {
    Shape::Frames(num_features, FrameCount::FEATURES)
}

/// The shape of each layer's output.
///
/// # Errors
/// As [`infer`].
pub(super) fn outputs(layers: &[Layer], num_features: usize) -> Result<Vec<Shape>> {
    let mut outputs = vec![];
    for (index, layer) in layers.iter().enumerate() {
        let step = Step {
            index,
            layer,
            input: outputs.last().copied().unwrap_or(features(num_features)),
            outputs: &outputs,
        };
        let output = step.output()?;
        outputs.push(output);
    }
    Ok(outputs)
}

/// Checks that every output is read by a later layer, that no more channels are needed at a time
/// than [`MAX_LIVE_CHANNELS`], and that the layers after the last pooling read no layer before it.
fn check_uses(layers: &[Layer], outputs: &[Shape]) -> Result<()> {
    let mut last_read: Vec<usize> = (0..layers.len()).collect();
    for (index, layer) in layers.iter().enumerate() {
        for read in layer.reads(index) {
            last_read[read] = index;
        }
    }
    let refuse = |index: usize, got: String, wanted: String, remedy: &'static str| {
        Err(Error::Layer {
            index,
            kind: layers[index].kind(),
            got,
            wanted,
            remedy: remedy.into(),
        })
    };
    let pooling = layers.iter().rposition(Layer::is_pooling);
    let mut live: Vec<usize> = vec![];
    let mut live_channels = 0;
    for (index, shape) in outputs.iter().enumerate() {
        if last_read[index] == index && index + 1 < layers.len() {
            let wanted = "a later layer that reads it".into();
            let remedy = "leave it out, or name it in a later layer";
            return refuse(index, shape.to_string(), wanted, remedy);
        }
        let inner = pooling.is_some_and(|at| index < at);
        if let (true, Layer::Flatten { .. } | Layer::AttentiveStatsPool { .. }) =
            (inner, &layers[index])
        {
            let wanted = "mean_pool, stats_pool or sample_stats_pool before the last pooling";
            return refuse(
                index,
                shape.to_string(),
                wanted.into(),
                "replace it by one of these",
            );
        }
        let is_before = |named: &usize| pooling.is_some_and(|at| index > at && *named < at);
        if let Some(named) = layers[index].named().iter().find(|named| is_before(named)) {
            let wanted = "the last pooling or a layer after it".into();
            return refuse(
                index,
                format!("layer {named}"),
                wanted,
                "join layers before the pooling",
            );
        }
        live.push(index);
        live_channels += shape.size();
        live.retain(|other| {
            let is_live = last_read[*other] >= index;
            live_channels -= if is_live { 0 } else { outputs[*other].size() };
            is_live
        });
        // A vector counts after the pooling, where branches are kept. The pooled one itself may be larger.
        let counted = match pooling {
            Some(at) if index > at => live_channels.saturating_sub(outputs[at].size()),
            _ if matches!(shape, Shape::Frames(..)) => live_channels,
            _ => 0,
        };
        if counted > MAX_LIVE_CHANNELS {
            return refuse(
                index,
                format!("{live_channels} channels of layers that are still needed"),
                format!("up to {MAX_LIVE_CHANNELS}"),
                "make the network smaller",
            );
        }
    }
    Ok(())
}

/// Smallest T for which every layer has at least one frame.
fn receptive_field(layers: &[Layer], outputs: &[Shape]) -> usize {
    let fewest = layers.iter().enumerate().map(|(index, layer)| {
        let input = match index {
            0 => FrameCount::FEATURES,
            _ => match outputs[index - 1] {
                Shape::Frames(_, count) => count,
                Shape::Vector(_) => return 1,
            },
        };
        let wanted = match layer {
            Layer::Conv1d(conv) => conv.fewest_frames(),
            Layer::Conv2d(conv) => conv.fewest_frames(),
            Layer::ReflectPad { frames } => frames + 1,
            _ => 1,
        };
        input.fewest(wanted.max(1))
    });
    fewest.max().unwrap_or(1)
}
