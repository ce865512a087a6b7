//! Weights in PyTorch's layout and the steps of the activations in, i8 panels out, once per load.
//!
//! w ≈ step_o·q with q from −127 to 127 and one step per output. What each input channel's
//! activations are worth goes into the weights before, so that one sum serves channels of any size.
//! A panel holds `nr` outputs: `(tap, ⌈C_in/group⌉, nr)` words of `group` weights, 64-byte aligned.

use super::{int8::ROUND, pack::Aligned};

/// Weights of one affine map (Conv1d or Linear) as whole numbers, packed.
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
    /// Words from one row of inputs to the next: ⌈C_in/group⌉, or more where they are part of wider
    /// rows.
    pub in_stride: usize,
    /// Values from one row of outputs to the next: ⌈C_out/group⌉ words or C_out floats, or more.
    pub out_stride: usize,
    panels: Aligned<i32>,
    offset: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// The activations on one side of an affine map: real value = step·(u8 − zero), per channel.
#[derive(Debug, Clone, Copy)]
pub struct Activations<'a> {
    /// `(C,)`, all above 0.
    pub steps: &'a [f32],
    /// Where 0 is.
    pub zero: u8,
}

impl PackedInt8 {
    /// PyTorch's Conv1d weight `(C_out, C_in, K)`; a Linear's `(C_out, C_in)` has K = 1. The sums
    /// come out in units of `outputs`' steps where they are u8 again, none for f32.
    ///
    /// The bias takes up what rounding the weights changes for inputs of the size `means`, `(C_in,)`:
    /// most of all it changes (Nagel et al. 2019, "Data-free quantization").
    pub fn from_pytorch(
        (c_out, c_in, taps): (usize, usize, usize),
        (nr, group): (usize, usize),
        weight: &[f32],
        bias: &[f32],
        inputs: Activations,
        means: &[f32],
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
        let panels = packed.panels.as_mut_slice();
        let bits = 32 / group;
        let mask = u32::MAX >> (32 - bits);
        let mut weighed = vec![0.0f32; c_in * taps];
        for (o, row) in weight.chunks_exact(c_in * taps).enumerate() {
            for (i, step) in inputs.steps.iter().enumerate() {
                for k in i * taps..(i + 1) * taps {
                    weighed[k] = row[k] * step;
                }
            }
            let largest = weighed.iter().fold(0.0f32, |max, w| max.max(w.abs()));
            // A row of zeros has no step of its own.
            let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let (mut sum, mut lost) = (0, 0.0f64);
            for (i, taps_of_one) in weighed.chunks_exact(taps).enumerate() {
                let mut rounded_off = 0.0;
                for (k, w) in taps_of_one.iter().enumerate() {
                    // To the nearest, as the activations; `round_ties_even` would be a call.
                    let q = (w / step + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
                    sum += q;
                    rounded_off += w - q as f32 * step;
                    let word = ((o / nr * taps + k) * words + i / group) * nr + o % nr;
                    panels[word] |= ((q as u32 & mask) << (i % group * bits)) as i32;
                }
                lost += f64::from(rounded_off * (means[i] / inputs.steps[i]));
            }
            packed.offset[o] = -sum * i32::from(inputs.zero);
            packed.scale[o] = outputs.map_or(step, |of| step / of.steps[o]);
            let bias = bias[o] + lost as f32;
            packed.bias[o] = outputs.map_or(bias, |of| bias / of.steps[o] + f32::from(of.zero));
        }
        packed
    }

    /// One of `groups` alike, side by side in the rows of all.
    pub fn one_of(self, groups: usize) -> Self {
        let (in_stride, out_stride) = (groups * self.in_stride, groups * self.out_stride);
        self.within_rows(in_stride, out_stride)
    }

    /// Words of a row of inputs that are its own.
    pub fn in_words(&self) -> usize {
        self.c_in.div_ceil(self.group)
    }

    /// Words of a row of outputs that are its own.
    pub fn out_words(&self) -> usize {
        self.c_out.div_ceil(self.group)
    }

    /// The same map from part of each row to part of each row, as
    /// [`Packed::within_rows`](super::Packed::within_rows); strides in words, or floats.
    pub fn within_rows(self, in_stride: usize, out_stride: usize) -> Self {
        assert!(in_stride >= self.in_stride && out_stride >= self.out_stride);
        PackedInt8 {
            in_stride,
            out_stride,
            ..self
        }
    }

    /// Most inputs times taps for which no sum can leave an i32: 255·127 each, and as much for the
    /// offset.
    pub const MAX_PRODUCTS: usize = (i32::MAX as usize) / (2 * 255 * 127);

    /// Panel `p`: `(taps, ⌈c_in/group⌉, nr)` words.
    pub(super) fn panel(&self, p: usize) -> &[i32] {
        let len = self.taps * self.c_in.div_ceil(self.group) * self.nr;
        &self.panels.as_slice()[p * len..][..len]
    }

    /// What each sum begins with: −zero·Σq, padded to whole panels.
    pub(super) fn offset(&self) -> &[i32] {
        &self.offset
    }

    /// Per output, padded with zeros to whole panels.
    pub(super) fn scale_and_bias(&self) -> (&[f32], &[f32]) {
        (&self.scale, &self.bias)
    }
}
