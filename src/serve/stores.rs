//! Connections to the store, as many as there are threads that use it at the same time. They are kept
//! for later requests, because opening an encrypted store with a passphrase takes a tenth of a second.

use crate::{
    Error, Result,
    storage::{secret::Secret, voiceprints::Store},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

/// Connections to one store.
pub struct Stores {
    path: PathBuf,
    secret: Option<Secret>,
    idle: Mutex<Vec<(FileId, Store)>>,
}

impl Stores {
    /// Connections to the store at `path`, which need not exist yet.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn new(path: PathBuf, secret: Option<Secret>) -> Result<Self> {
        let stores = Stores {
            path,
            secret,
            idle: Mutex::new(vec![]),
        };
        // Opened once here, so that a wrong key is an error now and not at the first request.
        stores.with(|_| Ok(()))?;
        Ok(stores)
    }

    /// Path of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `work` with a connection, or with `None` if the store does not exist.
    ///
    /// # Errors
    /// The error of `work`; as [`Store::open`].
    pub fn with<T>(&self, work: impl FnOnce(&mut Option<Store>) -> Result<T>) -> Result<T> {
        let file = file_id(&self.path);
        let idle = {
            let mut idle = self.idle();
            // The file may have been removed or replaced.
            idle.retain(|(opened, _)| Some(opened) == file.as_ref());
            idle.pop()
        };
        let mut store = match idle {
            Some((_, store)) => Some(store),
            None => Store::open(&self.path, self.secret.as_ref())?,
        };
        let done = work(&mut store);
        // After an error of the store, such as a changed key, the connection is not used again.
        let is_good = !matches!(done, Err(Error::Store { .. } | Error::Io { .. }));
        if let (Some(store), Some(file), true) = (store, file, is_good) {
            self.idle().push((file, store));
        }
        done
    }

    /// Creates the store.
    ///
    /// # Errors
    /// As [`Store::open_or_create`].
    pub fn create(&self) -> Result<Store> {
        Store::open_or_create(&self.path, self.secret.as_ref())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(FileId, Store)>> {
        self.idle.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(unix)]
type FileId = (u64, u64);

/// Identifies a file, so that another file of the same name is noticed. The file is not opened for
/// this: closing it would release SQLite's locks.
#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    let facts = fs::metadata(path).ok()?;
    Some((facts.dev(), facts.ino()))
}

#[cfg(not(unix))]
type FileId = std::time::Duration;

#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<FileId> {
    let created = fs::metadata(path).ok()?.created().ok()?;
    created.duration_since(std::time::UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verifier::{Embedding, ModelId, SpeakerName, Utterance};

    fn speakers(stores: &Stores) -> usize {
        let count = |store: &mut Option<Store>| match store {
            Some(store) => Ok(store.list()?.speakers.len()),
            None => Ok(0),
        };
        stores.with(count).unwrap()
    }

    fn enroll(store: &mut Store, name: &str) {
        let model = ModelId::of(b"a model");
        let embedding = Embedding::new(vec![1.0, 2.0], model).unwrap();
        let utterance = Utterance::without_quality("a.wav", embedding, 3.0);
        let name = SpeakerName::new(name).unwrap();
        assert!(store.add(&name, model, 0, &[utterance]).unwrap());
    }

    #[test]
    fn a_store_that_comes_goes_or_is_exchanged_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let stores = Stores::new(path.clone(), None).unwrap();
        assert_eq!(speakers(&stores), 0);
        assert!(!path.exists(), "asking creates no store");
        enroll(&mut stores.create().unwrap(), "anna");
        assert_eq!(speakers(&stores), 1);
        assert_eq!(stores.idle().len(), 1);
        let other = folder.path().join("other");
        let mut store = Store::open_or_create(&other, None).unwrap();
        enroll(&mut store, "boris");
        enroll(&mut store, "chloe");
        drop(store);
        fs::rename(&other, &path).unwrap();
        assert_eq!(speakers(&stores), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(speakers(&stores), 0);
        assert_eq!(stores.idle().len(), 0);
    }
}
