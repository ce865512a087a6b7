//! A network in int8: Conv1d and Linear layers before the pooling run on u8 activations and i8 weights.
//! The pooling and the layers after it stay in f32. For the layers of a graph, see `graph/int8.rs`.

use super::{
    Affine, Layer, Tensors,
    graph::is_graph,
    int8_weights::{self, Int8Weights},
    operation::Operation,
    operations::Operations,
    ranges::{ActivationStats, InputRanges, MapLevels, steps, zero},
    run::{self, Frames},
    source::Source,
    stored::Stored,
};
use crate::{features::Features, kernels::Quantiser};
use std::collections::BTreeMap;

/// The tensors of a network, with the weights of all layers that can run in int8 rounded to it. The
/// ranges of their inputs are measured on `utterances`, each longer than the receptive field.
pub(super) fn rounded(
    layers: &[Layer],
    num_features: usize,
    source: Source,
    utterances: &[Features],
) -> Tensors {
    let in_f32 = source.in_f32();
    let ranges = input_ranges(layers, num_features, in_f32, utterances);
    let mut tensors = Tensors::new();
    for (index, layer) in layers.iter().enumerate() {
        let exact = in_f32.of_layer(layer, index);
        let own = ranges.get(&index).and_then(|ranges| match &exact[..] {
            [(_, weight), (_, bias)] => int8_weights::rounded(layer, index, (weight, bias), ranges),
            _ => None,
        });
        match own {
            Some(own) => tensors.extend(own),
            None => {
                let exact = exact.into_iter();
                tensors.extend(exact.map(|(name, values)| (name, Stored::of(&values))));
            }
        }
    }
    tensors
}

/// Ranges and means of the inputs of each layer that can run in int8, by the index of the layer.
fn input_ranges(
    layers: &[Layer],
    num_features: usize,
    source: Source,
    utterances: &[Features],
) -> BTreeMap<usize, InputRanges> {
    if is_graph(layers) {
        let graph = Operations::not_quantised(layers, num_features, source).graph;
        return graph
            .expect("it is one")
            .input_ranges(layers, source, utterances);
    }
    let operations = Operations::in_one_branch(layers, source).branches.remove(0);
    let stats = input_stats(&operations, utterances);
    let maps = affine_layers(layers, &operations);
    let of_each = operations.iter().zip(stats).zip(maps);
    let fitting = of_each.filter_map(|((operation, stats), layer)| {
        let fits = operation.fits_int8() && stats.is_finite();
        let index = layer?;
        let ranges = stats.ranges(&source.largest_weights(&layers[index], index));
        let means = stats.mean;
        fits.then_some((index, InputRanges { ranges, means }))
    });
    fitting.collect()
}

/// For each operation, the index of its layer if it is an affine map.
fn affine_layers(layers: &[Layer], operations: &[Operation]) -> Vec<Option<usize>> {
    let mut indices = (0..layers.len()).filter(|index| Affine::of(&layers[*index]).is_some());
    let layer = |operation: &Operation| match operation {
        Operation::Affine { .. } => indices.next(),
        _ => None,
    };
    operations.iter().map(layer).collect()
}

/// Runs the utterances through the operations and collects statistics of each one's inputs.
fn input_stats(operations: &[Operation], utterances: &[Features]) -> Vec<ActivationStats> {
    let mut all: Vec<ActivationStats> = operations
        .iter()
        .map(|_| ActivationStats::default())
        .collect();
    for features in utterances {
        let mut values = features.values().to_vec();
        let mut width = features.num_channels();
        for (operation, stats) in operations.iter().zip(&mut all) {
            stats.add(&values, width, utterances.len());
            let x = Frames {
                values: &values,
                width,
                first: 0,
                of: values.len() / width,
            };
            let wanted = 0..operation.num_frames(x.of) as isize;
            let mut buffers = Default::default();
            let y = run::run(std::slice::from_ref(operation), x, wanted, &mut buffers);
            width = y.width;
            values = y.values.to_vec();
        }
    }
    all
}

impl Operations {
    /// The operations of a network that has some weights in I8.
    pub fn int8(layers: &[Layer], num_features: usize, source: Source) -> Self {
        if is_graph(layers) {
            let mut operations = Operations::not_quantised(layers, num_features, source);
            let planned = operations.graph.take();
            operations.graph = planned.map(|graph| graph.int8(layers, source));
            return operations;
        }
        let mut operations = Operations::in_one_branch(layers, source);
        let planned = operations.branches.remove(0);
        operations.branches = vec![quantised(planned, layers, source)];
        operations
    }
}

/// Gives the maps in int8 their weights, and passes u8 activations directly between consecutive
/// ones.
fn quantised(operations: Vec<Operation>, layers: &[Layer], source: Source) -> Vec<Operation> {
    let indices = affine_layers(layers, &operations);
    let of_each = operations.iter().zip(&indices);
    let int8: Vec<Option<(usize, Int8Weights)>> = of_each
        .map(|(operation, index)| {
            let index = (*index).filter(|_| operation.fits_int8())?;
            Some((index, source.int8(&layers[index], index)?))
        })
        .collect();
    let mut quantised = vec![];
    let mut in_u8 = false;
    for (at, operation) in operations.into_iter().enumerate() {
        let (
            Operation::Affine {
                steps: over_frames,
                padding,
                ..
            },
            Some((index, weights)),
        ) = (&operation, &int8[at])
        else {
            quantised.push(operation);
            continue;
        };
        let (over_frames, padding) = (*over_frames, *padding);
        // After a ReLU, activations are not negative and all 255 steps can be used.
        let zero = zero(in_u8);
        if !in_u8 {
            let input_steps = steps(&weights.ranges, zero);
            quantised.push(Operation::Quantise(Quantiser::new(&input_steps, zero)));
        }
        let next = int8.get(at + 1).and_then(Option::as_ref);
        let next = next.filter(|_| over_frames.relu);
        in_u8 = next.is_some();
        let output_steps = next.map(|(_, next)| steps(&next.ranges, 0));
        let levels = MapLevels {
            zero,
            output_steps: output_steps.as_deref(),
        };
        let affine = Affine::of(&layers[*index]).expect("found above");
        let mut room = vec![];
        let bias = source.values(&format!("{index}.bias"), &mut room);
        quantised.push(Operation::Int8 {
            groups: affine.packed_int8(weights, bias, levels),
            steps: over_frames,
            padding,
            to_u8: in_u8,
        });
    }
    quantised
}
