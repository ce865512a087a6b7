//! Embeddings in, log-likelihood ratio and decision out.

mod pair;

pub use pair::PairHead;
