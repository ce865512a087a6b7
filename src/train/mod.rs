//! Training: makes a model from labelled recordings ([`run`]), and calibrates it ([`calibrate`]).
//!
//! ```text
//! manifest ─► crops (streamed, augmented) ─► features ─► tape ─► loss ─► backward ─► AdamW (descent)
//!                                             embeddings ─► LDA ─► PLDA ─► BCE on pairs ─► head
//!                                             several networks and heads ─► ensemble ─► one
//! crops of all recordings ─► statistics of all networks ─► hidden layer ─► PLDA ─► joint embedding
//! crops of two speakers ─► overlap ─► features ─► tape ─► loss ─► backward ─► AdamW
//! crops with silence and noise ─► speech ─► features ─► tape ─► loss ─► backward ─► AdamW
//! ```

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
pub mod ensemble;
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
mod rules;
pub mod run;
mod speech;
pub mod tape;
pub mod teacher;
mod view;

pub use labelled::Labelled;
