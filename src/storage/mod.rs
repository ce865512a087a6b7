//! What is kept on disk: model files and the store of voiceprints. Files written whole or not at all.

pub mod backup;
pub mod model;
mod seal;
pub mod secret;
pub mod voiceprints;
mod whole_file;

pub use whole_file::write_whole;
