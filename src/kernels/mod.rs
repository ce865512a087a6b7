//! The hot loops: slices and packed weights in, slices out. Each body is written once over
//! [`Lanes`]; one table of instances is chosen at the first call by what the CPU has.

mod affine;
mod lanes;
mod outer;
mod pack;
pub mod reference;
mod scan;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use affine::Steps;
pub use lanes::Lanes;
pub use outer::Outer;
pub use pack::Packed;
pub use scan::{PANEL_ROWS, Panel, Probes};

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
    /// Upper bounds of scores; see [`reference::scan`].
    pub scan: fn(Panel, Probes, &mut [f32], &mut [f32]),
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
    scan: scan::scan::<wide::f32x4>,
};

const WIDE8: Table = Table {
    name: "wide8",
    nr: 16,
    affine: affine::affine::<wide::f32x8, 2>,
    outer: outer::outer::<wide::f32x8, 2>,
    scan: scan::scan::<wide::f32x8>,
};

const WIDE16: Table = Table {
    name: "wide16",
    nr: 32,
    affine: affine::affine::<wide::f32x16, 2>,
    outer: outer::outer::<wide::f32x16, 2>,
    scan: scan::scan::<wide::f32x16>,
};

const REFERENCE: Table = Table {
    name: "reference",
    nr: 16,
    affine: reference::affine,
    outer: reference::outer,
    scan: reference::scan,
};

#[cfg(test)]
mod tests;
