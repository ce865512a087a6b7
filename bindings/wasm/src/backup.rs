//! Encrypted backups, in the form of `spkver store backup` and `spkver store restore`.

use crate::{
    object::{coded, thrown},
    voiceprint::Voiceprint,
};
use spkver::storage::backup::{Key, Lock, Writer, read};
use std::{path::Path, sync::Arc};
use wasm_bindgen::prelude::*;

/// Voiceprints to be encrypted together. `spkver store restore` reads the result, and `open` what
/// `spkver store backup` wrote with a passphrase.
#[wasm_bindgen]
#[derive(Default)]
pub struct Backup {
    voiceprints: Vec<Arc<spkver::Voiceprint>>,
}

#[wasm_bindgen]
impl Backup {
    /// An empty one.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Backup {
        Backup::default()
    }

    /// Adds a voiceprint.
    pub fn add(&mut self, voiceprint: &Voiceprint) {
        self.voiceprints.push(voiceprint.inner.clone());
    }

    /// The bytes of an age file that the passphrase opens. Takes a second and 256 MiB, so that it also
    /// takes whoever guesses the passphrase as much for each guess.
    pub fn seal(&self, passphrase: &str) -> Result<Vec<u8>, JsValue> {
        let sealed = || -> std::io::Result<Vec<u8>> {
            let mut writer = Writer::new(&Lock::words(passphrase), vec![])?;
            for voiceprint in &self.voiceprints {
                writer.add(voiceprint)?;
            }
            writer.finish()
        };
        sealed().map_err(|e| coded(&e.to_string(), "io"))
    }

    /// The voiceprints of a backup. Takes as long as `seal`.
    ///
    /// Throws if the passphrase does not open it, or if it is no backup.
    pub fn open(bytes: &[u8], passphrase: &str) -> Result<Vec<Voiceprint>, JsValue> {
        let key = Key::words(passphrase);
        let voiceprints = read(bytes, bytes.len(), Path::new("backup"), &key).map_err(thrown)?;
        voiceprints.into_iter().map(Voiceprint::of).collect()
    }
}
