//! The layers before the last pooling, prepared for running. They form a graph; a plain list is one as
//! well.
//!
//! Each layer becomes a node that reads the outputs of earlier nodes. The nodes run in stages:
//!
//! - A node that needs all frames of its input (an inner pooling, means over segments), or that gives
//!   one vector or one frame for many, is a stage of its own and runs over the whole utterance.
//! - The nodes between two of these run together, block by block of frames, in parallel: what they
//!   read from each other stays in the cache, and only what a later stage reads is kept.
//!
//! ```text
//! features (T, 80) ─► conv2d, add, … ─► mean_pool ─► linear, sigmoid ─► multiply, … ─► (T', C)
//!                     in blocks         whole        whole              in blocks
//! ```
//!
//! Every output frame is the same sum in the same order in any block, so neither the blocks nor the
//! number of threads change a bit.

mod int8;
mod needed;
mod run;

use super::{
    Layer,
    frame_count::FrameCount,
    operation::{self, Operation, Pooling},
    shape::{self, Shape},
    source::Source,
};
use crate::{kernels::Quantiser, parallel};

/// The layers before the last pooling.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    stages: Vec<Stage>,
    /// The node whose frames are pooled, and for an attentive pooling the node that gives the
    /// weights.
    outputs: Vec<usize>,
}

/// One layer, or several that run as one.
#[derive(Debug)]
struct Node {
    work: Work,
    inputs: Vec<Input>,
    /// Index of its layer in the list.
    layer: usize,
    /// Values of an output frame: C, or fewer words if a word holds several u8 channels.
    width: usize,
    /// T', the number of output frames; None for a vector.
    count: Option<FrameCount>,
    /// Stage in which it runs.
    stage: usize,
    /// Index of the buffer for its output, among those of a block.
    slot: usize,
    /// Whether a node of the same stage reads it.
    is_read_in_stage: bool,
}

#[derive(Debug)]
enum Work {
    /// The features of the utterance: node 0.
    Features,
    /// An operation with one input.
    Map(Operation),
    Add {
        relu: bool,
    },
    Multiply,
    Concat,
    Channels {
        first: usize,
    },
    SegmentMean {
        num_frames: usize,
    },
    ReflectPad {
        frames: usize,
    },
    Pool(Pooling),
    /// Quantizes the channels of each input to u8 words, and lays them side by side.
    Quantise(Vec<Quantiser>),
}

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Input {
    node: usize,
    /// How many consecutive frames of the reading node read the same frame of this input: 1, or the
    /// length of a segment. None for a vector, which all frames read.
    frames_each: Option<usize>,
}

/// Nodes that run together.
#[derive(Debug)]
struct Stage {
    /// The nodes, in the order of the layer list.
    nodes: Vec<usize>,
    /// Whether its only node runs over the whole utterance at once.
    is_whole: bool,
    /// Nodes that later stages read.
    outputs: Vec<usize>,
    /// Nodes that no later stage reads. Their outputs are freed after this stage.
    freed: Vec<usize>,
    num_slots: usize,
    /// Frames of the features that two neighbouring blocks both need.
    overlap: usize,
    /// Size of the weights of all its nodes.
    weight_bytes: usize,
}

/// A Concat with more inputs than this is not merged into a Concat that reads it.
const MAX_JOINED: usize = 64;

/// A node with one frame for this many frames of the features, or more, runs over the whole utterance.
const COARSE_HOP: usize = 64;

/// Whether the layers up to the last pooling are more than a plain list, in which each layer reads the one
/// before and only the last one pools.
pub(super) fn is_graph(layers: &[Layer]) -> bool {
    let last = layers.iter().rposition(Layer::is_pooling);
    let layers = &layers[..last.map_or(layers.len(), |at| at + 1)];
    let needs_graph = |layer: &Layer| {
        !layer.named().is_empty()
            || matches!(
                layer,
                Layer::Conv2d(_) | Layer::SegmentMean { .. } | Layer::ReflectPad { .. }
            )
    };
    layers.iter().filter(|layer| layer.is_pooling()).count() > 1 || layers.iter().any(needs_graph)
}

impl Graph {
    /// Prepares a checked list. Layers that run in int8 get their weights from [`Self::int8`].
    pub fn new(layers: &[Layer], num_features: usize, weights: Source) -> Self {
        let pooling = layers.iter().rposition(Layer::is_pooling);
        let pooling = pooling.expect("a checked list pools");
        let outputs = shape::outputs(layers, num_features).expect("checked before");
        let mut num_readers = vec![0; layers.len()];
        for (index, layer) in layers.iter().enumerate() {
            layer.reads(index).for_each(|read| num_readers[read] += 1);
        }
        let mut nodes = vec![Node::new(
            Work::Features,
            0,
            Shape::Frames(num_features, FrameCount::FEATURES),
        )];
        let mut of_layer: Vec<usize> = vec![];
        let before = layers[..pooling].iter().enumerate();
        // Packing the weights takes long, so the layers share the threads.
        let works = parallel::map(before.clone(), |(index, layer)| {
            Work::of(layer, index, weights)
        });
        for ((index, layer), work) in before.zip(works) {
            let previous = of_layer.last().copied().unwrap_or(0);
            let is_only_reader = index > 0 && num_readers[index - 1] == 1;
            let with_relu = *layer == Layer::Relu && is_only_reader && nodes[previous].take_relu();
            if with_relu || *layer == Layer::Identity {
                of_layer.push(previous);
                continue;
            }
            let mut read: Vec<usize> = layer.named().iter().map(|l| of_layer[*l]).collect();
            if layer.reads_previous() {
                read.push(previous);
            }
            if matches!(work, Work::Channels { .. })
                && nodes[read[0]].width == outputs[index].size()
            {
                of_layer.push(read[0]); // it takes all channels, so it needs no node of its own
                continue;
            }
            let node = Node::new(work, index, outputs[index]);
            let inputs = inputs_of(&nodes, &node, &read);
            of_layer.push(nodes.len());
            nodes.push(Node { inputs, ..node });
        }
        let last = |index: usize| of_layer.get(index).copied().unwrap_or(0);
        let mut graph_outputs = vec![pooling.checked_sub(1).map_or(0, last)];
        if let Layer::AttentiveStatsPool { layer, .. } = layers[pooling] {
            graph_outputs.insert(0, last(layer));
        }
        let mut graph = Graph {
            nodes,
            stages: vec![],
            outputs: graph_outputs,
        };
        graph.plan();
        graph
    }

    /// C of the frames that are pooled.
    pub fn output_width(&self) -> usize {
        self.nodes[self.outputs[0]].width
    }

    /// Number of frames that are pooled, for T = `num_frames`.
    pub fn num_outputs(&self, num_frames: usize) -> usize {
        self.nodes[self.outputs[0]].num_frames(num_frames)
    }

    /// Distance from one frame that is pooled to the next, in frames of the features.
    pub fn output_hop(&self) -> usize {
        let count = self.nodes[self.outputs[0]].count;
        count.map_or(1, FrameCount::hop)
    }

    /// Divides the nodes that are needed into stages.
    fn plan(&mut self) {
        let mut is_needed = vec![false; self.nodes.len()];
        self.outputs.iter().for_each(|node| is_needed[*node] = true);
        for node in (1..self.nodes.len()).rev() {
            if is_needed[node] {
                self.nodes[node]
                    .inputs
                    .iter()
                    .for_each(|input| is_needed[input.node] = true);
            }
        }
        for node in (1..self.nodes.len()).filter(|node| is_needed[*node]) {
            let is_whole = self.nodes[node].runs_whole();
            match self.stages.last_mut() {
                Some(stage) if !is_whole && !stage.is_whole => stage.nodes.push(node),
                _ => self.stages.push(Stage {
                    nodes: vec![node],
                    is_whole,
                    outputs: vec![],
                    freed: vec![],
                    num_slots: 0,
                    overlap: 0,
                    weight_bytes: 0,
                }),
            }
            self.nodes[node].stage = self.stages.len() - 1;
        }
        let mut last_stage: Vec<usize> = self.nodes.iter().map(|node| node.stage).collect();
        for (index, stage) in self.stages.iter().enumerate() {
            for input in stage
                .nodes
                .iter()
                .flat_map(|node| &self.nodes[*node].inputs)
            {
                last_stage[input.node] = index;
            }
        }
        for output in &self.outputs {
            last_stage[*output] = usize::MAX;
        }
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let later = stage.nodes.iter().filter(|node| last_stage[**node] > index);
            stage.outputs = later.copied().collect();
            let stored = (1..self.nodes.len()).filter(|node| is_needed[*node]);
            stage.freed = stored.filter(|node| last_stage[*node] == index).collect();
        }
        for index in 0..self.stages.len() {
            self.stages[index].overlap = self.overlap(index);
            let nodes = self.stages[index].nodes.iter();
            let weight_bytes = nodes.map(|node| self.nodes[*node].work.weight_bytes());
            self.stages[index].weight_bytes = weight_bytes.sum();
            self.assign_slots(index);
        }
    }

    /// Frames of the features that two neighbouring blocks of a stage both need.
    fn overlap(&self, stage: usize) -> usize {
        let nodes = &self.stages[stage].nodes;
        // For each node, how many of its frames are needed beyond those of the block.
        let mut beside = vec![0; self.nodes.len()];
        let mut most = 0;
        for at in nodes.iter().rev() {
            let node = &self.nodes[*at];
            for input in &node.inputs {
                if nodes.binary_search(&input.node).is_err() {
                    continue;
                }
                let window = match &node.work {
                    Work::Map(operation) => {
                        operation.frames_for(0..beside[*at] as isize + 1).len() - 1
                    }
                    _ => beside[*at],
                };
                beside[input.node] = beside[input.node].max(window);
                let hop = self.nodes[input.node].count.map_or(1, FrameCount::hop);
                most = most.max(beside[input.node] * hop);
            }
        }
        most
    }

    /// Gives each node of a stage a buffer; buffers whose values are no longer needed are used
    /// again.
    fn assign_slots(&mut self, stage: usize) {
        let nodes = self.stages[stage].nodes.clone();
        let position = |node: usize| nodes.binary_search(&node).ok();
        let mut last_read: Vec<usize> = (0..nodes.len()).collect();
        for (at, node) in nodes.iter().enumerate() {
            for read in self.nodes[*node]
                .inputs
                .iter()
                .filter_map(|input| position(input.node))
            {
                last_read[read] = at;
            }
        }
        for (at, node) in nodes.iter().enumerate() {
            self.nodes[*node].is_read_in_stage = last_read[at] > at;
        }
        let mut done: Vec<Vec<usize>> = nodes.iter().map(|_| vec![]).collect();
        for (read, at) in last_read.iter().enumerate() {
            done[*at].push(read);
        }
        let mut free: Vec<usize> = vec![];
        let mut num_slots = 0;
        for (at, node) in nodes.iter().enumerate() {
            self.nodes[*node].slot = free.pop().unwrap_or_else(|| {
                num_slots += 1;
                num_slots - 1
            });
            free.extend(done[at].iter().map(|read| self.nodes[nodes[*read]].slot));
        }
        self.stages[stage].num_slots = num_slots;
    }
}

/// The inputs of a `node` that takes the outputs of the nodes `read`. A Concat reads the inputs of
/// another Concat directly, so that no channel is copied from one to the next.
fn inputs_of(nodes: &[Node], node: &Node, read: &[usize]) -> Vec<Input> {
    let mut inputs = vec![];
    for read in read {
        let source = &nodes[*read];
        let is_inner = matches!((&node.work, &source.work), (Work::Concat, Work::Concat));
        if is_inner && source.count == node.count && source.inputs.len() <= MAX_JOINED {
            inputs.extend(source.inputs.iter().copied());
            continue;
        }
        let frames_each = match (node.count, source.count) {
            (Some(count), Some(source_count)) if node.work.is_elementwise() => {
                count.per_segment(source_count)
            }
            (_, Some(_)) => Some(1),
            (_, None) => None,
        };
        inputs.push(Input {
            node: *read,
            frames_each,
        });
    }
    inputs
}

impl Work {
    /// The work of a layer that is not the last pooling.
    fn of(layer: &Layer, index: usize, weights: Source) -> Self {
        match *layer {
            Layer::Add { .. } => Work::Add { relu: false },
            Layer::Multiply { .. } => Work::Multiply,
            Layer::Concat { .. } => Work::Concat,
            Layer::Channels { first, .. } => Work::Channels { first },
            Layer::SegmentMean { num_frames } => Work::SegmentMean { num_frames },
            Layer::ReflectPad { frames } => Work::ReflectPad { frames },
            _ => match operation::pooling(layer) {
                Some(pooling) => Work::Pool(pooling),
                None => Work::Map(operation::one_operation(layer, index, weights)),
            },
        }
    }

    fn weight_bytes(&self) -> usize {
        match self {
            Work::Map(operation) => operation.weight_bytes(),
            _ => 0,
        }
    }

    /// Whether a frame of the output depends only on the same frame of the inputs.
    fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Work::Add { .. } | Work::Multiply | Work::Concat | Work::Channels { .. }
        )
    }
}

impl Node {
    fn new(work: Work, layer: usize, shape: Shape) -> Self {
        let count = match shape {
            Shape::Frames(_, count) => Some(count),
            Shape::Vector(_) => None,
        };
        Node {
            work,
            inputs: vec![],
            layer,
            width: shape.size(),
            count,
            stage: 0,
            slot: 0,
            is_read_in_stage: false,
        }
    }

    /// Merges the ReLU after it, if it can.
    fn take_relu(&mut self) -> bool {
        let relu = match &mut self.work {
            Work::Map(operation) => match operation.relu_mut() {
                Some(relu) => relu,
                None => return false,
            },
            Work::Add { relu } => relu,
            _ => return false,
        };
        *relu = true;
        true
    }

    /// The output value that stands for 0.
    fn zero(&self) -> f32 {
        match &self.work {
            Work::Quantise(parts) => parts[0].zero_word(),
            _ => 0.0,
        }
    }

    fn is_features(&self) -> bool {
        matches!(self.work, Work::Features)
    }

    /// Number of its frames for T = `input_frames`; 1 for a vector.
    fn num_frames(&self, input_frames: usize) -> usize {
        self.count.map_or(1, |count| count.at(input_frames))
    }

    /// Whether it gives frames: not one vector, and not only one frame for each long segment.
    fn is_of_frames(&self) -> bool {
        self.count.is_some() && !self.runs_whole()
    }

    fn runs_whole(&self) -> bool {
        matches!(self.work, Work::SegmentMean { .. } | Work::Pool(_))
            || self.count.is_none_or(|count| count.hop() >= COARSE_HOP)
    }
}

#[cfg(test)]
mod tests;
