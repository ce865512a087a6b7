//! A network run over an utterance: operations and `(T, C)` in, one vector out.
//!
//! The frames before the pooling are cut into parts of nearly equal length, by their number alone,
//! and the statistics of the parts are combined in order: the same bits at any thread count, and what
//! an utterance says before and behind a cut comes for little more. A few
//! neighbouring parts go together through all operations, with the frames around them that they
//! need, so that threads wait for each other only at the end and activations stay in the cache.
//! The widest activations, the last, are made and pooled part by part.

use super::{
    operation::{Operation, Operations, Pooling},
    pooling,
};
use crate::{features::Features, parallel};
use std::{ops::Range, sync::Mutex};

/// Most frames in a part: two whole tiles of the widest kernel, half a second and a bit: a change of
/// speaker is looked for where parts end.
const PART_FRAMES: usize = 28;
/// Most parts that go through the operations together: their weights are read from afar once for all.
const PARTS_TOGETHER: usize = 20;
/// Most activations between two operations, of all parts together: with two such buffers some stay in
/// a cache of 1 MB.
const VALUES_TOGETHER: usize = 294 * 576;

/// Activations between operations, used again from call to call: fresh memory costs page faults.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    idle: Mutex<Vec<Buffers>>,
}

#[derive(Debug, Default)]
struct Buffers {
    together: [Vec<f32>; 2],
    part: [Vec<f32>; 2],
}

/// Frames `first..` of all; those below 0 or past the last are padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames<'a> {
    /// `(frames, width)`
    pub values: &'a [f32],
    /// C, or words of some channels.
    pub width: usize,
    pub first: isize,
    /// T of the whole utterance.
    pub of: usize,
}

/// The statistics of an utterance's parts.
pub(super) struct Pooled {
    pub parts: Vec<Range<usize>>,
    /// For each part.
    pub statistics: Vec<Vec<f32>>,
}

impl Operations {
    /// `(T, C_in)`, pooled; T gives at least one frame before the pooling.
    pub fn pool(&self, features: &Features, scratch: &Scratch) -> Pooled {
        let parts = self.parts(features.num_frames());
        let statistics = self.pooled(whole(features), &parts, scratch);
        Pooled { parts, statistics }
    }

    /// What [`Self::pool`] pools, made by one thread: `with` is given `(frames, C)` of each part, branch
    /// by branch.
    pub fn before_pooling(
        &self,
        features: &Features,
        scratch: &Scratch,
        mut with: impl FnMut(&[f32]),
    ) {
        let together = self.parts_together(features.num_channels());
        for parts in self.parts(features.num_frames()).chunks(together) {
            self.for_each_part(whole(features), parts, scratch, |_, y| with(y.values));
        }
    }

    /// `(D,)`
    pub fn embedding(&self, pooled: &Pooled) -> Vec<f32> {
        self.after_pooling(&pooled.statistics, &pooled.parts)
    }

    /// [`Self::pool`] for T = `num_frames` of `width` that are given some at a time: `frames` is
    /// asked for ranges from front to back, which overlap.
    pub fn pool_by_pieces<E>(
        &self,
        num_frames: usize,
        width: usize,
        mut frames: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
        scratch: &Scratch,
    ) -> Result<Pooled, E> {
        let all = self.parts(num_frames);
        let together = self.parts_together(width);
        let mut statistics = vec![];
        for parts in all.chunks(together * parallel::num_threads()) {
            let needed = frames_for(&self.branches[0], all_of(parts));
            // What lies outside is padding.
            let needed = needed.start.max(0) as usize..(needed.end as usize).min(num_frames);
            let values = frames(needed.clone())?;
            let piece = Frames {
                values: &values,
                width,
                first: needed.start as isize,
                of: num_frames,
            };
            statistics.extend(self.pooled(piece, parts, scratch));
        }
        Ok(Pooled {
            parts: all,
            statistics,
        })
    }

    /// Parts of the frames before the pooling that T = `num_frames` give.
    fn parts(&self, num_frames: usize) -> Vec<Range<usize>> {
        let before = self.branches[0].iter();
        parts(before.fold(num_frames, |frames, op| op.num_frames(frames)))
    }

    /// Most parts that go through the operations together, for `width` values a frame.
    fn parts_together(&self, width: usize) -> usize {
        let (together, _) = split_at_last_map(&self.branches[0]);
        let (mut width, mut widest) = (width, width);
        for operation in together {
            width = operation.width(width);
            widest = widest.max(width);
        }
        (VALUES_TOGETHER / (widest * PART_FRAMES)).clamp(1, PARTS_TOGETHER)
    }

    /// Each of the `parts`, pooled.
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

    /// From all parts' statistics on.
    fn after_pooling(&self, pooled: &[Vec<f32>], parts: &[Range<usize>]) -> Vec<f32> {
        let combined = match self.pooling {
            Pooling::Stats { .. } | Pooling::SampleStats { .. } => {
                pooling::combined_moments(pooled, parts)
            }
            Pooling::Mean => pooling::combined_means(pooled, parts),
            Pooling::Flatten { num_frames } => {
                let channels = pooled[0].len() / parts[0].len();
                pooling::flatten(&pooled.concat(), channels, num_frames)
            }
        };
        self.after_combining(combined, parts[parts.len() - 1].end - parts[0].start)
    }

    /// From the combined statistics of so many frames on.
    pub(super) fn after_combining(&self, combined: Vec<f32>, num_frames: usize) -> Vec<f32> {
        let mut x = match self.pooling {
            Pooling::Stats { eps, groups } => pooling::floored(combined, eps, groups),
            Pooling::SampleStats { eps } => pooling::of_sample(combined, num_frames, eps),
            Pooling::Mean | Pooling::Flatten { .. } => combined,
        };
        for operation in &self.after {
            let mut y = vec![0.0; operation.width(x.len())];
            operation.apply(&x, &mut y);
            x = y;
        }
        x // (D,)
    }

    /// The neighbouring `parts` of the frames before the pooling, each pooled.
    fn pooled_parts(
        &self,
        features: Frames,
        parts: &[Range<usize>],
        scratch: &Scratch,
    ) -> Vec<Vec<f32>> {
        let mut pooled: Vec<Vec<Vec<f32>>> = parts.iter().map(|_| vec![]).collect();
        self.for_each_part(features, parts, scratch, |part, y| {
            pooled[part].push(match self.pooling {
                Pooling::Stats { .. } | Pooling::SampleStats { .. } => {
                    pooling::moments(y.values, y.width)
                }
                Pooling::Mean => pooling::mean(y.values, y.width),
                Pooling::Flatten { .. } => y.values.to_vec(),
            });
        });
        let of_branches = pooled.iter();
        match self.pooling {
            Pooling::Stats { .. } | Pooling::SampleStats { .. } => of_branches
                .map(|moments| pooling::side_by_side(moments))
                .collect(),
            _ => of_branches.map(|pooled| pooled.concat()).collect(),
        }
    }

    /// What the pooling is given: `with` gets the place of each of the `parts` and its frames, branch by
    /// branch.
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

impl Scratch {
    fn take(&self) -> Buffers {
        // A panic elsewhere leaves the buffers as good as they were: they hold no state.
        let mut idle = self.idle.lock().unwrap_or_else(|held| held.into_inner());
        idle.pop().unwrap_or_default()
    }

    fn give_back(&self, buffers: Buffers) {
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

/// What is done to some parts together, and what part by part: the last map and what follows.
fn split_at_last_map(operations: &[Operation]) -> (&[Operation], &[Operation]) {
    let is_map = |op: &Operation| matches!(op, Operation::Affine { .. } | Operation::Int8 { .. });
    operations.split_at(operations.iter().rposition(is_map).unwrap_or(0))
}

/// The frames of neighbouring parts.
fn all_of(parts: &[Range<usize>]) -> Range<isize> {
    parts[0].start as isize..parts[parts.len() - 1].end as isize
}

/// The frames that the frames `out` after `operations` are made of.
fn frames_for(operations: &[Operation], out: Range<isize>) -> Range<isize> {
    let backwards = operations.iter().rev();
    backwards.fold(out, |out, operation| operation.frames_for(out))
}

/// The frames `wanted` after `operations`; `x` must hold those that they are made of, but for padding
/// with 0.
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
        let y = placed(held, needed.clone(), of, width, 0.0);
        let at = (y.real.start - first) as usize * width;
        y.values.copy_from_slice(&x.values[at..][..y.values.len()]);
        (first, in_place) = (needed.start, None);
    }
    for (index, operation) in operations.iter().enumerate() {
        of = operation.num_frames(of);
        let out = frames_for(&operations[index + 1..], wanted.clone());
        let zero = operation.zero();
        let y = placed(spare, out.clone(), of, operation.width(width), zero);
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

/// Room for the real ones of some frames, `zero` in the place of those before 0 and past the last.
struct Placed<'a> {
    real: Range<isize>,
    values: &'a mut [f32],
}

fn placed(
    buffer: &mut Vec<f32>,
    frames: Range<isize>,
    of: usize,
    width: usize,
    zero: f32,
) -> Placed<'_> {
    let start = frames.start.max(0).min(frames.end);
    let real = start..frames.end.min(of as isize).max(start);
    let at = |frame: isize| (frame - frames.start) as usize * width;
    let len = at(frames.end);
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    buffer[..at(real.start)].fill(zero);
    buffer[at(real.end)..len].fill(zero);
    Placed {
        values: &mut buffer[at(real.start)..at(real.end)],
        real,
    }
}

/// Parts of nearly equal length that make up `num_frames`, by this number alone.
fn parts(num_frames: usize) -> Vec<Range<usize>> {
    let count = num_frames.div_ceil(PART_FRAMES);
    let start = |part: usize| part * num_frames / count;
    (0..count)
        .map(|part| start(part)..start(part + 1))
        .collect()
}

#[cfg(test)]
mod tests;
