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

pub use criterion::Criterion;
pub use enrollment::Rules;
pub use outcome::Outcome;
pub use recording::{Recording, all_or_errors};

use serde_json::Value;

/// A value as JSON. Each f32 in it becomes its shortest decimal (0.1, not 0.10000000149011612).
pub fn json_of(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
