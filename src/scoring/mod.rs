//! Embeddings in, log-likelihood ratio and decision out.

mod decision;
pub mod gallery;
mod pair;

pub use decision::{Decision, Llr, OperatingPoint, Reason};
pub use pair::PairHead;
