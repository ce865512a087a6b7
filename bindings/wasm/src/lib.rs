//! `spkver` for JavaScript: a [`Verifier`] makes [`Heard`] of samples and [`Voiceprint`]s of those, and
//! answers whether a recording is of the enrolled speaker. [`Listener`] does so while the recording is
//! still being made, [`Backup`] exchanges voiceprints with the program.
//!
//! ```text
//! Float32Array ──hear──► Heard ──enroll──► Voiceprint ─┐
//! Float32Array ──hear──► Heard ────────────────────────┴─verify──► Answer
//! ```
//!
//! Plain facts go to JavaScript as objects with the names of the program's `--json`; `types.ts` has
//! them all.

// The same on every machine, and without SIMD several times slower.
#[cfg(all(target_arch = "wasm32", not(target_feature = "simd128")))]
compile_error!("compile with RUSTFLAGS=\"-C target-feature=+simd128\", as build.sh does");

mod answer;
mod backup;
mod heard;
mod listener;
mod object;
mod verifier;
mod voiceprint;

pub use backup::Backup;
pub use heard::Heard;
pub use listener::Listener;
pub use verifier::Verifier;
pub use voiceprint::Voiceprint;

use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");
