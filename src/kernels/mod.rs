//! The numeric inner loops, on plain slices and packed weights. Each is written once over `Lanes`,
//! a type of vectors, and compiled for several instruction sets. All kernels for one instruction
//! set are an *instance* ([`Table`]). The first call chooses the fastest instance that the CPU can
//! run.

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

use int8::IntLanes;
use lanes::Lanes;
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

const WIDE4: Table = portable::<wide::f32x4, int8::Pairs4, 3>("wide4");
const WIDE8: Table = portable::<wide::f32x8, int8::Pairs8, 2>("wide8");
const WIDE16: Table = portable::<wide::f32x16, int8::Pairs16, 2>("wide16");

/// The kernels for `NV` vectors of outputs in a panel, compiled for what the build enables.
const fn portable<L: Lanes, I: IntLanes, const NV: usize>(name: &'static str) -> Table {
    Table {
        name,
        nr: NV * L::N,
        affine: affine::affine::<L, NV>,
        outer: outer::outer::<L, NV>,
        lanes: L::N,
        peak: peak::peak::<L>,
        scan: scan::scan::<L>,
        mfcc: mfcc::mfcc::<L>,
        exp: logarithm::exp_all::<L>,
        means: columns::means::<L>,
        variances: columns::variances::<L>,
        winograd_inputs: winograd::inputs::<L>,
        winograd_outputs: winograd::outputs::<L>,
        int8: Int8 {
            nr: NV * L::N,
            group: I::GROUP,
            quantise: int8::quantise::<I>,
            affine: int8::affine::<I, NV, i32>,
            affine_to_f32: int8::affine::<I, NV, f32>,
        },
    }
}

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
