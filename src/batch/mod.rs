//! Batches of any size. Lists of recordings and trials in, one row for each out, in order,
//! whatever is wrong with a file:
//!
//! ```text
//! trial list ─► TrialIndex ─► names ─► Naming ─► Recording ─► extract ─► Ledger (embeddings)
//!                   │                                                      │
//!                   └── pairs ─────────────► Points: scores ◄──────────────┘
//!                                              └─► rows (text, CSV, JSON lines, Parquet)
//! ```
//!
//! The [`ledger`] remembers what is done, so that a run can be killed and go on; [`vectors`] reads
//! and writes embeddings in other programs' formats; [`stream`] answers one line with one line.

pub mod escape;
pub mod extract;
pub mod kaldi_data;
pub mod ledger;
pub mod names;
pub mod outcome;
pub mod output;
#[cfg(feature = "parquet")]
pub mod parquet_rows;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
pub mod parquet_rows;
#[cfg(feature = "parquet")]
mod parquet_text;
pub mod points;
pub mod recording;
mod request;
pub mod rows;
pub mod score;
pub mod stream;
pub mod trial_index;
pub mod vectors;
pub mod watch;
