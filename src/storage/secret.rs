//! The secret of an encrypted store, a key or a passphrase, and the 32-byte key derived from it.
//!
//! A key is 256 random bits and is used unchanged. A passphrase goes through Argon2id (RFC 9106),
//! with the salt and cost stored in the file.

use crate::{Error, Result, remedy::Remedy};
use argon2::{Algorithm, Argon2, Params, Version};
use std::{
    fmt,
    fs::File,
    hint::black_box,
    io::{self, Read},
    path::Path,
};
use zeroize::{Zeroize, Zeroizing};

/// Length of a key in bytes.
pub(super) const KEY_BYTES: usize = 32;
/// Most bytes that are read of a passphrase file: more than a line with the longest passphrase.
const MAX_LINE_BYTES: usize = 2048;

/// Secret bytes, always on the heap and zeroed when dropped.
pub(super) type SecretBytes = Zeroizing<Vec<u8>>;

/// A key or a passphrase. It is never printed, and zeroed when dropped.
///
/// ```
/// use spkver::{Secret, Store};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("voiceprints.sqlite");
/// let key = Secret::from_hex("c0ffee00".repeat(8).as_bytes()).expect("64 digits");
/// assert!(Store::open_or_create(&path, Some(&key))?.is_encrypted());
/// assert!(Store::open(&path, None).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub enum Secret {
    /// 256 random bits.
    Key(Zeroizing<Vec<u8>>),
    /// Words that a person remembers.
    Passphrase(Zeroizing<String>),
}

/// Kind of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// [`Secret::Key`]
    Key,
    /// [`Secret::Passphrase`]
    Passphrase,
}

/// How the key of the store is derived from the secret; kept in the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Derivation {
    /// The secret is the key.
    Key,
    /// Derived from a passphrase.
    Argon2id {
        memory_kib: u32,
        passes: u32,
        salt: [u8; 16],
    },
}

impl Secret {
    /// Reads a key file: 64 hexadecimal digits, or 32 raw bytes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Usage`] for a file with other contents.
    pub fn from_key_file(path: &Path) -> Result<Self> {
        let bytes = read_short(path, 4 * KEY_BYTES)?;
        if bytes.len() == KEY_BYTES {
            return Ok(Secret::Key(bytes));
        }
        Self::from_hex(&bytes).ok_or_else(|| {
            Error::refused(
                format!(
                    "key file {} does not hold a key, which is 64 hexadecimal digits or 32 bytes",
                    path.display()
                ),
                Remedy::Command(&["make one", "store new-key", ""]),
            )
        })
    }

    /// A key from 64 hexadecimal digits; a byte order mark and surrounding blanks are ignored.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        // Programs on Windows may put a byte order mark before a text.
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let text = text.trim_ascii();
        if text.len() != 2 * KEY_BYTES {
            return None;
        }
        let mut key: SecretBytes = Zeroizing::new(vec![0; KEY_BYTES]);
        for (byte, digits) in key.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |i: usize| char::from(digits[i]).to_digit(16);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Some(Secret::Key(key))
    }

    /// Reads a passphrase from the first line of a file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Usage`] for a line that is empty or not text.
    pub fn from_passphrase_file(path: &Path) -> Result<Self> {
        let bytes = read_short(path, MAX_LINE_BYTES)?;
        let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        std::str::from_utf8(line)
            .ok()
            .and_then(Self::from_passphrase)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "passphrase file {}: its first line must be 1 to {} bytes of UTF-8",
                    path.display(),
                    Self::MAX_PASSPHRASE_BYTES
                ))
            })
    }

    /// A passphrase, unless it is empty or too long.
    pub fn from_passphrase(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_PASSPHRASE_BYTES).contains(&text.len());
        fits.then(|| Secret::Passphrase(Zeroizing::new(text.to_string())))
    }

    /// Longest passphrase, in bytes.
    pub const MAX_PASSPHRASE_BYTES: usize = 1024;

    /// A new derivation for this kind of secret, with a new salt.
    pub(super) fn new_derivation(&self) -> Result<Derivation> {
        Ok(match self {
            Secret::Key(_) => Derivation::Key,
            Secret::Passphrase(_) => {
                let mut salt = [0; 16];
                fill_random(&mut salt)?;
                // The second recommendation of RFC 9106: 64 MiB, 3 passes. One lane, because one
                // core is used.
                Derivation::Argon2id {
                    memory_kib: 64 * 1024,
                    passes: 3,
                    salt,
                }
            }
        })
    }

    /// The key of the store; `None` if the secret is of another kind.
    pub(super) fn derive(&self, derivation: &Derivation) -> Option<SecretBytes> {
        let mut key: SecretBytes = Zeroizing::new(vec![0; KEY_BYTES]);
        match (self, derivation) {
            (Secret::Key(bytes), Derivation::Key) => key.copy_from_slice(bytes),
            (
                Secret::Passphrase(text),
                Derivation::Argon2id {
                    memory_kib,
                    passes,
                    salt,
                },
            ) => {
                let params = Params::new(*memory_kib, *passes, 1, Some(KEY_BYTES)).ok()?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(text.as_bytes(), salt, &mut key)
                    .ok()?;
            }
            _ => return None,
        }
        Some(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Key(_) => "Secret::Key(..)",
            Secret::Passphrase(_) => "Secret::Passphrase(..)",
        })
    }
}

impl Derivation {
    /// The kind of secret that is required.
    pub fn kind(&self) -> SecretKind {
        match self {
            Derivation::Key => SecretKind::Key,
            Derivation::Argon2id { .. } => SecretKind::Passphrase,
        }
    }

    /// The text that is stored in the file.
    pub fn to_text(&self) -> String {
        match self {
            Derivation::Key => "key".into(),
            Derivation::Argon2id {
                memory_kib, passes, ..
            } => format!("argon2id {memory_kib} {passes}"),
        }
    }

    /// Parses the stored text. Returns `None` if this version does not know it, or if its cost is
    /// too high: a store from somebody else must not exhaust the machine.
    pub fn from_text(text: &str, salt: &[u8]) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["key"] if salt.is_empty() => Some(Derivation::Key),
            ["argon2id", memory_kib, passes] => {
                let memory_kib = memory_kib.parse().ok()?;
                let passes = passes.parse().ok()?;
                let payable = (8..=1 << 20).contains(&memory_kib) && (1..=64).contains(&passes);
                payable.then_some(Derivation::Argon2id {
                    memory_kib,
                    passes,
                    salt: salt.try_into().ok()?,
                })
            }
            _ => None,
        }
    }

    /// The salt, if there is one.
    pub fn salt(&self) -> &[u8] {
        match self {
            Derivation::Key => &[],
            Derivation::Argon2id { salt, .. } => salt,
        }
    }
}

/// Generates a random key: 64 hexadecimal digits and a line feed.
///
/// # Errors
/// [`Error::Io`] if the system has no random numbers.
pub fn new_key_text() -> Result<Zeroizing<String>> {
    let mut key: SecretBytes = Zeroizing::new(vec![0; KEY_BYTES]);
    fill_random(&mut key)?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
    for byte in key.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text.push('\n');
    Ok(text)
}

/// Fills `bytes` with random bytes from the system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    use chacha20poly1305::aead::{OsRng, rand_core::RngCore};
    OsRng.try_fill_bytes(bytes).map_err(|e| {
        Error::io_with(
            "<random numbers>",
            "read",
            io::Error::other(e.to_string()),
            "the system must provide them",
        )
    })
}

/// Zeroes what earlier calls left on the stack, such as the state of a cipher.
#[inline(never)]
pub fn wipe_traces() {
    let mut stack = [0u64; 8192];
    stack.zeroize();
    black_box(&stack);
}

/// Reads a short file or pipe: up to `max` bytes, or one more to show that there are more. Leaves
/// no copy in freed memory.
///
/// # Errors
/// [`Error::Io`].
pub fn read_short(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>> {
    // Allocated at full size, because a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
    let file = File::open(path);
    let read = file.and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::io(path, "read", e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
