//! The network: [`Features`] in, embedding out, by a list of layers that is data.
//!
//! Activations stay `(frames, channels)` row-major from end to end; every Conv1d and Linear is one
//! call of the affine kernel, with a following ReLU in its store.

mod activation;
mod affine;
mod fold;
mod layer;
pub mod pooling;
mod shape;

pub use activation::Activation;
pub use affine::Affine;
pub use fold::fold_batch_norms;
pub use layer::Layer;
pub use shape::{Shapes, conv1d_frames, infer};

use crate::{
    Error, Result,
    features::Features,
    kernels::{self, Packed, Steps},
};
use std::collections::BTreeMap;

/// Tensor values by name: `{layer index}.{tensor}`, e.g. `0.weight`; row-major, PyTorch's shapes.
pub type Weights = BTreeMap<String, Vec<f32>>;

/// A checked network, weights packed for the kernels.
#[derive(Debug)]
pub struct Network {
    layers: Vec<Layer>,
    weights: Weights,
    shapes: Shapes,
    operations: Vec<Operation>,
}

/// A layer made ready to run.
#[derive(Debug)]
enum Operation {
    /// Conv1d or Linear, and the ReLU behind it.
    Affine {
        weights: Packed,
        steps: Steps,
        padding: usize,
    },
    /// Another activation.
    Activation(Activation),
    /// x·scale + shift per channel: a BatchNorm that no neighbour could take in.
    Scale { scale: Vec<f32>, shift: Vec<f32> },
    /// `(T, C) -> (2C)`.
    StatsPool { eps: f32 },
    /// `(T, C) -> (2C)`.
    SampleStatsPool { eps: f32 },
    /// `(T, C) -> (C)`.
    MeanPool,
    /// `(T, C) -> (num_frames·C)`.
    Flatten { num_frames: usize },
}

impl Network {
    /// Checks the layer list against `num_features` input channels and the weights' sizes, and
    /// packs the weights.
    ///
    /// # Errors
    /// [`Error::Layer`] with the layer, the shape it got and the shape it wants;
    /// [`Error::Usage`] for a tensor that is missing, left over, of the wrong size or not finite.
    pub fn new(layers: Vec<Layer>, weights: Weights, num_features: usize) -> Result<Self> {
        let shapes = infer(&layers, num_features)?;
        check_weights(&layers, &weights)?;
        let operations = operations(&layers, &weights);
        Ok(Network {
            layers,
            weights,
            shapes,
            operations,
        })
    }

    /// The layer list, as in the model file.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The weights, as in the model file.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Fewest frames that give one output frame.
    pub fn receptive_field(&self) -> usize {
        self.shapes.receptive_field
    }

    /// D.
    pub fn embedding_size(&self) -> usize {
        self.shapes.embedding_size
    }

    /// `(T, C_in) -> (D,)`.
    ///
    /// # Panics
    /// If T is below [`Self::receptive_field`] or C_in is not the front-end's; the verifier checks.
    pub fn embed(&self, features: &Features) -> Vec<f32> {
        assert!(
            features.num_frames() >= self.receptive_field(),
            "too few frames"
        );
        let mut channels = features.num_channels();
        let mut x = features.values().to_vec(); // (T, C_in)
        for operation in &self.operations {
            (x, channels) = operation.apply(x, channels); // (T, C) -> (T', C')
        }
        x // (D,)
    }
}

impl Operation {
    /// `(T, C) -> (T', C')`; after a pooling T' is 1.
    fn apply(&self, mut x: Vec<f32>, channels: usize) -> (Vec<f32>, usize) {
        match self {
            Operation::Affine {
                weights,
                steps,
                padding,
            } => {
                if *padding > 0 {
                    x = padded(&x, channels, *padding);
                }
                let frames = x.len() / channels;
                let rows = conv1d_frames(frames, weights.taps, steps.stride, steps.dilation, 0);
                let mut y = vec![0.0; rows * weights.c_out];
                (kernels::table().affine)(&x, weights, *steps, &mut y);
                (y, weights.c_out)
            }
            Operation::Activation(activation) => {
                activation.apply(&mut x);
                (x, channels)
            }
            Operation::Scale { scale, shift } => {
                for row in x.chunks_exact_mut(channels) {
                    for c in 0..channels {
                        row[c] = row[c] * scale[c] + shift[c];
                    }
                }
                (x, channels)
            }
            Operation::StatsPool { eps } => (pooling::stats(&x, channels, *eps), 2 * channels),
            Operation::SampleStatsPool { eps } => {
                (pooling::sample_stats(&x, channels, *eps), 2 * channels)
            }
            Operation::MeanPool => (pooling::mean(&x, channels), channels),
            Operation::Flatten { num_frames } => (
                pooling::flatten(&x, channels, *num_frames),
                num_frames * channels,
            ),
        }
    }
}

/// `(T, C) -> (T + 2p, C)`, zeros on both sides.
pub fn padded(x: &[f32], channels: usize, padding: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() + 2 * padding * channels];
    out[padding * channels..][..x.len()].copy_from_slice(x);
    out
}

fn check_weights(layers: &[Layer], weights: &Weights) -> Result<()> {
    let mut known = 0;
    for (index, layer) in layers.iter().enumerate() {
        for (name, shape) in layer.tensors() {
            let name = format!("{index}.{name}");
            let wanted: usize = shape.iter().product();
            let Some(values) = weights.get(&name) else {
                return Err(Error::Usage(format!(
                    "tensor {name} is missing; wanted shape {shape:?}"
                )));
            };
            if values.len() != wanted {
                return Err(Error::Usage(format!(
                    "tensor {name} has {} values; wanted shape {shape:?}, {wanted} values",
                    values.len()
                )));
            }
            if !values.iter().all(|v| v.is_finite()) {
                return Err(Error::Usage(format!(
                    "tensor {name} holds a NaN or an infinity"
                )));
            }
            known += 1;
        }
    }
    if known != weights.len() {
        return Err(Error::Usage(format!(
            "{} tensors belong to no layer; the layer list wants {known}",
            weights.len() - known
        )));
    }
    Ok(())
}

/// One operation per layer, but a ReLU goes into the affine map before it.
fn operations(layers: &[Layer], weights: &Weights) -> Vec<Operation> {
    let nr = kernels::table().nr;
    let tensor = |index: usize, name: &str| &weights[&format!("{index}.{name}")][..];
    let mut operations: Vec<Operation> = vec![];
    for (index, layer) in layers.iter().enumerate() {
        if let Some(affine) = Affine::of(layer) {
            let (weight, bias) = (tensor(index, "weight"), tensor(index, "bias"));
            operations.push(Operation::Affine {
                weights: Packed::from_pytorch(affine.shape, nr, weight, bias),
                steps: Steps {
                    stride: affine.stride,
                    dilation: affine.dilation,
                    relu: false,
                },
                padding: affine.padding,
            });
            continue;
        }
        match *layer {
            Layer::BatchNorm { eps, .. } => {
                let (scale, shift) = fold::scale_and_shift(weights, index, eps);
                operations.push(Operation::Scale { scale, shift });
            }
            Layer::StatsPool { eps } => operations.push(Operation::StatsPool { eps }),
            Layer::SampleStatsPool { eps } => operations.push(Operation::SampleStatsPool { eps }),
            Layer::MeanPool => operations.push(Operation::MeanPool),
            Layer::Flatten { num_frames } => operations.push(Operation::Flatten { num_frames }),
            _ => match (Activation::of(layer), operations.last_mut()) {
                (Some(Activation::Relu), Some(Operation::Affine { steps, .. })) => {
                    steps.relu = true;
                }
                (Some(activation), _) => operations.push(Operation::Activation(activation)),
                (None, _) => unreachable!("every layer is one of these"),
            },
        }
    }
    operations
}
