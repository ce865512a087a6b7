//! The network in training: the forward pass keeps what the backward pass needs, layer by layer.
//!
//! There is no graph of operations, because each layer reads only the output of the layer before it.

use super::{
    batch::Batch,
    norm::{self, NormTape},
    pooling,
    random::Random,
};
use crate::network::{Activation, Affine, Layer, Weights, fold_batch_norms};
use rayon::prelude::*;

/// Layers and weights in training; BatchNorm's running statistics are among the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Trainable {
    /// The layer list, already checked by [`crate::network::infer`].
    pub layers: Vec<Layer>,
    /// By name, `{layer index}.{tensor}`.
    pub weights: Weights,
}

/// What a forward pass keeps for the backward pass.
pub struct Tape {
    /// `outputs[i]` goes into layer i; the last is the embeddings, `(U, D)`.
    outputs: Vec<Batch>,
    norms: Vec<Option<NormTape>>,
}

impl Tape {
    /// `(U, D)`.
    pub fn embeddings(&self) -> &Batch {
        &self.outputs[self.outputs.len() - 1]
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.outputs.drain(..).for_each(Batch::give_back);
    }
}

/// How far BatchNorm's running statistics move towards those of a batch, as a share.
const MOMENTUM: f32 = 0.1;

impl Trainable {
    /// Fresh weights: uniform in ±1/sqrt(C_in·K), as PyTorch's Conv1d and Linear.
    pub fn new(layers: Vec<Layer>, seed: u64) -> Self {
        let mut weights = Weights::new();
        for (index, layer) in layers.iter().enumerate() {
            let mut random = Random::new(seed, "weights", &[index as u64]);
            let bound =
                Affine::of(layer).map_or(0.0, |a| 1.0 / ((a.shape.1 * a.shape.2) as f32).sqrt());
            for (name, shape) in layer.tensors() {
                let len = shape.iter().product();
                let values = match (layer, name) {
                    (Layer::BatchNorm { .. }, "weight" | "running_var") => vec![1.0; len],
                    (Layer::BatchNorm { .. }, _) => vec![0.0; len],
                    _ => (0..len).map(|_| random.uniform(-bound, bound)).collect(),
                };
                weights.insert(format!("{index}.{name}"), values);
            }
        }
        Trainable { layers, weights }
    }

    /// Layers and weights for inference, without BatchNorms.
    pub fn folded(&self) -> (Vec<Layer>, Weights) {
        fold_batch_norms(&self.layers, &self.weights)
    }

    fn tensor(&self, index: usize, name: &str) -> &[f32] {
        &self.weights[&format!("{index}.{name}")]
    }

    /// `(ΣT, C_in) -> (U, D)`, with the batch's own BatchNorm statistics.
    pub fn forward(&self, features: Batch) -> Tape {
        let mut outputs = vec![features];
        let mut norms = vec![];
        for (index, layer) in self.layers.iter().enumerate() {
            let before = index.checked_sub(1).map(|i| &self.layers[i]);
            let x = &mut outputs[index];
            let mut norm_tape = None;
            let y = match layer {
                layer if layer.is_pooling() => pooling::forward(x, layer),
                Layer::BatchNorm { eps, .. } => {
                    let (weight, bias) = (self.tensor(index, "weight"), self.tensor(index, "bias"));
                    let (y, tape) = norm::forward(x, weight, bias, *eps);
                    norm_tape = Some(tape);
                    y
                }
                _ => match (Affine::of(layer), Activation::of(layer)) {
                    (Some(affine), _) => {
                        let (weight, bias) =
                            (self.tensor(index, "weight"), self.tensor(index, "bias"));
                        // The affine map applies the ReLU that follows it.
                        let relu = matches!(self.layers.get(index + 1), Some(Layer::Relu));
                        affine.forward(x, weight, bias, relu)
                    }
                    (None, Some(activation)) => {
                        let in_store =
                            *layer == Layer::Relu && before.and_then(Affine::of).is_some();
                        activate(activation, x, before, in_store)
                    }
                    (None, None) => unreachable!("every layer is one of these"),
                },
            };
            outputs.push(y);
            norms.push(norm_tape);
        }
        Tape { outputs, norms }
    }

    /// Moves BatchNorm's running statistics towards the tape's.
    pub fn update_running_statistics(&mut self, tape: &Tape) {
        for (index, norm) in tape.norms.iter().enumerate() {
            let Some(norm) = norm else { continue };
            for (name, batch) in [
                ("running_mean", &norm.mean),
                ("running_var", &norm.variance),
            ] {
                if let Some(running) = self.weights.get_mut(&format!("{index}.{name}")) {
                    for (r, b) in running.iter_mut().zip(batch) {
                        *r += MOMENTUM * (b - *r);
                    }
                }
            }
        }
    }

    /// d_embeddings `(U, D)` -> gradients by the weights' names.
    pub fn backward(&self, tape: &Tape, d_embeddings: Vec<f32>) -> Weights {
        let mut gradients = Weights::new();
        let mut d = Batch {
            values: d_embeddings,
            ..tape.embeddings().clone_shape()
        };
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (x, y) = (&tape.outputs[index], &tape.outputs[index + 1]);
            if let Some(affine) = Affine::of(layer) {
                let own = affine.weight_gradients(x, &d);
                gradients.insert(format!("{index}.weight"), own.weight);
                gradients.insert(format!("{index}.bias"), own.bias);
                if index > 0 {
                    let dx = affine.input_gradient(x, self.tensor(index, "weight"), &d);
                    std::mem::replace(&mut d, dx).give_back();
                }
            } else if let Some(activation) = Activation::of(layer) {
                let jobs = d.blocks_mut().into_par_iter().zip(y.blocks());
                jobs.for_each(|(d, y)| activation.backward(y, d));
            } else if let Some(norm_tape) = &tape.norms[index] {
                let weight = self.tensor(index, "weight");
                let (dweight, dbias) = norm::backward(x, norm_tape, weight, &mut d);
                gradients.insert(format!("{index}.weight"), dweight);
                gradients.insert(format!("{index}.bias"), dbias);
            } else {
                let dx = pooling::backward(x, layer, y, &d);
                std::mem::replace(&mut d, dx).give_back();
            }
        }
        d.give_back();
        gradients
    }
}

/// Applies an activation, if that is not `done` already. Works in place where it can, because the
/// backward pass needs only the output of an activation; but a pooling before it needs its own output.
fn activate(activation: Activation, x: &mut Batch, before: Option<&Layer>, done: bool) -> Batch {
    let shape = x.clone_shape();
    let mut y = match before {
        Some(layer) if layer.is_pooling() => x.clone(),
        _ => std::mem::replace(x, shape),
    };
    if !done {
        y.blocks_mut()
            .into_par_iter()
            .for_each(|y| activation.apply(y));
    }
    y
}
