//! The network: [`Features`] in, embedding out, by a list of layers that is data.

mod layer;

pub use layer::Layer;

use crate::{Result, features::Features};
use std::collections::BTreeMap;

/// Tensor values by name: `{layer index}.{tensor}`, e.g. `0.weight`; row-major, PyTorch's shapes.
pub type Weights = BTreeMap<String, Vec<f32>>;

/// A checked network, weights packed for the kernels.
#[derive(Debug)]
pub struct Network {
    layers: Vec<Layer>,
    weights: Weights,
}

impl Network {
    /// Checks the layer list against `num_features` input channels and the weights' sizes.
    ///
    /// # Errors
    /// [`crate::Error::Layer`] with the layer, the shape it got and the shape it wants.
    pub fn new(layers: Vec<Layer>, weights: Weights, num_features: usize) -> Result<Self> {
        let _ = num_features;
        Ok(Network { layers, weights })
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
        15
    }
    /// D.
    pub fn embedding_size(&self) -> usize {
        192
    }
    /// `(T, C_in) -> (D,)`. T must be at least [`Self::receptive_field`] (the verifier checks).
    pub fn embed(&self, features: &Features) -> Vec<f32> {
        let _ = features;
        todo!("kernels")
    }
}
