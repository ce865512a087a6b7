//! Packs the int8 weights of a Conv1d or Linear, given in PyTorch's layout, for the int8 kernel.
//!
//! A panel holds `nr` outputs as `(tap, ⌈C_in/group⌉, nr)` words of `group` weights, 64-byte
//! aligned.

use super::{levels::levels, pack::Aligned};

/// Quantized and packed weights of one affine map (Conv1d or Linear).
#[derive(Debug)]
pub struct PackedInt8 {
    /// K; 1 for a Linear.
    pub taps: usize,
    /// C_in.
    pub c_in: usize,
    /// C_out.
    pub c_out: usize,
    /// Outputs per panel.
    pub nr: usize,
    /// Weights per word.
    pub group: usize,
    /// Words from one input row to the next: ⌈C_in/group⌉, or more where the inputs are part of
    /// wider rows.
    pub in_stride: usize,
    /// Values from one output row to the next: ⌈C_out/group⌉ words or C_out floats, or more.
    pub out_stride: usize,
    panels: Aligned<i32>,
    offset: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// Quantization of the outputs of an affine map: real value = step·(u8 − zero), per
/// channel.
#[derive(Debug, Clone, Copy)]
pub struct Activations<'a> {
    /// `(C,)`, all above 0.
    pub steps: &'a [f32],
    /// The u8 of an activation of 0.
    pub zero: u8,
}

impl PackedInt8 {
    /// From [`Rounded`](super::Rounded) weights `(C_out, C_in, K)`, their steps and biases `(C_out,)`.
    /// `zero` is the u8 of an input of 0. With `outputs`, results are quantized to those steps;
    /// without, they are f32.
    pub fn from_pytorch(
        (c_out, c_in, taps): (usize, usize, usize),
        (nr, group): (usize, usize),
        weight: &[i8],
        steps: &[f32],
        bias: &[f32],
        zero: u8,
        outputs: Option<Activations>,
    ) -> Self {
        let num_panels = c_out.div_ceil(nr);
        let words = c_in.div_ceil(group);
        let mut packed = PackedInt8 {
            taps,
            c_in,
            c_out,
            nr,
            group,
            in_stride: words,
            out_stride: outputs.map_or(c_out, |_| c_out.div_ceil(group)),
            panels: Aligned::zeros(num_panels * taps * words * nr),
            offset: vec![0; num_panels * nr],
            scale: vec![0.0; num_panels * nr],
            bias: vec![0.0; num_panels * nr],
        };
        // The weights of one output, (tap, ⌈C_in/group⌉ words), padded with zeros.
        let mut by_tap = vec![0i8; taps * words * group];
        let panels = packed.panels.as_mut_slice();
        for (o, row) in weight.chunks_exact(c_in * taps).enumerate() {
            for (k, of_tap) in by_tap.chunks_exact_mut(words * group).enumerate() {
                match taps {
                    1 => of_tap[..c_in].copy_from_slice(row),
                    _ => {
                        let values = of_tap.iter_mut().zip(row[k..].iter().step_by(taps));
                        values.for_each(|(to, q)| *to = *q);
                    }
                }
            }
            let panel = &mut panels[o / nr * taps * words * nr..][..taps * words * nr];
            let lane = panel[o % nr..].iter_mut().step_by(nr);
            for (to, of_word) in lane.zip(by_tap.chunks_exact(group)) {
                *to = word(of_word);
            }
            let sum: i32 = row.iter().map(|q| i32::from(*q)).sum();
            packed.offset[o] = -sum * i32::from(zero);
            let step = steps[o] / levels(zero);
            packed.scale[o] = outputs.map_or(step, |given| step / given.steps[o]);
            packed.bias[o] = outputs.map_or(bias[o], |given| {
                bias[o] / given.steps[o] + f32::from(given.zero)
            });
        }
        packed
    }

    /// One of `groups` equal groups whose inputs and outputs lie side by side in wider rows.
    pub fn one_of(self, groups: usize) -> Self {
        let (in_stride, out_stride) = (groups * self.in_stride, groups * self.out_stride);
        self.within_rows(in_stride, out_stride)
    }

    /// Words of an input row that belong to this map.
    pub fn in_words(&self) -> usize {
        self.c_in.div_ceil(self.group)
    }

    /// Words of an output row that belong to this map.
    pub fn out_words(&self) -> usize {
        self.c_out.div_ceil(self.group)
    }

    /// The same map on slices of wider rows, as
    /// [`Packed::within_rows`](super::Packed::within_rows). Strides count words, `out_stride`
    /// floats if the output is f32.
    pub fn within_rows(self, in_stride: usize, out_stride: usize) -> Self {
        assert!(in_stride >= self.in_stride && out_stride >= self.out_stride);
        PackedInt8 {
            in_stride,
            out_stride,
            ..self
        }
    }

    /// Largest C_in·K for which no sum overflows an i32: each product is at most 255·127, and the
    /// offset can double the sum.
    pub const MAX_PRODUCTS: usize = (i32::MAX as usize) / (2 * 255 * 127);

    /// Size of the packed weights, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.panels.as_slice())
    }

    /// Panel `p`: `(taps, ⌈c_in/group⌉, nr)` words.
    pub(super) fn panel(&self, p: usize) -> &[i32] {
        let len = self.taps * self.c_in.div_ceil(self.group) * self.nr;
        &self.panels.as_slice()[p * len..][..len]
    }

    /// Initial value of each sum, −zero·Σq, padded to whole panels.
    pub(super) fn offset(&self) -> &[i32] {
        &self.offset
    }

    /// Scale and bias of each output, padded with zeros to whole panels.
    pub(super) fn scale_and_bias(&self) -> (&[f32], &[f32]) {
        (&self.scale, &self.bias)
    }
}

/// A word of 4, 2 or 1 weights: each in its 8, 16 or 32 bits, the first in the lowest.
fn word(weights: &[i8]) -> i32 {
    match *weights {
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d].map(|q| q as u8)),
        [a, b] => i32::from(a) & 0xffff | i32::from(b) << 16,
        [a] => i32::from(a),
        _ => unreachable!("1, 2 or 4 weights in a word"),
    }
}
