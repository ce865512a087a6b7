//! Protects the rows of a store. Seals content together with data that says what the content
//! belongs to, and opens it only if not a bit of either has changed.
//!
//! ```text
//! plain      row_key = empty                                 body = content ‖ BLAKE3(associated data, content)
//! encrypted  row_key = nonce ‖ XChaCha20-Poly1305(row key)   body = nonce ‖ XChaCha20-Poly1305(content)
//! ```
//!
//! Both encryptions use the same associated data (which speaker, utterance, model and version), so a
//! row that was moved does not open. Each row has a random key, which is encrypted with the key of
//! the store. Once the 72 bytes of that encrypted key are erased, not even the owner of the store's
//! key can read the body. Nonces are random, with 192 bits, so they do not repeat.

use super::secret::{KEY_BYTES, SecretBytes, fill_random};
use crate::Result;
use chacha20poly1305::{AeadInPlace, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, Zeroizing};

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 32;

/// How the rows of a store are protected.
pub(super) enum Seal {
    /// Against damage only.
    Checksum,
    /// Against damage, reading and forgery.
    Cipher {
        /// Encrypts the row keys.
        wrapping: SecretBytes,
        /// Hashes the names that rows are found by.
        lookup: SecretBytes,
        /// Detects a wrong key.
        header: SecretBytes,
    },
}

/// The sealed part of a row.
#[derive(Clone, Default)]
pub(super) struct Sealed {
    pub row_key: Vec<u8>,
    pub body: Vec<u8>,
}

impl Seal {
    /// Derives three keys from the key of the store.
    pub fn cipher(key: &SecretBytes) -> Self {
        Seal::Cipher {
            wrapping: derived("spkver store v2: row keys", key),
            lookup: derived("spkver store v2: names", key),
            header: derived("spkver store v2: header", key),
        }
    }

    /// Whether the rows are encrypted.
    pub fn encrypts(&self) -> bool {
        matches!(self, Seal::Cipher { .. })
    }

    /// What a speaker's row is looked up by: the name's key, or a keyed hash that hides the name.
    pub fn lookup(&self, name_key: &str) -> Vec<u8> {
        match self {
            Seal::Checksum => name_key.as_bytes().to_vec(),
            Seal::Cipher { lookup, .. } => keyed_hash(lookup, name_key.as_bytes()).to_vec(),
        }
    }

    /// Authentication code of the store's header, which only the right key reproduces.
    pub fn header_code(&self, header: &[u8]) -> [u8; 32] {
        match self {
            Seal::Checksum => *blake3::hash(header).as_bytes(),
            Seal::Cipher { header: key, .. } => keyed_hash(key, header),
        }
    }

    /// Seals `content` together with `associated_data`.
    pub fn close(&self, associated_data: &[u8], content: &[u8]) -> Result<Sealed> {
        match self {
            Seal::Checksum => Ok(Sealed {
                row_key: vec![],
                body: [content, &checksum(associated_data, content)].concat(),
            }),
            Seal::Cipher { wrapping, .. } => {
                let mut row_key: SecretBytes = Zeroizing::new(vec![0; KEY_BYTES]);
                fill_random(&mut row_key)?;
                Ok(Sealed {
                    body: encrypted(&row_key, associated_data, content)?,
                    row_key: encrypted(wrapping, associated_data, &row_key)?,
                })
            }
        }
    }

    /// The content, if it was sealed with this associated data and has not changed.
    pub fn open(&self, associated_data: &[u8], sealed: &Sealed) -> Option<SecretBytes> {
        match self {
            Seal::Checksum => {
                let length = sealed.body.len().checked_sub(CHECKSUM_BYTES)?;
                let (content, code) = sealed.body.split_at(length);
                let whole = sealed.row_key.is_empty() && checksum(associated_data, content) == code;
                whole.then(|| Zeroizing::new(content.to_vec()))
            }
            Seal::Cipher { wrapping, .. } => decrypted(wrapping, associated_data, &sealed.row_key)
                .filter(|row_key| row_key.len() == KEY_BYTES)
                .and_then(|row_key| decrypted(&row_key, associated_data, &sealed.body)),
        }
    }
}

/// Concatenates the parts, each after its length, so that no byte can move from one part to
/// another.
pub(super) fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![];
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    bytes
}

fn checksum(associated_data: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(associated_data.len() as u64).to_le_bytes());
    hasher.update(associated_data);
    hasher.update(content);
    *hasher.finalize().as_bytes()
}

fn derived(context: &str, key: &[u8]) -> SecretBytes {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(key);
    let mut out: SecretBytes = Zeroizing::new(vec![0; KEY_BYTES]);
    let mut reader = hasher.finalize_xof();
    reader.fill(&mut out);
    reader.zeroize();
    hasher.zeroize();
    out
}

fn keyed_hash(key: &[u8], data: &[u8]) -> [u8; 32] {
    let key = key.try_into().expect("a key has 32 bytes");
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(data);
    let hash = *hasher.finalize().as_bytes();
    hasher.zeroize();
    hash
}

/// nonce ‖ ciphertext ‖ tag
fn encrypted(key: &[u8], associated_data: &[u8], content: &[u8]) -> Result<Vec<u8>> {
    // Allocated at full size, because a buffer that grows leaves copies behind.
    let mut bytes = [&[0; NONCE_BYTES][..], content, &[0; TAG_BYTES]].concat();
    let (nonce, rest) = bytes.split_at_mut(NONCE_BYTES);
    let (content, tag) = rest.split_at_mut(content.len());
    fill_random(nonce)?;
    let code = XChaCha20Poly1305::new(Key::from_slice(key))
        .encrypt_in_place_detached(XNonce::from_slice(nonce), associated_data, content)
        .expect("a row is no 256 GiB long");
    tag.copy_from_slice(&code);
    Ok(bytes)
}

fn decrypted(key: &[u8], associated_data: &[u8], bytes: &[u8]) -> Option<SecretBytes> {
    let (nonce, rest) = bytes.split_at_checked(NONCE_BYTES)?;
    let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    let mut content: SecretBytes = Zeroizing::new(ciphertext.to_vec());
    XChaCha20Poly1305::new(Key::from_slice(key))
        .decrypt_in_place_detached(
            XNonce::from_slice(nonce),
            associated_data,
            &mut content,
            Tag::from_slice(tag),
        )
        .ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seals() -> [Seal; 3] {
        let key = |byte| Zeroizing::new(vec![byte; KEY_BYTES]);
        [Seal::Checksum, Seal::cipher(&key(1)), Seal::cipher(&key(2))]
    }

    #[test]
    fn what_was_closed_opens_with_the_same_facts_only() {
        for seal in seals() {
            for content in [&b""[..], b"x", &[7; 1000]] {
                let sealed = seal.close(b"facts", content).unwrap();
                assert_eq!(seal.open(b"facts", &sealed).unwrap().as_slice(), content);
                for other in [&b""[..], b"fact", b"factsx", b"Facts"] {
                    assert!(seal.open(other, &sealed).is_none());
                }
            }
        }
    }

    #[test]
    fn every_bit_counts() {
        for seal in seals() {
            let mut sealed = seal.close(b"facts", b"content").unwrap();
            let fields: [fn(&mut Sealed) -> &mut Vec<u8>; 2] =
                [|s| &mut s.body, |s| &mut s.row_key];
            for field in fields {
                let num_bytes = field(&mut sealed).len();
                for bit in 0..8 * num_bytes {
                    let mut damaged = sealed.clone();
                    field(&mut damaged)[bit / 8] ^= 1 << (bit % 8);
                    assert!(seal.open(b"facts", &damaged).is_none());
                }
                for length in 0..num_bytes {
                    let mut cut = sealed.clone();
                    field(&mut cut).truncate(length);
                    assert!(seal.open(b"facts", &cut).is_none());
                }
            }
            let mut longer = sealed.clone();
            longer.row_key.push(0);
            assert!(seal.open(b"facts", &longer).is_none());
        }
    }

    #[test]
    fn keys_make_the_difference() {
        let [plain, one, two] = seals();
        let sealed = one.close(b"facts", b"content").unwrap();
        assert!(two.open(b"facts", &sealed).is_none());
        assert!(plain.open(b"facts", &sealed).is_none());
        // Without its row key, a body cannot be read.
        let again = one.close(b"facts", b"content").unwrap();
        assert!(sealed.body != again.body && sealed.row_key != again.row_key);
        let nonces = [&sealed, &again].map(|s| [&s.body, &s.row_key].map(|b| &b[..NONCE_BYTES]));
        let nonces: std::collections::HashSet<_> = nonces.as_flattened().iter().collect();
        assert_eq!(nonces.len(), 4, "no nonce comes twice");
        let mut shredded = sealed.clone();
        shredded.row_key = again.row_key;
        assert!(one.open(b"facts", &shredded).is_none());
        assert_eq!(sealed.row_key.len(), NONCE_BYTES + KEY_BYTES + TAG_BYTES);
        assert_eq!(
            sealed.body.len(),
            NONCE_BYTES + b"content".len() + TAG_BYTES
        );

        assert_eq!(plain.lookup("anna"), b"anna");
        assert_ne!(one.lookup("anna"), two.lookup("anna"));
        assert_ne!(one.lookup("anna"), one.lookup("anno"));
        assert_eq!(one.lookup("anna"), one.lookup("anna"));
        assert_ne!(one.header_code(b"header"), two.header_code(b"header"));
        assert_ne!(one.header_code(b"header"), one.header_code(b"Header"));
        assert_ne!(one.header_code(b"x")[..], one.lookup("x")[..]);
        assert!(!plain.encrypts() && one.encrypts());
    }

    #[test]
    fn facts_do_not_trade_bytes() {
        // Nor can bytes move between associated data and content.
        let mut sealed = Seal::Checksum.close(b"ab", b"c").unwrap();
        sealed.body.insert(0, b'b');
        assert!(Seal::Checksum.open(b"a", &sealed).is_none());
        assert_ne!(
            length_prefixed(&[b"ab", b"c"]),
            length_prefixed(&[b"a", b"bc"])
        );
        assert_ne!(length_prefixed(&[b"ab"]), length_prefixed(&[b"ab", b""]));
    }

    /// Known answers: stores written today must open in ten years.
    #[test]
    fn keys_are_derived_as_ever() {
        let Seal::Cipher {
            wrapping,
            lookup,
            header,
        } = &seals()[1]
        else {
            panic!("a cipher");
        };
        let key = [1; KEY_BYTES];
        assert_eq!(
            wrapping[..],
            blake3::derive_key("spkver store v2: row keys", &key)
        );
        assert_eq!(
            lookup[..],
            blake3::derive_key("spkver store v2: names", &key)
        );
        assert_eq!(
            header[..],
            blake3::derive_key("spkver store v2: header", &key)
        );
        let expected = blake3::keyed_hash(lookup[..].try_into().unwrap(), b"anna");
        assert_eq!(seals()[1].lookup("anna"), expected.as_bytes());
    }
}
