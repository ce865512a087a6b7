//! Backups of voiceprints: an age file (<https://age-encryption.org/v1>) of JSON lines.
//!
//! ```text
//! {"spkver_backup": 1}
//! {"name": …, "model": …, "utterances": [{"file", "speech_seconds", "quality", "embedding"}, …]}
//! …
//! ```
//!
//! Embeddings are base64 of little-endian f32. Any age program can open a backup. A backup does not
//! depend on the key of the store, so it survives the loss of that key.

#[cfg(feature = "store")]
mod file;
pub mod lines;

#[cfg(feature = "store")]
pub use file::{load, save};

use crate::{Error, Result, remedy::Remedy, verifier::Voiceprint};
use age::{
    DecryptError, Decryptor, EncryptError, Encryptor, scrypt, secrecy::SecretString,
    stream::StreamWriter, x25519,
};
use lines::Refused;
use std::{
    io::{self, Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// The age program's default: each guess costs a second and 256 MiB.
const SCRYPT_LOG_N: u8 = 18;
const MAX_SCRYPT_LOG_N: u8 = 20;

/// What a backup is encrypted for.
pub enum Lock {
    /// The age identities of these recipients open it.
    Recipients(Vec<x25519::Recipient>),
    /// This passphrase opens it.
    Passphrase(SecretString),
}

/// What a backup is opened with.
pub enum Key {
    /// Some age identities.
    Identities(Vec<Box<dyn age::Identity>>),
    /// A passphrase.
    Passphrase(SecretString),
}

/// Writes a backup, one voiceprint after the other.
pub struct Writer<W: Write> {
    age: StreamWriter<W>,
}

impl Lock {
    /// A lock for recipients in the form that `age-keygen` prints: `age1…`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the text that is not a recipient.
    pub fn recipients(texts: &[String]) -> Result<Self> {
        let parse = |text: &String| {
            let wanted = "give a recipient as age-keygen prints it, age1…";
            text.parse()
                .map_err(|_| Error::Usage(format!("recipient {text:?}: {wanted}")))
        };
        let recipients: Result<Vec<_>> = texts.iter().map(parse).collect();
        Ok(Lock::Recipients(recipients?))
    }

    /// A lock for whoever knows these words.
    pub fn words(words: &str) -> Self {
        Lock::Passphrase(SecretString::from(words))
    }

    fn encryptor(&self) -> std::result::Result<Encryptor, EncryptError> {
        let of_words;
        let recipients: Vec<&dyn age::Recipient> = match self {
            Lock::Recipients(recipients) => recipients.iter().map(|r| r as _).collect(),
            Lock::Passphrase(words) => {
                let mut recipient = scrypt::Recipient::new(words.clone());
                recipient.set_work_factor(SCRYPT_LOG_N);
                of_words = recipient;
                vec![&of_words]
            }
        };
        Encryptor::with_recipients(recipients.into_iter())
    }
}

impl Key {
    /// The words of [`Lock::words`].
    pub fn words(words: &str) -> Self {
        Key::Passphrase(SecretString::from(words))
    }
}

impl<W: Write> Writer<W> {
    /// Begins a backup, which has no voiceprints yet.
    ///
    /// # Errors
    /// Errors of `out`, and of a system without random numbers.
    pub fn new(lock: &Lock, out: W) -> io::Result<Self> {
        let encryptor = lock
            .encryptor()
            .map_err(|e| io::Error::other(e.to_string()))?;
        let mut age = encryptor.wrap_output(out)?;
        lines::write_head(&mut age)?;
        Ok(Writer { age })
    }

    /// Adds a voiceprint.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn add(&mut self, voiceprint: &Voiceprint) -> io::Result<()> {
        lines::write_line(&mut self.age, voiceprint)
    }

    /// Ends the backup. A backup without its end cannot be opened.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn finish(self) -> io::Result<W> {
        self.age.finish()
    }
}

/// Reads the voiceprints of a backup of `num_bytes` bytes. Errors name it `path`.
///
/// # Errors
/// [`Error::Store`] for a backup that is damaged or that the key does not open.
pub fn read(
    backup: impl Read,
    num_bytes: usize,
    path: &Path,
    key: &Key,
) -> Result<Vec<Voiceprint>> {
    let refuse = |fact: &str, remedy: Remedy| Error::store(path, fact, remedy);
    let damaged = || refuse("the backup is damaged", "take another backup".into());

    let of_words;
    let identities: Vec<&dyn age::Identity> = match key {
        Key::Identities(identities) => identities.iter().map(|i| &**i).collect(),
        Key::Passphrase(words) => {
            let mut identity = scrypt::Identity::new(words.clone());
            identity.set_max_work_factor(MAX_SCRYPT_LOG_N);
            of_words = identity;
            vec![&of_words]
        }
    };
    let mut reader = Decryptor::new(io::BufReader::new(backup))
        .and_then(|decryptor| decryptor.decrypt(identities.into_iter()))
        .map_err(|e| match e {
            DecryptError::NoMatchingKeys
            | DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed => refuse(
                "the given identity or passphrase does not open the backup",
                "give the one that the backup was made for".into(),
            ),
            DecryptError::ExcessiveWork { .. } => refuse(
                "checking its passphrase would take too much work",
                "open it with the age program".into(),
            ),
            DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
                refuse("not an age file", Remedy::Backup)
            }
            _ => damaged(),
        })?;
    // Allocated at full size, because a buffer that grows leaves copies behind. The text is shorter
    // than its encrypted form.
    let mut text = Zeroizing::new(Vec::with_capacity(num_bytes));
    reader.read_to_end(&mut text).map_err(|_| damaged())?;
    lines::from_text(&text).map_err(|refused| match refused {
        Refused::Unknown => refuse(
            "not a backup of voiceprints that this version can read",
            Remedy::Backup,
        ),
        Refused::Damaged => damaged(),
    })
}
