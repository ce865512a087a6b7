//! Backups of a store, as files.

use super::{Key, Lock, Writer, read};
use crate::{
    Error, Result,
    storage::{
        secret::Secret,
        voiceprints::Store,
        whole_file::{Readers, write_whole_with},
    },
    verifier::Voiceprint,
};
use age::IdentityFile;
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

/// Most bytes of an identity file, which has only a few lines.
const MAX_IDENTITY_BYTES: u64 = 1 << 20;

impl Lock {
    /// A lock for a passphrase.
    ///
    /// # Errors
    /// [`Error::Usage`] if the secret is a key instead of a passphrase.
    pub fn passphrase(secret: &Secret) -> Result<Self> {
        passphrase(secret).map(Lock::words)
    }
}

impl Key {
    /// The identities in files written by `age-keygen`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Usage`] naming a file without an identity.
    pub fn identities(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let mut all = vec![];
        for path in paths {
            let path = path.as_ref();
            let failed = |e| Error::io(path, "read", e);
            let file = File::open(path).map_err(failed)?.take(MAX_IDENTITY_BYTES);
            let none = || {
                Error::Usage(format!(
                    "{} holds no identity; give a file from age-keygen",
                    path.display()
                ))
            };
            let identities = IdentityFile::from_buffer(io::BufReader::new(file))
                .map_err(|_| none())?
                .into_identities()
                .map_err(|_| none())?;
            if identities.is_empty() {
                return Err(none());
            }
            all.extend(identities);
        }
        Ok(Key::Identities(all))
    }

    /// A key from a passphrase.
    ///
    /// # Errors
    /// As [`Lock::passphrase`].
    pub fn passphrase(secret: &Secret) -> Result<Self> {
        passphrase(secret).map(Key::words)
    }
}

/// Writes all voiceprints of a store to `path`, completely or not at all. Returns their number.
///
/// # Errors
/// [`Error::Store`] if a voiceprint is damaged, [`Error::Io`].
pub fn save(store: &Store, path: &Path, lock: &Lock) -> Result<usize> {
    let failed = |e: io::Error| Error::io(path, "write", e);
    let mut num_saved = 0;
    write_whole_with(path, Readers::Owner, |file| {
        let mut backup = Writer::new(lock, io::BufWriter::new(file)).map_err(failed)?;
        store.each(|voiceprint| {
            num_saved += 1;
            backup.add(&voiceprint?).map_err(failed)
        })?;
        let end = backup.finish().and_then(|mut buffer| buffer.flush());
        end.map_err(failed)
    })?;
    Ok(num_saved)
}

/// Reads the voiceprints of a backup.
///
/// # Errors
/// [`Error::Store`] for a backup that is damaged or that the key does not open; [`Error::Io`].
pub fn load(path: &Path, key: &Key) -> Result<Vec<Voiceprint>> {
    let failed = |e| Error::io(path, "read", e);
    let file = File::open(path).map_err(failed)?;
    let num_bytes = file.metadata().map_err(failed)?.len() as usize;
    read(file, num_bytes, path, key)
}

fn passphrase(secret: &Secret) -> Result<&str> {
    match secret {
        Secret::Passphrase(words) => Ok(words.as_str()),
        Secret::Key(_) => Err(Error::Usage(
            "a backup is opened by an age identity or a passphrase, not by a store's key".into(),
        )),
    }
}
