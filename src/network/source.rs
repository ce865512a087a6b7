//! Where the weights of a network come from: a model file, or f32 tensors in memory.

use super::{
    Layer, Weights, all_finite,
    int8_weights::{DIVISORS, Int8Weights},
    stored::{Number, Tensors},
};

/// Tensors of a network in either form.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Weights(&'a Weights),
    /// Layers whose weights are I8 run in int8.
    Stored(&'a Tensors),
    /// All layers run in f32.
    StoredInF32(&'a Tensors),
}

impl<'a> Source<'a> {
    /// The same tensors, for layers that run in f32.
    pub fn in_f32(self) -> Self {
        match self {
            Source::Stored(tensors) => Source::StoredInF32(tensors),
            other => other,
        }
    }

    /// The weights of layer `index`, if it runs in int8.
    pub fn int8(self, layer: &Layer, index: usize) -> Option<Int8Weights<'a>> {
        match self {
            Source::Stored(tensors) => Int8Weights::of(layer, index, tensors),
            _ => None,
        }
    }

    /// Whether layer `index` runs in int8.
    pub fn runs_int8(self, index: usize) -> bool {
        matches!(self, Source::Stored(_)) && self.is_i8(&format!("{index}.weight"))
    }

    /// Whether layers run in int8.
    pub fn is_int8(self) -> bool {
        match self {
            Source::Stored(tensors) => tensors.values().any(|t| t.number == Number::I8),
            _ => false,
        }
    }

    /// Whether a tensor is I8.
    pub fn is_i8(self, name: &str) -> bool {
        match self {
            Source::Weights(_) => false,
            Source::Stored(tensors) | Source::StoredInF32(tensors) => {
                let tensor = tensors.get(name);
                tensor.is_some_and(|tensor| tensor.number == Number::I8)
            }
        }
    }

    /// Whether the values of a tensor can be steps or ranges in int8: see `DIVISORS`.
    pub fn are_divisors(self, name: &str) -> bool {
        let mut room = vec![];
        let values = self.values(name, &mut room);
        values.iter().all(|value| DIVISORS.contains(value))
    }

    /// All tensors of layer `index` in f32, by their names in the list.
    pub fn of_layer(self, layer: &Layer, index: usize) -> Vec<(String, Vec<f32>)> {
        let tensor = |(tensor, _)| {
            let (name, mut room) = (format!("{index}.{tensor}"), vec![]);
            let values = match tensor {
                "weight" => self.weight(layer, index, &mut room),
                _ => self.values(&name, &mut room),
            };
            (name, values.to_vec())
        };
        layer.tensors().into_iter().map(tensor).collect()
    }

    /// The largest magnitude of the weights of each input channel of layer `index`, a map: `(C_in,)`.
    pub fn largest_weights(self, layer: &Layer, index: usize) -> Vec<f32> {
        let mut room = vec![];
        let weight = self.weight(layer, index, &mut room);
        let tensors = layer.tensors();
        let (_, shape) = &tensors[0]; // (C_out, C_in/g, taps…)
        let (rows, inputs) = (shape[0] / layer.groups(), shape[1]);
        let taps = shape[2..].iter().product();
        let mut largest = vec![0.0f32; layer.num_inputs()];
        for (row, weights) in weight.chunks_exact(inputs * taps).enumerate() {
            let of_group = &mut largest[row / rows * inputs..][..inputs];
            for (largest, taps) in of_group.iter_mut().zip(weights.chunks_exact(taps)) {
                *largest = taps.iter().fold(*largest, |max, w| max.max(w.abs()));
            }
        }
        largest
    }

    /// The weight of layer `index` in f32. `room` is a buffer, as in [`Self::values`].
    pub fn weight<'r>(self, layer: &Layer, index: usize, room: &'r mut Vec<f32>) -> &'r [f32]
    where
        'a: 'r,
    {
        if let Source::Stored(tensors) | Source::StoredInF32(tensors) = self
            && let Some(int8) = Int8Weights::of(layer, index, tensors)
        {
            int8.to_f32(room);
            return room;
        }
        self.values(&format!("{index}.weight"), room)
    }

    /// The weight and the bias of layer `index` in f32. `room` holds buffers, as in [`Self::values`].
    pub fn weight_and_bias<'r>(
        self,
        layer: &Layer,
        index: usize,
        room: &'r mut [Vec<f32>; 2],
    ) -> (&'r [f32], &'r [f32])
    where
        'a: 'r,
    {
        let [of_weight, of_bias] = room;
        let weight = self.weight(layer, index, of_weight);
        (weight, self.values(&format!("{index}.bias"), of_bias))
    }

    /// Values of a tensor that was checked to exist. Values that cannot be used where they are
    /// stored are converted to f32 in `room`, a buffer.
    pub fn values<'r>(self, name: &str, room: &'r mut Vec<f32>) -> &'r [f32]
    where
        'a: 'r,
    {
        match self {
            Source::Weights(weights) => &weights[name],
            Source::Stored(tensors) | Source::StoredInF32(tensors) => {
                let stored = &tensors[name];
                stored.in_place().unwrap_or_else(|| {
                    stored.read(room);
                    room
                })
            }
        }
    }

    /// Number of values of a tensor, and whether all are finite.
    pub fn len_and_finite(self, name: &str) -> Option<(usize, bool)> {
        match self {
            Source::Weights(weights) => {
                let values = weights.get(name)?;
                Some((values.len(), all_finite(values)))
            }
            Source::Stored(tensors) | Source::StoredInF32(tensors) => {
                let stored = tensors.get(name)?;
                Some((stored.len(), stored.is_finite()))
            }
        }
    }

    /// Number of tensors.
    pub fn len(self) -> usize {
        match self {
            Source::Weights(weights) => weights.len(),
            Source::Stored(tensors) | Source::StoredInF32(tensors) => tensors.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Conv1dOptions;

    #[test]
    fn the_largest_weights_of_each_input_are_those_of_its_group() {
        let layer = Layer::Conv1d(Conv1dOptions {
            groups: 2,
            ..Conv1dOptions::new(4, 2, 3)
        });
        // (C_out, C_in/g, K): each output reads two of the four inputs.
        let weight = vec![
            1.0, -2.0, 0.5, 0.0, 0.25, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, -4.0,
        ];
        let weights = Weights::from([("0.weight".to_string(), weight)]);
        let largest = Source::Weights(&weights).largest_weights(&layer, 0);
        assert_eq!(largest, [2.0, 0.25, 3.0, 4.0]);
    }
}
