//! A batch of utterances of different lengths: `(T_0 + T_1 + …, C)` row-major, one after another.

use crate::{features::Features, network::Idle};
use rayon::prelude::*;

/// Values and where each utterance's rows begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `(rows, channels)` row-major.
    pub values: Vec<f32>,
    /// First row of each utterance, and the end.
    pub starts: Vec<usize>,
    /// C.
    pub channels: usize,
}

/// Rows per block, for work that ignores the borders between utterances. A block fits into the cache.
const BLOCK_ROWS: usize = 256;

/// How many unused buffers are kept at most. A single training step needs fewer.
const MAX_IDLE: usize = 48;
/// Smallest buffer that is kept, in values. The allocator itself reuses smaller ones.
const MIN_IDLE_VALUES: usize = 1 << 15;

/// Buffers of dropped batches, to be reused in later steps. Without this, a third of a step's time went
/// into fresh memory.
static IDLE: Idle = Idle::new(MAX_IDLE, MIN_IDLE_VALUES..=usize::MAX);

/// `len` zeros, in the memory of an earlier batch if one is large enough.
pub(super) fn zeros(len: usize) -> Vec<f32> {
    let mut values = unwritten(len);
    values.fill(0.0);
    values
}

/// `len` values, all of which must be written. They are what an earlier batch left in this memory.
pub(super) fn unwritten(len: usize) -> Vec<f32> {
    if len < MIN_IDLE_VALUES {
        return vec![0.0; len];
    }
    // A new buffer is a little larger than needed, because later batches may be a little longer.
    let found = IDLE.take(len);
    let mut values = found.unwrap_or_else(|| Vec::with_capacity(len + len / 8));
    values.resize(len, 0.0);
    values
}

/// Keeps the memory of `values` for a later batch.
pub(super) fn give_back(values: Vec<f32>) {
    IDLE.give_back(values);
}

impl Batch {
    /// [`give_back`] of the values.
    pub(super) fn give_back(self) {
        give_back(self.values);
    }

    /// Zeros, `rows[u]` rows for utterance u.
    pub fn zeros(rows: impl IntoIterator<Item = usize>, channels: usize) -> Self {
        let shape = Batch::of_shape(rows, channels);
        Batch {
            values: zeros(shape.num_rows() * channels),
            ..shape
        }
    }

    /// A batch in which each utterance u has `rows[u]` rows. All their values must be written.
    pub fn unwritten(rows: impl IntoIterator<Item = usize>, channels: usize) -> Self {
        let shape = Batch::of_shape(rows, channels);
        Batch {
            values: unwritten(shape.num_rows() * channels),
            ..shape
        }
    }

    /// A batch in which each utterance u has `rows[u]` rows, but with no memory for values yet.
    fn of_shape(rows: impl IntoIterator<Item = usize>, channels: usize) -> Self {
        let mut starts = vec![0];
        for n in rows {
            starts.push(starts[starts.len() - 1] + n);
        }
        Batch {
            values: vec![],
            starts,
            channels,
        }
    }

    /// A batch of these utterances, in order; each frame has `channels` values.
    pub fn of_features(features: &[Features], channels: usize) -> Self {
        let mut batch = Batch::unwritten(features.iter().map(Features::num_frames), channels);
        for (to, features) in batch.utterances_mut().into_iter().zip(features) {
            to.copy_from_slice(features.values());
        }
        batch
    }

    /// A batch in which each utterance has one row of `channels` values.
    pub fn of_rows(values: Vec<f32>, channels: usize) -> Self {
        let starts = (0..=values.len() / channels).collect();
        Batch {
            values,
            starts,
            channels,
        }
    }

    /// A batch with the same rows and channels, but with no memory for values yet.
    pub fn clone_shape(&self) -> Self {
        Batch {
            values: vec![],
            starts: self.starts.clone(),
            channels: self.channels,
        }
    }

    /// Number of utterances.
    pub fn num_utterances(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows of each utterance.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.starts.windows(2).map(|w| w[1] - w[0])
    }

    /// Number of rows of all utterances.
    pub fn num_rows(&self) -> usize {
        self.starts[self.num_utterances()]
    }

    /// Utterance u, `(T_u, C)`.
    pub fn utterance(&self, u: usize) -> &[f32] {
        &self.values[self.starts[u] * self.channels..self.starts[u + 1] * self.channels]
    }

    /// Every utterance, in order.
    pub fn utterances(&self) -> Vec<&[f32]> {
        (0..self.num_utterances())
            .map(|u| self.utterance(u))
            .collect()
    }

    /// Every utterance, in order, to write to.
    pub fn utterances_mut(&mut self) -> Vec<&mut [f32]> {
        let mut rest = &mut self.values[..];
        let mut parts = Vec::with_capacity(self.starts.len() - 1);
        for w in self.starts.windows(2) {
            let (part, tail) = rest.split_at_mut((w[1] - w[0]) * self.channels);
            parts.push(part);
            rest = tail;
        }
        parts
    }

    /// `count` of the channels, from `first` on.
    pub fn columns(&self, first: usize, count: usize) -> Self {
        let mut part = Batch::unwritten(self.lengths(), count);
        let rows = self.values.chunks_exact(self.channels);
        for (to, row) in part.values.chunks_exact_mut(count).zip(rows) {
            to.copy_from_slice(&row[first..][..count]);
        }
        part
    }

    /// The opposite of [`Self::columns`]: a wider batch of `channels` channels, which holds this
    /// one from channel `first` on and zeros elsewhere.
    pub fn as_columns(&self, first: usize, channels: usize) -> Self {
        let mut whole = Batch::zeros(self.lengths(), channels);
        let rows = self.values.chunks_exact(self.channels);
        for (to, row) in whole.values.chunks_exact_mut(channels).zip(rows) {
            to[first..][..row.len()].copy_from_slice(row);
        }
        whole
    }

    /// A copy, in the memory of an earlier batch if possible.
    pub fn copy(&self) -> Self {
        let mut copy = Batch {
            values: unwritten(self.values.len()),
            ..self.clone_shape()
        };
        let blocks = copy.blocks_mut().into_par_iter().zip(self.blocks());
        blocks.for_each(|(to, values)| to.copy_from_slice(values));
        copy
    }

    /// Adds the values of a batch of the same shape.
    pub fn add(&mut self, other: &Batch) {
        let blocks = self.blocks_mut().into_par_iter().zip(other.blocks());
        blocks.for_each(|(sum, values)| sum.iter_mut().zip(values).for_each(|(s, v)| *s += v));
    }

    /// All rows in blocks of a fixed size, so that sums over blocks do not depend on threads.
    pub fn blocks(&self) -> Vec<&[f32]> {
        self.values.chunks(BLOCK_ROWS * self.channels).collect()
    }

    /// As [`Self::blocks`], to write to.
    pub fn blocks_mut(&mut self) -> Vec<&mut [f32]> {
        self.values.chunks_mut(BLOCK_ROWS * self.channels).collect()
    }

    /// The sum of all rows, `(C,)`.
    pub fn row_sum(&self) -> Vec<f64> {
        let [sum] = self.column_sums(|_, row, [sum]| {
            for (s, v) in sum.iter_mut().zip(row) {
                *s += v;
            }
        });
        sum
    }

    /// N sums over all rows, for each column. `term` gets the number of a row, the row, and the sums to
    /// add to. Blocks are summed in parallel, then their sums are added in order.
    pub fn column_sums<const N: usize>(
        &self,
        term: impl Fn(usize, &[f32], &mut [Vec<f32>; N]) + Sync,
    ) -> [Vec<f64>; N] {
        let partial: Vec<[Vec<f32>; N]> = self
            .values
            .par_chunks(BLOCK_ROWS * self.channels)
            .enumerate()
            .map(|(block, rows)| {
                let mut sums = std::array::from_fn(|_| vec![0.0f32; self.channels]);
                for (r, row) in rows.chunks_exact(self.channels).enumerate() {
                    term(block * BLOCK_ROWS + r, row, &mut sums);
                }
                sums
            })
            .collect();
        let mut totals = std::array::from_fn(|_| vec![0.0f64; self.channels]);
        for sums in &partial {
            for (total, sum) in totals.iter_mut().zip(sums) {
                for (t, s) in total.iter_mut().zip(sum) {
                    *t += f64::from(*s);
                }
            }
        }
        totals
    }
}

/// The sums of each channel over its bins: `(F·C,) -> (C,)`.
pub(super) fn over_bins(sums: Vec<f64>, num_channels: usize) -> Vec<f64> {
    let mut bins = sums.chunks_exact(num_channels);
    let mut all = bins.next().unwrap_or_default().to_vec();
    for bin in bins {
        all.iter_mut().zip(bin).for_each(|(all, sum)| *all += sum);
    }
    all
}
