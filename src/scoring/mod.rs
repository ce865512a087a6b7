//! Scoring: turns two embeddings into a log-likelihood ratio, and that into a decision.

mod decision;
pub mod gallery;
mod knee;
mod measured;
mod pair;
mod products;
mod quality;
mod sequential;
mod trial_kind;

pub use decision::{Decision, Llr, OperatingPoint, Reason};
pub use knee::{KNEE_SLOPE, bend};
pub use measured::{MeasuredPoint, MeasuredRates, Rate, percent, percent_or_more};
pub use pair::PairHead;
pub use quality::{CONDITIONS, Cohort, QualityWeights, conditions};
pub use sequential::{Bounds, SequentialTest};
pub use trial_kind::TrialKind;
