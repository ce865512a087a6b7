//! Runs a network over an utterance: `(T, C)` to one vector.
//!
//! The frames before the pooling are divided into parts of nearly equal length, which depends only
//! on their number. The statistics of the parts are combined in order. This gives the same bits at
//! any thread count, and the embeddings before and after a cut at little extra cost. Several
//! neighbouring parts go through all operations together, with the surrounding frames that they
//! need, so that threads wait for each other only at the end and activations stay in the cache. The
//! last activations are the widest, so they are computed and pooled part by part.

use super::{
    Idle,
    operation::{Operation, Pooling},
    operations::Operations,
    pooling,
};
use crate::{features::Features, parallel};
use std::{ops::Range, sync::Mutex};

/// Most frames in a part: two full tiles of the widest kernel, a bit over half a second at a hop of
/// 20 ms. A change of speaker is looked for only where parts end.
const PART_FRAMES: usize = 28;
/// Length of a part in frames of the features (10 ms). It counts where the frames that are pooled
/// are further apart than 20 ms, as in some graphs.
const PART_SPAN: usize = 2 * PART_FRAMES;
/// Most parts that go through the operations together, which reads the weights from memory only
/// once.
const PARTS_TOGETHER: usize = 20;
/// Most activations between two operations, for all parts together: two such buffers partly stay in
/// a cache of 1 MB.
const VALUES_TOGETHER: usize = 294 * 576;

/// Buffers for activations, reused from call to call: fresh memory costs page faults.
#[derive(Debug)]
pub(super) struct Scratch {
    idle: Mutex<Vec<Buffers>>,
    /// Buffers for the outputs of a layer over a whole utterance.
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

#[derive(Debug, Default)]
pub(super) struct Buffers {
    together: [Vec<f32>; 2],
    part: [Vec<f32>; 2],
    /// Buffers for the nodes of a graph.
    pub slots: Vec<Vec<f32>>,
}

/// Consecutive frames of an utterance, from frame `first` on. Frames below 0 or past the end are
/// padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames<'a> {
    /// `(frames, width)`
    pub values: &'a [f32],
    /// Values of a frame: C, or fewer words if a word holds several u8 channels.
    pub width: usize,
    pub first: isize,
    /// T, number of frames of the whole utterance.
    pub of: usize,
}

/// Statistics of the parts of an utterance.
pub(super) struct Pooled {
    pub parts: Vec<Range<usize>>,
    /// The statistics of each part.
    pub statistics: Vec<Vec<f32>>,
}

impl Operations {
    /// Pools `(T, C_in)` features. T must give at least one frame before the pooling.
    pub fn pool(&self, features: &Features, scratch: &Scratch) -> Pooled {
        if let Some(graph) = &self.graph {
            let outputs = graph.run(whole(features), scratch);
            let pooled = self
                .pooling
                .in_parts(&outputs, graph.output_width(), graph.output_hop());
            let outputs = outputs.into_iter();
            outputs.for_each(|rows| scratch.give_back_rows(rows));
            return pooled;
        }
        let parts = self.parts(features.num_frames());
        let statistics = self.pooled(whole(features), &parts, scratch);
        Pooled { parts, statistics }
    }

    /// Computes on one thread what [`Self::pool`] pools, and passes `(frames, C)` of each part to
    /// `with`, branch by branch.
    pub fn before_pooling(
        &self,
        features: &Features,
        scratch: &Scratch,
        mut with: impl FnMut(&[f32]),
    ) {
        if let Some(graph) = &self.graph {
            // The frames that are pooled. An attentive pooling has their weights as a second output.
            return with(&graph.run(whole(features), scratch)[0]);
        }
        let together = self.parts_together(features.num_channels());
        for parts in self.parts(features.num_frames()).chunks(together) {
            self.for_each_part(whole(features), parts, scratch, |_, y| with(y.values));
        }
    }

    /// Embedding from the pooled statistics, `(D,)`.
    pub fn embedding(&self, pooled: &Pooled) -> Vec<f32> {
        self.after_pooling(&pooled.statistics, &pooled.parts)
    }

    /// The parts of the frames that are pooled, for an utterance of `num_frames` frames.
    fn parts(&self, num_frames: usize) -> Vec<Range<usize>> {
        let before = self.branches[0].iter();
        let frames = before.fold(num_frames, |frames, op| op.num_frames(frames));
        parts(frames, PART_FRAMES)
    }

    /// Most parts that go through the operations together, for `width` values per frame.
    fn parts_together(&self, width: usize) -> usize {
        let (together, _) = split_at_last_map(&self.branches[0]);
        let (mut width, mut widest) = (width, width);
        for operation in together {
            width = operation.width(width);
            widest = widest.max(width);
        }
        (VALUES_TOGETHER / (widest * PART_FRAMES)).clamp(1, PARTS_TOGETHER)
    }

    /// Statistics of each of the `parts`.
    fn pooled(&self, features: Frames, parts: &[Range<usize>], scratch: &Scratch) -> Vec<Vec<f32>> {
        let threads = match parts.len() {
            1 => 1,
            _ => parallel::num_threads(),
        };
        let most = self.parts_together(features.width);
        let together = parts.len().div_ceil(threads).min(most);
        let pooled_parts = |parts: &[Range<usize>]| self.pooled_parts(features, parts, scratch);
        if threads == 1 || together == parts.len() {
            parts.chunks(together).flat_map(pooled_parts).collect()
        } else {
            let chunks = parallel::map(parts.chunks(together), pooled_parts);
            chunks.into_iter().flatten().collect()
        }
    }

    /// Combines the statistics of all parts and runs the operations after the pooling.
    fn after_pooling(&self, pooled: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
        let combined = self.pooling.combined(pooled, parts);
        let num_frames = parts[parts.len() - 1].end - parts[0].start;
        let pooled = self.pooling.finished(combined, num_frames);
        self.after.run(pooled, 1)
    }

    /// Statistics of each of some neighbouring `parts`, computed on one thread.
    fn pooled_parts(
        &self,
        features: Frames,
        parts: &[Range<usize>],
        scratch: &Scratch,
    ) -> Vec<Vec<f32>> {
        let mut pooled: Vec<Vec<Vec<f32>>> = parts.iter().map(|_| vec![]).collect();
        self.for_each_part(features, parts, scratch, |part, y| {
            pooled[part].push(self.pooling.statistics(y.values, y.width));
        });
        let of_branches = pooled.iter();
        match self.pooling {
            Pooling::Stats { .. } | Pooling::SampleStats { .. } => of_branches
                .map(|moments| pooling::concatenated_moments(moments))
                .collect(),
            _ => of_branches.map(|pooled| pooled.concat()).collect(),
        }
    }

    /// Computes the frames before the pooling, and passes each part's index in `parts` and frames
    /// to `with`, branch by branch.
    fn for_each_part(
        &self,
        features: Frames,
        parts: &[Range<usize>],
        scratch: &Scratch,
        mut with: impl FnMut(usize, Frames),
    ) {
        let mut buffers = scratch.take();
        for branch in &self.branches {
            let (together, by_part) = split_at_last_map(branch);
            let wanted = frames_for(by_part, all_of(parts));
            let x = run(together, features, wanted, &mut buffers.together);
            for (index, part) in parts.iter().enumerate() {
                let part = part.start as isize..part.end as isize;
                with(index, run(by_part, x, part, &mut buffers.part));
            }
        }
        scratch.give_back(buffers);
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

    /// Divides the frames `(T, width)` into parts, and computes the statistics of each. They are the
    /// first of `outputs`; for an attentive pooling their weights, before the softmax, are the second. `hop` is the
    /// distance between two frames, in frames of the features.
    pub(super) fn in_parts(self, outputs: &[Vec<f32>], width: usize, hop: usize) -> Pooled {
        let frames = &outputs[0];
        let part_frames = PART_FRAMES.min((PART_SPAN / hop).max(1));
        let parts = parts(frames.len() / width, part_frames);
        let largest = outputs.get(1).map(|logits| pooling::largest(logits, width));
        let statistics = parallel::map(&parts, |part| {
            let values = part.start * width..part.end * width;
            let frames = &frames[values.clone()];
            match (&largest, outputs.get(1)) {
                (Some(largest), Some(logits)) => {
                    pooling::attentive_moments(frames, &logits[values], largest)
                }
                _ => self.statistics(frames, width),
            }
        });
        Pooled { parts, statistics }
    }

    /// The pooled vector of the frames `x` `(T, width)`.
    pub(super) fn pooled(self, x: &[f32], width: usize) -> Vec<f32> {
        let parts = parts(x.len() / width, PART_FRAMES);
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

    pub fn take(&self) -> Buffers {
        // After a panic elsewhere the buffers are still good: they hold no state.
        let mut idle = self.idle.lock().unwrap_or_else(|held| held.into_inner());
        idle.pop().unwrap_or_default()
    }

    pub fn give_back(&self, buffers: Buffers) {
        let mut idle = self.idle.lock().unwrap_or_else(|held| held.into_inner());
        idle.push(buffers);
    }
}

fn whole(features: &Features) -> Frames<'_> {
    Frames {
        values: features.values(),
        width: features.num_channels(),
        first: 0,
        of: features.num_frames(),
    }
}

/// Operations that run on several parts together, and those that run part by part: the last map and
/// what follows.
fn split_at_last_map(operations: &[Operation]) -> (&[Operation], &[Operation]) {
    let is_map = |op: &Operation| matches!(op, Operation::Affine { .. } | Operation::Int8 { .. });
    operations.split_at(operations.iter().rposition(is_map).unwrap_or(0))
}

/// Range of frames of neighbouring parts.
fn all_of(parts: &[Range<usize>]) -> Range<isize> {
    parts[0].start as isize..parts[parts.len() - 1].end as isize
}

/// Range of input frames that `operations` need for the output frames `out`.
fn frames_for(operations: &[Operation], out: Range<isize>) -> Range<isize> {
    let backwards = operations.iter().rev();
    backwards.fold(out, |out, operation| operation.frames_for(out))
}

/// Applies `operations` to `x` and returns the frames `wanted`. `x` must hold all frames that they
/// need, except for padding with 0.
pub(super) fn run<'a>(
    operations: &[Operation],
    x: Frames<'a>,
    wanted: Range<isize>,
    buffers: &'a mut [Vec<f32>; 2],
) -> Frames<'a> {
    let [mut held, mut spare] = buffers.each_mut();
    let Frames {
        mut width,
        mut first,
        mut of,
        ..
    } = x;
    let mut in_place = Some(x.values);
    let needed = frames_for(operations, wanted.clone());
    let end = first + (x.values.len() / width) as isize;
    if needed.start < first || needed.end > end {
        // Padding before the first operation.
        let y = padded_frames(held, needed.clone(), of, width, 0.0);
        let at = (y.real.start - first) as usize * width;
        y.values.copy_from_slice(&x.values[at..][..y.values.len()]);
        (first, in_place) = (needed.start, None);
    }
    for (index, operation) in operations.iter().enumerate() {
        of = operation.num_frames(of);
        let out = frames_for(&operations[index + 1..], wanted.clone());
        let zero = operation.zero();
        let y = padded_frames(spare, out.clone(), of, operation.width(width), zero);
        let x = in_place.take().unwrap_or(held);
        if !y.real.is_empty() {
            let from = operation.frames_for(y.real);
            let at = |frame: isize| (frame - first) as usize * width;
            operation.apply(&x[at(from.start)..at(from.end)], y.values);
        }
        (first, width) = (out.start, operation.width(width));
        std::mem::swap(&mut held, &mut spare);
    }
    let values = in_place.unwrap_or(held);
    let len = (wanted.end - wanted.start) as usize * width;
    Frames {
        values: &values[(wanted.start - first) as usize * width..][..len],
        width,
        first: wanted.start,
        of,
    }
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
    of: usize,
    width: usize,
    zero: f32,
) -> PaddedFrames<'_> {
    let start = frames.start.max(0).min(frames.end);
    let real = start..frames.end.min(of as isize).max(start);
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

/// Divides `num_frames` into parts of nearly equal length.
fn parts(num_frames: usize, part_frames: usize) -> Vec<Range<usize>> {
    let count = num_frames.div_ceil(part_frames);
    let start = |part: usize| part * num_frames / count;
    (0..count)
        .map(|part| start(part)..start(part + 1))
        .collect()
}

#[cfg(test)]
mod tests;
