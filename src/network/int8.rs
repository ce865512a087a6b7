//! A network in int8, as a model file stores it: Conv1d, Conv2d and Linear layers before the pooling
//! have i8 weights and run on u8 activations. The pooling and the layers after it stay in f32. For how
//! they run, see `graph/int8.rs`.

use super::{Layer, Tensors, graph::Graph, int8_weights, source::Source, stored::Stored};
use crate::features::Features;

/// The tensors of a network, with the weights of all layers that can run in int8 rounded to it. The
/// ranges of their inputs are measured on `utterances`, each longer than the receptive field.
pub(super) fn rounded(
    layers: &[Layer],
    num_features: usize,
    source: Source,
    utterances: &[Features],
) -> Tensors {
    let in_f32 = source.in_f32();
    let graph = Graph::new(layers, num_features, in_f32);
    let ranges = graph.input_ranges(layers, in_f32, utterances);
    let mut tensors = Tensors::new();
    for (index, layer) in layers.iter().enumerate() {
        let exact = in_f32.of_layer(layer, index);
        let in_int8 = ranges.get(&index).and_then(|ranges| match &exact[..] {
            [(_, weight), (_, bias)] => int8_weights::rounded(layer, index, (weight, bias), ranges),
            _ => None,
        });
        match in_int8 {
            Some(in_int8) => tensors.extend(in_int8),
            None => {
                let exact = exact.into_iter();
                tensors.extend(exact.map(|(name, values)| (name, Stored::of(&values))));
            }
        }
    }
    tensors
}
