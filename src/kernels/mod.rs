//! The hot loops: slices and packed weights in, slices out. Each body is written once over
//! [`Lanes`]; one table of instances is chosen at the first call by what the CPU has.

mod affine;
mod columns;
mod fft;
mod lanes;
mod logarithm;
mod mfcc;
mod outer;
mod pack;
pub mod reference;
mod taper;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use affine::Steps;
pub use lanes::Lanes;
pub use mfcc::{Channel, Energy, FrontEnd, MfccPlan};
pub use outer::Outer;
pub use pack::Packed;

use std::sync::OnceLock;

/// One instance of every kernel.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Printable name: wide4, wide8, wide16, avx2, avx512, reference.
    pub name: &'static str,
    /// Outputs per packed panel that this instance wants.
    pub nr: usize,
    /// `(T, C_in) -> (T', C_out)`: Conv1d by taps, or Linear; see [`reference::affine`].
    pub affine: fn(&[f32], &Packed, Steps, &mut [f32]),
    /// Weight gradients; see [`reference::outer`].
    pub outer: fn(Outer, &mut [f32]),
    /// Frames of samples -> `(T, C)` cepstra or log-mel; see [`reference::mfcc`].
    pub mfcc: fn(&MfccPlan, &[&[f32]], &mut [f32]),
    /// ln of every value, each positive and normal; see [`reference::ln`].
    pub ln: fn(&mut [f32]),
    /// e to the power of every value, from e^−86 to e^88.7; see [`reference::exp`].
    pub exp: fn(&mut [f32]),
    /// Mean of each column; see [`reference::means`].
    pub means: fn(&[f32], &mut [f32]),
    /// Biased variance of each column, after its mean; see [`reference::variances`].
    pub variances: fn(&[f32], &[f32], &mut [f32]),
}

/// The instance in use, chosen once.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| *instances().first().expect("wide4 is always there"))
}

/// Every instance that this CPU can run, the fastest first, the reference last.
pub fn instances() -> Vec<Table> {
    let mut tables = vec![];
    // Before wide's 16 lanes, which have no shuffles to transpose with: MFCC 1.5 times slower, the
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
    mfcc: mfcc::mfcc::<wide::f32x4>,
    ln: logarithm::ln_all::<wide::f32x4>,
    exp: logarithm::exp_all::<wide::f32x4>,
    means: columns::means::<wide::f32x4>,
    variances: columns::variances::<wide::f32x4>,
};

const WIDE8: Table = Table {
    name: "wide8",
    nr: 16,
    affine: affine::affine::<wide::f32x8, 2>,
    outer: outer::outer::<wide::f32x8, 2>,
    mfcc: mfcc::mfcc::<wide::f32x8>,
    ln: logarithm::ln_all::<wide::f32x8>,
    exp: logarithm::exp_all::<wide::f32x8>,
    means: columns::means::<wide::f32x8>,
    variances: columns::variances::<wide::f32x8>,
};

const WIDE16: Table = Table {
    name: "wide16",
    nr: 32,
    affine: affine::affine::<wide::f32x16, 2>,
    outer: outer::outer::<wide::f32x16, 2>,
    mfcc: mfcc::mfcc::<wide::f32x16>,
    ln: logarithm::ln_all::<wide::f32x16>,
    exp: logarithm::exp_all::<wide::f32x16>,
    means: columns::means::<wide::f32x16>,
    variances: columns::variances::<wide::f32x16>,
};

const REFERENCE: Table = Table {
    name: "reference",
    nr: 16,
    affine: reference::affine,
    outer: reference::outer,
    mfcc: reference::mfcc,
    ln: reference::ln,
    exp: reference::exp,
    means: reference::means,
    variances: reference::variances,
};

#[cfg(test)]
mod tests;
