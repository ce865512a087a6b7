//! Scoring: turns two embeddings into a log-likelihood ratio, and the ratio into a decision.

mod cohort;
mod conditions;
mod decision;
pub mod gallery;
mod measured;
mod pair;
mod products;
mod projection;
mod quality;
mod sequential;
mod slope;
mod trial_kind;

pub use crate::reason::Reason;
pub use cohort::Cohort;
pub use conditions::{CONDITION_UNITS, CONDITIONS, MULTIPLIED, NOISE_UNIT, conditions, multiplied};
pub use decision::{Decision, Llr, OperatingPoint, log_odds};
pub use measured::{MeasuredPoint, MeasuredRates, Rate, percent, percent_or_more};
pub use pair::PairHead;
pub use projection::Projection;
pub use quality::{QualityTerms, QualityWeights};
pub use sequential::SequentialTest;
pub use slope::LowerSlope;
pub use trial_kind::{TrialKind, is_narrow};
