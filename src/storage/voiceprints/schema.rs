//! The tables of the store, and the header that says which secret opens it.
//!
//! ```text
//! store(id = 1, epoch, derivation, salt, code)
//! speaker(lookup, id, model, num_templates, digest, row_key, body)
//! template(speaker = speaker.id, position, id, row_key, body)
//! ```
//!
//! Every bit of a row is authenticated, and a speaker's row says how many utterances there are. So
//! an index that disagrees with its table is noticed as damage. Speakers lie in the order of their
//! keys. Templates are most of the file. They lie in the order in which they were written, which
//! fills their pages completely. (In older stores they lie in the order of their speakers' ids. The
//! same statements read and write both.) The index by id is used only by `identify`, which then
//! verifies each speaker found.

use super::database::Refusal;
use crate::{
    Error, Result,
    remedy::Remedy,
    storage::{
        seal::{Seal, length_prefixed},
        secret::{Derivation, Secret, fill_random},
    },
};
use rusqlite::{Connection, params};
use std::path::Path;

/// Version of the tables and their contents; part of what every row is sealed with.
pub(super) const VERSION: i64 = 2;
/// "spkv", which tells the store from other SQLite files.
const APPLICATION_ID: i64 = 0x7370_6b76;

const TABLES: &str = "
    CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch BLOB NOT NULL,
        derivation TEXT NOT NULL,
        salt BLOB NOT NULL,
        code BLOB NOT NULL
    ) STRICT;
    CREATE TABLE speaker (
        lookup BLOB NOT NULL PRIMARY KEY,
        id BLOB NOT NULL,
        model TEXT NOT NULL,
        num_templates INTEGER NOT NULL,
        digest BLOB NOT NULL,
        row_key BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX speaker_by_id ON speaker (id);
    CREATE TABLE template (
        speaker BLOB NOT NULL,
        position INTEGER NOT NULL,
        id BLOB NOT NULL,
        row_key BLOB NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (speaker, position)
    ) STRICT;";

/// Size of a page of the file. An utterance takes some 2 kB, so on SQLite's pages of 4 kB there would
/// be only one or two and much unused space.
const PAGE_BYTES: u32 = 32 << 10;

/// Says which secret opens the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// Random; changes with the key.
    epoch: Vec<u8>,
    /// None if the store is not encrypted.
    derivation: Option<Derivation>,
    code: Vec<u8>,
}

impl Header {
    /// The header of a store encrypted with `secret`, or not encrypted if there is none.
    pub fn new(secret: Option<&Secret>) -> Result<(Self, Seal)> {
        let mut epoch = vec![0; 16];
        fill_random(&mut epoch)?;
        let derivation = secret.map(Secret::new_derivation).transpose()?;
        let key = secret
            .zip(derivation.as_ref())
            .map(|(secret, derivation)| secret.derive(derivation).expect("made for this secret"));
        let seal = key.map_or(Seal::Checksum, |key| Seal::cipher(&key));
        let mut header = Header {
            epoch,
            derivation,
            code: vec![],
        };
        header.code = seal.header_code(&header.associated_data()).to_vec();
        Ok((header, seal))
    }

    /// The seal of the rows, if `secret` is the right one.
    pub fn unlock(&self, path: &Path, secret: Option<&Secret>) -> Result<Seal> {
        let refuse = |fact: &str, remedy: Remedy| Error::store(path, fact, remedy);
        let (seal, otherwise) = match (&self.derivation, secret) {
            (None, None) => (
                Seal::Checksum,
                refuse("damaged: the header", "restore it from a backup".into()),
            ),
            // Somebody might have replaced the encrypted store by this one.
            (None, Some(_)) => {
                return Err(refuse(
                    "is not encrypted, although a key was given",
                    Remedy::Command(&["encrypt it", "store encrypt", ", or give no key"]),
                ));
            }
            (Some(derivation), secret) => {
                let kind = match derivation {
                    Derivation::Key => "key",
                    Derivation::Argon2id { .. } => "passphrase",
                };
                let Some(secret) = secret else {
                    return Err(refuse(
                        &format!("is encrypted with a {kind}"),
                        Remedy::Secret(kind),
                    ));
                };
                let Some(key) = secret.derive(derivation) else {
                    return Err(refuse(
                        &format!("is encrypted with a {kind}, another kind of secret was given"),
                        Remedy::Secret(kind),
                    ));
                };
                let wrong = refuse(
                    &format!("the {kind} does not open it"),
                    format!(
                        "give the right {kind}; if this is the right one, the store's header is damaged"
                    )
                    .into(),
                );
                (Seal::cipher(&key), wrong)
            }
        };
        let code = blake3::Hash::from_bytes(seal.header_code(&self.associated_data()));
        // `blake3::Hash` compares in constant time.
        match blake3::Hash::from_slice(&self.code) {
            Ok(stored) if stored == code => Ok(seal),
            _ => Err(otherwise),
        }
    }

    /// How the key is derived from the secret, if the store is encrypted.
    pub fn derivation(&self) -> Option<&Derivation> {
        self.derivation.as_ref()
    }

    /// Reads the header from the file; `None` if its derivation is unknown.
    pub fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        connection.query_row(
            "SELECT epoch, derivation, salt, code FROM store WHERE id = 1",
            [],
            |row| {
                let (text, salt): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
                let derivation = match text.as_str() {
                    "none" if salt.is_empty() => None,
                    text => match Derivation::from_text(text, &salt) {
                        None => return Ok(None),
                        known => known,
                    },
                };
                Ok(Some(Header {
                    epoch: row.get(0)?,
                    derivation,
                    code: row.get(3)?,
                }))
            },
        )
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT INTO store (id, epoch, derivation, salt, code) VALUES (1, ?1, ?2, ?3, ?4)",
            params![self.epoch, self.text(), self.salt(), self.code],
        )?;
        Ok(())
    }

    fn text(&self) -> String {
        self.derivation
            .as_ref()
            .map_or("none".into(), Derivation::to_text)
    }

    fn salt(&self) -> &[u8] {
        self.derivation.as_ref().map_or(&[], Derivation::salt)
    }

    fn associated_data(&self) -> Vec<u8> {
        length_prefixed(&[
            b"store",
            &VERSION.to_le_bytes(),
            &self.epoch,
            self.text().as_bytes(),
            self.salt(),
        ])
    }
}

/// Whether there are no tables yet. A command that is interrupted while it creates the file leaves
/// this state.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(number("SELECT count(*) FROM sqlite_schema")? == 0 && number("PRAGMA application_id")? == 0)
}

/// Sets the page size of a file that has no pages yet. Do not call it within a transaction.
pub(super) fn set_page_size(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)
}

/// Creates the empty tables.
pub(super) fn make_tables(connection: &Connection, header: &Header) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    header.write(connection)
}

/// Renames the tables, so that new ones can be filled from them.
pub(super) fn set_aside(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP INDEX speaker_by_id;
         ALTER TABLE store RENAME TO old_store;
         ALTER TABLE speaker RENAME TO old_speaker;
         ALTER TABLE template RENAME TO old_template;",
    )
}

/// Drops the renamed tables; SQLite overwrites their pages with zeros.
pub(super) fn drop_set_aside(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute_batch("DROP TABLE old_store; DROP TABLE old_speaker; DROP TABLE old_template;")
}

/// Checks that this is a store of a known version.
pub(super) fn check_version(
    path: &Path,
    connection: &Connection,
) -> std::result::Result<(), Refusal> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != APPLICATION_ID {
        let remedy = Remedy::OtherStore("give another file");
        return Err(Error::store(path, "not a store of voiceprints", remedy).into());
    }
    let version = number("PRAGMA user_version")?;
    if version != VERSION {
        let fact = format!("schema version {version}, this program knows {VERSION}");
        return Err(Error::store(path, fact, "use the version of spkver that made it").into());
    }
    Ok(())
}
