//! The neural network that computes an embedding from [`Features`]. Its layers are a list in the model
//! file. A layer reads the one before it, or earlier layers that it names. With such layers the list is
//! a graph.
//!
//! Activations are `(frames, channels)` row-major throughout. Every Conv1d and Linear is one call
//! of the affine kernel, which also applies a ReLU that follows.

mod activation;
mod affine;
mod after_pooling;
mod conv2d;
mod convolution;
mod cuts;
mod fold;
mod frame_count;
mod graph;
mod idle;
mod int8;
mod int8_weights;
mod join;
mod layer;
mod operation;
pub mod pooling;
mod ranges;
#[cfg(test)]
mod reference;
mod run;
mod shape;
mod source;
mod stored;
mod weights;
mod winograd;

pub use activation::Activation;
pub use affine::Affine;
#[cfg(feature = "train")]
pub(crate) use affine::apply_groups;
pub use conv2d::Conv2d;
pub use convolution::{Conv1dOptions, Conv2dOptions, conv1d_frames};
pub use cuts::{Cuts, Piece, Split};
pub use fold::fold_batch_norms;
pub use idle::Idle;
pub use layer::Layer;
pub use shape::{Shapes, infer};
pub use stored::{Number, Stored, Tensors};
pub use weights::{Weights, all_finite};

use crate::{Error, Result, features::Features, remedy::Remedy};
use int8_weights::DIVISORS;
use run::{Operations, Pooled};
use source::Source;
use std::sync::OnceLock;

/// A checked network. Its weights are packed for the kernels when the first utterance is embedded.
#[derive(Debug)]
pub struct Network {
    layers: Vec<Layer>,
    /// As stored in a file; empty if the network was built from `weights`. A layer whose weight is I8
    /// runs in int8.
    tensors: Tensors,
    weights: OnceLock<Weights>,
    shapes: Shapes,
    /// C_in.
    num_features: usize,
    operations: OnceLock<Operations>,
    is_int8: bool,
    scratch: run::Scratch,
}

impl Network {
    /// Checks that the layers fit together, take `num_features` input channels and match the
    /// tensors.
    ///
    /// # Errors
    /// [`Error::Layer`] with the layer, the shape it was given and the shape it needs;
    /// [`Error::Usage`] for a tensor that is missing, unknown, of the wrong size or not finite.
    pub fn new(layers: Vec<Layer>, weights: Weights, num_features: usize) -> Result<Self> {
        let shapes = infer(&layers, num_features)?;
        check_tensors(&layers, Source::Weights(&weights))?;
        let weights = weights.into();
        Ok(Self::checked(
            layers,
            weights,
            Tensors::new(),
            shapes,
            num_features,
        ))
    }

    /// As [`Self::new`], for tensors as a file stores them. They are converted to f32 when needed.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_tensors(layers: Vec<Layer>, tensors: Tensors, num_features: usize) -> Result<Self> {
        let shapes = infer(&layers, num_features)?;
        check_tensors(&layers, Source::Stored(&tensors))?;
        let weights = OnceLock::new();
        Ok(Self::checked(
            layers,
            weights,
            tensors,
            shapes,
            num_features,
        ))
    }

    /// A copy of the network as it was read or built. If [`Self::quantise`] switched it to int8 since,
    /// the copy is in f32.
    pub fn as_made(&self) -> Self {
        let (layers, tensors) = (self.layers.clone(), self.tensors.clone());
        let weights = match tensors.is_empty() {
            true => self.weights.clone(),
            false => OnceLock::new(),
        };
        Self::checked(layers, weights, tensors, self.shapes, self.num_features)
    }

    fn checked(
        layers: Vec<Layer>,
        weights: OnceLock<Weights>,
        tensors: Tensors,
        shapes: Shapes,
        num_features: usize,
    ) -> Self {
        let is_int8 = Source::Stored(&tensors).is_int8();
        Network {
            layers,
            tensors,
            weights,
            shapes,
            num_features,
            operations: OnceLock::new(),
            is_int8,
            scratch: run::Scratch::default(),
        }
    }

    /// C_in.
    pub fn num_features(&self) -> usize {
        self.num_features
    }

    /// The layers, as in the model file.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The weights in f32.
    pub fn weights(&self) -> &Weights {
        self.weights.get_or_init(|| {
            let source = Source::Stored(&self.tensors);
            let layers = self.layers.iter().enumerate();
            let tensors = layers.flat_map(|(index, layer)| source.of_layer(layer, index));
            tensors.collect()
        })
    }

    /// A tensor as a file stores it: `{layer index}.{tensor}`.
    pub fn stored(&self, name: &str) -> Option<Stored> {
        match self.tensors.is_empty() {
            true => self.weights().get(name).map(|values| Stored::of(values)),
            false => self.tensors.get(name).cloned(),
        }
    }

    fn source(&self) -> Source<'_> {
        match self.tensors.is_empty() {
            true => Source::Weights(self.weights()),
            false => Source::Stored(&self.tensors),
        }
    }

    /// Whether the layers are more than a plain list, in which each layer reads the one before and one of
    /// them pools.
    pub fn is_graph(&self) -> bool {
        graph::is_graph(&self.layers)
    }

    /// Smallest number of frames that gives an output frame.
    pub fn receptive_field(&self) -> usize {
        self.shapes.receptive_field
    }

    /// Products of a weight and an activation for T = `num_frames`: of all layers, and of those
    /// before the last pooling.
    pub fn num_products(&self, num_frames: usize) -> (f64, f64) {
        let outputs = shape::outputs(&self.layers, self.num_features).expect("checked before");
        let (mut all, mut before_pooling) = (0.0, 0.0);
        for (layer, output) in self.layers.iter().zip(outputs) {
            if layer.is_pooling() {
                before_pooling = all;
            }
            let per_frame = match *layer {
                Layer::Conv2d(conv) => {
                    output.size() * conv.in_channels * conv.kernel_frames * conv.kernel_bins
                }
                _ => Affine::of(layer).map_or(0, |affine| {
                    let (c_out, c_in, taps) = affine.shape;
                    c_out * c_in * taps
                }),
            };
            all += (output.num_frames(num_frames) * per_frame) as f64;
        }
        (all, before_pooling)
    }

    /// D, size of the embedding.
    pub fn embedding_size(&self) -> usize {
        self.shapes.embedding_size
    }

    /// Switches the network to int8, which is faster and changes embeddings slightly. The ranges of
    /// the activations are measured on `utterances`.
    ///
    /// # Errors
    /// As [`Self::to_int8`].
    pub fn quantise(&mut self, utterances: &[Features]) -> Result<()> {
        if !self.is_int8 {
            self.operations = self.to_int8(utterances)?.operations;
            self.is_int8 = true;
        }
        Ok(())
    }

    /// The network with its weights rounded to int8, as a file can store them. The ranges of the
    /// activations are measured on `utterances`.
    ///
    /// # Errors
    /// [`Error::Usage`] if an utterance is shorter than the receptive field.
    pub fn to_int8(&self, utterances: &[Features]) -> Result<Self> {
        if self.source().is_int8() {
            return Ok(self.as_made());
        }
        let shortest = utterances.iter().map(Features::num_frames).min();
        if shortest.is_none_or(|frames| frames < self.receptive_field()) {
            return Err(Error::refused(
                format!(
                    "int8: the model sees {} frames at once, and the longest that its ranges can be \
                     taken from have {}",
                    self.receptive_field(),
                    shortest.unwrap_or(0)
                ),
                Remedy::Option(&["leave ", "precision", " at f32"]),
            ));
        }
        let (layers, num_features) = (&self.layers, self.num_features);
        let tensors = int8::rounded(layers, num_features, self.source(), utterances);
        let network = Self::from_tensors(layers.clone(), tensors, num_features)?;
        network.operations();
        Ok(network)
    }

    /// Whether the network runs in int8.
    pub fn is_int8(&self) -> bool {
        self.is_int8
    }

    /// Embedding of an utterance, `(T, C_in) -> (D,)`.
    ///
    /// # Panics
    /// If T is below [`Self::receptive_field`], or C_in is not that of the front-end. The verifier
    /// checks both.
    pub fn embed(&self, features: &Features) -> Vec<f32> {
        let (operations, pooled) = self.pool(features);
        operations.embedding(&pooled)
    }

    /// [`Self::embed`], and the embeddings of parts of the utterance.
    ///
    /// # Panics
    /// As [`Self::embed`].
    pub fn embed_cut(&self, features: &Features) -> (Vec<f32>, Cuts) {
        let (operations, pooled) = self.pool(features);
        (operations.embedding(&pooled), operations.cuts(&pooled))
    }

    fn pool(&self, features: &Features) -> (&Operations, Pooled) {
        let operations = self.operations_on(features);
        (operations, operations.pool(features, &self.scratch))
    }

    /// The outputs before the pooling, one row for each frame: `(T, C_in) -> (T', C)`.
    ///
    /// # Panics
    /// As [`Self::embed`].
    pub fn frame_outputs(&self, features: &Features) -> Vec<f32> {
        let graph = &self.operations_on(features).graph;
        // An attentive pooling has the weights of the frames as a second output.
        graph.run(features, &self.scratch).swap_remove(0)
    }

    /// `(T, C) -> (T + 2 margin, C)`: the first and the last frame repeated, so that a network
    /// whose receptive field is `2 margin + 1` has an output for every frame.
    pub fn edges_repeated(values: &[f32], channels: usize, margin: usize) -> Vec<f32> {
        let first = values.chunks(channels).next().unwrap_or_default();
        let last = values.rchunks(channels).next().unwrap_or_default();
        [&first.repeat(margin), values, &last.repeat(margin)].concat()
    }

    /// The operations, to be run on features that are long enough.
    fn operations_on(&self, features: &Features) -> &Operations {
        assert!(
            features.num_frames() >= self.receptive_field(),
            "too few frames"
        );
        self.operations()
    }

    fn operations(&self) -> &Operations {
        self.operations
            .get_or_init(|| Operations::new(&self.layers, self.num_features, self.source()))
    }
}

/// `(T, C) -> (T + 2p, C)`, with zero frames on both sides.
pub fn padded(x: &[f32], channels: usize, padding: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() + 2 * padding * channels];
    out[padding * channels..][..x.len()].copy_from_slice(x);
    out
}

fn check_tensors(layers: &[Layer], tensors: Source) -> Result<()> {
    let mut known = 0;
    for (index, layer) in layers.iter().enumerate() {
        let mut wanted = layer.tensors();
        if tensors.is_i8(&format!("{index}.weight")) {
            wanted.extend(layer.int8_tensors());
        }
        for (name, shape) in wanted {
            let divides = ["weight_step", "input_range"].contains(&name);
            let name = format!("{index}.{name}");
            let wanted: usize = shape.iter().product();
            let Some((len, is_finite)) = tensors.len_and_finite(&name) else {
                return Err(Error::Usage(format!(
                    "tensor {name} is missing; wanted shape {shape:?}"
                )));
            };
            let may_be_i8 = name.ends_with(".weight") && !layer.int8_tensors().is_empty();
            if tensors.is_i8(&name) && !may_be_i8 {
                return Err(Error::Usage(format!(
                    "tensor {name} is I8; wanted F32 or F16"
                )));
            }
            if len != wanted {
                return Err(Error::Usage(format!(
                    "tensor {name} has {len} values; wanted shape {shape:?}, {wanted} values"
                )));
            }
            if !is_finite {
                return Err(Error::Usage(format!(
                    "tensor {name} holds a NaN or an infinity"
                )));
            }
            if divides && !tensors.are_divisors(&name) {
                return Err(Error::Usage(format!(
                    "tensor {name} holds a value below {:e} or above {:e}",
                    DIVISORS.start(),
                    DIVISORS.end()
                )));
            }
            known += 1;
        }
    }
    if known != tensors.len() {
        return Err(Error::Usage(format!(
            "{} tensors belong to no layer; the layers have {known}",
            tensors.len() - known
        )));
    }
    Ok(())
}
