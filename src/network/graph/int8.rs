//! A [`Graph`] in int8. A *map* here is a Conv1d, Conv2d or Linear over frames. Maps read u8
//! activations; a node before a map quantizes f32 activations to u8. A map with a ReLU gives u8
//! itself if only maps that read u8 read it. Gates, sums and poolings work on f32.
//!
//! A BatchNorm whose output is quantized, with or without a ReLU, becomes part of the scale and the
//! shift of the quantizing node. The parts of a Concat are quantized one by one.

use super::{Graph, Input, Node, Work};
use crate::{
    features::Features,
    kernels::{self, Quantiser},
    network::{
        Affine, Layer,
        int8_weights::Int8Weights,
        operation::{self, Operation},
        ranges::{self, ActivationStats, InputRanges, MapLevels},
        run::Scratch,
        source::Source,
    },
};
use std::collections::BTreeMap;

/// What int8 changes about each node.
struct Plan {
    /// How its outputs become u8; None if no map reads them as u8.
    quantised: Vec<Option<Quantised>>,
    /// Whether it is a map that reads u8.
    reads_u8: Vec<bool>,
    /// Whether it gives u8 itself.
    gives_u8: Vec<bool>,
}

/// How the outputs of a node become u8.
struct Quantised {
    /// Number of channels that have a step each. If a Conv2d reads the node, these are the channels
    /// of one bin, and the steps are the same in every bin.
    channels: usize,
    /// The largest activation of each channel that a u8 can hold, `(channels,)`.
    ranges: Vec<f32>,
    is_never_negative: bool,
}

impl Graph {
    /// The graph with those maps in int8 whose weights `source` has as I8.
    pub fn int8(self, layers: &[Layer], source: Source) -> Self {
        let plan = self.plan_int8(layers, source);
        // For each node of the old graph, the node of the new one, and the node of its u8 outputs.
        let mut moved: Vec<usize> = vec![];
        let mut in_u8: Vec<usize> = vec![];
        let mut nodes: Vec<Node> = vec![];
        for (old, mut node) in self.nodes.into_iter().enumerate() {
            let quantised = plan.quantised[old].as_ref();
            if plan.reads_u8[old] {
                let inputs = plan.quantised[node.inputs[0].node].as_ref();
                let outputs = quantised.filter(|_| plan.gives_u8[old]);
                node.make_int8(layers, source, inputs.expect("planned"), outputs);
            } else if source.runs_int8(node.layer) {
                node.make_f32(layers, source);
            }
            for input in &mut node.inputs {
                input.node = match plan.reads_u8[old] {
                    true => in_u8[input.node],
                    false => moved[input.node],
                };
            }
            moved.push(nodes.len());
            nodes.push(node);
            if let Some(quantised) = quantised.filter(|_| !plan.gives_u8[old]) {
                let maker = maker(&nodes, quantised);
                nodes.push(maker);
            }
            in_u8.push(nodes.len() - 1);
        }
        let mut graph = Graph {
            nodes,
            stages: vec![],
            outputs: self.outputs.iter().map(|node| moved[*node]).collect(),
        };
        graph.plan();
        graph
    }

    /// Ranges and means of the inputs of each layer that can run in int8, by the index of the layer. A
    /// Linear or Conv1d that reads one vector instead of frames cannot. `utterances` are longer than the
    /// receptive field.
    pub fn input_ranges(
        &self,
        layers: &[Layer],
        source: Source,
        utterances: &[Features],
    ) -> BTreeMap<usize, InputRanges> {
        let stats = self.output_stats(utterances);
        let mut all = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.can_read_u8()) {
            let read = node.inputs[0].node;
            let readers = self.nodes.iter().filter(|node| node.can_read_u8());
            let readers = readers.filter(|other| other.inputs[0].node == read);
            // All bins share the ranges of their channels.
            let channels = readers.clone().filter_map(Node::channels_read).min();
            let channel_stats = stats[read].of_channels(channels.unwrap_or(self.nodes[read].width));
            let mut weights = vec![0.0f32; channel_stats.mean.len()];
            for reader in readers {
                let largest_weights = source.largest_weights(&layers[reader.layer], reader.layer);
                for bin in largest_weights.chunks(weights.len()) {
                    let both = weights.iter_mut().zip(bin);
                    both.for_each(|(largest, weight)| *largest = largest.max(*weight));
                }
            }
            let c_in = layers[node.layer].num_inputs();
            if channel_stats.is_finite() && c_in.is_multiple_of(channel_stats.mean.len()) {
                let inputs = InputRanges {
                    ranges: repeated(&channel_stats.ranges(&weights), c_in),
                    means: repeated(&channel_stats.mean, c_in),
                };
                all.insert(node.layer, inputs);
            }
        }
        all
    }

    /// Statistics of the outputs of each node that a map reads.
    fn output_stats(&self, utterances: &[Features]) -> Vec<ActivationStats> {
        let mut is_read = vec![false; self.nodes.len()];
        for node in self
            .nodes
            .iter()
            .filter(|node| matches!(node.work, Work::Map(_)))
        {
            is_read[node.inputs[0].node] = true;
        }
        let mut stats: Vec<ActivationStats> =
            is_read.iter().map(|_| ActivationStats::default()).collect();
        let scratch = Scratch::default();
        for features in utterances {
            self.each_output(features, &scratch, |node, values| {
                if is_read[node] {
                    stats[node].add(values, self.nodes[node].width, utterances.len());
                }
            });
        }
        stats
    }

    fn plan_int8(&self, layers: &[Layer], source: Source) -> Plan {
        let is_never_negative = self.never_negative();
        let mut quantised: Vec<Option<Quantised>> = self.nodes.iter().map(|_| None).collect();
        let weights: Vec<Option<Int8Weights>> = self
            .nodes
            .iter()
            .map(|node| {
                let can_read = node.can_read_u8();
                can_read.then(|| source.int8(&layers[node.layer], node.layer))?
            })
            .collect();
        for (node, weights) in self.nodes.iter().zip(&weights) {
            let Some(weights) = weights else {
                continue;
            };
            let source = node.inputs[0].node;
            // All bins share the ranges of their channels.
            let known = match &quantised[source] {
                Some(output) => output.channels,
                None => self.nodes[source].width,
            };
            let channels = node.channels_read().unwrap_or(known);
            if known.is_multiple_of(channels) || channels.is_multiple_of(known) {
                let channels = channels.min(known);
                quantised[source] = Some(Quantised {
                    channels,
                    ranges: weights.ranges[..channels].to_vec(),
                    is_never_negative: is_never_negative[source],
                });
            }
        }
        let reads = |(node, weights): (&Node, &Option<Int8Weights>)| {
            let source = node
                .inputs
                .first()
                .and_then(|input| quantised[input.node].as_ref());
            let fits = |input: &Quantised| {
                node.channels_read()
                    .is_none_or(|channels| channels == input.channels)
            };
            weights.is_some() && source.is_some_and(fits)
        };
        let reads_u8: Vec<bool> = self.nodes.iter().zip(&weights).map(reads).collect();
        let mut gives_u8 = reads_u8.clone();
        self.outputs.iter().for_each(|node| gives_u8[*node] = false);
        for (at, node) in self.nodes.iter().enumerate() {
            let output = quantised[at].as_ref();
            gives_u8[at] &=
                is_never_negative[at] && output.is_some_and(|output| node.can_give(output));
            for input in node.inputs.iter().filter(|_| !reads_u8[at]) {
                gives_u8[input.node] = false;
            }
        }
        Plan {
            quantised,
            reads_u8,
            gives_u8,
        }
    }

    /// Whether no output of a node can be below 0.
    fn never_negative(&self) -> Vec<bool> {
        let mut never_negative: Vec<bool> = vec![];
        for node in &self.nodes {
            let of_inputs = node.inputs.iter().all(|input| never_negative[input.node]);
            never_negative.push(match &node.work {
                Work::Map(operation) => operation.is_never_negative(),
                Work::Add { relu: true } => true,
                Work::Features | Work::Pool(_) => false,
                _ => of_inputs,
            });
        }
        never_negative
    }
}

impl Node {
    /// Whether it is a map over frames that int8 can compute.
    fn can_read_u8(&self) -> bool {
        match &self.work {
            Work::Map(operation) => self.is_of_frames() && operation.fits_int8(),
            _ => false,
        }
    }

    /// Channels of a bin that a Conv2d reads; none for other nodes, whose steps may differ in every
    /// channel.
    fn channels_read(&self) -> Option<usize> {
        match &self.work {
            Work::Map(Operation::Conv2d(conv)) => Some(conv.in_channels()),
            _ => None,
        }
    }

    /// Whether it is a map that can give u8 in these steps: several groups or bins must each fill words.
    fn can_give(&self, output: &Quantised) -> bool {
        match &self.work {
            Work::Map(Operation::Affine { groups, .. }) => {
                groups.len() == 1 || fills_words(groups[0].c_out)
            }
            Work::Map(Operation::Conv2d(conv)) => {
                let channels = conv.out_channels();
                fills_words(channels) && channels.is_multiple_of(output.channels)
            }
            _ => false,
        }
    }

    /// Gives a map its weights in f32.
    fn make_f32(&mut self, layers: &[Layer], source: Source) {
        let Work::Map(operation) = &mut self.work else {
            return;
        };
        let relu = operation.relu_mut().is_some_and(|relu| *relu);
        let layer = &layers[self.layer];
        *operation = operation::one_operation(layer, self.layer, source.in_f32());
        if let Some(relu_now) = operation.relu_mut() {
            *relu_now = relu;
        }
    }

    /// Makes a map read u8, and give u8 where `outputs` say how.
    fn make_int8(
        &mut self,
        layers: &[Layer],
        source: Source,
        inputs: &Quantised,
        outputs: Option<&Quantised>,
    ) {
        let layer = &layers[self.layer];
        let (Work::Map(operation), Some(weights)) = (&self.work, source.int8(layer, self.layer))
        else {
            return;
        };
        let output_steps = outputs.map(|outputs| repeated(&outputs.steps(), weights.steps.len()));
        let levels = MapLevels {
            zero: inputs.zero(),
            output_steps: output_steps.as_deref(),
        };
        let mut room = vec![];
        let bias = source.values(&format!("{}.bias", self.layer), &mut room);
        let in_int8 = match (operation, Affine::of(layer)) {
            (Operation::Conv2d(conv), _) => Operation::Conv2d(conv.int8(&weights, bias, levels)),
            (Operation::Affine { steps, padding, .. }, Some(affine)) => Operation::Int8 {
                groups: affine.packed_int8(&weights, bias, levels),
                steps: *steps,
                padding: *padding,
                to_u8: outputs.is_some(),
            },
            _ => return,
        };
        self.width = in_int8.width(self.width);
        self.work = Work::Map(in_int8);
    }
}

impl Quantised {
    fn steps(&self) -> Vec<f32> {
        ranges::steps(&self.ranges, self.zero())
    }

    fn zero(&self) -> u8 {
        ranges::zero(self.is_never_negative)
    }
}

/// A new node that quantizes the outputs of the last node.
fn maker(nodes: &[Node], output: &Quantised) -> Node {
    let source = nodes.len() - 1;
    let node = &nodes[source];
    let mut quantiser = Quantiser::new(&repeated(&output.steps(), node.width), output.zero());
    let mut inputs = vec![Input {
        node: source,
        frames_each: Some(1),
    }];
    // Rounding to u8 clamps at 0 as a ReLU does.
    if let Work::Map(Operation::Scale { scale, shift, relu }) = &node.work
        && (!relu || output.is_never_negative)
    {
        for (c, (scale, shift)) in scale.iter().zip(shift).enumerate() {
            quantiser.shift[c] += shift * quantiser.scale[c];
            quantiser.scale[c] *= scale;
        }
        inputs = node.inputs.clone();
    }
    let read = &nodes[inputs[0].node];
    let fits = |input: &Input| fills_words(nodes[input.node].width) && input.frames_each == Some(1);
    if matches!(read.work, Work::Concat) && read.inputs.iter().all(fits) {
        inputs = read.inputs.clone();
    }
    let width = quantiser.num_words();
    let parts = inputs
        .iter()
        .map(|input| quantiser.take(nodes[input.node].width));
    Node {
        work: Work::Quantise(parts.collect()),
        inputs,
        width,
        ..*node
    }
}

fn fills_words(channels: usize) -> bool {
    kernels::table().int8.fills_words(channels)
}

/// The values of a bin's channels, for all `channels` of a frame or group.
fn repeated(values: &[f32], channels: usize) -> Vec<f32> {
    values.repeat(channels / values.len())
}
