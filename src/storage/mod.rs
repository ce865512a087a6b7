//! What is kept on disk: model files and the store of voiceprints. Files written whole or not at all.

pub mod import;
pub mod model;
pub mod voiceprints;
mod whole_file;

pub use whole_file::{write_whole, write_whole_with};
