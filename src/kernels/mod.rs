//! The hot loops: slices and packed weights in, slices out. Each body is written once over
//! [`Lanes`]; one table of instances is chosen at the first call by what the CPU has.

mod affine;
mod int8;
mod lanes;
mod outer;
mod pack;
mod pack_int8;
pub mod reference;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use affine::Steps;
pub use int8::{Int8, IntLanes, Quantiser};
pub use lanes::Lanes;
pub use outer::Outer;
pub use pack::Packed;
pub use pack_int8::{Activations, PackedInt8};

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
    /// The same maps in whole numbers.
    pub int8: Int8,
}

/// The instance in use, chosen once.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| *instances().first().expect("wide4 is always there"))
}

/// Every instance that this CPU can run, the fastest first, the reference last.
pub fn instances() -> Vec<Table> {
    let mut tables = vec![];
    if cfg!(target_feature = "avx512f") {
        tables.push(WIDE16);
    }
    #[cfg(target_arch = "x86_64")]
    tables.extend(x86::avx512());
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
