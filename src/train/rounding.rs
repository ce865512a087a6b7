//! Rounds weights to the precision of a model file.

use crate::{
    Result,
    network::{Layer, Network, Weights},
};
use half::f16;

/// Rounds all values to the nearest F16, which halves the model file. Its 11 bits are more exact than
/// training is. If F16 cannot hold one of the values, all stay as they are.
pub fn round(values: &mut [f32]) {
    let halves: Vec<f32> = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    if halves.iter().all(|half| half.is_finite()) {
        values.copy_from_slice(&halves);
    }
}

/// The network with its weights rounded to what a model file keeps.
///
/// # Errors
/// As [`Network::new`].
pub(super) fn rounded(
    layers: Vec<Layer>,
    mut weights: Weights,
    num_features: usize,
) -> Result<Network> {
    weights.values_mut().for_each(|values| round(values));
    Network::new(layers, weights, num_features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_what_it_cannot_reach() {
        let mut values = [0.1f32, 1.0];
        round(&mut values);
        assert_eq!(values[1], 1.0);
        assert!(values[0] != 0.1 && (values[0] - 0.1).abs() < 1e-4);
        let mut large = [0.1f32, 1e6];
        round(&mut large);
        assert_eq!(large, [0.1, 1e6]);
    }
}
