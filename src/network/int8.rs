//! Quantizes a network to int8: every Conv1d and Linear before the pooling runs on u8 activations
//! and i8 weights. The pooling and the layers after it stay in f32. How the layers of a graph are
//! quantized: [`super::graph`].

use super::{
    Affine, Layer, Weights,
    graph::is_graph,
    operation::Operation,
    operations::Operations,
    ranges::{ActivationStats, MapRanges, zero},
    run::{self, Frames},
    stored::Source,
};
use crate::{
    features::Features,
    kernels::{Activations, Quantiser},
};

impl Operations {
    /// The same operations in int8. Each of the `utterances` must be longer than the receptive
    /// field.
    pub fn int8(
        layers: &[Layer],
        num_features: usize,
        weights: &Weights,
        utterances: &[Features],
    ) -> Self {
        if is_graph(layers) {
            let mut operations = Operations::new(layers, num_features, Source::Weights(weights));
            let in_f32 = operations.graph.take();
            operations.graph = in_f32.map(|graph| graph.int8(layers, weights, utterances));
            return operations;
        }
        let mut operations = Operations::in_one_branch(layers, Source::Weights(weights));
        let in_f32 = operations.branches.remove(0);
        let stats = input_stats(&in_f32, utterances);
        operations.branches = vec![quantise(in_f32, layers, weights, &stats)];
        operations
    }
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

/// Quantizes each affine map where possible, and passes u8 activations directly between consecutive
/// ones.
fn quantise(
    operations: Vec<Operation>,
    layers: &[Layer],
    weights: &Weights,
    stats: &[ActivationStats],
) -> Vec<Operation> {
    let of_layers = layers.iter().enumerate();
    let mut affines = of_layers.filter_map(|(index, layer)| Some((index, Affine::of(layer)?)));
    let of_each = operations.iter().zip(stats);
    let fits: Vec<bool> = of_each
        .map(|(op, stats)| op.fits_int8() && stats.is_finite())
        .collect();
    let mut quantised = vec![];
    let mut in_u8 = false;
    for (at, operation) in operations.into_iter().enumerate() {
        let Operation::Affine { steps, padding, .. } = operation else {
            quantised.push(operation);
            continue;
        };
        let (index, affine) = affines.next().expect("one layer for each map");
        if !fits[at] {
            quantised.push(operation);
            continue;
        }
        // After a ReLU, activations are not negative and all 255 steps can be used.
        let zero = zero(in_u8);
        let input_steps = stats[at].steps(in_u8);
        if !in_u8 {
            quantised.push(Operation::Quantise(Quantiser::new(&input_steps, zero)));
        }
        in_u8 = steps.relu && fits.get(at + 1).is_some_and(|fits| *fits);
        let output_steps = in_u8.then(|| stats[at + 1].steps(true));
        quantised.push(Operation::Int8 {
            groups: affine.packed_int8(
                &weights[&format!("{index}.weight")],
                &weights[&format!("{index}.bias")],
                MapRanges {
                    inputs: Activations {
                        steps: &input_steps,
                        zero,
                    },
                    means: &stats[at].mean,
                    output_steps: output_steps.as_deref(),
                },
            ),
            steps,
            padding,
            to_u8: in_u8,
        });
    }
    quantised
}
