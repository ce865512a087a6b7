//! Training: labelled recordings in, a model out.
//!
//! ```text
//! manifest ─► crops (streamed, augmented) ─► features ─► tape ─► loss ─► backward ─► AdamW
//!                                             embeddings ─► LDA ─► PLDA ─► BCE on pairs ─► head
//! ```

pub mod affine;
pub mod batch;
pub mod loss;
pub mod norm;
pub mod optimizer;
pub mod pooling;
pub mod random;
pub mod tape;
