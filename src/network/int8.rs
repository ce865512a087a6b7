//! A network in whole numbers. In: layers, weights, and a few utterances. Out: operations in which
//! every Conv1d and Linear on frames runs on u8 activations and i8 weights.
//!
//! The largest value of each channel over the utterances sets the steps of the activations. Steps
//! that are too wide by a factor of two cost one bit of eight; values beyond the last step are held
//! there, which costs more. The pooling and what follows stay in f32.

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

/// What an operation was fed over the utterances, per channel.
#[derive(Debug, Default)]
struct Fed {
    /// Largest magnitude.
    largest: Vec<f32>,
    mean: Vec<f32>,
}

impl Operations {
    /// The same operations in whole numbers. `utterances` are longer than the receptive field.
    pub fn int8(layers: &[Layer], weights: &Weights, utterances: &[Features]) -> Self {
        let mut operations = Operations::in_a_row(layers, Source::Weights(weights));
        let in_f32 = operations.branches.remove(0);
        let fed = fed(&in_f32, utterances);
        operations.branches = vec![quantised(in_f32, layers, weights, &fed)];
        operations
    }
}

/// Runs the utterances through and looks at what each operation is fed.
fn fed(operations: &[Operation], utterances: &[Features]) -> Vec<Fed> {
    let mut all: Vec<Fed> = operations.iter().map(|_| Fed::default()).collect();
    for features in utterances {
        let mut values = features.values().to_vec();
        let mut width = features.num_channels();
        for (operation, fed) in operations.iter().zip(&mut all) {
            fed.largest.resize(width, 0.0f32);
            fed.mean.resize(width, 0.0f32);
            for frame in values.chunks_exact(width) {
                for (largest, v) in fed.largest.iter_mut().zip(frame) {
                    *largest = largest.max(v.abs());
                }
            }
            for (mean, of_one) in fed.mean.iter_mut().zip(pooling::mean(&values, width)) {
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

/// What a channel's largest value is taken times, for the recordings that are yet to come. Of 0.7 to
/// 9, tried with artificial, synthetic and real speech, 3 moved the scores least on the development
/// lists: below, values are cut off, above, the steps are coarse.
const MARGIN: f32 = 3.0;

/// The range of each channel: mostly by its own largest value, a little by that of all channels,
/// since one that slept through these utterances may wake in another.
fn ranges(largest: &[f32]) -> Vec<f32> {
    let of_all = largest.iter().fold(0.0f32, |a, b| a.max(*b));
    // Zeros have no range, and what is next to zero has no step that can be divided by.
    if of_all < 1e-30 {
        return vec![1.0; largest.len()];
    }
    let range = |own: &f32| MARGIN * of_all * (own / of_all).max(0.01).powf(0.75);
    largest.iter().map(range).collect()
}

/// Puts each affine map into whole numbers that can be, and u8 between those that follow each other.
fn quantised(
    operations: Vec<Operation>,
    layers: &[Layer],
    weights: &Weights,
    fed: &[Fed],
) -> Vec<Operation> {
    let int8 = kernels::table().int8;
    let of_layers = layers.iter().enumerate();
    let mut affines = of_layers.filter_map(|(index, layer)| Some((index, Affine::of(layer)?)));
    let fits: Vec<bool> = operations.iter().zip(fed).map(fits).collect();
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
        // After a ReLU all the 255 steps are above 0.
        let (zero, num_steps) = if in_u8 { (0, 255.0) } else { (128, 127.0) };
        let ranges_in = ranges(&fed[at].largest).into_iter();
        let input_steps: Vec<f32> = ranges_in.map(|range| range / num_steps).collect();
        if !in_u8 {
            let inverse = input_steps.iter().map(|step| 1.0 / step).collect();
            quantised.push(Operation::Quantise(Quantiser { inverse, zero }));
        }
        in_u8 = steps.relu && fits.get(at + 1).is_some_and(|fits| *fits);
        let output_steps: Option<Vec<f32>> = in_u8.then(|| {
            let ranges_out = ranges(&fed[at + 1].largest).into_iter();
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
                        &fed[at].mean[inputs],
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

/// Is this an affine map whose sums an i32 holds, and was it fed finite numbers?
fn fits((operation, fed): (&Operation, &Fed)) -> bool {
    let Operation::Affine { groups, .. } = operation else {
        return false;
    };
    let map = &groups[0];
    // No word may hold channels of two groups.
    let in_words = |channels: usize| channels.is_multiple_of(kernels::table().int8.group);
    map.taps * map.c_in <= PackedInt8::MAX_PRODUCTS
        && (groups.len() == 1 || in_words(map.c_in) && in_words(map.c_out))
        && fed.mean.iter().all(|v| v.is_finite())
}
