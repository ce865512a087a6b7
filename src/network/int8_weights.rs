//! The int8 weights of a layer, as a model file stores them: `weight` in I8, `weight_step` (C_out,) and
//! `input_range` (C_in,). In f32 a weight is q·step/range, see [`Rounded`].

use super::{Layer, Tensors, ranges::InputRanges, stored::Stored};
use crate::kernels::Rounded;
use std::ops::RangeInclusive;

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Int8Weights<'a> {
    /// q `(C_out, C_in/g, …)`.
    pub values: &'a [i8],
    /// `(C_out,)`
    pub steps: Vec<f32>,
    /// `(C_in,)`: the largest activation that a u8 can hold.
    pub ranges: Vec<f32>,
    /// g
    groups: usize,
}

impl<'a> Int8Weights<'a> {
    /// The weights of layer `index`, if they are I8.
    pub fn of(layer: &Layer, index: usize, tensors: &'a Tensors) -> Option<Self> {
        let values = tensors.get(&format!("{index}.weight"))?.as_i8()?;
        Some(Int8Weights {
            values,
            steps: tensors[&format!("{index}.weight_step")].values(),
            ranges: tensors[&format!("{index}.input_range")].values(),
            groups: layer.groups(),
        })
    }

    /// The weights and steps of group `g`.
    pub fn group(&self, g: usize) -> (&[i8], &[f32]) {
        let (values, steps) = (self.values.len(), self.steps.len());
        let (values, steps) = (values / self.groups, steps / self.groups);
        (
            &self.values[g * values..][..values],
            &self.steps[g * steps..][..steps],
        )
    }

    /// Replaces the contents of `out` with the weights in f32.
    pub fn to_f32(&self, out: &mut Vec<f32>) {
        out.clear();
        let inputs = self.ranges.chunks_exact(self.ranges.len() / self.groups);
        for (g, ranges) in inputs.enumerate() {
            let (values, steps) = self.group(g);
            Rounded::to_f32(values, steps, ranges, out);
        }
    }
}

/// The tensors of layer `index` with its weights rounded to int8; none if a step or a range of an
/// input is too small or too large for a float.
pub(super) fn rounded(
    layer: &Layer,
    index: usize,
    (weight, bias): (&[f32], &[f32]),
    inputs: &InputRanges,
) -> Option<[(String, Stored); 4]> {
    let groups = layer.groups();
    let mut rounded = Rounded::default();
    let weights = weight.chunks_exact(weight.len() / groups);
    let biases = bias.chunks_exact(bias.len() / groups);
    let per_group = inputs.ranges.len() / groups;
    let inputs_of = inputs
        .ranges
        .chunks_exact(per_group)
        .zip(inputs.means.chunks_exact(per_group));
    for ((weight, bias), (ranges, means)) in weights.zip(biases).zip(inputs_of) {
        rounded.add(weight, bias, ranges, means);
    }
    let mut divisors = rounded.steps.iter().chain(&inputs.ranges);
    let tensors = [
        ("weight", Stored::of_i8(&rounded.values)),
        ("bias", Stored::of(&rounded.bias)),
        ("weight_step", Stored::of(&rounded.steps)),
        ("input_range", Stored::of(&inputs.ranges)),
    ]
    .map(|(name, stored)| (format!("{index}.{name}"), stored));
    divisors.all(|v| DIVISORS.contains(v)).then_some(tensors)
}

/// Steps and ranges that can be divided by, and for which q·step/range is finite: at most 127·10³⁶.
pub(super) const DIVISORS: RangeInclusive<f32> = 1e-18..=1e18;
