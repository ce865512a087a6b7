//! Training: makes a model from labelled recordings ([`run`]), and calibrates it ([`calibrate`]).
//!
//! A model has several parts. Each line shows how one of them is made; the part itself stands last:
//!
//! ```text
//! crops of one speaker ─► gradient descent ─────────────────────────► network
//! embeddings of the training speech ─► LDA ─► PLDA ─► BCE on pairs ─► pair head
//! crops ─► statistics of the network ─► hidden layer ─► PLDA ───────► joint embedding
//! crops of one speaker, or of two at once ─► gradient descent ──────► overlap detector
//! crops with silence and noise ─► gradient descent ─────────────────► speech detector
//! ```
//!
//! Gradient descent is the same for each ([`descent`]): crops ─► features ─► forward pass, recorded
//! on a [`tape`] ─► loss ─► backward pass ─► AdamW.

pub mod affine;
pub mod architecture;
pub mod augment;
pub mod batch;
pub mod calibrate;
pub mod calibration;
pub mod checkpoint;
mod conv2d;
pub mod crops;
pub mod descent;
mod distortion;
mod filter;
pub mod head;
pub mod head_comparison;
mod hidden;
pub mod joint;
pub mod labelled;
pub mod lda;
pub mod loss;
pub mod manifest;
mod noise;
pub mod norm;
mod objective;
pub mod optimizer;
pub mod options;
mod overlap;
mod overlap_term;
mod pair_loss;
mod pair_parameters;
mod pairs;
pub mod plda;
pub mod pooling;
pub mod quality_trial;
pub mod random;
pub mod recipe;
pub mod recordings;
mod ridge;
pub mod rooms;
pub mod rounding;
mod rules;
pub mod run;
mod speech;
pub mod tape;
pub mod teacher;
mod view;
mod whitening;

pub use labelled::Labelled;
