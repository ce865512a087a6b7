//! Tensors as a model file stores them, converted to f32 only when used. A short-lived process
//! packs them for the kernels one by one and never holds all of them in f32 as well.

use super::{Weights, all_finite};
use bytes::Bytes;
use half::{f16, slice::HalfFloatSliceExt, vec::HalfFloatVecExt};
use std::collections::BTreeMap;

/// Stored tensors by name, as in [`Weights`].
pub type Tensors = BTreeMap<String, Stored>;

/// The values of one tensor, little-endian.
#[derive(Debug)]
pub struct Stored {
    /// F16 or F32 values: a part of the file that was read, which all tensors share.
    pub bytes: Bytes,
    /// Whether the values are F16.
    pub is_half: bool,
}

impl Stored {
    /// Stores the values as F16 if that loses nothing, otherwise as F32.
    pub fn of(values: &[f32]) -> Self {
        let halves: Vec<f16> = Vec::from_f32_slice(values);
        let mut pairs = halves.iter().zip(values);
        let is_half = pairs.all(|(half, value)| half.to_f32() == *value);
        let bytes: Vec<u8> = match is_half {
            true => halves.iter().flat_map(|half| half.to_le_bytes()).collect(),
            false => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        Stored {
            bytes: bytes.into(),
            is_half,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.bytes.len() / if self.is_half { 2 } else { 4 }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Replaces the contents of `out` with the values.
    pub fn read(&self, out: &mut Vec<f32>) {
        out.clear();
        if !self.is_half {
            let (values, _) = self.bytes.as_chunks();
            out.extend(values.iter().map(|b| f32::from_le_bytes(*b)));
            return;
        }
        out.resize(self.len(), 0.0);
        const AT_ONCE: usize = 256;
        let mut halves = [f16::ZERO; AT_ONCE];
        let (values, _) = self.bytes.as_chunks();
        for (values, out) in values.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            let halves = &mut halves[..values.len()];
            for (half, bytes) in halves.iter_mut().zip(values) {
                *half = f16::from_le_bytes(*bytes);
            }
            halves.convert_to_f32_slice(out);
        }
    }

    /// The values in a new vector.
    pub fn values(&self) -> Vec<f32> {
        let mut out = vec![];
        self.read(&mut out);
        out
    }

    /// The values where they lie, if they are f32 there.
    fn in_place(&self) -> Option<&[f32]> {
        if self.is_half || cfg!(target_endian = "big") {
            return None;
        }
        bytemuck::try_cast_slice(&self.bytes).ok()
    }

    /// Whether all values are finite.
    pub fn is_finite(&self) -> bool {
        if !self.is_half {
            let (values, _) = self.bytes.as_chunks();
            let magnitudes = values.iter().map(|b| u32::from_le_bytes(*b) << 1 >> 1);
            return magnitudes.fold(0, u32::max) < f32::INFINITY.to_bits();
        }
        let (values, _) = self.bytes.as_chunks();
        let magnitudes = values.iter().map(|b| u16::from_le_bytes(*b) & 0x7fff);
        magnitudes.fold(0, u16::max) < f16::INFINITY.to_bits()
    }
}

/// Tensors of a network in either form.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Weights(&'a Weights),
    Stored(&'a Tensors),
}

impl<'a> Source<'a> {
    /// Values of a tensor that was checked to exist. `room` is a buffer for the conversion to f32
    /// of values that are not f32 where they lie.
    pub fn values<'r>(self, name: &str, room: &'r mut Vec<f32>) -> &'r [f32]
    where
        'a: 'r,
    {
        match self {
            Source::Weights(weights) => &weights[name],
            Source::Stored(tensors) => {
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
            Source::Stored(tensors) => {
                let stored = tensors.get(name)?;
                Some((stored.len(), stored.is_finite()))
            }
        }
    }

    /// Number of tensors.
    pub fn len(self) -> usize {
        match self {
            Source::Weights(weights) => weights.len(),
            Source::Stored(tensors) => tensors.len(),
        }
    }
}
