//! Speaker verification: is this the enrolled speaker? Works offline, on CPUs.
//!
//! A recording passes through the modules in one direction, and a module imports only from the
//! modules before it:
//!
//! ```text
//!          audio            features            network                    scoring
//! file ──► Waveform ──► Mfcc ──► Features ──► Conv1d+ReLU × n ► pooling ► Linear ──► Embedding
//!          16 kHz mono          (T, C_in)      (T', C)           (2C)      (D)          │
//!                                 enrolled Embedding(s) ──► pair features ──► Linear ──► logit
//!                                              LLR = logit − ln(p/(1−p)) ──► Decision
//! ```
//!
//! Start reading at [`verifier`]. Notation in the whole crate: `T` frames, `C` channels, `K` kernel
//! taps, `D` embedding size. Activations are row-major `(frames, channels)` from the features to
//! the pooling.
#![warn(missing_docs)]

pub mod audio;
mod contained;
pub mod error;
pub mod features;
pub mod kernels;
pub mod network;
pub mod scoring;
pub mod verifier;

pub mod lists;
pub mod storage;

pub mod batch;
pub mod eval;
pub mod train;

pub use error::Error;

/// Result of everything in this crate that can fail, with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the library guide, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryGuide;
