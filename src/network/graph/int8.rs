//! A [`Graph`] in int8. Maps over frames read u8 activations. A node before them makes these of f32 ones;
//! where a map with a ReLU is read by such maps alone, it gives u8 itself. Gates, sums and poolings work on
//! f32.
//!
//! A BatchNorm in front of a node that makes u8, with or without a ReLU, becomes part of its scale and
//! shift, and the parts of a Concat are made u8 one by one.

use super::{Graph, Input, Node, Work};
use crate::{
    features::Features,
    kernels::{self, Activations, Quantiser},
    network::{
        Affine, Layer, Weights,
        operation::Operation,
        ranges::{self, ActivationStats, MapRanges},
        run::Scratch,
    },
};

/// What becomes of each node.
struct Plan {
    /// How its outputs become u8, if a map reads them so.
    quantised: Vec<Option<Quantised>>,
    /// Whether it is a map that reads u8.
    reads_u8: Vec<bool>,
    /// Whether its outputs are u8 as it gives them.
    gives_u8: Vec<bool>,
}

/// How the outputs of a node become u8.
struct Quantised {
    /// Channels that a step is for: of a node that a Conv2d reads, the same in every bin.
    channels: usize,
    steps: Vec<f32>,
    means: Vec<f32>,
    is_never_negative: bool,
}

impl Graph {
    /// The same graph in int8, with ranges from `utterances` that are longer than the receptive
    /// field. A Linear or Conv1d that reads one vector instead of frames stays in f32.
    pub fn int8(self, layers: &[Layer], weights: &Weights, utterances: &[Features]) -> Self {
        let plan = self.plan_int8(&self.output_stats(utterances));
        // Node of the new graph for each of the old one, and for its u8 outputs.
        let mut moved: Vec<usize> = vec![];
        let mut in_u8: Vec<usize> = vec![];
        let mut nodes: Vec<Node> = vec![];
        for (old, mut node) in self.nodes.into_iter().enumerate() {
            let of = plan.quantised[old].as_ref();
            if plan.reads_u8[old] {
                let inputs = plan.quantised[node.inputs[0].node].as_ref();
                let outputs = of.filter(|_| plan.gives_u8[old]);
                node.make_int8(layers, weights, inputs.expect("planned"), outputs);
            }
            for input in &mut node.inputs {
                input.node = match plan.reads_u8[old] {
                    true => in_u8[input.node],
                    false => moved[input.node],
                };
            }
            moved.push(nodes.len());
            nodes.push(node);
            if let Some(of) = of.filter(|_| !plan.gives_u8[old]) {
                let maker = maker(&nodes, of);
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

    fn plan_int8(&self, stats: &[ActivationStats]) -> Plan {
        let is_never_negative = self.never_negative();
        let mut quantised: Vec<Option<Quantised>> = self.nodes.iter().map(|_| None).collect();
        let can_read_u8 = |node: &&Node| match &node.work {
            Work::Map(operation) => {
                node.is_of_frames()
                    && operation.fits_int8()
                    && stats[node.inputs[0].node].is_finite()
            }
            _ => false,
        };
        for node in self.nodes.iter().filter(can_read_u8) {
            let source = node.inputs[0].node;
            // The steps of a bin serve all bins.
            let known = match &quantised[source] {
                Some(of) => of.channels,
                None => self.nodes[source].width,
            };
            let channels = node.channels_read().unwrap_or(known);
            if known.is_multiple_of(channels) || channels.is_multiple_of(known) {
                let channels = channels.min(known);
                let is_never_negative = is_never_negative[source];
                quantised[source] =
                    Some(Quantised::new(&stats[source], channels, is_never_negative));
            }
        }
        let reads = |node: &Node| {
            let source = node
                .inputs
                .first()
                .and_then(|input| quantised[input.node].as_ref());
            let fits = |of: &Quantised| node.channels_read().is_none_or(|own| own == of.channels);
            can_read_u8(&node) && source.is_some_and(fits)
        };
        let reads_u8: Vec<bool> = self.nodes.iter().map(reads).collect();
        let mut gives_u8 = reads_u8.clone();
        self.outputs.iter().for_each(|node| gives_u8[*node] = false);
        for (at, node) in self.nodes.iter().enumerate() {
            let of = quantised[at].as_ref();
            gives_u8[at] &= is_never_negative[at] && of.is_some_and(|of| node.can_give(of));
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
    /// Channels of a bin that a Conv2d reads; none for other nodes, whose steps may differ in every
    /// channel.
    fn channels_read(&self) -> Option<usize> {
        match &self.work {
            Work::Map(Operation::Conv2d(conv)) => Some(conv.in_channels()),
            _ => None,
        }
    }

    /// Whether it is a map whose groups or bins fill words, with these steps.
    fn can_give(&self, of: &Quantised) -> bool {
        match &self.work {
            Work::Map(Operation::Affine { groups, .. }) => fills_words(groups[0].c_out),
            Work::Map(Operation::Conv2d(conv)) => {
                let channels = conv.out_channels();
                fills_words(channels) && channels.is_multiple_of(of.channels)
            }
            _ => false,
        }
    }

    /// Makes a map read u8, and give u8 where `outputs` say how.
    fn make_int8(
        &mut self,
        layers: &[Layer],
        weights: &Weights,
        inputs: &Quantised,
        outputs: Option<&Quantised>,
    ) {
        let Work::Map(operation) = &self.work else {
            return;
        };
        let affine = Affine::of(&layers[self.layer]);
        let (c_in, c_out) = match (operation, affine) {
            (Operation::Conv2d(conv), _) => (conv.in_channels(), conv.out_channels()),
            (_, Some(affine)) => (affine.shape.1 * affine.groups, affine.shape.0),
            _ => return,
        };
        let (input_steps, means) = (repeated(&inputs.steps, c_in), repeated(&inputs.means, c_in));
        let output_steps = outputs.map(|of| repeated(&of.steps, c_out));
        let ranges = MapRanges {
            inputs: Activations {
                steps: &input_steps,
                zero: inputs.zero(),
            },
            means: &means,
            output_steps: output_steps.as_deref(),
        };
        let tensor = |name: &str| &weights[&format!("{}.{name}", self.layer)][..];
        let (weight, bias) = (tensor("weight"), tensor("bias"));
        let in_int8 = match (operation, affine) {
            (Operation::Conv2d(conv), _) => Operation::Conv2d(conv.int8(weight, bias, ranges)),
            (Operation::Affine { steps, padding, .. }, Some(affine)) => Operation::Int8 {
                groups: affine.packed_int8(weight, bias, ranges),
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
    fn new(stats: &ActivationStats, channels: usize, is_never_negative: bool) -> Self {
        let bins = stats.largest.len() / channels;
        let mut of_channels = ActivationStats {
            largest: vec![0.0; channels],
            mean: vec![0.0; channels],
        };
        for (largest, mean) in stats
            .largest
            .chunks(channels)
            .zip(stats.mean.chunks(channels))
        {
            for c in 0..channels {
                of_channels.largest[c] = of_channels.largest[c].max(largest[c]);
                of_channels.mean[c] += mean[c] / bins as f32;
            }
        }
        Quantised {
            channels,
            steps: of_channels.steps(is_never_negative),
            means: of_channels.mean,
            is_never_negative,
        }
    }

    fn zero(&self) -> u8 {
        ranges::zero(self.is_never_negative)
    }
}

/// The node that makes u8 of the outputs of the last node.
fn maker(nodes: &[Node], of: &Quantised) -> Node {
    let source = nodes.len() - 1;
    let node = &nodes[source];
    let mut quantiser = Quantiser::new(&repeated(&of.steps, node.width), of.zero());
    let mut inputs = vec![Input {
        node: source,
        frames_each: Some(1),
    }];
    // Rounding to u8 clamps at 0 as a ReLU does.
    if let Work::Map(Operation::Scale { scale, shift, relu }) = &node.work
        && (!relu || of.is_never_negative)
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
