//! Evaluation: measures error rates, with intervals, on trial lists and scores ([`evaluate`]).
//!
//! ```text
//! trials ─► ScoreTable ─► Ranking ─► Sweep ─► Figures ─► Report ─► plots, HTML
//!   ▲          speakers ─► bootstrap ─┘          ├─ metadata ─► conditions
//!   │                                            └─ confused pairs; difference of two reports
//!   └─ embedded: recordings ─► embeddings
//! ```

pub mod bootstrap;
pub mod conditions;
pub mod confused_pairs;
pub mod curve;
pub mod difference;
pub mod embedded;
pub mod evaluate;
#[cfg(feature = "report")]
pub mod html;
pub mod known;
pub mod metadata;
pub mod metrics;
#[cfg(feature = "report")]
pub mod plots;
pub mod ranking;
pub mod rates;
pub mod report;
pub mod speakers;
pub mod sweep;
pub mod table;
