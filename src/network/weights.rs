//! The weights of a network: each tensor in f32, under its name.

use std::collections::BTreeMap;

/// Tensors by name, `{layer index}.{tensor}`, e.g. `0.weight`; row-major, in PyTorch's shapes.
pub type Weights = BTreeMap<String, Vec<f32>>;

/// Checks in one pass without branches: NaN and infinity have the largest exponents.
pub fn all_finite(values: &[f32]) -> bool {
    let largest = values.iter().fold(0, |max, v| v.abs().to_bits().max(max));
    f32::from_bits(largest).is_finite()
}
