//! Quantizes a network to int8: every Conv1d and Linear before the pooling runs on u8 activations
//! and i8 weights. The pooling and the layers after it stay in f32.
//!
//! A few utterances are run through the network. The largest value of each channel sets the step of
//! its activations. A step that is too wide by a factor of two costs one of eight bits; values
//! beyond the largest step are clipped, which costs more.

use super::{
    Affine, Layer, Weights,
    operation::{Operation, Operations},
    pooling,
    run::{self, Frames},
    stored::Source,
};
use crate::{
    features::Features,
    kernels::{self, Activations, PackedInt8, Quantiser},
};

/// Statistics of the inputs of an operation over the utterances, per channel.
#[derive(Debug, Default)]
struct InputStats {
    /// Largest magnitude.
    largest: Vec<f32>,
    mean: Vec<f32>,
}

impl Operations {
    /// The same operations in int8. Each of the `utterances` must be longer than the receptive
    /// field.
    pub fn int8(layers: &[Layer], weights: &Weights, utterances: &[Features]) -> Self {
        let mut operations = Operations::in_one_branch(layers, Source::Weights(weights));
        let in_f32 = operations.branches.remove(0);
        let stats = input_stats(&in_f32, utterances);
        operations.branches = vec![quantise(in_f32, layers, weights, &stats)];
        operations
    }
}

/// Runs the utterances through the operations and collects statistics of each one's inputs.
fn input_stats(operations: &[Operation], utterances: &[Features]) -> Vec<InputStats> {
    let mut all: Vec<InputStats> = operations.iter().map(|_| InputStats::default()).collect();
    for features in utterances {
        let mut values = features.values().to_vec();
        let mut width = features.num_channels();
        for (operation, stats) in operations.iter().zip(&mut all) {
            stats.largest.resize(width, 0.0f32);
            stats.mean.resize(width, 0.0f32);
            for frame in values.chunks_exact(width) {
                for (largest, v) in stats.largest.iter_mut().zip(frame) {
                    *largest = largest.max(v.abs());
                }
            }
            for (mean, of_one) in stats.mean.iter_mut().zip(pooling::mean(&values, width)) {
                *mean += of_one / utterances.len() as f32;
            }
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

/// Ranges are the observed maxima times this, as a margin for other recordings. Of values from 0.7
/// to 9, tried with artificial, synthetic and real speech, 3 changed the scores least on the
/// development lists. Smaller margins clip values, larger ones make the steps coarse.
const MARGIN: f32 = 3.0;

/// Range of each channel. It depends mostly on the channel's own maximum and a little on that of
/// all channels, because a channel that is quiet in these utterances may not be in others.
fn ranges(largest: &[f32]) -> Vec<f32> {
    let of_all = largest.iter().fold(0.0f32, |a, b| a.max(*b));
    // All zeros have no range, and for values near zero 1/step would overflow.
    if of_all < 1e-30 {
        return vec![1.0; largest.len()];
    }
    let range = |own: &f32| MARGIN * of_all * (own / of_all).max(0.01).powf(0.75);
    largest.iter().map(range).collect()
}

/// Quantizes each affine map where possible, and passes u8 activations directly between consecutive
/// ones.
fn quantise(
    operations: Vec<Operation>,
    layers: &[Layer],
    weights: &Weights,
    stats: &[InputStats],
) -> Vec<Operation> {
    let int8 = kernels::table().int8;
    let of_layers = layers.iter().enumerate();
    let mut affines = of_layers.filter_map(|(index, layer)| Some((index, Affine::of(layer)?)));
    let fits: Vec<bool> = operations.iter().zip(stats).map(can_quantise).collect();
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
        let (zero, num_steps) = if in_u8 { (0, 255.0) } else { (128, 127.0) };
        let ranges_in = ranges(&stats[at].largest).into_iter();
        let input_steps: Vec<f32> = ranges_in.map(|range| range / num_steps).collect();
        if !in_u8 {
            let inverse = input_steps.iter().map(|step| 1.0 / step).collect();
            quantised.push(Operation::Quantise(Quantiser { inverse, zero }));
        }
        in_u8 = steps.relu && fits.get(at + 1).is_some_and(|fits| *fits);
        let output_steps: Option<Vec<f32>> = in_u8.then(|| {
            let ranges_out = ranges(&stats[at + 1].largest).into_iter();
            ranges_out.map(|range| range / 255.0).collect()
        });
        quantised.push(Operation::Int8 {
            groups: (0..affine.groups)
                .map(|g| {
                    let (c_out, c_in, taps) = affine.shape;
                    let own = c_out / affine.groups;
                    let (inputs, outputs) = (g * c_in..(g + 1) * c_in, g * own..(g + 1) * own);
                    let weight = &weights[&format!("{index}.weight")];
                    PackedInt8::from_pytorch(
                        (own, c_in, taps),
                        (int8.nr, int8.group),
                        &weight[g * own * c_in * taps..][..own * c_in * taps],
                        &weights[&format!("{index}.bias")][outputs.clone()],
                        Activations {
                            steps: &input_steps[inputs.clone()],
                            zero,
                        },
                        &stats[at].mean[inputs],
                        output_steps.as_deref().map(|steps| Activations {
                            steps: &steps[outputs],
                            zero: 0,
                        }),
                    )
                    .one_of(affine.groups)
                })
                .collect(),
            steps,
            padding,
            to_u8: in_u8,
        });
    }
    quantised
}

/// Can this operation run in int8? It must be an affine map whose sums fit an i32, with finite
/// inputs.
fn can_quantise((operation, stats): (&Operation, &InputStats)) -> bool {
    let Operation::Affine { groups, .. } = operation else {
        return false;
    };
    let map = &groups[0];
    // A word must not hold channels of two groups.
    let in_words = |channels: usize| channels.is_multiple_of(kernels::table().int8.group);
    map.taps * map.c_in <= PackedInt8::MAX_PRODUCTS
        && (groups.len() == 1 || in_words(map.c_in) && in_words(map.c_out))
        && stats.mean.iter().all(|v| v.is_finite())
}
