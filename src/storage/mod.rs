//! What is kept on disk: model files and the store of voiceprints. Files written whole or not at all.

pub mod backup;
pub mod import;
pub mod index;
pub mod model;
pub mod onnx;
pub mod output;
mod seal;
pub mod secret;
pub mod voiceprints;
mod whole_file;

pub use whole_file::{Readers, name_whole, write_whole, write_whole_with};
