//! The int8 kernel for Conv1d and Linear layers: u8 activations times i8 weights, summed in i32,
//! then `sum·scale + bias` for each output, either as f32 or rounded to the next layer's u8
//! activations.
//!
//! A 32-bit word holds `GROUP` neighbouring activations, and one instruction adds `GROUP` products
//! to each lane: 4 where the CPU has VNNI (`vpdpbusd`), otherwise 2 (`pmaddwd` on i16). The sums
//! are exact, and scale and bias are applied without fusing, so every instance gives the same bits.

use super::{
    affine::{MAX_NR, ROW_BLOCK, Steps, balanced, by_rows},
    lanes::Lanes,
    levels::ROUND,
    pack_int8::PackedInt8,
};
use std::ops::Range;

/// One instance of the int8 kernels.
#[derive(Debug, Clone, Copy)]
pub struct Int8 {
    /// Outputs per packed panel.
    pub nr: usize,
    /// Activations per word: 1, 2 or 4.
    pub group: usize,
    /// Quantizes `(T, C)` f32 to `(T, ⌈C/group⌉)` words, in rows of at least as many; see
    /// [`quantise`](super::reference::quantise).
    pub quantise: fn(&[f32], &Quantiser, &mut [i32], usize),
    /// `(T, ⌈C_in/group⌉)` -> `(T', ⌈C_out/group⌉)` words; see
    /// [`affine_int8`](super::reference::affine_int8).
    pub affine: fn(&[i32], &PackedInt8, Steps, &mut [i32]),
    /// `(T, ⌈C_in/group⌉)` words -> `(T', C_out)` f32.
    pub affine_to_f32: fn(&[i32], &PackedInt8, Steps, &mut [f32]),
}

impl Int8 {
    /// Whether these channels fill whole words, so that no word also holds channels that follow.
    pub fn fills_words(&self, channels: usize) -> bool {
        channels.is_multiple_of(self.group)
    }
}

/// Quantization of f32 activations to u8: x·scale + shift, rounded and clamped to 0..=255.
#[derive(Debug, Clone)]
pub struct Quantiser {
    /// `(C,)`: 1/step, times the scale of a BatchNorm between x and the activation, if there is one.
    pub scale: Vec<f32>,
    /// `(C,)`: `zero`, plus the shift of that BatchNorm in steps.
    pub shift: Vec<f32>,
    /// The u8 of an activation of 0: 0 if no activation is negative, otherwise 128.
    pub zero: u8,
}

impl Quantiser {
    /// Quantizes activations as they are, without a BatchNorm. `steps` is `(C,)`.
    pub fn new(steps: &[f32], zero: u8) -> Self {
        Quantiser {
            scale: steps.iter().map(|step| 1.0 / step).collect(),
            shift: vec![f32::from(zero); steps.len()],
            zero,
        }
    }

    /// Removes the first `channels` from this quantiser, and returns a quantiser for them.
    pub fn take(&mut self, channels: usize) -> Self {
        Quantiser {
            scale: self.scale.drain(..channels).collect(),
            shift: self.shift.drain(..channels).collect(),
            zero: self.zero,
        }
    }
}

/// A vector of i32 lanes, each with `GROUP` activations or weights, or with one sum.
pub trait IntLanes: Copy {
    /// A vector of as many f32 lanes. The sums are converted to it.
    type Floats: Lanes;
    /// Activations per lane.
    const GROUP: usize;
    /// All lanes `word`.
    fn splat(word: i32) -> Self;
    /// The first lanes of `from`.
    fn load(from: &[i32]) -> Self;
    /// self + Σ x·w over each lane's group; x from 0 to 255, w from −127 to 127.
    fn dot(self, x: Self, w: Self) -> Self;
    /// The sums, rounded to f32.
    fn to_f32(self) -> Self::Floats;
    /// Writes the low byte of each lane's bits, `GROUP` bytes to a word.
    fn pack_low_bytes(floats: Self::Floats, to: &mut [i32]);
}

/// The form of the outputs: f32, or words of `GROUP` u8.
pub(super) trait Output<L: IntLanes>: Copy + Default {
    /// How many outputs one value of this type holds.
    const PER_VALUE: usize;
    fn put(sums: L::Floats, relu: bool, to: &mut [Self]);
}

impl<L: IntLanes> Output<L> for f32 {
    const PER_VALUE: usize = 1;
    #[inline(always)]
    fn put(sums: L::Floats, relu: bool, to: &mut [f32]) {
        if relu {
            // In this order, because `max` returns its second operand where either is NaN, and a NaN
            // must not get lost.
            L::Floats::splat(0.0).max(sums).store(to);
        } else {
            sums.store(to);
        }
    }
}

impl<L: IntLanes> Output<L> for i32 {
    const PER_VALUE: usize = L::GROUP;
    #[inline(always)]
    fn put(sums: L::Floats, _relu: bool, to: &mut [i32]) {
        L::pack_low_bytes(rounded::<L::Floats>(sums), to);
    }
}

/// Clamps to 0 to 255, and rounds into the low byte.
#[inline(always)]
fn rounded<F: Lanes>(v: F) -> F {
    v.max(F::splat(0.0))
        .min(F::splat(255.0))
        .add(F::splat(ROUND))
}

/// x·scale + shift, rounded: `(T, C)` -> `(T, ⌈C/GROUP⌉)` words, in rows of `stride`.
#[inline(always)]
pub(super) fn quantise<L: IntLanes>(
    x: &[f32],
    quantiser: &Quantiser,
    y: &mut [i32],
    stride: usize,
) {
    let n = <L::Floats as Lanes>::N;
    let channels = quantiser.scale.len();
    let words = channels.div_ceil(L::GROUP);
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_mut(stride)) {
        let mut c = 0;
        while c + n <= channels {
            let scale = L::Floats::load(&quantiser.scale[c..]);
            let shift = L::Floats::load(&quantiser.shift[c..]);
            let v = L::Floats::load(&x[c..]).mul(scale).add(shift);
            L::pack_low_bytes(rounded(v), &mut y[c / L::GROUP..]);
            c += n;
        }
        if c < channels {
            let mut last = [[0.0; MAX_NR]; 3];
            for (last, from) in last.iter_mut().zip([x, &quantiser.scale, &quantiser.shift]) {
                last[..channels - c].copy_from_slice(&from[c..]);
            }
            let [x, scale, shift] = last.map(|values| L::Floats::load(&values));
            let v = x.mul(scale).add(shift);
            let mut packed = [0; MAX_NR];
            L::pack_low_bytes(rounded(v), &mut packed);
            y[c / L::GROUP..words].copy_from_slice(&packed[..words - c / L::GROUP]);
        }
    }
}

/// As [`affine`](super::affine::affine), on words.
#[inline(always)]
pub(super) fn affine<L: IntLanes, const NV: usize, O: Output<L>>(
    x: &[i32],
    weights: &PackedInt8,
    steps: Steps,
    y: &mut [O],
) {
    let mr = <L::Floats as Lanes>::MR;
    let nr = NV * <L::Floats as Lanes>::N;
    debug_assert!(
        weights.nr == nr && weights.group == L::GROUP,
        "packed for another instance"
    );
    let rows = y.len().div_ceil(weights.out_stride);
    for block in balanced(0..rows, ROW_BLOCK) {
        for p in 0..weights.c_out.div_ceil(nr) {
            for Range { start: row, end } in balanced(block.clone(), mr) {
                by_rows!(end - row, mr, MR => tile::<L, MR, NV, O>(x, weights, steps, p, row, y));
            }
        }
    }
}

#[inline(always)]
fn tile<L: IntLanes, const MR: usize, const NV: usize, O: Output<L>>(
    x: &[i32],
    weights: &PackedInt8,
    steps: Steps,
    p: usize,
    first: usize,
    y: &mut [O],
) {
    let n = <L::Floats as Lanes>::N;
    let nr = NV * n;
    let words = weights.c_in.div_ceil(L::GROUP);
    let mut acc = [[L::splat(0); NV]; MR];
    for v in 0..NV {
        let offset = L::load(&weights.offset()[p * nr + v * n..]);
        for r in 0..MR {
            acc[r][v] = offset;
        }
    }
    for (tap, panel) in weights.panel(p).chunks_exact(words * nr).enumerate() {
        let origin = first * steps.stride + tap * steps.dilation;
        let mut rows = [&x[..0]; MR];
        for r in 0..MR {
            rows[r] = &x[(origin + r * steps.stride) * weights.in_stride..][..words];
        }
        for (i, w) in panel.chunks_exact(nr).enumerate() {
            let mut wv = [L::splat(0); NV];
            for v in 0..NV {
                wv[v] = L::load(&w[v * n..]);
            }
            for r in 0..MR {
                let xv = L::splat(rows[r][i]);
                for v in 0..NV {
                    acc[r][v] = acc[r][v].dot(xv, wv[v]);
                }
            }
        }
    }
    let row_len = weights.c_out.div_ceil(O::PER_VALUE);
    let start = p * nr / O::PER_VALUE;
    let whole = nr / O::PER_VALUE;
    let width = whole.min(row_len - start);
    let y = &mut y[first * weights.out_stride + start..];
    // A macro, because a loop this long would not be unrolled, and the sums would then be in memory
    // instead of registers.
    macro_rules! rows {
        ($($r:literal)*) => {
            $(if let Some(acc) = acc.get($r) {
                let out = &mut y[$r * weights.out_stride..][..width];
                if width == whole {
                    put::<L, NV, O>(*acc, weights, steps, p, out);
                } else {
                    let mut padded = [O::default(); MAX_NR];
                    put::<L, NV, O>(*acc, weights, steps, p, &mut padded[..whole]);
                    out.copy_from_slice(&padded[..width]);
                }
            })*
        };
    }
    rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
}

/// Writes one row of panel `p`, scaled.
#[inline(always)]
fn put<L: IntLanes, const NV: usize, O: Output<L>>(
    acc: [L; NV],
    weights: &PackedInt8,
    steps: Steps,
    p: usize,
    to: &mut [O],
) {
    let n = <L::Floats as Lanes>::N;
    let (scale, bias) = weights.scale_and_bias();
    let scale = &scale[p * NV * n..][..NV * n];
    let bias = &bias[p * NV * n..][..NV * n];
    for v in 0..NV {
        let scaled = acc[v]
            .to_f32()
            .mul(L::Floats::load(&scale[v * n..]))
            .add(L::Floats::load(&bias[v * n..]));
        O::put(scaled, steps.relu, &mut to[v * n / O::PER_VALUE..]);
    }
}

macro_rules! wide_int_lanes {
    ($name:ident, $ints:ident, $pairs:ident, $floats:ident, $n:literal) => {
        /// Pairs of i16.
        #[derive(Clone, Copy)]
        pub(super) struct $name(wide::$ints);

        impl IntLanes for $name {
            type Floats = wide::$floats;
            const GROUP: usize = 2;
            #[inline(always)]
            fn splat(word: i32) -> Self {
                Self(wide::$ints::splat(word))
            }
            #[inline(always)]
            fn load(from: &[i32]) -> Self {
                let mut lanes = [0; $n];
                lanes.copy_from_slice(&from[..$n]);
                Self(wide::$ints::from(lanes))
            }
            #[inline(always)]
            fn dot(self, x: Self, w: Self) -> Self {
                let x: wide::$pairs = bytemuck::cast(x.0);
                Self(self.0 + x.dot(bytemuck::cast(w.0)))
            }
            #[inline(always)]
            fn to_f32(self) -> wide::$floats {
                self.0.round_float()
            }
            #[inline(always)]
            fn pack_low_bytes(floats: wide::$floats, to: &mut [i32]) {
                let bits = floats.to_array().map(|v| (v.to_bits() & 0xFF) as i32);
                for (word, pair) in to[..$n / 2].iter_mut().zip(bits.chunks_exact(2)) {
                    *word = pair[0] | pair[1] << 16;
                }
            }
        }
    };
}

wide_int_lanes!(Pairs4, i32x4, i16x8, f32x4, 4);
wide_int_lanes!(Pairs8, i32x8, i16x16, f32x8, 8);
wide_int_lanes!(Pairs16, i32x16, i16x32, f32x16, 16);
