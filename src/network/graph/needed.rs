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
            let own = &ranges[at - first];
            let real = own.start.max(0)..own.end.min(node.num_frames(num_frames) as isize);
            if real.is_empty() {
                continue;
            }
            for input in &node.inputs {
                let source = &self.nodes[input.node];
                if source.stage != index || source.is_features() {
                    continue;
                }
                let of = source.num_frames(num_frames);
                let wanted = node.frames_for(real.clone(), input, of);
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
    /// The frames of an input that the frames `own` are computed from. The input has `of` frames; those
    /// before 0 and past the end are padding.
    pub(super) fn frames_for(&self, own: Range<isize>, input: &Input, of: usize) -> Range<isize> {
        match &self.work {
            Work::Map(operation) => operation.frames_for(own),
            Work::ReflectPad { frames } => {
                let read = own.map(|t| reflected(t - *frames as isize, of));
                let (least, most) = read.fold((isize::MAX, 0), |(least, most), t| {
                    (least.min(t), most.max(t))
                });
                least..most + 1
            }
            _ => input.frame(own.start)..input.frame(own.end - 1) + 1,
        }
    }
}

/// The frame that frame `t` mirrors, if it lies before the first or past the last of `of` frames.
pub(super) fn reflected(t: isize, of: usize) -> isize {
    let last = of as isize - 1;
    last - (last - t.abs()).abs()
}

impl Input {
    /// The frame of the input that frame `t` reads.
    pub(super) fn frame(&self, t: isize) -> isize {
        frame_read(self.frames_each, t)
    }
}
