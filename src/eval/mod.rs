//! Evaluation. Trial lists and scores in, error rates with intervals out.
//!
//! ```text
//! rows ─► ScoreTable ─► Ranking ─► Sweep ─► Figures ─► Report ─► plots, HTML
//!            speakers ─► bootstrap ─┘          └─ metadata ─► conditions
//! ```

pub mod bootstrap;
pub mod conditions;
pub mod curve;
#[cfg(feature = "report")]
pub mod html;
pub mod lines;
pub mod metadata;
pub mod metrics;
#[cfg(feature = "parquet")]
pub mod parquet_file;
#[cfg(feature = "parquet")]
pub mod parquet_scores;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
pub mod parquet_scores;
#[cfg(feature = "report")]
pub mod plots;
pub mod ranking;
pub mod rates;
pub mod report;
mod row_format;
pub mod rows;
pub mod speakers;
pub mod sweep;
pub mod table;
pub mod trial_lines;
