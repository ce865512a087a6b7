//! `spkver`: is this the enrolled speaker?
//!
//! A sample moves forward only; so do the imports:
//!
//! ```text
//!          audio            features            network                    scoring
//! file ──► Waveform ──► Mfcc ──► Features ──► Conv1d+ReLU × n ► pooling ► Linear ──► Embedding
//!          16 kHz mono          (T, C_in)      (T', C)           (2C)      (D)          │
//!                                 enrolled Embedding(s) ──► pair features ──► Linear ──► logit
//!                                              LLR = logit − ln(p/(1−p)) ──► Decision
//! ```
//!
//! Read [`verifier`] first. Notation used everywhere: `T` frames, `C` channels, `K` kernel taps,
//! `D` embedding size; activations are row-major `(frames, channels)` from the MFCC to the pooling.
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

/// Everything in this crate that can fail, fails with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
