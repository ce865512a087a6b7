//! Reads lists: trials, scores, recordings with ids, which recordings enroll which model, who
//! speaks in which recording. Text, CSV, TSV, JSON lines and Parquet are recognized by their
//! content.
//!
//! ```text
//! file ─► lines ─► fields ─► layout ─┐ (a row of cells each)
//!           ├─► json_trial ──────────┼─► trial ─► trials ─► batch (`score`), eval (`evaluate`, `calibrate`)
//!           │   parquet_trials ──────┘
//!           ├─► enrollments, names, scp, utt2spk
//!           └─► header ─► eval (metadata), train (manifest)
//! ```

mod cell;
pub mod enrollments;
pub mod fields;
pub mod header;
mod json_trial;
mod layout;
pub mod lines;
pub mod names;
#[cfg(feature = "parquet")]
pub mod parquet_file;
pub mod parquet_opening;
#[cfg(feature = "parquet")]
mod parquet_trials;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet_trials;
pub mod scp;
pub mod trial;
pub mod trials;
pub mod utt2spk;
mod words;
