//! The numeric inner loops, on plain slices and packed weights. Each is written once over [`Lanes`]
//! and compiled for several instruction sets; the first call chooses the fastest that the CPU has.

mod affine;
mod columns;
mod fft;
mod int8;
mod lanes;
mod logarithm;
mod mfcc;
mod outer;
mod pack;
mod pack_int8;
mod peak;
pub mod reference;
mod scan;
mod taper;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use affine::Steps;
pub use int8::{Int8, IntLanes, Quantiser};
pub use lanes::Lanes;
pub use mfcc::{Channel, Energy, FrontEnd, MfccPlan};
pub use outer::Outer;
pub use pack::Packed;
pub use pack_int8::{Activations, PackedInt8};
pub use peak::flop_per_round;
pub use scan::{PANEL_ROWS, Panel, Probes};

use std::sync::OnceLock;

/// All kernels, compiled for one instruction set (an instance).
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Name for display: wide4, wide8, wide16, avx2, avx512, reference.
    pub name: &'static str,
    /// Outputs per panel of the packed weights.
    pub nr: usize,
    /// Conv1d or Linear, `(T, C_in) -> (T', C_out)`; see [`reference::affine`].
    pub affine: fn(&[f32], &Packed, Steps, &mut [f32]),
    /// Weight gradients; see [`reference::outer`].
    pub outer: fn(Outer, &mut [f32]),
    /// f32 values in one vector of [`Self::peak`].
    pub lanes: usize,
    /// Runs this many rounds of [`flop_per_round`] operations, at the highest speed that the
    /// instruction set allows.
    pub peak: fn(usize) -> f32,
    /// Upper bounds of scores for a search; see [`reference::scan`].
    pub scan: fn(Panel, Probes, &mut [f32], &mut [f32]),
    /// Frames of samples -> `(T, C)` cepstra or log-mel; see [`reference::mfcc`].
    pub mfcc: fn(&MfccPlan, &[&[f32]], &mut [f32]),
    /// ln of every value, each positive and normal; see [`reference::ln`].
    pub ln: fn(&mut [f32]),
    /// eˣ of every value, from −86 to 88.7; see [`reference::exp`].
    pub exp: fn(&mut [f32]),
    /// Mean of each column; see [`reference::means`].
    pub means: fn(&[f32], &mut [f32]),
    /// Biased variance of each column, given the means; see [`reference::variances`].
    pub variances: fn(&[f32], &[f32], &mut [f32]),
    /// Quantized affine maps.
    pub int8: Int8,
}

/// Names of all instances, on any CPU.
pub const NAMES: [&str; 6] = ["wide4", "wide8", "wide16", "avx2", "avx512", "reference"];

/// Number of lanes of the widest instance.
const MAX_LANES: usize = 16;

/// Rows that [`Table::means`] sums before it adds the block to the total.
pub const ROWS_SUMMED: usize = columns::BLOCK;

static TABLE: OnceLock<Table> = OnceLock::new();

/// The instance in use. Chosen at the first call and then fixed.
pub fn table() -> &'static Table {
    TABLE.get_or_init(|| *instances().first().expect("wide4 is always there"))
}

/// Selects the instance `name`. Must be called before the first use, because weights are packed for
/// one instance. `false` where this CPU or build lacks it, or another one is already in use.
pub fn force(name: &str) -> bool {
    let wanted = instances().into_iter().find(|table| table.name == name);
    wanted.is_some_and(|wanted| TABLE.get_or_init(|| wanted).name == name)
}

/// All instances that this CPU can run, fastest first, the reference last.
pub fn instances() -> Vec<Table> {
    let mut tables = vec![];
    // Ahead of `wide16`, which has no shuffles to transpose with: its MFCC is 1.5 times slower, the
    // rest equal.
    #[cfg(target_arch = "x86_64")]
    tables.extend(x86::avx512());
    if cfg!(target_feature = "avx512f") {
        tables.push(WIDE16);
    }
    if cfg!(target_feature = "avx2") {
        tables.push(WIDE8);
    }
    #[cfg(target_arch = "x86_64")]
    tables.extend(x86::avx2());
    tables.extend([WIDE4, REFERENCE]);
    tables
}

const WIDE4: Table = Table {
    name: "wide4",
    nr: 12,
    affine: affine::affine::<wide::f32x4, 3>,
    outer: outer::outer::<wide::f32x4, 3>,
    lanes: 4,
    peak: peak::peak::<wide::f32x4>,
    scan: scan::scan::<wide::f32x4>,
    mfcc: mfcc::mfcc::<wide::f32x4>,
    ln: logarithm::ln_all::<wide::f32x4>,
    exp: logarithm::exp_all::<wide::f32x4>,
    means: columns::means::<wide::f32x4>,
    variances: columns::variances::<wide::f32x4>,
    int8: Int8 {
        nr: 12,
        group: 2,
        quantise: int8::quantise::<int8::Pairs4>,
        affine: int8::affine::<int8::Pairs4, 3, i32>,
        affine_to_f32: int8::affine::<int8::Pairs4, 3, f32>,
    },
};

const WIDE8: Table = Table {
    name: "wide8",
    nr: 16,
    affine: affine::affine::<wide::f32x8, 2>,
    outer: outer::outer::<wide::f32x8, 2>,
    lanes: 8,
    peak: peak::peak::<wide::f32x8>,
    scan: scan::scan::<wide::f32x8>,
    mfcc: mfcc::mfcc::<wide::f32x8>,
    ln: logarithm::ln_all::<wide::f32x8>,
    exp: logarithm::exp_all::<wide::f32x8>,
    means: columns::means::<wide::f32x8>,
    variances: columns::variances::<wide::f32x8>,
    int8: Int8 {
        nr: 16,
        group: 2,
        quantise: int8::quantise::<int8::Pairs8>,
        affine: int8::affine::<int8::Pairs8, 2, i32>,
        affine_to_f32: int8::affine::<int8::Pairs8, 2, f32>,
    },
};

const WIDE16: Table = Table {
    name: "wide16",
    nr: 32,
    affine: affine::affine::<wide::f32x16, 2>,
    outer: outer::outer::<wide::f32x16, 2>,
    lanes: 16,
    peak: peak::peak::<wide::f32x16>,
    scan: scan::scan::<wide::f32x16>,
    mfcc: mfcc::mfcc::<wide::f32x16>,
    ln: logarithm::ln_all::<wide::f32x16>,
    exp: logarithm::exp_all::<wide::f32x16>,
    means: columns::means::<wide::f32x16>,
    variances: columns::variances::<wide::f32x16>,
    int8: Int8 {
        nr: 32,
        group: 2,
        quantise: int8::quantise::<int8::Pairs16>,
        affine: int8::affine::<int8::Pairs16, 2, i32>,
        affine_to_f32: int8::affine::<int8::Pairs16, 2, f32>,
    },
};

const REFERENCE: Table = Table {
    name: "reference",
    nr: 16,
    affine: reference::affine,
    outer: reference::outer,
    lanes: 4,
    // The reference has no vector code of its own; every build has f32x4.
    peak: peak::peak::<wide::f32x4>,
    scan: reference::scan,
    mfcc: reference::mfcc,
    ln: reference::ln,
    exp: reference::exp,
    means: reference::means,
    variances: reference::variances,
    int8: Int8 {
        nr: 16,
        group: 1,
        quantise: reference::quantise,
        affine: reference::affine_int8,
        affine_to_f32: reference::affine_int8_to_f32,
    },
};

#[cfg(test)]
mod tests;
