//! Frames of samples in, rows of cepstra (or log-mel) out, several frames at once, one per lane:
//! transpose, taper, FFT, mel, ln, DCT, transpose back.
//!
//! No lane sees another, so a frame's bits do not depend on its neighbours or on their number.

use super::{
    fft::{Complex, Fft},
    lanes::{Lanes, MAX_LANES},
    logarithm::ln,
    taper::Taper,
};

/// What one frame goes through, in plain numbers; see [`super::reference::mfcc`].
#[derive(Debug, Clone)]
pub struct FrontEnd<'a> {
    /// N of the FFT.
    pub fft_size: usize,
    /// Subtract the frame's mean first.
    pub remove_mean: bool,
    /// `x[i] − c·x[i−1]`, the first sample before itself.
    pub preemph_coeff: f32,
    /// A factor for each sample of a frame, after pre-emphasis; at most N of them.
    pub window: &'a [f32],
    /// |FFT| in the place of |FFT|².
    pub magnitude: bool,
    /// First bin, below N/2, and weights of each mel filter.
    pub filters: Vec<(usize, &'a [f32])>,
    /// `(num_mel_bins, num_ceps)`, columns in turn symmetric and antisymmetric (a DCT); empty for
    /// log-mel.
    pub dct: &'a [f32],
    /// Energy of the frame, if it is wanted.
    pub energy: Option<Energy>,
    /// Bounds of mel and frame energies before the logarithm: positive, normal.
    pub bounds: (f32, f32),
    /// What stands in each column of the result.
    pub channels: Vec<Channel>,
}

/// How the frame's energy is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    /// Σ (x − mean)² times this; otherwise Σ of squares of the tapered samples.
    pub raw_scale: Option<f32>,
    /// Floor, positive and normal.
    pub floor: f32,
}

/// A column of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Log energy of the frame.
    Energy,
    /// This cepstrum, or log-mel bin.
    Output(usize),
}

/// Cepstra that a tile of the DCT makes at once.
const TILE: usize = 10;

/// Tables made once from a [`FrontEnd`].
#[derive(Debug, Clone)]
pub struct MfccPlan {
    pub(super) remove_mean: bool,
    pub(super) preemph_coeff: f32,
    /// Samples in a frame.
    pub(super) length: usize,
    /// Halved, because taking the two spectra apart doubles.
    pub(super) window: Vec<[f32; 2]>, // (ceil(length/2),)
    fft: Fft,
    pub(super) fft_size: usize,
    pub(super) magnitude: bool,
    pub(super) filters: Vec<(usize, Vec<f32>)>,
    dct: Option<Dct>,
    pub(super) energy: Option<Energy>,
    pub(super) bounds: (f32, f32),
    pub(super) num_channels: usize,
    /// Row of the outputs that stands in each column: the frame's energy is the last row. As many
    /// more as whole vectors need.
    channels: Vec<usize>,
}

/// By symmetry, cepstra of even index need the sums of log-mel bins n and N−1−n only, those of odd
/// index the differences: half the products.
#[derive(Debug, Clone)]
struct Dct {
    num_ceps: usize,
    num_pairs: usize,
    /// For even and for odd indices: tiles of `num_pairs` rows.
    tiles: [Vec<[f32; TILE]>; 2],
}

impl MfccPlan {
    /// None if there is no lane FFT of this size: powers of two from 32 only.
    pub fn new(front_end: &FrontEnd) -> Option<Self> {
        if !Fft::covers(front_end.fft_size) {
            return None;
        }
        let halved = |x: &[f32]| [0, 1].map(|i| x.get(i).map_or(0.0, |w| 0.5 * w));
        let num_mel_bins = front_end.filters.len();
        let num_outputs = match front_end.dct.len() {
            0 => num_mel_bins,
            products => products / num_mel_bins,
        };
        Some(MfccPlan {
            remove_mean: front_end.remove_mean,
            preemph_coeff: front_end.preemph_coeff,
            length: front_end.window.len(),
            window: front_end.window.chunks(2).map(halved).collect(),
            fft: Fft::new(front_end.fft_size),
            fft_size: front_end.fft_size,
            magnitude: front_end.magnitude,
            filters: front_end
                .filters
                .iter()
                .map(|(first, weights)| (*first, weights.to_vec()))
                .collect(),
            dct: (!front_end.dct.is_empty()).then(|| Dct::new(front_end.dct, num_mel_bins)),
            energy: front_end.energy,
            bounds: front_end.bounds,
            num_channels: front_end.channels.len(),
            channels: front_end
                .channels
                .iter()
                .map(|channel| match *channel {
                    Channel::Output(index) => index,
                    Channel::Energy => num_outputs,
                })
                .chain([0; MAX_LANES])
                .collect(),
        })
    }

    /// The power of the N/2 bins below Nyquist of frames under this window, of N samples, and no
    /// more: no mel, no logarithm.
    ///
    /// # Panics
    /// If N is no power of two from 32.
    pub fn power_spectrum(window: &[f32]) -> Self {
        let plan = Self::new(&FrontEnd {
            fft_size: window.len(),
            remove_mean: false,
            preemph_coeff: 0.0,
            window,
            magnitude: false,
            filters: vec![],
            dct: &[],
            energy: None,
            bounds: (f32::MIN_POSITIVE, f32::MAX),
            channels: (0..window.len() / 2).map(Channel::Output).collect(),
        });
        plan.expect("a size that the FFT covers")
    }

    /// Cepstra, or log-mel bins.
    fn num_outputs(&self) -> usize {
        match &self.dct {
            Some(dct) => dct.num_ceps,
            None => self.filters.len(),
        }
    }

    /// What stands in column `c`.
    pub(super) fn channel(&self, c: usize) -> Channel {
        match self.channels[c] {
            row if row == self.num_outputs() => Channel::Energy,
            row => Channel::Output(row),
        }
    }

    /// Weight of log-mel bin n in cepstrum k, or in log-mel bin k.
    pub(super) fn weight(&self, n: usize, k: usize) -> f32 {
        match &self.dct {
            Some(dct) => dct.weight(n, self.filters.len(), k),
            None => f32::from(u8::from(n == k)),
        }
    }
}

/// `frames`, each as long as the window, -> `out` (T, C).
#[inline(always)]
pub(super) fn mfcc<L: Lanes>(plan: &MfccPlan, frames: &[&[f32]], out: &mut [f32]) {
    let zero = L::splat(0.0);
    let mut rows = vec![[zero; 2]; plan.fft_size / 2];
    let mut power = vec![zero; plan.fft_size / 2];
    let mut log_mel = vec![zero; plan.filters.len()];
    let num_outputs = plan.num_outputs();
    let mut outputs = vec![zero; num_outputs + 1];
    for (group, first) in frames.chunks(L::N).zip((0..).step_by(L::N)) {
        let out = &mut out[first * plan.num_channels..];
        let sum = transposed(group, plan.length, &mut rows);
        let mean = if plan.remove_mean {
            sum.div(L::splat(plan.length as f32))
        } else {
            zero
        };
        let taper = Taper::new(mean, plan.preemph_coeff, &plan.window);
        outputs[num_outputs] = log_energy(plan, &taper, &rows);
        plan.fft.power(&taper, &mut rows, &mut power);
        if plan.magnitude {
            power.iter_mut().for_each(|p| *p = p.sqrt());
        }
        if plan.filters.is_empty() {
            untransposed(plan, &power, group.len(), out);
            continue;
        }
        for (m, (first, weights)) in log_mel.iter_mut().zip(&plan.filters) {
            let mut sum = zero;
            for (p, weight) in power[*first..].iter().zip(weights) {
                sum = p.mul_add(L::splat(*weight), sum);
            }
            *m = sum;
        }
        for m in &mut log_mel {
            *m = bounded_ln(*m, plan.bounds);
        }
        match &plan.dct {
            Some(dct) => dct.apply(&mut log_mel, &mut outputs),
            None => outputs[..num_outputs].copy_from_slice(&log_mel),
        }
        untransposed(plan, &outputs, group.len(), out);
    }
}

/// Sample i of the frames becomes row i (counted in samples); zeros up to a whole number of
/// vectors. Returns the sums. Lanes without a frame repeat the last.
#[inline(always)]
fn transposed<L: Lanes>(group: &[&[f32]], length: usize, rows: &mut [Complex<L>]) -> L {
    let mut lanes = [&group[0][..length]; MAX_LANES];
    for (lane, frame) in lanes.iter_mut().zip(group) {
        *lane = &frame[..length];
    }
    let mut sum = L::splat(0.0);
    let rows = rows.as_flattened_mut();
    let (whole, part) = rows[..length.next_multiple_of(L::N)].split_at_mut(length / L::N * L::N);
    for (square, first) in whole.chunks_exact_mut(L::N).zip((0..).step_by(L::N)) {
        sum = sum.add(transposed_square(&lanes, first, square));
    }
    if !part.is_empty() {
        let mut ends = [[0.0; MAX_LANES]; MAX_LANES];
        for (end, lane) in ends.iter_mut().zip(lanes) {
            let rest = &lane[length / L::N * L::N..];
            end[..rest.len()].copy_from_slice(rest);
        }
        sum = sum.add(transposed_square(
            &ends.each_ref().map(|end| &end[..]),
            0,
            part,
        ));
    }
    sum
}

/// N samples of N frames, the samples from `first`; returns the sums.
#[inline(always)]
fn transposed_square<L: Lanes>(lanes: &[&[f32]; MAX_LANES], first: usize, square: &mut [L]) -> L {
    let mut block = [L::splat(0.0); MAX_LANES];
    for i in 0..L::N {
        block[i] = L::load(&lanes[i][first..]);
    }
    L::transpose(&mut block[..L::N]);
    square.copy_from_slice(&block[..L::N]);
    let mut sums = [L::splat(0.0); 4];
    for i in 0..L::N {
        sums[i % 4] = sums[i % 4].add(block[i]);
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}

#[inline(always)]
fn log_energy<L: Lanes>(plan: &MfccPlan, taper: &Taper<L>, rows: &[Complex<L>]) -> L {
    let Some(energy) = plan.energy else {
        return L::splat(0.0);
    };
    let sum = match energy.raw_scale {
        Some(scale) => taper.raw_energy(rows, plan.length).mul(L::splat(scale)),
        None => taper.tapered_energy(rows).mul(L::splat(4.0)), // the window is halved
    };
    bounded_ln(sum, (energy.floor, plan.bounds.1))
}

/// A NaN, of an FFT that overflowed, becomes the floor.
#[inline(always)]
fn bounded_ln<L: Lanes>(energy: L, (floor, ceiling): (f32, f32)) -> L {
    ln(energy.max(L::splat(floor)).min(L::splat(ceiling)))
}

impl Dct {
    fn new(columns: &[f32], num_mel_bins: usize) -> Self {
        let num_ceps = columns.len() / num_mel_bins;
        let num_pairs = num_mel_bins.div_ceil(2);
        let tiles = [0, 1].map(|parity| {
            let indices: Vec<usize> = (parity..num_ceps).step_by(2).collect();
            let tile = |tile: &[usize]| {
                let column = |n: usize, r: usize| tile.get(r).map(|k| columns[n * num_ceps + k]);
                let row = |n| std::array::from_fn(|r| column(n, r).unwrap_or(0.0));
                (0..num_pairs).map(row).collect::<Vec<_>>()
            };
            indices.chunks(TILE).flat_map(tile).collect()
        });
        Dct {
            num_ceps,
            num_pairs,
            tiles,
        }
    }

    /// `(num_mel_bins,) -> (num_ceps,)`; `log_mel` is used up.
    #[inline(always)]
    fn apply<L: Lanes>(&self, log_mel: &mut [L], cepstra: &mut [L]) {
        for n in 0..self.num_pairs {
            let mirror = log_mel.len() - 1 - n;
            if n < mirror {
                let (a, b) = (log_mel[n], log_mel[mirror]);
                log_mel[n] = a.add(b);
                log_mel[mirror] = a.sub(b);
            }
        }
        self.half(0, log_mel.iter(), cepstra);
        // The middle one of an odd number stands for a difference of 0: its weights are 0.
        self.half(1, log_mel.iter().rev(), cepstra);
    }

    #[inline(always)]
    fn half<'a, L: Lanes + 'a>(
        &self,
        parity: usize,
        pairs: impl Iterator<Item = &'a L> + Clone,
        cepstra: &mut [L],
    ) {
        let tiles = self.tiles[parity].chunks_exact(self.num_pairs);
        for (weights, first) in tiles.zip((parity..).step_by(2 * TILE)) {
            let mut sums = [L::splat(0.0); TILE];
            for (pair, weights) in pairs.clone().zip(weights) {
                for r in 0..TILE {
                    sums[r] = pair.mul_add(L::splat(weights[r]), sums[r]);
                }
            }
            for (k, sum) in (first..self.num_ceps).step_by(2).zip(sums) {
                cepstra[k] = sum;
            }
        }
    }

    fn weight(&self, n: usize, num_mel_bins: usize, k: usize) -> f32 {
        let mirror = num_mel_bins - 1 - n;
        let rows = &self.tiles[k % 2][k / 2 / TILE * self.num_pairs..];
        let weight = rows[n.min(mirror)][k / 2 % TILE];
        if k % 2 == 1 && n > mirror {
            -weight
        } else {
            weight
        }
    }
}

/// Lane i of the rows of `outputs` that are the channels becomes frame i: -> the first rows of
/// `out` (·, C).
#[inline(always)]
fn untransposed<L: Lanes>(plan: &MfccPlan, outputs: &[L], num_frames: usize, out: &mut [f32]) {
    // Whole vectors, the last of each frame reaching into the next frame: so that one is written
    // afterwards, which takes the channels from the last to the first.
    for first in (0..plan.num_channels).step_by(L::N).rev() {
        let rows = &plan.channels[first..first + L::N];
        let mut block = [L::splat(0.0); MAX_LANES];
        for i in 0..L::N {
            block[i] = outputs[rows[i]];
        }
        L::transpose(&mut block[..L::N]);
        for i in 0..L::N.min(num_frames) {
            let at = i * plan.num_channels + first;
            match out.get_mut(at..at + L::N) {
                Some(whole) => block[i].store(whole),
                None => {
                    let width = L::N.min(plan.num_channels - first);
                    block[i].store_part(&mut out[at..at + width]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
