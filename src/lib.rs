//! Speaker verification: is this the enrolled speaker? Works offline, on CPUs.
//!
//! A recording passes through the modules in one direction, and a module imports only from the
//! modules before it:
//!
//! ```text
//!          audio            features            network                    scoring
//! file ──► Recording ─► Mfcc ──► Features ──► Conv1d+ReLU × n ► pooling ► Linear ──► Embedding
//!          16 kHz mono          (T, C_in)      (T', C)           (2C)      (D)          │
//!                                 enrolled Embedding(s) ──► pair features ──► Linear ──► logit
//!                                              LLR = logit − ln(p/(1−p)) ──► Decision
//! ```
//!
//! Here p is the prior of "same speaker" that the logit includes. The LLR does not include it.
//!
//! Most programs need only the names at the root, as those in `examples/` do: a [`Verifier`] turns a
//! [`Recording`] into an [`Embedding`], enrolls a [`Voiceprint`] and gives a [`Decision`].
//!
//! Without cargo features (`default-features = false`) the crate does only this, from WAV files and
//! samples in memory, with the model inside. Each feature adds to it:
//!
//! | feature | adds |
//! | --- | --- |
//! | `formats` | reading FLAC, MP3, Opus, Ogg Vorbis and M4A |
//! | `threads` | use of all cores; without this feature one core, with the same results |
//! | `save` | writing model files |
//! | `backup` | backups of voiceprints, encrypted |
//! | `store` | voiceprints kept in a file, encrypted if wanted; needs a C compiler |
//! | `eval` | lists of trials and scores, error rates |
//! | `report` | plots and HTML reports of an evaluation |
//! | `batch` | long lists of recordings and trials; needs a C compiler |
//! | `parquet` | lists, scores and embeddings in Parquet |
//! | `onnx` | the network as an ONNX file, import of WeSpeaker models |
//! | `train` | training and calibration |
//! | `serve` | the service over HTTP |
//! | `cli` (default) | the program `spkver`, and all of the above |
//!
//! To read the source, begin with `src/verifier.rs`. Notation used everywhere: `T` frames, `C` channels,
//! `K` kernel taps, `D` embedding size; activations are row-major `(frames, channels)` from the MFCC to
//! the pooling.
#![warn(missing_docs)]

// The modules are public for the program and its tests. Only the names below are promised to stay.
#[doc(hidden)]
pub mod audio;
#[cfg(any(feature = "formats", feature = "parquet"))]
#[doc(hidden)]
pub mod contained;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod features;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod network;
mod parallel;
mod reason;
mod remedy;
#[doc(hidden)]
pub mod scoring;
#[doc(hidden)]
pub mod verifier;

#[cfg(feature = "eval")]
#[doc(hidden)]
pub mod lists;
#[doc(hidden)]
pub mod storage;

#[cfg(feature = "store")]
#[doc(hidden)]
pub mod answer;
#[cfg(feature = "batch")]
#[doc(hidden)]
pub mod batch;
#[cfg(feature = "eval")]
#[doc(hidden)]
pub mod eval;
#[cfg(feature = "store")]
pub mod identify;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;
#[cfg(feature = "train")]
#[doc(hidden)]
pub mod train;

pub use audio::{Content, Quality, RawFormat, ReadOptions, Waveform as Recording};
pub use error::Error;
pub use reason::Reason;
pub use remedy::Remedy;
pub use scoring::{Decision, Llr, OperatingPoint, SequentialTest};
#[cfg(feature = "store")]
pub use storage::{
    secret::Secret,
    voiceprints::{Enrolled, Listing, Store},
};
pub use verifier::{
    Analysis, Embedding, Listener, ModelId, SpeakerName, State, Utterance, Verification, Verifier,
    Voiceprint,
};

/// Result of everything in this crate that can fail, with [`Error`].
///
/// ```
/// fn seconds(path: &str) -> spkver::Result<f32> {
///     let recording = spkver::Recording::open(path, &Default::default())?;
///     Ok(recording.quality().seconds)
/// }
/// assert!(seconds("fixtures/voices/anna-1.wav")? > 2.0);
/// # Ok::<(), spkver::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The example of the guide to listening, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/live.md")]
struct LiveGuide;

/// The examples of the library guide, compiled and run. One of them opens a store.
#[cfg(all(doctest, feature = "store"))]
#[doc = include_str!("../docs/library.md")]
struct LibraryGuide;
