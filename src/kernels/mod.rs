//! The numeric inner loops, on plain slices and packed weights. Each is written once over `Lanes`
//! and compiled for several instruction sets; the first call chooses the fastest that the CPU has.

mod affine;
mod columns;
mod complex;
mod fft;
mod instance;
mod int8;
mod lanes;
mod levels;
mod logarithm;
mod mfcc;
mod outer;
mod pack;
mod pack_int8;
mod peak;
pub mod reference;
mod rounded;
mod scan;
mod taper;
pub mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use affine::Steps;
pub use instance::Table;
pub use int8::{Int8, Quantiser};
pub use levels::{ROUND, levels};
pub use mfcc::{Channel, Energy, FrontEnd, MfccPlan};
pub use outer::Outer;
pub use pack::Packed;
pub use pack_int8::{Activations, PackedInt8};
pub use peak::flop_per_round;
pub use rounded::Rounded;
pub use scan::{PANEL_ROWS, Panel, Probes};

use std::sync::OnceLock;

/// Names of all instances, on any CPU.
pub const NAMES: [&str; 6] = ["wide4", "wide8", "wide16", "avx2", "avx512", "reference"];

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

/// The sizes that depend on the instance in use, which is chosen here.
impl Quantiser {
    /// Words of a frame, for the instance in use.
    pub fn num_words(&self) -> usize {
        self.scale.len().div_ceil(table().int8.group)
    }

    /// The word of channels that are 0, as the bits of an f32.
    pub fn zero_word(&self) -> f32 {
        let group = table().int8.group;
        let zero = |i: usize| u32::from(self.zero) << (i * (32 / group));
        f32::from_bits((0..group).fold(0, |word, i| word | zero(i)))
    }
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
    winograd_inputs: winograd::inputs::<wide::f32x4>,
    winograd_outputs: winograd::outputs::<wide::f32x4>,
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
    winograd_inputs: winograd::inputs::<wide::f32x8>,
    winograd_outputs: winograd::outputs::<wide::f32x8>,
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
    winograd_inputs: winograd::inputs::<wide::f32x16>,
    winograd_outputs: winograd::outputs::<wide::f32x16>,
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
    winograd_inputs: winograd::inputs::<wide::f32x4>,
    winograd_outputs: winograd::outputs::<wide::f32x4>,
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
