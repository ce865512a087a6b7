//! Finds and removes the index file of a store.

use crate::{Error, Result, storage::voiceprints::beside};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Path of a store's index file, which may not exist.
pub fn path_of(store: &Path) -> PathBuf {
    beside(store, ".index")
}

/// Deletes the index file of a store, if there is one.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(store: &Path) -> Result<()> {
    let path = path_of(store);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(&path, "remove", e)),
        _ => Ok(()),
    }
}
