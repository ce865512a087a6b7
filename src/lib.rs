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
//! Most programs need only the names at the root, as `examples/verify.rs` uses them: a [`Verifier`]
//! turns a [`Recording`] into an [`Embedding`], enrolls a [`Voiceprint`] and gives a [`Decision`].
//!
//! Without cargo features this crate is only the above, from WAV files and samples in memory, with the
//! model inside. `default-features = false` and these add to it:
//!
//! | feature | adds |
//! | --- | --- |
//! | `formats` | reading FLAC, MP3, Ogg Vorbis and M4A |
//! | `threads` | all cores; without it one, with the same results |
//! | `save` | writing model files |
//! | `store` | voiceprints kept in a file, encrypted if wanted; needs a C compiler |
//! | `eval` | lists of trials and scores, error rates |
//! | `report` | plots and HTML reports of an evaluation |
//! | `batch` | long lists of recordings and trials; needs a C compiler |
//! | `parquet` | lists, scores and embeddings in Parquet |
//! | `onnx` | the network as an ONNX file, import of WeSpeaker models |
//! | `train` | training and calibration |
//! | `cli` (default) | the program `spkver`, and all of the above |
//!
//! Read [`verifier`] first. Notation used everywhere: `T` frames, `C` channels, `K` kernel taps,
//! `D` embedding size; activations are row-major `(frames, channels)` from the MFCC to the pooling.
#![warn(missing_docs)]

pub mod audio;
#[cfg(any(feature = "formats", feature = "parquet"))]
mod contained;
pub mod error;
pub mod features;
pub mod kernels;
pub mod network;
mod parallel;
pub mod scoring;
pub mod verifier;

pub mod storage;

#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "train")]
pub mod train;

pub use audio::{Quality, ReadOptions, Recording, Waveform};
pub use error::Error;
pub use scoring::{Decision, Llr, OperatingPoint, Reason};
pub use verifier::{Embedding, SpeakerName, Utterance, Verification, Verifier, Voiceprint};

/// Everything in this crate that can fail, fails with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
