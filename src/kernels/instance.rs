//! One instance of the kernels: all of them, compiled for one instruction set.

use super::{
    affine::Steps,
    int8::Int8,
    mfcc::MfccPlan,
    outer::Outer,
    pack::Packed,
    scan::{Panel, Probes},
    winograd::{self, Bins},
};

/// All kernels, compiled for one instruction set (an instance).
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Name for display: wide4, wide8, wide16, avx2, avx512, reference.
    pub name: &'static str,
    /// Outputs per panel of the packed weights.
    pub nr: usize,
    /// Conv1d or Linear, `(T, C_in) -> (T', C_out)`; see [`super::reference::affine`].
    pub affine: fn(&[f32], &Packed, Steps, &mut [f32]),
    /// Weight gradients; see [`super::reference::outer`].
    pub outer: fn(Outer, &mut [f32]),
    /// f32 values in one vector of [`Self::peak`].
    pub lanes: usize,
    /// Runs this many rounds of [`super::flop_per_round`] operations, at the highest speed that the
    /// instruction set allows.
    pub peak: fn(usize) -> f32,
    /// Upper bounds of scores for a search; see [`super::reference::scan`].
    pub scan: fn(Panel, Probes, &mut [f32], &mut [f32]),
    /// Frames of samples -> `(T, C)` cepstra or log-mel, for plans with [`MfccPlan::has_lane_fft`]; see
    /// [`super::reference::mfcc`].
    pub mfcc: fn(&MfccPlan, &[&[f32]], &mut [f32]),
    /// eˣ of every value; values must lie between −86 and 88.7. See [`super::reference::exp`].
    pub exp: fn(&mut [f32]),
    /// Mean of each column; see [`super::reference::means`].
    pub means: fn(&[f32], &mut [f32]),
    /// Biased variance of each column, given the means; see [`super::reference::variances`].
    pub variances: fn(&[f32], &[f32], &mut [f32]),
    /// The sums v = Bᵀd of Winograd's method; see [`super::winograd`].
    pub winograd_inputs: fn(&[f32], Bins<{ winograd::POINTS }>, &mut [f32]),
    /// The outputs y = Aᵀm of Winograd's method; see [`super::winograd`].
    pub winograd_outputs: fn(&[f32], &[f32], bool, Bins<{ winograd::OUTPUTS }>, &mut [f32]),
    /// Quantized affine maps.
    pub int8: Int8,
}
