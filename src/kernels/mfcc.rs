//! Cepstra (or log-mel values) of frames of samples: transpose, taper, FFT, mel filters, ln, DCT,
//! transpose back. Several frames are computed at once, one per SIMD lane.
//!
//! Lanes do not mix, so the bits of a frame depend neither on its neighbours nor on their number.

use super::{
    complex::Complex,
    fft::Fft,
    lanes::{Lanes, MAX_LANES},
    logarithm::ln,
    taper::Taper,
};

/// Tables and options of the feature extraction; [`super::reference::mfcc`] defines the result.
#[derive(Debug, Clone)]
pub struct FrontEnd<'a> {
    /// N, size of the FFT.
    pub fft_size: usize,
    /// Subtract the frame's mean first.
    pub remove_mean: bool,
    /// c of the pre-emphasis `x[i] − c·x[i−1]`; the first sample is its own predecessor.
    pub preemph_coeff: f32,
    /// A factor for each sample of the frame, applied after pre-emphasis; at most N of them.
    pub window: &'a [f32],
    /// Feed |FFT| to the mel filters instead of |FFT|².
    pub magnitude: bool,
    /// First bin, below N/2, and weights of each mel filter.
    pub filters: Vec<(usize, Vec<f32>)>,
    /// `(num_mel_bins, num_ceps)`, a DCT: columns are alternately symmetric and antisymmetric.
    /// Empty for log-mel output.
    pub dct: &'a [f32],
    /// How to compute the frame's energy, if the output has it.
    pub energy: Option<Energy>,
    /// Mel and frame energies are clamped to these positive, normal bounds before the logarithm.
    pub bounds: (f32, f32),
    /// Content of each output column.
    pub channels: Vec<Channel>,
}

/// How the energy of a frame is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    /// If set, the energy is Σ (x − mean)² times this; otherwise the sum of squares of the tapered
    /// samples.
    pub raw_scale: Option<f32>,
    /// Smallest energy; positive and normal.
    pub floor: f32,
}

/// Content of an output column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Log energy of the frame.
    Energy,
    /// The cepstrum or log-mel bin with this index.
    Output(usize),
}

/// Cepstra computed together in one DCT tile.
const TILE: usize = 10;

/// Tables precomputed from a [`FrontEnd`].
#[derive(Debug, Clone)]
pub struct MfccPlan {
    pub(super) remove_mean: bool,
    pub(super) preemph_coeff: f32,
    /// Samples in a frame.
    pub(super) length: usize,
    /// Halved, because separating the two spectra doubles them.
    pub(super) window: Vec<[f32; 2]>, // (ceil(length/2),)
    /// None: a size that the FFT in lanes does not cover.
    fft: Option<Fft>,
    pub(super) fft_size: usize,
    pub(super) magnitude: bool,
    pub(super) filters: Vec<(usize, Vec<f32>)>,
    dct: Option<Dct>,
    pub(super) energy: Option<Energy>,
    pub(super) bounds: (f32, f32),
    pub(super) num_channels: usize,
    /// Source of each output column: a row of the outputs, of which the last is the frame's energy.
    /// Padded to whole vectors.
    channels: Vec<usize>,
}

/// Uses the symmetry of the DCT: cepstra of even index need only the sums of log-mel bins n and
/// N−1−n, those of odd index only the differences. This halves the multiplications.
#[derive(Debug, Clone)]
struct Dct {
    num_ceps: usize,
    num_pairs: usize,
    /// For even and for odd indices: tiles of `num_pairs` rows.
    tiles: [Vec<[f32; TILE]>; 2],
}

impl MfccPlan {
    /// Computes the tables.
    pub fn new(front_end: &FrontEnd) -> Self {
        let halved = |x: &[f32]| [0, 1].map(|i| x.get(i).map_or(0.0, |w| 0.5 * w));
        let num_mel_bins = front_end.filters.len();
        let num_outputs = match front_end.dct.len() {
            0 => num_mel_bins,
            products => products / num_mel_bins,
        };
        MfccPlan {
            remove_mean: front_end.remove_mean,
            preemph_coeff: front_end.preemph_coeff,
            length: front_end.window.len(),
            window: front_end.window.chunks(2).map(halved).collect(),
            fft: Fft::covers(front_end.fft_size).then(|| Fft::new(front_end.fft_size)),
            fft_size: front_end.fft_size,
            magnitude: front_end.magnitude,
            filters: front_end.filters.clone(),
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
        }
    }

    /// Whether the instances with lanes compute this FFT size: the powers of two from 32. For others
    /// there is [`super::reference::mfcc_of_any_size`].
    pub fn has_lane_fft(&self) -> bool {
        self.fft.is_some()
    }

    /// A plan that computes only the power spectrum, without mel filters and logarithm: the N/2
    /// bins below Nyquist of frames of N samples under this window.
    pub fn power_spectrum(window: &[f32]) -> Self {
        Self::new(&FrontEnd {
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
        })
    }

    /// Number of cepstra, or of log-mel bins if there is no DCT.
    fn num_outputs(&self) -> usize {
        match &self.dct {
            Some(dct) => dct.num_ceps,
            None => self.filters.len(),
        }
    }

    /// Content of column `c`.
    pub(super) fn channel(&self, c: usize) -> Channel {
        match self.channels[c] {
            row if row == self.num_outputs() => Channel::Energy,
            row => Channel::Output(row),
        }
    }

    /// Output k of these log-mel values.
    pub(super) fn output(&self, log_mel: &[f64], k: usize) -> f64 {
        let Some(dct) = &self.dct else {
            return log_mel[k];
        };
        let weight = |n| f64::from(dct.weight(n, log_mel.len(), k));
        let terms = log_mel.iter().enumerate();
        terms.map(|(n, x)| x * weight(n)).sum()
    }
}

/// Computes `out` (T, C) from T `frames`, each as long as the window.
///
/// # Panics
/// If the plan has no FFT in lanes.
#[inline(always)]
pub(super) fn mfcc<L: Lanes>(plan: &MfccPlan, frames: &[&[f32]], out: &mut [f32]) {
    let fft = plan.fft.as_ref().expect("a size that the FFT covers");
    let zero = L::splat(0.0);
    let mut rows = vec![[zero; 2]; plan.fft_size / 2];
    let mut power = vec![zero; plan.fft_size / 2];
    let mut log_mel = vec![zero; plan.filters.len()];
    let num_outputs = plan.num_outputs();
    let mut outputs = vec![zero; num_outputs + 1];
    for (group, first) in frames.chunks(L::N).zip((0..).step_by(L::N)) {
        let out = &mut out[first * plan.num_channels..];
        let sum = transpose_frames(group, plan.length, &mut rows);
        let mean = if plan.remove_mean {
            sum.div(L::splat(plan.length as f32))
        } else {
            zero
        };
        let taper = Taper::new(mean, plan.preemph_coeff, &plan.window);
        outputs[num_outputs] = log_energy(plan, &taper, &rows);
        fft.power(&taper, &mut rows, &mut power);
        if plan.magnitude {
            power.iter_mut().for_each(|p| *p = p.sqrt());
        }
        if plan.filters.is_empty() {
            write_frames(plan, &power, group.len(), out);
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
        write_frames(plan, &outputs, group.len(), out);
    }
}

/// Transposes the frames: sample i of every frame goes to row i (counted in samples), followed by
/// zeros up to a whole number of vectors. Returns the sum of each frame. Lanes without a frame
/// repeat the last frame.
#[inline(always)]
fn transpose_frames<L: Lanes>(group: &[&[f32]], length: usize, rows: &mut [Complex<L>]) -> L {
    let mut lanes = [&group[0][..length]; MAX_LANES];
    for (lane, frame) in lanes.iter_mut().zip(group) {
        *lane = &frame[..length];
    }
    let mut sum = L::splat(0.0);
    let rows = rows.as_flattened_mut();
    let (whole, part) = rows[..length.next_multiple_of(L::N)].split_at_mut(length / L::N * L::N);
    for (square, first) in whole.chunks_exact_mut(L::N).zip((0..).step_by(L::N)) {
        sum = sum.add(transpose_square(&lanes, first, square));
    }
    if !part.is_empty() {
        let mut ends = [[0.0; MAX_LANES]; MAX_LANES];
        for (end, lane) in ends.iter_mut().zip(lanes) {
            let rest = &lane[length / L::N * L::N..];
            end[..rest.len()].copy_from_slice(rest);
        }
        sum = sum.add(transpose_square(
            &ends.each_ref().map(|end| &end[..]),
            0,
            part,
        ));
    }
    sum
}

/// Transposes N samples of N frames, from sample `first` on; returns their sums.
#[inline(always)]
fn transpose_square<L: Lanes>(lanes: &[&[f32]; MAX_LANES], first: usize, square: &mut [L]) -> L {
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

/// ln of the energy clamped to the bounds. NaN, from an FFT that overflowed, becomes the floor.
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

    /// `(num_mel_bins,) -> (num_ceps,)`; overwrites `log_mel`.
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
        // If the number of bins is odd, the middle one has no partner. Its weights in odd cepstra are 0.
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

/// Transposes back: writes the columns of `num_frames` frames from `outputs`, where lane i holds
/// frame i, to the first rows of `out` (·, C).
#[inline(always)]
fn write_frames<L: Lanes>(plan: &MfccPlan, outputs: &[L], num_frames: usize, out: &mut [f32]) {
    // Whole vectors are written, and the last vector of a frame overlaps the next frame. Going from
    // the last channels to the first writes the overlapped values afterwards.
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
