//! Backups of voiceprints: an age file (<https://age-encryption.org/v1>) of JSON lines.
//!
//! ```text
//! {"spkver_backup": 1}
//! {"name": …, "model": …, "utterances": [{"file", "speech_seconds", "quality", "embedding"}, …]}
//! …
//! ```
//!
//! Embeddings are base64 of little-endian f32. Any age program can open the file. It does not
//! depend on the key of the store, so a backup survives the loss of that key.

use super::{
    secret::{Secret, bytes_of},
    voiceprints::Store,
    whole_file::{Readers, write_whole_with},
};
use crate::{
    Error, Result,
    verifier::{Embedding, ModelId, SpeakerName, Utterance, Voiceprint},
};
use age::{
    DecryptError, Decryptor, Encryptor, IdentityFile, scrypt, secrecy::SecretString, x25519,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

const VERSION: u64 = 1;
/// The age program's default: each guess costs a second and 256 MiB.
const SCRYPT_LOG_N: u8 = 18;
const MAX_SCRYPT_LOG_N: u8 = 20;
/// Identity files have only a few lines.
const MAX_IDENTITY_BYTES: u64 = 1 << 20;

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

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    model: String,
    utterances: Vec<LineUtterance<'a>>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineUtterance<'a> {
    file: Cow<'a, str>,
    speech_seconds: f32,
    quality: serde_json::Value,
    #[serde(borrow)]
    embedding: &'a str,
}

impl Lock {
    /// For recipients in the form that `age-keygen` prints: `age1…`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the text that is not a recipient.
    pub fn recipients(texts: &[String]) -> Result<Self> {
        let parse = |text: &String| {
            let wanted = "a recipient is wanted, age1…, as age-keygen prints it";
            text.parse()
                .map_err(|_| Error::Usage(format!("recipient {text:?}: {wanted}")))
        };
        let recipients: Result<Vec<_>> = texts.iter().map(parse).collect();
        Ok(Lock::Recipients(recipients?))
    }

    /// For a passphrase.
    ///
    /// # Errors
    /// [`Error::Usage`] if the secret is a key instead of a passphrase.
    pub fn passphrase(secret: &Secret) -> Result<Self> {
        passphrase(secret).map(Lock::Passphrase)
    }

    fn encryptor(&self) -> std::result::Result<Encryptor, age::EncryptError> {
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
                    "{} holds no identity; a file from age-keygen is wanted",
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

    /// A passphrase.
    ///
    /// # Errors
    /// As [`Lock::passphrase`].
    pub fn passphrase(secret: &Secret) -> Result<Self> {
        passphrase(secret).map(Key::Passphrase)
    }
}

/// Writes all voiceprints of a store to `path`, completely or not at all. Returns their number.
///
/// # Errors
/// [`Error::Store`] if a voiceprint is damaged, [`Error::Io`].
pub fn save(store: &Store, path: &Path, lock: &Lock) -> Result<usize> {
    let failed = |e: io::Error| Error::io(path, "write", e);
    let encryptor = lock
        .encryptor()
        .map_err(|e| failed(io::Error::other(e.to_string())))?;
    let mut num_saved = 0;
    write_whole_with(path, Readers::Owner, |file| {
        let mut age = encryptor
            .wrap_output(io::BufWriter::new(file))
            .map_err(failed)?;
        writeln!(age, "{}", json!({ "spkver_backup": VERSION })).map_err(failed)?;
        store.each(|voiceprint| {
            num_saved += 1;
            write_line(&mut age, &voiceprint?).map_err(failed)
        })?;
        let end = age.finish().and_then(|mut buffer| buffer.flush());
        end.map_err(failed)
    })?;
    Ok(num_saved)
}

/// Reads the voiceprints of a backup.
///
/// # Errors
/// [`Error::Store`] for a backup that is damaged or that the key does not open; [`Error::Io`].
pub fn load(path: &Path, key: &Key) -> Result<Vec<Voiceprint>> {
    let refuse = |fact: &str, remedy: &str| Error::Store {
        path: path.to_path_buf(),
        fact: fact.into(),
        remedy: remedy.into(),
    };
    let damaged = || refuse("the backup is damaged", "take another backup");
    let failed = |e| Error::io(path, "read", e);
    let file = File::open(path).map_err(failed)?;
    let file_bytes = file.metadata().map_err(failed)?.len();

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
    let mut reader = Decryptor::new(io::BufReader::new(file))
        .and_then(|decryptor| decryptor.decrypt(identities.into_iter()))
        .map_err(|e| match e {
            DecryptError::NoMatchingKeys
            | DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed => refuse(
                "what was given does not open the backup",
                "give the identity or the passphrase that it was made for",
            ),
            DecryptError::ExcessiveWork { .. } => refuse(
                "its passphrase costs more work than is sensible",
                "open it with the age program",
            ),
            DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
                refuse("not an age file", "give a backup of `spkver store backup`")
            }
            _ => damaged(),
        })?;
    // Allocated at full size, because a buffer that grows leaves copies behind. The text is shorter
    // than its encrypted form.
    let mut text = Zeroizing::new(Vec::with_capacity(file_bytes as usize));
    reader.read_to_end(&mut text).map_err(|_| damaged())?;

    let mut lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let head = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok());
    let head: serde_json::Value = head.unwrap_or_default();
    if head != json!({ "spkver_backup": VERSION }) {
        return Err(refuse(
            "no backup of voiceprints that this version knows",
            "give a backup of `spkver store backup`",
        ));
    }
    lines
        .map(|line| voiceprint(line).ok_or_else(damaged))
        .collect()
}

fn passphrase(secret: &Secret) -> Result<SecretString> {
    match secret {
        Secret::Passphrase(words) => Ok(SecretString::from(words.as_str())),
        Secret::Key(_) => Err(Error::Usage(
            "a backup is opened by an age identity or a passphrase, not by a store's key".into(),
        )),
    }
}

fn write_line(out: &mut impl Write, voiceprint: &Voiceprint) -> io::Result<()> {
    let texts = voiceprint
        .utterances
        .iter()
        .map(|utterance| Zeroizing::new(BASE64.encode(bytes_of(utterance.embedding.values()))));
    let texts: Vec<Zeroizing<String>> = texts.collect();
    let utterances = voiceprint.utterances.iter().zip(&texts);
    let line = Line {
        name: voiceprint.name.as_str().into(),
        model: voiceprint.model.to_string(),
        utterances: utterances
            .map(|(utterance, text)| LineUtterance {
                file: utterance.file.as_str().into(),
                speech_seconds: utterance.speech_seconds,
                quality: utterance.quality.clone(),
                embedding: text,
            })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn voiceprint(line: &[u8]) -> Option<Voiceprint> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let model: ModelId = line.model.parse().ok()?;
    let utterance = |u: LineUtterance| {
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(u.embedding.len())]);
        let length = BASE64.decode_slice(u.embedding, &mut bytes).ok()?;
        let (values, rest) = bytes[..length].as_chunks();
        let values = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let fits = rest.is_empty() && u.speech_seconds.is_finite();
        fits.then_some(Utterance {
            file: u.file.into_owned(),
            speech_seconds: u.speech_seconds,
            quality: u.quality,
            embedding: Embedding::new(values, model).ok()?,
        })
    };
    Some(Voiceprint {
        name: SpeakerName::new(line.name).ok()?,
        model,
        utterances: line
            .utterances
            .into_iter()
            .map(utterance)
            .collect::<Option<_>>()?,
    })
}
