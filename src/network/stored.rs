//! Tensors as a model file stores them, converted to f32 only when they are used. A short-lived process
//! packs them for the kernels one by one and never holds all of them in f32 as well.

use bytes::Bytes;
use half::{f16, slice::HalfFloatSliceExt, vec::HalfFloatVecExt};
use std::collections::BTreeMap;

/// Stored tensors by name, as in [`Weights`](super::Weights).
pub type Tensors = BTreeMap<String, Stored>;

/// The values of one tensor, little-endian.
#[derive(Debug, Clone)]
pub struct Stored {
    /// A part of the file that was read, which all tensors share.
    pub bytes: Bytes,
    /// What the bytes are.
    pub number: Number,
}

/// The form of a number in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Whole number from −128 to 127.
    I8,
}

impl Number {
    fn size(self) -> usize {
        match self {
            Number::F32 => 4,
            Number::F16 => 2,
            Number::I8 => 1,
        }
    }
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
            number: if is_half { Number::F16 } else { Number::F32 },
        }
    }

    /// Stores whole numbers.
    pub(super) fn of_i8(values: &[i8]) -> Self {
        Stored {
            bytes: Bytes::copy_from_slice(bytemuck::cast_slice(values)),
            number: Number::I8,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.number.size()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Replaces the contents of `out` with the values.
    pub fn read(&self, out: &mut Vec<f32>) {
        out.clear();
        match self.number {
            Number::F32 => {
                let (values, _) = self.bytes.as_chunks();
                return out.extend(values.iter().map(|b| f32::from_le_bytes(*b)));
            }
            Number::I8 => return out.extend(self.bytes.iter().map(|b| f32::from(*b as i8))),
            Number::F16 => {}
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

    /// The values without a copy, if they are stored as f32 and can be read in place.
    pub(super) fn in_place(&self) -> Option<&[f32]> {
        if self.number != Number::F32 || cfg!(target_endian = "big") {
            return None;
        }
        bytemuck::try_cast_slice(&self.bytes).ok()
    }

    /// The values, if they are I8.
    pub(super) fn as_i8(&self) -> Option<&[i8]> {
        let is_i8 = self.number == Number::I8;
        is_i8.then(|| bytemuck::cast_slice(&self.bytes))
    }

    /// Whether all values are finite.
    pub fn is_finite(&self) -> bool {
        match self.number {
            Number::F32 => {
                let (values, _) = self.bytes.as_chunks();
                let magnitudes = values.iter().map(|b| u32::from_le_bytes(*b) << 1 >> 1);
                magnitudes.fold(0, u32::max) < f32::INFINITY.to_bits()
            }
            Number::F16 => {
                let (values, _) = self.bytes.as_chunks();
                let magnitudes = values.iter().map(|b| u16::from_le_bytes(*b) & 0x7fff);
                magnitudes.fold(0, u16::max) < f16::INFINITY.to_bits()
            }
            Number::I8 => true,
        }
    }
}
