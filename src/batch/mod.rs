//! Processes lists of any length: one row for each recording or trial, in order, even if a file
//! cannot be used.
//!
//! ```text
//! trial list ─► TrialIndex ─► names ─► Naming ─► Recording ─► extract ─► Ledger (embeddings)
//!                   │                                                      │
//!                   └── pairs ─────────────► Points: scores ◄──────────────┘
//!                                              └─► rows (text, CSV, JSON lines, Parquet)
//! ```
//! The [`ledger`] records the progress, so that a killed run can be resumed. [`vectors`] reads and
//! writes embeddings in the formats of other programs. [`scoring_run`] does the work of `score`, and
//! [`embedding_run`] does the work of `embed`. [`stream`] answers each line of input with one line.

pub mod embedding_run;
pub mod escape;
pub mod extract;
pub mod job;
pub mod kaldi_data;
pub mod ledger;
pub mod naming;
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
pub mod recording_list;
mod request;
pub mod rows;
pub mod score;
pub mod scored_trial;
pub mod scoring_run;
#[cfg(feature = "store")]
pub mod store_vectors;
pub mod stream;
pub mod trial_index;
pub mod vectors;
pub mod watch;
