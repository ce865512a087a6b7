//! Runs a [`Graph`] over an utterance: `(T, C_in)` to the frames that are pooled.

use super::{Graph, Input, Node, Stage, Work, needed::reflected};
use crate::{
    features::Features,
    kernels,
    network::{
        frame_count::FrameCount,
        join::{self, Rows},
        pooling,
        run::{self, Scratch},
    },
    parallel,
};
use std::{borrow::Cow, ops::Range};

/// Most values of one node in a block: a few such buffers stay in a cache of 2 MB.
const VALUES_IN_BLOCK: usize = 1 << 17;
/// The same limit for stages in which longer blocks save more than the cache does: those with long
/// overlaps of blocks or with large weights.
const MOST_VALUES_IN_BLOCK: usize = 1 << 22;
/// Two neighbouring blocks both compute the frames in which they overlap. A block is this many times
/// as long, as far as the limits above allow.
const OVERLAPS_IN_BLOCK: usize = 40;
/// Weights of more bytes than this do not stay in the cache and are read anew for each block. A
/// block then has at least [`FRAMES_FOR_LARGE_WEIGHTS`] frames.
const LARGE_WEIGHT_BYTES: usize = 1 << 20;
const FRAMES_FOR_LARGE_WEIGHTS: usize = 150;
/// Threads share a stage only while each block has this many frames of the stage's longest node.
const MIN_FRAMES_IN_BLOCK: usize = 56;

/// Outputs of nodes over the whole utterance, `(frames, width)` each.
type Values<'a> = Vec<Option<Cow<'a, [f32]>>>;

/// What the nodes of a block share.
struct Block<'b> {
    stage: usize,
    values: &'b Values<'b>,
    /// The frames in the buffer of each node of the stage, from the first node on. Frames below 0
    /// and past the end are padding.
    ranges: &'b [Range<isize>],
    first: usize,
    slots: &'b [Vec<f32>],
    /// T of the utterance.
    num_frames: usize,
}

impl Graph {
    /// Computes the frames that are pooled, `(T', C)`, and for an attentive pooling their weights.
    pub fn run(&self, features: &Features, scratch: &Scratch) -> Vec<Vec<f32>> {
        let mut values = self.first_stages(self.stages.len(), features, scratch);
        let mut rest = self.outputs.iter();
        let mut outputs = vec![];
        while let Some(node) = rest.next() {
            let is_last = !rest.as_slice().contains(node);
            let rows = match is_last {
                true => values[*node].take(),
                false => values[*node].clone(),
            };
            outputs.push(rows.expect("computed last").into_owned());
        }
        outputs
    }

    /// Whether [`Self::in_spans`] can be used: the frames that are pooled are computed in blocks, and no
    /// attentive pooling needs all their weights first.
    pub fn gives_spans(&self) -> bool {
        let last = self.stages.last();
        self.outputs.len() == 1 && last.is_some_and(|stage| !stage.is_whole)
    }

    /// Computes some of the frames that are pooled at a time, so that those of a long recording are
    /// never in memory together. Passes the index and the frames `(frames, C)` of each span to `with`.
    pub fn in_spans(
        &self,
        features: &Features,
        spans: impl Iterator<Item = Range<usize>>,
        scratch: &Scratch,
        mut with: impl FnMut(usize, &[Vec<f32>]),
    ) {
        let last = self.stages.len() - 1;
        let mut values = self.first_stages(last, features, scratch);
        let num_frames = features.num_frames();
        for (index, span) in spans.enumerate() {
            let rows = self.in_blocks(last, &values, num_frames, Some(span), scratch);
            with(index, &rows);
            rows.into_iter()
                .for_each(|rows| scratch.give_back_rows(rows));
        }
        self.free(last, &mut values, scratch);
    }

    /// The outputs of the first `count` stages that the rest, or the pooling, read.
    fn first_stages<'a>(
        &self,
        count: usize,
        features: &'a Features,
        scratch: &Scratch,
    ) -> Values<'a> {
        let num_frames = features.num_frames();
        let mut values: Values = self.nodes.iter().map(|_| None).collect();
        values[0] = Some(Cow::Borrowed(features.values()));
        for (index, stage) in self.stages[..count].iter().enumerate() {
            if stage.is_whole {
                let node = stage.nodes[0];
                let rows = self.whole(node, &values, num_frames, scratch);
                values[node] = Some(Cow::Owned(rows));
            } else {
                let rows = self.in_blocks(index, &values, num_frames, None, scratch);
                for (node, rows) in stage.outputs.iter().zip(rows) {
                    values[*node] = Some(Cow::Owned(rows));
                }
            }
            self.free(index, &mut values, scratch);
        }
        values
    }

    /// Frees what no stage after this one reads.
    fn free(&self, stage: usize, values: &mut Values, scratch: &Scratch) {
        for node in &self.stages[stage].freed {
            if let Some(Cow::Owned(rows)) = values[*node].take() {
                scratch.give_back_rows(rows);
            }
        }
    }

    /// Computes each node over the whole utterance, and passes its frames `(frames, width)` to `with`.
    pub(super) fn each_output(
        &self,
        features: &Features,
        scratch: &Scratch,
        mut with: impl FnMut(usize, &[f32]),
    ) {
        let mut values: Values = self.nodes.iter().map(|_| None).collect();
        let mut last_reader = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let inputs = node.inputs.iter();
            inputs.for_each(|input| last_reader[input.node] = index);
        }
        for index in 0..self.nodes.len() {
            let rows = match index {
                0 => Cow::Borrowed(features.values()),
                _ => Cow::Owned(self.whole(index, &values, features.num_frames(), scratch)),
            };
            with(index, &rows);
            values[index] = Some(rows);
            for input in &self.nodes[index].inputs {
                if last_reader[input.node] == index {
                    values[input.node] = None;
                }
            }
        }
    }

    /// One node over all its frames, `(frames, width)`.
    fn whole(
        &self,
        index: usize,
        values: &Values,
        num_frames: usize,
        scratch: &Scratch,
    ) -> Vec<f32> {
        let node = &self.nodes[index];
        let input = &node.inputs[0];
        match &node.work {
            Work::Pool(pooling) => pooling.pooled(
                values[input.node].as_deref().expect("computed before"),
                self.nodes[input.node].width,
            ),
            Work::SegmentMean { num_frames } => {
                let x = values[input.node].as_deref().expect("computed before");
                let segments = x.chunks(num_frames * node.width);
                segments
                    .flat_map(|segment| pooling::mean(segment, node.width))
                    .collect()
            }
            _ => {
                let frames = node.num_frames(num_frames);
                let mut y = scratch.take_rows(frames * node.width);
                let block = Block {
                    stage: node.stage,
                    values,
                    ranges: &[],
                    first: self.nodes.len(),
                    slots: &[],
                    num_frames,
                };
                let mut padded = scratch.take();
                self.compute(node, 0..frames as isize, &block, &mut y, &mut padded);
                scratch.give_back(padded);
                y
            }
        }
    }

    /// The outputs of a stage, computed block by block: the frames `span` of its only output, or all
    /// frames of each.
    fn in_blocks(
        &self,
        index: usize,
        values: &Values,
        num_frames: usize,
        span: Option<Range<usize>>,
        scratch: &Scratch,
    ) -> Vec<Vec<f32>> {
        let stage = &self.stages[index];
        let wanted = |node: &usize| {
            let all = 0..self.nodes[*node].num_frames(num_frames);
            span.clone().unwrap_or(all)
        };
        let count = self.num_blocks(stage, num_frames, span.as_ref().map(Range::len));
        let mut rows: Vec<Vec<f32>> = stage
            .outputs
            .iter()
            .map(|n| scratch.take_rows(wanted(n).len() * self.nodes[*n].width))
            .collect();
        let mut blocks: Vec<Vec<(Range<isize>, &mut [f32])>> = (0..count).map(|_| vec![]).collect();
        for (node, rows) in stage.outputs.iter().zip(&mut rows) {
            let (wanted, width) = (wanted(node), self.nodes[*node].width);
            let mut rest = &mut rows[..];
            for (block, outputs) in blocks.iter_mut().enumerate() {
                let at = |block: usize| wanted.start + block * wanted.len() / count;
                let (start, end) = (at(block), at(block + 1));
                let block_rows;
                (block_rows, rest) = rest.split_at_mut((end - start) * width);
                outputs.push((start as isize..end as isize, block_rows));
            }
        }
        let run = |outputs: Vec<(Range<isize>, &mut [f32])>| {
            let mut slots = scratch.take();
            self.block(index, values, num_frames, outputs, &mut slots);
            scratch.give_back(slots);
        };
        match count {
            1 => blocks.into_iter().for_each(run),
            _ => drop(parallel::map(blocks, run)),
        }
        rows
    }

    /// Number of blocks for all frames of a stage, or for `span` frames of its only output.
    fn num_blocks(&self, stage: &Stage, num_frames: usize, span: Option<usize>) -> usize {
        let count = self.nodes[stage.outputs[0]].count;
        // T of an utterance with so many frames.
        let num_frames = match (span, count) {
            (Some(span), Some(count)) => count.fewest(span).min(num_frames),
            _ => num_frames,
        };
        let frames = |node: &usize| self.nodes[*node].num_frames(num_frames);
        let sizes = stage.nodes.iter().map(|n| frames(n) * self.nodes[*n].width);
        let largest = sizes.max().unwrap_or(0);
        let by_size = largest.div_ceil(self.values_in_block(stage));
        let fewest = stage.outputs.iter().map(frames).min().unwrap_or(1);
        let longest = stage.nodes.iter().map(frames).max().unwrap_or(0);
        let by_threads = parallel::num_threads().min(longest / MIN_FRAMES_IN_BLOCK);
        by_size.max(by_threads).min(fewest).max(1)
    }

    /// Most values of one node in a block of a stage.
    fn values_in_block(&self, stage: &Stage) -> usize {
        let each = stage.nodes.iter().map(|node| {
            let node = &self.nodes[*node];
            let hop = node.count.map_or(1, FrameCount::hop);
            let for_overlap = OVERLAPS_IN_BLOCK * stage.overlap / hop;
            let for_weights = match stage.weight_bytes > LARGE_WEIGHT_BYTES {
                true => FRAMES_FOR_LARGE_WEIGHTS,
                false => 0,
            };
            node.width * for_overlap.max(for_weights)
        });
        let wanted = each.max().unwrap_or(0);
        wanted.clamp(VALUES_IN_BLOCK, MOST_VALUES_IN_BLOCK)
    }

    /// Computes some frames of each output of a stage.
    fn block(
        &self,
        index: usize,
        values: &Values,
        num_frames: usize,
        outputs: Vec<(Range<isize>, &mut [f32])>,
        slots: &mut Vec<Vec<f32>>,
    ) {
        let stage = &self.stages[index];
        let ranges = self.ranges(index, &outputs, num_frames);
        let first = stage.nodes[0];
        // One more, for inputs with padding.
        let count = slots.len().max(stage.num_slots + 1);
        slots.resize_with(count, Vec::new);
        let mut padded = vec![slots.pop().expect("just made")];
        let mut outputs = stage.outputs.iter().zip(outputs).peekable();
        for at in &stage.nodes {
            let node = &self.nodes[*at];
            let mut y = std::mem::take(&mut slots[node.slot]);
            let is_only_output =
                |(output, _): &(&usize, _)| *output == at && !node.is_read_in_stage;
            let (real, out) = match outputs.next_if(is_only_output) {
                Some((_, (wanted, rows))) => (wanted, rows),
                None => {
                    let range = ranges[at - first].clone();
                    let frames = node.num_frames(num_frames);
                    let out = run::padded_frames(&mut y, range, frames, node.width, node.zero());
                    (out.real, out.values)
                }
            };
            if !real.is_empty() {
                let block = Block {
                    stage: index,
                    values,
                    ranges: &ranges,
                    first,
                    slots,
                    num_frames,
                };
                self.compute(node, real.clone(), &block, out, &mut padded);
            }
            if let Some((_, (wanted, rows))) = outputs.next_if(|(node, _)| *node == at) {
                let from = (wanted.start - real.start) as usize * node.width;
                let len = rows.len();
                rows.copy_from_slice(&out[from..][..len]);
            }
            slots[node.slot] = y;
        }
        slots.extend(padded);
    }

    /// Computes the frames `real` of a node.
    fn compute(
        &self,
        node: &Node,
        real: Range<isize>,
        block: &Block,
        y: &mut [f32],
        padded: &mut Vec<Vec<f32>>,
    ) {
        let width = node.width;
        let rows = |input: &Input| {
            let source = &self.nodes[input.node];
            let input_frames = source.num_frames(block.num_frames);
            let wanted = node.frames_for(real.clone(), input, input_frames);
            let x = self.rows_of(input.node, wanted.clone(), block);
            (x, wanted.start, source.width)
        };
        let inputs = || {
            node.inputs.iter().map(|input| {
                let (values, first, width) = rows(input);
                Rows {
                    frames_each: input.frames_each,
                    values,
                    first,
                    width,
                }
            })
        };
        match &node.work {
            Work::Map(operation) => {
                let input = node.inputs[0].node;
                let wanted = operation.frames_for(real);
                if padded.is_empty() {
                    padded.push(vec![]);
                }
                let x = self.with_padding(input, wanted, block, &mut padded[0]);
                operation.apply(x, y);
            }
            Work::Channels { first } => {
                let (x, _, input_width) = rows(&node.inputs[0]);
                for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(input_width)) {
                    y.copy_from_slice(&x[*first..][..width]);
                }
            }
            Work::ReflectPad { frames } => {
                let input = &node.inputs[0];
                let input_frames = self.nodes[input.node].num_frames(block.num_frames);
                let (x, first, _) = rows(input);
                for (t, y) in real.zip(y.chunks_exact_mut(width)) {
                    let at = reflected(t - *frames as isize, input_frames) - first;
                    y.copy_from_slice(&x[at as usize * width..][..width]);
                }
            }
            Work::Concat => {
                join::concat(real.start, y, width, inputs());
            }
            Work::Add { relu } => {
                join::values(real.start, y, width, inputs(), |a, b| a + b);
                if *relu {
                    crate::network::Activation::Relu.apply(y);
                }
            }
            Work::Multiply => {
                join::values(real.start, y, width, inputs(), |a, b| a * b);
            }
            Work::Quantise(parts) => {
                let int8 = kernels::table().int8;
                let mut at = 0;
                for (part, input) in parts.iter().zip(&node.inputs) {
                    let words = &mut bytemuck::cast_slice_mut(y)[at..];
                    (int8.quantise)(rows(input).0, part, words, width);
                    at += part.num_words();
                }
            }
            Work::Features | Work::SegmentMean { .. } | Work::Pool(_) => {
                unreachable!("never part of a block")
            }
        }
    }

    /// The frames `wanted` of a node; all exist.
    fn rows_of<'b>(&self, node: usize, wanted: Range<isize>, block: &'b Block) -> &'b [f32] {
        let source = &self.nodes[node];
        let (x, first) = match self.is_local(node, block) {
            true => (
                &block.slots[source.slot][..],
                block.ranges[node - block.first].start,
            ),
            false => (block.values[node].as_deref().expect("computed before"), 0),
        };
        let from = (wanted.start - first) as usize * source.width;
        &x[from..][..wanted.len() * source.width]
    }

    /// As [`Self::rows_of`], but frames before the first and past the last are filled with padding:
    /// the value that stands for 0.
    fn with_padding<'b>(
        &self,
        node: usize,
        wanted: Range<isize>,
        block: &'b Block,
        padded: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        let source = &self.nodes[node];
        let frames = source.num_frames(block.num_frames) as isize;
        if self.is_local(node, block) || wanted.start >= 0 && wanted.end <= frames {
            return self.rows_of(node, wanted, block);
        }
        let len = wanted.len() * source.width;
        let out = run::padded_frames(padded, wanted, frames as usize, source.width, source.zero());
        if !out.real.is_empty() {
            let real = self.rows_of(node, out.real.clone(), block);
            out.values.copy_from_slice(real);
        }
        &padded[..len]
    }

    /// Whether the output of this node is in a buffer of the block.
    fn is_local(&self, node: usize, block: &Block) -> bool {
        let source = &self.nodes[node];
        source.stage == block.stage && node >= block.first && !source.is_features()
    }
}
