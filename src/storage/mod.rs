//! Everything that is kept on disk: model files, the store of voiceprints and its backups. Files
//! are written completely or not at all.

#[cfg(feature = "backup")]
pub mod backup;
#[cfg(feature = "onnx")]
pub mod import;
#[cfg(feature = "store")]
pub mod index;
#[cfg(feature = "store")]
mod index_file;
pub mod model;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "save")]
pub mod output;
#[cfg(feature = "save")]
mod paths;
#[cfg(feature = "store")]
mod seal;
#[cfg(feature = "store")]
pub mod secret;
#[cfg(feature = "store")]
pub mod voiceprints;
#[cfg(feature = "save")]
mod whole_file;

#[cfg(feature = "save")]
pub use paths::{file_name, folder_of, remove_file, with_ending};
#[cfg(feature = "save")]
pub use whole_file::{Readers, name_whole, write_buffered, write_whole, write_whole_with};

/// A value as JSON. Each f32 in it becomes its shortest decimal (0.1, not 0.10000000149011612).
pub fn json_of(value: &impl serde::Serialize) -> serde_json::Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
