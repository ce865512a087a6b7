//! Quantizes the weights of a Conv1d or Linear, given in PyTorch's layout, to i8 and packs them for
//! the int8 kernel. Done once, when a model is quantized.
//!
//! w ≈ step_o·q with q from −127 to 127 and one step per output. The weights are first multiplied
//! by the steps of their input channels, so that channels of any scale share one sum. A panel holds
//! `nr` outputs as `(tap, ⌈C_in/group⌉, nr)` words of `group` weights, 64-byte aligned.

use super::pack::Aligned;

/// 1.5·2²³: added to a number of 0 to 255, it leaves the number in the low byte, rounded to the
/// nearest, halves to even.
pub(super) const ROUND: f32 = 12_582_912.0;

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

/// Quantization of the inputs or outputs of an affine map: real value = step·(u8 − zero), per
/// channel.
#[derive(Debug, Clone, Copy)]
pub struct Activations<'a> {
    /// `(C,)`, all above 0.
    pub steps: &'a [f32],
    /// The u8 of an activation of 0.
    pub zero: u8,
}

impl PackedInt8 {
    /// From PyTorch's Conv1d weight `(C_out, C_in, K)`; for a Linear, `(C_out, C_in)` and K = 1.
    /// With `outputs`, results are quantized to those steps; without, they are f32.
    ///
    /// For inputs that average `means` `(C_in,)`, rounding the weights shifts the outputs. The bias
    /// corrects this, which removes most of the quantization error (Nagel et al. 2019, "Data-free
    /// quantization").
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
            // A row of zeros has no step; any will do.
            let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let (mut sum, mut lost) = (0, 0.0f64);
            for (i, taps_of_one) in weighed.chunks_exact(taps).enumerate() {
                let mut rounded_off = 0.0;
                for (k, w) in taps_of_one.iter().enumerate() {
                    // Rounds to nearest like the activations; `round_ties_even` would be a function
                    // call.
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
