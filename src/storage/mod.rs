//! Everything kept on disk: model files, the store of voiceprints and its backups. Files are
//! written completely or not at all.

pub mod backup;
pub mod import;
pub mod index;
pub mod model;
pub mod onnx;
mod seal;
pub mod secret;
pub mod voiceprints;
mod whole_file;

pub use whole_file::{Readers, write_whole, write_whole_with};
