//! The network in training. The forward pass keeps on a tape, layer by layer, what the backward
//! pass needs to compute the gradients.
//!
//! A layer reads the output of the layer before it, or of the layers that it names. In the backward
//! pass, an output that several layers read gets the sum of their gradients.

use super::{
    affine::AffineGradients,
    batch::Batch,
    conv2d,
    norm::{self, NormTape},
    pooling,
    random::Random,
};
use crate::network::{Activation, Affine, Layer, Network, Weights, fold_batch_norms};
use rayon::prelude::*;

/// Layers and weights in training; BatchNorm's running statistics are among the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Trainable {
    /// The layer list, already checked by [`crate::network::infer`].
    pub layers: Vec<Layer>,
    /// The weights by name, `{layer index}.{tensor}`.
    pub weights: Weights,
}

/// What a forward pass keeps for the backward pass.
pub struct Tape {
    /// `outputs[0]` holds the features, `outputs[i + 1]` the output of layer i. The last are the
    /// embeddings, `(U, D)`.
    outputs: Vec<Batch>,
    norms: Vec<Option<NormTape>>,
}

impl Tape {
    /// The embeddings of the batch, `(U, D)`.
    pub fn embeddings(&self) -> &Batch {
        &self.outputs[self.outputs.len() - 1]
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.outputs.drain(..).for_each(Batch::give_back);
    }
}

/// The share of the way by which BatchNorm's running statistics move towards those of a batch.
const MOMENTUM: f32 = 0.1;

impl Trainable {
    /// Draws weights uniformly in ±1/sqrt(C_in·K), as PyTorch's Conv1d, Conv2d and Linear do.
    pub fn new(layers: Vec<Layer>, seed: u64) -> Self {
        let mut weights = Weights::new();
        for (index, layer) in layers.iter().enumerate() {
            let mut random = Random::new(seed, "weights", &[index as u64]);
            let tensors = layer.tensors();
            // C_in·K
            let fan_in = (tensors.first()).map_or(1, |(_, shape)| shape[1..].iter().product());
            let bound = 1.0 / (fan_in as f32).sqrt();
            for (name, shape) in tensors {
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

    /// Takes over the weights of a finished network up to its pooling. Its BatchNorms are folded into
    /// these weights, so the BatchNorms here are set to change nothing: for these `features`, each gives
    /// its input as its output. `false` if the layers up to the pooling are not the same; then nothing
    /// changes.
    pub fn take_layers(&mut self, network: &Network, features: &Batch) -> bool {
        let until_pooling = |layers: &[Layer]| layers.iter().position(Layer::is_pooling);
        let (mut folded, _) = self.folded();
        let Some(pooling) = until_pooling(&folded) else {
            return false;
        };
        // A network that sees log mels begins with the map to them.
        let view = usize::from(matches!(self.layers.first(), Some(Layer::Conv2d(_))));
        let names = folded.iter_mut().flat_map(Layer::named_mut);
        names.for_each(|name| *name += view);
        if network.layers().get(view..view + pooling) != Some(&folded[..pooling]) {
            return false;
        }
        let is_norm = |layer: &Layer| matches!(layer, Layer::BatchNorm { .. });
        let indices = 0..self.layers.len();
        let (norms, kept): (Vec<usize>, Vec<usize>) =
            indices.partition(|index| is_norm(&self.layers[*index]));
        for (from, to) in kept[..pooling].iter().enumerate() {
            for (name, _) in self.layers[*to].tensors() {
                let values = &network.weights()[&format!("{}.{name}", from + view)];
                self.weights.insert(format!("{to}.{name}"), values.clone());
            }
        }
        for index in norms.into_iter().filter(|index| *index < kept[pooling]) {
            let tape = self.forward(features.copy());
            let Some(norm) = &tape.norms[index] else {
                continue;
            };
            let deviation = norm.variance.iter().map(|v| v.sqrt()).collect();
            let (mean, variance) = (norm.mean.clone(), norm.variance.clone());
            for (name, values) in [
                ("weight", deviation),
                ("bias", mean.clone()),
                ("running_mean", mean),
                ("running_var", variance),
            ] {
                self.weights.insert(format!("{index}.{name}"), values);
            }
        }
        true
    }

    fn tensor(&self, index: usize, name: &str) -> &[f32] {
        &self.weights[&format!("{index}.{name}")]
    }

    /// `(ΣT, C_in) -> (U, D)`, with the batch's own BatchNorm statistics.
    pub fn forward(&self, features: Batch) -> Tape {
        let mut outputs = vec![features];
        let mut norms = vec![];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut norm_tape = None;
            let y = if let Some(activation) = Activation::of(layer) {
                self.activated(index, activation, &mut outputs)
            } else if let Layer::BatchNorm { eps, .. } = *layer {
                let (weight, bias) = (self.tensor(index, "weight"), self.tensor(index, "bias"));
                let (y, tape) = norm::forward(&outputs[index], weight, bias, eps);
                norm_tape = Some(tape);
                y
            } else {
                self.output(index, &outputs)
            };
            outputs.push(y);
            norms.push(norm_tape);
        }
        Tape { outputs, norms }
    }

    /// The output of a layer that is neither an activation nor a BatchNorm.
    fn output(&self, index: usize, outputs: &[Batch]) -> Batch {
        let layer = &self.layers[index];
        let reads = self.reads(index);
        let x = &outputs[reads[0]];
        let tensor = |name| self.tensor(index, name);
        match layer {
            layer if layer.is_pooling() => pooling::forward(x, layer),
            Layer::Conv2d(options) => conv2d::forward(options, x, tensor("weight"), tensor("bias")),
            Layer::Channels { first, count, .. } => x.columns(*first, *count),
            Layer::Add { .. } => {
                let mut sum = x.copy();
                reads[1..].iter().for_each(|read| sum.add(&outputs[*read]));
                sum
            }
            _ => {
                let affine = Affine::of(layer).expect("every other layer in training is affine");
                let relu = self.applies_relu(index);
                affine.forward(x, tensor("weight"), tensor("bias"), relu)
            }
        }
    }

    /// Whether layer `index` is an affine map that applies the ReLU that follows it.
    fn applies_relu(&self, index: usize) -> bool {
        let follows = matches!(self.layers.get(index + 1), Some(Layer::Relu));
        follows && Affine::of(&self.layers[index]).is_some()
    }

    /// The output of the activation at `index`. It overwrites its input where possible, because the
    /// backward pass of an activation needs only its output. The input is kept if a later layer
    /// reads it too, or if the layer before is a pooling or an activation, whose backward pass
    /// needs it.
    fn activated(&self, index: usize, activation: Activation, outputs: &mut [Batch]) -> Batch {
        let before = index.checked_sub(1).map(|before| &self.layers[before]);
        let keeps = |layer: &Layer| layer.is_pooling() || Activation::of(layer).is_some();
        let read_again = |later| self.reads(later).contains(&index);
        let is_kept = before.is_none_or(keeps) || (index + 1..self.layers.len()).any(read_again);
        let x = &mut outputs[index];
        let shape = x.clone_shape();
        let mut y = match is_kept {
            true => x.copy(),
            false => std::mem::replace(x, shape),
        };
        if before.is_none() || !self.applies_relu(index - 1) {
            let blocks = y.blocks_mut().into_par_iter();
            blocks.for_each(|y| activation.apply(y));
        }
        y
    }

    /// What layer `index` reads, as indices into [`Tape::outputs`].
    fn reads(&self, index: usize) -> Vec<usize> {
        match index {
            0 => vec![0],
            _ => (self.layers[index].reads(index))
                .map(|read| read + 1)
                .collect(),
        }
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

    /// Computes the gradients of all weights, by name, from those of the embeddings, `(U, D)`.
    pub fn backward(&self, tape: &Tape, d_embeddings: Vec<f32>) -> Weights {
        let mut gradients = Weights::new();
        // The gradient of each output of the tape. None until a layer that reads it was passed.
        let mut ds: Vec<Option<Batch>> = (0..tape.outputs.len()).map(|_| None).collect();
        *ds.last_mut().expect("the embeddings") = Some(Batch {
            values: d_embeddings,
            ..tape.embeddings().clone_shape()
        });
        for index in (0..self.layers.len()).rev() {
            let Some(d) = ds[index + 1].take() else {
                continue;
            };
            let reads = self.reads(index);
            let dx = self.through(index, &reads, tape, d, &mut gradients);
            for (read, dx) in reads.into_iter().zip(dx) {
                match &mut ds[read] {
                    Some(sum) => {
                        sum.add(&dx);
                        dx.give_back();
                    }
                    empty => *empty = Some(dx),
                }
            }
        }
        ds.into_iter().flatten().for_each(Batch::give_back);
        gradients
    }

    /// Passes the gradient `d` of the output of layer `index` back through the layer. Returns the
    /// gradients of the outputs `reads` that the layer reads, and none if layer 0 is a map: nothing
    /// needs the gradient of the features. Puts the gradients of the layer's own tensors into
    /// `gradients`.
    fn through(
        &self,
        index: usize,
        reads: &[usize],
        tape: &Tape,
        mut d: Batch,
        gradients: &mut Weights,
    ) -> Vec<Batch> {
        let layer = &self.layers[index];
        let (x, y) = (&tape.outputs[reads[0]], &tape.outputs[index + 1]);
        let mut insert = |affine: AffineGradients| {
            gradients.insert(format!("{index}.weight"), affine.weight);
            gradients.insert(format!("{index}.bias"), affine.bias);
        };
        let weight = || self.tensor(index, "weight");
        if let Layer::Add { .. } = layer {
            let copies = reads[1..].iter().map(|_| d.copy());
            let mut each: Vec<Batch> = copies.collect();
            each.push(d);
            return each;
        }
        if let Some(activation) = Activation::of(layer) {
            let jobs = d.blocks_mut().into_par_iter().zip(y.blocks());
            jobs.for_each(|(d, y)| activation.backward(y, d));
            return vec![d];
        }
        if let Some(norm_tape) = &tape.norms[index] {
            let (weight, bias) = norm::backward(x, norm_tape, weight(), &mut d);
            insert(AffineGradients { weight, bias });
            return vec![d];
        }
        let dx = match layer {
            layer if layer.is_pooling() => Some(pooling::backward(x, layer, y, &d)),
            Layer::Channels { first, .. } => Some(d.as_columns(*first, x.channels)),
            Layer::Conv2d(options) => {
                insert(conv2d::weight_gradients(options, x, &d));
                (index > 0).then(|| conv2d::input_gradient(options, x, weight(), &d))
            }
            _ => {
                let affine = Affine::of(layer).expect("every other layer in training is affine");
                insert(affine.weight_gradients(x, &d));
                (index > 0).then(|| affine.input_gradient(x, weight(), &d))
            }
        };
        d.give_back();
        dx.into_iter().collect()
    }
}
