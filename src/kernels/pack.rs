//! Packs the weights of a Conv1d or Linear, given in PyTorch's layout, for the affine kernel. Done
//! once, when a model is loaded.
//!
//! A panel holds `nr` outputs as `(tap, c_in, nr)`, contiguous, 64-byte aligned, with zeros past
//! C_out.

/// Inputs whose weights are copied together.
const INPUTS_AT_ONCE: usize = 16;

/// Packed weights of one affine map (Conv1d or Linear).
#[derive(Debug)]
pub struct Packed {
    /// K; 1 for a Linear.
    pub taps: usize,
    /// C_in.
    pub c_in: usize,
    /// C_out.
    pub c_out: usize,
    /// Outputs per panel.
    pub nr: usize,
    /// Values from one input row to the next: C_in, or more where the inputs are part of wider
    /// rows.
    pub in_stride: usize,
    /// Values from one output row to the next: C_out or more.
    pub out_stride: usize,
    /// Where the inputs start in a row of inputs, and the outputs in a row of outputs.
    pub starts: (usize, usize),
    panels: Aligned<f32>,
    bias: Vec<f32>,
}

/// Values aligned to 64 bytes, so that no vector load crosses a cache line.
#[derive(Debug)]
pub(super) struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let values = vec![T::default(); len + 64 / size_of::<T>()];
        let start = values.as_ptr().align_offset(64).min(values.len() - len);
        Aligned { values, start, len }
    }

    pub fn as_slice(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }

    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

impl Packed {
    /// `at(output, input, tap)` returns a weight. `bias` has C_out values, or none for a bias of
    /// zero.
    pub fn new(
        (c_out, c_in, taps): (usize, usize, usize),
        nr: usize,
        bias: &[f32],
        at: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let num_panels = c_out.div_ceil(nr);
        let mut panels = Aligned::zeros(num_panels * taps * c_in * nr);
        // (panel, tap, input, lane)
        let each_panel = panels.as_mut_slice().chunks_exact_mut(taps * c_in * nr);
        for (p, panel) in each_panel.enumerate() {
            let first = p * nr;
            let width = nr.min(c_out - first);
            for (tap, run) in panel.chunks_exact_mut(c_in * nr).enumerate() {
                // A few inputs at a time, so that all cache lines that are read and written stay in
                // the cache.
                for (block, rows) in run.chunks_mut(INPUTS_AT_ONCE * nr).enumerate() {
                    for lane in 0..width {
                        for (i, lanes) in rows.chunks_exact_mut(nr).enumerate() {
                            lanes[lane] = at(first + lane, block * INPUTS_AT_ONCE + i, tap);
                        }
                    }
                }
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(num_panels * nr, 0.0);
        Packed {
            panels,
            bias: padded,
            ..Self::of_shape((c_out, c_in, taps), nr)
        }
    }

    /// A map that has no weights yet, only its sizes. It cannot be run.
    pub fn of_shape((c_out, c_in, taps): (usize, usize, usize), nr: usize) -> Self {
        Packed {
            taps,
            c_in,
            c_out,
            nr,
            in_stride: c_in,
            out_stride: c_out,
            starts: (0, 0),
            panels: Aligned::zeros(0),
            bias: vec![],
        }
    }

    /// From PyTorch's Conv1d weight `(C_out, C_in, K)`; for a Linear, `(C_out, C_in)` and K = 1.
    pub fn from_pytorch(
        (c_out, c_in, taps): (usize, usize, usize),
        nr: usize,
        weight: &[f32],
        bias: &[f32],
    ) -> Self {
        Self::new((c_out, c_in, taps), nr, bias, |o, i, k| {
            weight[(o * c_in + i) * taps + k]
        })
    }

    /// The map that backpropagates gradients through `(C_out, C_in, K)`: inputs and outputs
    /// swapped, taps reversed, no bias.
    pub fn transposed(
        (c_out, c_in, taps): (usize, usize, usize),
        nr: usize,
        weight: &[f32],
    ) -> Self {
        Self::new((c_in, c_out, taps), nr, &[], |o, i, k| {
            weight[(i * c_in + o) * taps + (taps - 1 - k)]
        })
    }

    /// The same map on slices of wider rows. A group of a grouped Conv1d is called with slices that
    /// start at its channels.
    pub fn within_rows(self, in_stride: usize, out_stride: usize) -> Self {
        assert!(in_stride >= self.c_in && out_stride >= self.c_out);
        Packed {
            in_stride,
            out_stride,
            ..self
        }
    }

    /// The same map on slices that start here within the rows of inputs and of outputs.
    pub fn starting_at(self, input: usize, output: usize) -> Self {
        let starts = (input, output);
        Packed { starts, ..self }
    }

    /// Size of the packed weights, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.panels.as_slice())
    }

    /// Panel `p`: `(taps, c_in, nr)`.
    pub(super) fn panel(&self, p: usize) -> &[f32] {
        let len = self.taps * self.c_in * self.nr;
        &self.panels.as_slice()[p * len..][..len]
    }

    /// Bias, padded with zeros to whole panels.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }
}
