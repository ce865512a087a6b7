//! Runs a network over an utterance: `(T, C)` to one vector.
//!
//! The frames that are pooled are divided into parts of nearly equal length, which depends only on
//! their number. The statistics of the parts are combined in order. This gives the same bits at any
//! thread count, and the embeddings before and after a cut at little extra cost.

use super::{
    Idle, Layer,
    after_pooling::AfterPooling,
    graph::Graph,
    operation::{self, Pooling},
    pooling,
    source::Source,
};
use crate::{features::Features, parallel};
use std::{ops::Range, sync::Mutex};

/// Most frames in a part: a bit over half a second at a hop of 20 ms. A change of speaker is looked for
/// only where parts end.
const PART_FRAMES: usize = 28;
/// Length of a part in frames of the features (10 ms). It counts where the frames that are pooled
/// are further apart than 20 ms, as in some graphs.
const PART_SPAN: usize = 2 * PART_FRAMES;
/// Most values that are pooled at once, 16 MB: those of a longer recording are computed and pooled one
/// span after the other. Fewer would leave threads idle at the ends of the spans.
const VALUES_IN_SPAN: usize = 1 << 22;

/// Buffers for activations, reused from call to call: fresh memory costs page faults.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Buffers for the nodes of a block, one set for each thread.
    idle: Mutex<Vec<Slots>>,
    /// Buffers for outputs over a whole utterance, or a span of it.
    rows: Idle,
}

/// Largest number of buffers for whole utterances that are kept, and largest number of values of
/// each. A recording of some seconds needs no more.
const ROWS_KEPT: (usize, usize) = (16, 1 << 21);

impl Default for Scratch {
    fn default() -> Self {
        let (most, values) = ROWS_KEPT;
        Scratch {
            idle: Mutex::default(),
            rows: Idle::new(most, 0..=values),
        }
    }
}

/// Buffers for the outputs of the nodes of a block.
pub(super) type Slots = Vec<Vec<f32>>;

/// Statistics of the parts of an utterance.
pub(super) struct Pooled {
    pub parts: Vec<Range<usize>>,
    /// The statistics of each part.
    pub statistics: Vec<Vec<f32>>,
}

/// A whole network prepared for running: its layers before the last pooling, that pooling, and the
/// layers on the pooled vector.
#[derive(Debug)]
pub(super) struct Operations {
    /// The layers before the last pooling.
    pub graph: Graph,
    pub pooling: Pooling,
    /// The layers after it.
    pub after: AfterPooling,
}

impl Operations {
    /// From a checked list.
    pub fn new(layers: &[Layer], num_features: usize, weights: Source) -> Self {
        let at = layers.iter().rposition(Layer::is_pooling);
        let at = at.expect("a checked list pools");
        let graph = Graph::new(layers, num_features, weights);
        Operations {
            graph: match weights.is_int8() {
                true => graph.int8(layers, weights),
                false => graph,
            },
            pooling: operation::pooling(&layers[at]).expect("found above"),
            after: AfterPooling::new(layers, at, weights),
        }
    }

    /// Pools `(T, C_in)` features. T must give at least one frame before the pooling.
    pub fn pool(&self, features: &Features, scratch: &Scratch) -> Pooled {
        let graph = &self.graph;
        let (width, part_frames) = (graph.output_width(), part_frames(graph));
        let parts = split(graph.num_outputs(features.num_frames()), part_frames);
        if !graph.gives_spans() {
            let outputs = graph.run(features, scratch);
            let statistics = self.pooling.of_parts(&outputs, width, &parts);
            let outputs = outputs.into_iter();
            outputs.for_each(|rows| scratch.give_back_rows(rows));
            return Pooled { parts, statistics };
        }
        let spans = split(parts.len(), (VALUES_IN_SPAN / (part_frames * width)).max(1));
        let frames = spans.iter().map(|span| frames_of(&parts[span.clone()]));
        let mut statistics = vec![];
        graph.in_spans(features, frames, scratch, |index, outputs| {
            let span_parts = &parts[spans[index].clone()];
            statistics.extend(self.pooling.of_parts(outputs, width, span_parts));
        });
        Pooled { parts, statistics }
    }

    /// Embedding from the pooled statistics, `(D,)`.
    pub fn embedding(&self, pooled: &Pooled) -> Vec<f32> {
        self.after_pooling(&pooled.statistics, &pooled.parts)
    }

    /// Combines the statistics of all parts and runs the layers after the pooling.
    fn after_pooling(&self, pooled: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
        let combined = self.pooling.combined(pooled, parts);
        let num_frames = parts[parts.len() - 1].end - parts[0].start;
        let pooled = self.pooling.finished(combined, num_frames);
        self.after.run(pooled, 1)
    }
}

impl Pooling {
    /// What [`Self::combined`] needs of one part, from its frames `(frames, width)`.
    fn statistics(self, frames: &[f32], width: usize) -> Vec<f32> {
        match self {
            Pooling::Stats { .. } | Pooling::SampleStats { .. } => pooling::moments(frames, width),
            Pooling::Mean => pooling::mean(frames, width),
            Pooling::Flatten { .. } => frames.to_vec(),
            Pooling::AttentiveStats { .. } => unreachable!("needs weights as well"),
        }
    }

    /// Statistics of all parts together, from those of each.
    fn combined(self, statistics: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
        match self {
            Pooling::Stats { .. } | Pooling::SampleStats { .. } => {
                pooling::combined_moments(statistics, parts)
            }
            Pooling::Mean => pooling::combined_means(statistics, parts),
            Pooling::Flatten { num_frames } => {
                let channels = statistics[0].len() / parts[0].len();
                pooling::flatten(&statistics.concat(), channels, num_frames)
            }
            Pooling::AttentiveStats { .. } => pooling::combined_weighted_moments(statistics),
        }
    }

    /// The pooled vector, from the combined statistics of `num_frames` frames.
    pub(super) fn finished(self, combined: Vec<f32>, num_frames: usize) -> Vec<f32> {
        match self {
            Pooling::Stats { eps, groups } => pooling::stats_of_moments(combined, eps, groups),
            Pooling::AttentiveStats { eps } => pooling::stats_of_moments(combined, eps, 1),
            Pooling::SampleStats { eps } => {
                pooling::sample_stats_of_moments(combined, num_frames, eps)
            }
            Pooling::Mean | Pooling::Flatten { .. } => combined,
        }
    }

    /// The statistics of each of some neighbouring `parts`, whose frames `(frames, width)` are the first
    /// of `outputs`. For an attentive pooling their weights, before the softmax, are the second.
    fn of_parts(self, outputs: &[Vec<f32>], width: usize, parts: &[Range<usize>]) -> Vec<Vec<f32>> {
        let first = parts[0].start;
        let largest = outputs.get(1).map(|logits| pooling::largest(logits, width));
        parallel::map(parts, |part| {
            let values = (part.start - first) * width..(part.end - first) * width;
            let frames = &outputs[0][values.clone()];
            match (&largest, outputs.get(1)) {
                (Some(largest), Some(logits)) => {
                    pooling::attentive_moments(frames, &logits[values], largest)
                }
                _ => self.statistics(frames, width),
            }
        })
    }

    /// The pooled vector of the frames `x` `(T, width)`.
    pub(super) fn pooled(self, x: &[f32], width: usize) -> Vec<f32> {
        let parts = split(x.len() / width, PART_FRAMES);
        let of_part =
            |part: &Range<usize>| self.statistics(&x[part.start * width..part.end * width], width);
        let statistics: Vec<Vec<f32>> = parts.iter().map(of_part).collect();
        self.finished(self.combined(&statistics, &parts), x.len() / width)
    }
}

impl Scratch {
    /// A buffer of `len` values. It can hold anything, so all must be written.
    pub fn take_rows(&self, len: usize) -> Vec<f32> {
        self.rows.buffer(len)
    }

    pub fn give_back_rows(&self, rows: Vec<f32>) {
        self.rows.give_back(rows);
    }

    pub fn take(&self) -> Slots {
        // After a panic elsewhere the buffers are still good: they hold no state.
        let mut idle = self.idle.lock().unwrap_or_else(|held| held.into_inner());
        idle.pop().unwrap_or_default()
    }

    pub fn give_back(&self, slots: Slots) {
        let mut idle = self.idle.lock().unwrap_or_else(|held| held.into_inner());
        idle.push(slots);
    }
}

/// Range of frames of neighbouring parts.
fn frames_of(parts: &[Range<usize>]) -> Range<usize> {
    parts[0].start..parts[parts.len() - 1].end
}

/// Most frames in a part of those that are pooled.
fn part_frames(graph: &Graph) -> usize {
    PART_FRAMES.min((PART_SPAN / graph.output_hop()).max(1))
}

/// Part of a buffer for the frames that exist; frames before 0 and past the end are filled with
/// `zero`.
pub(super) struct PaddedFrames<'a> {
    pub real: Range<isize>,
    pub values: &'a mut [f32],
}

pub(super) fn padded_frames(
    buffer: &mut Vec<f32>,
    frames: Range<isize>,
    num_frames: usize,
    width: usize,
    zero: f32,
) -> PaddedFrames<'_> {
    let start = frames.start.max(0).min(frames.end);
    let real = start..frames.end.min(num_frames as isize).max(start);
    let at = |frame: isize| (frame - frames.start) as usize * width;
    let len = at(frames.end);
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    buffer[..at(real.start)].fill(zero);
    buffer[at(real.end)..len].fill(zero);
    PaddedFrames {
        values: &mut buffer[at(real.start)..at(real.end)],
        real,
    }
}

/// Divides `count` frames or parts into pieces of nearly equal length, at most `most`.
fn split(count: usize, most: usize) -> Vec<Range<usize>> {
    let num_pieces = count.div_ceil(most);
    let start = |piece: usize| piece * count / num_pieces;
    (0..num_pieces)
        .map(|piece| start(piece)..start(piece + 1))
        .collect()
}

#[cfg(test)]
mod tests;
