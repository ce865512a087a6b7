//! Which frames of its inputs a node of a [`Graph`] needs to compute some of its own.

use super::{Graph, Input, Node, Work};
use crate::network::join::frame_read;
use std::ops::Range;

impl Graph {
    /// The frames that must be computed of each node, from the first to the last of a stage: those
    /// that other nodes read, and those of `outputs`.
    pub(super) fn ranges(
        &self,
        index: usize,
        outputs: &[(Range<isize>, &mut [f32])],
        num_frames: usize,
    ) -> Vec<Range<isize>> {
        let stage = &self.stages[index];
        let (first, last) = (stage.nodes[0], stage.nodes[stage.nodes.len() - 1]);
        let mut ranges: Vec<Range<isize>> = vec![0..0; last + 1 - first];
        for (node, (wanted, _)) in stage.outputs.iter().zip(outputs) {
            ranges[node - first] = wanted.clone();
        }
        for at in stage.nodes.iter().rev() {
            let node = &self.nodes[*at];
            let range = &ranges[at - first];
            let real = range.start.max(0)..range.end.min(node.num_frames(num_frames) as isize);
            if real.is_empty() {
                continue;
            }
            for input in &node.inputs {
                let source = &self.nodes[input.node];
                if source.stage != index || source.is_features() {
                    continue;
                }
                let input_frames = source.num_frames(num_frames);
                let wanted = node.frames_for(real.clone(), input, input_frames);
                let before = &mut ranges[input.node - first];
                *before = match Range::is_empty(before) {
                    true => wanted,
                    false => before.start.min(wanted.start)..before.end.max(wanted.end),
                };
            }
        }
        ranges
    }
}

impl Node {
    /// The frames of an input that the frames `wanted` are computed from. The input has `num_frames`
    /// frames; those before 0 and past the end are padding.
    pub(super) fn frames_for(
        &self,
        wanted: Range<isize>,
        input: &Input,
        num_frames: usize,
    ) -> Range<isize> {
        match &self.work {
            Work::Map(operation) => operation.frames_for(wanted),
            Work::ReflectPad { frames } => {
                let read = wanted.map(|t| reflected(t - *frames as isize, num_frames));
                let (least, most) = read.fold((isize::MAX, 0), |(least, most), t| {
                    (least.min(t), most.max(t))
                });
                least..most + 1
            }
            _ => input.frame(wanted.start)..input.frame(wanted.end - 1) + 1,
        }
    }
}

/// The frame that frame `t` mirrors, if it lies before the first or past the last of `num_frames` frames.
pub(super) fn reflected(t: isize, num_frames: usize) -> isize {
    let last = num_frames as isize - 1;
    last - (last - t.abs()).abs()
}

impl Input {
    /// The frame of the input that frame `t` reads.
    pub(super) fn frame(&self, t: isize) -> isize {
        frame_read(self.frames_each, t)
    }
}
