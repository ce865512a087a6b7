//! Finds and removes the index file of a store.

use crate::{
    Result,
    storage::{remove_file, voiceprints::beside},
};
use std::path::{Path, PathBuf};

/// Path of a store's index file, which may not exist.
pub fn path_of(store: &Path) -> PathBuf {
    beside(store, ".index")
}

/// Deletes the index file of a store, if there is one.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn remove(store: &Path) -> Result<()> {
    remove_file(&path_of(store))
}
