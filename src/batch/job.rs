//! The fingerprint of a run. A run is resumed only if everything that decides its rows is the same.

use super::{kaldi_data::KaldiData, naming::Naming};
use crate::{Error, Result, verifier::Verifier};
use std::{fs::File, path::Path};

/// Hashes everything that decides a run's rows.
pub struct Job(blake3::Hasher);

impl Job {
    /// Starts the fingerprint with the command and the version of the program.
    pub fn new(command: &str) -> Self {
        let mut job = Job(blake3::Hasher::new());
        job.add(command.as_bytes());
        job.add(env!("CARGO_PKG_VERSION").as_bytes());
        job
    }

    /// Adds bytes, with their length before them.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds the content of the file at `path`; no path counts as an empty file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_file(&mut self, path: Option<&Path>) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        if let Some(path) = path {
            let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
            hasher
                .update_reader(file)
                .map_err(|e| Error::io(path, "read", e))?;
        }
        self.add(hasher.finalize().as_bytes());
        Ok(())
    }

    /// Adds everything that decides how recordings are found and embedded.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_naming(&mut self, naming: &Naming, verifier: &Verifier) -> Result<()> {
        self.add(verifier.file_id().to_string().as_bytes());
        self.add(&[u8::from(verifier.model().network.is_int8())]);
        let how = (&naming.root, &naming.suffix, naming.reading);
        self.add(format!("{how:?}").as_bytes());
        for path in naming.data.iter().flat_map(KaldiData::files_read) {
            self.add_file(Some(path))?;
        }
        Ok(())
    }

    /// The hash.
    pub fn hash(&self) -> blake3::Hash {
        self.0.finalize()
    }
}
