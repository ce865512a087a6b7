//! What the commands do and answer, without flags and without printing. The command line prints
//! these answers with `--json`, and the service sends them. `docs/schema.json` describes them.

pub mod criterion;
pub mod enrollment;
pub mod identification;
pub mod listened;
pub mod listing;
pub mod outcome;
mod recording;
pub mod removal;

pub use crate::storage::json_of;
pub use criterion::Criterion;
pub use enrollment::Rules;
pub use outcome::Outcome;
pub use recording::{Recording, all_or_errors};
