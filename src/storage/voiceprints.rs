//! The store of voiceprints: one SQLite file; names in, [`Voiceprint`]s out.
//!
//! ```text
//! speaker(id, key = name in NFC, name, model)
//! utterance(speaker_id, file, speech_seconds, quality = JSON, embedding = f32 LE, checksum)
//! ```
//!
//! One transaction per enrolment, synced before it counts. The checksum is the BLAKE3 of the
//! other columns together with the speaker's key and model, so that neither a damaged row nor one
//! that belongs to somebody else is used. Names are data; no path is ever made of one.

mod database;
mod import;
mod row;
mod sweep;

pub use sweep::Sweep;

use crate::{
    Error, Result,
    storage::index,
    verifier::{ModelId, SpeakerName, Utterance, Voiceprint},
};
use database::{
    check_version, connect, connect_to_read, create_private, damaged, failed, make_tables,
};
use row::Row;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
}

/// A line of the list of speakers.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Enrolled {
    /// Who, as first enrolled.
    pub name: String,
    /// The model that made the voiceprint, in full.
    pub model: String,
    /// Recordings in it.
    pub num_utterances: usize,
    /// Net speech in all of them, in seconds, at the VAD's hop of 10 ms.
    pub speech_seconds: f64,
}

/// Where the store is unless told otherwise: the user's data folder.
///
/// # Errors
/// [`Error::Usage`] where the system names no such folder.
pub fn default_path() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "spkver")
        .map(|folders| folders.data_dir().join("voiceprints.sqlite"))
        .ok_or_else(|| {
            Error::Usage("no home folder to keep voiceprints in; give --store FILE".into())
        })
}

impl Store {
    /// Opens a store to read; none if there is no such file, and none is made. The file and its
    /// folder may be read-only.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path, "read", e)),
            Ok(facts) if !facts.is_file() => {
                return Err(Error::Store {
                    path: path.to_path_buf(),
                    fact: "not a file".into(),
                    remedy: "give the store's file with --store".into(),
                });
            }
            // Made by a command that was stopped right away.
            Ok(facts) if facts.len() == 0 => return Ok(None),
            Ok(_) => {}
        }
        let connection = connect_to_read(path)?;
        check_version(path, &connection)?;
        Ok(Some(Store {
            path: path.to_path_buf(),
            connection,
        }))
    }

    /// Opens a store to write, made if there is none (readable by its owner only).
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open_or_create(path: &Path) -> Result<Self> {
        create_private(path).map_err(|e| Error::io(path, "create", e))?;
        let mut store = Store {
            path: path.to_path_buf(),
            connection: connect(path)?,
        };
        // In one transaction: two commands that start together must not both make the tables.
        store.write(|tx| Ok(make_tables(tx)?))?;
        check_version(path, &store.connection)?;
        let health: String = store.query("PRAGMA quick_check(1)")?;
        if health != "ok" {
            return Err(store.damaged(health));
        }
        store
            .connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|e| store.failed(e))?;
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The voiceprint of `name`, every row checked.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`] for a damaged row.
    pub fn get(&self, name: &SpeakerName) -> Result<Voiceprint> {
        self.find(name)?.ok_or_else(|| Error::UnknownSpeaker {
            name: name.to_string(),
            store: self.path.clone(),
        })
    }

    /// As [`Self::get`], but nothing where the speaker is not enrolled.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged row.
    pub fn find(&self, name: &SpeakerName) -> Result<Option<Voiceprint>> {
        let key = name.key();
        let speaker: Option<(i64, String, String)> = self
            .connection
            .query_row(
                "SELECT id, name, model FROM speaker WHERE key = ?1",
                [&key],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(|e| self.failed(e))?;
        let Some((id, stored_name, model)) = speaker else {
            return Ok(None);
        };
        let damaged = || Error::Store {
            path: self.path.clone(),
            fact: format!("the voiceprint of {stored_name:?} is damaged"),
            remedy: "restore the store from a backup, or enrol again with --replace".into(),
        };
        let name = SpeakerName::new(stored_name.clone()).map_err(|_| damaged())?;
        let model: ModelId = model.parse().map_err(|_| damaged())?;
        let rows = self.rows(id).map_err(|e| self.failed(e))?;
        let utterances: Option<Vec<Utterance>> = rows
            .into_iter()
            .map(|row| row.checked(&key, model))
            .collect();
        match utterances {
            Some(utterances) if !utterances.is_empty() && name.key() == key => {
                Ok(Some(Voiceprint {
                    name,
                    model,
                    utterances,
                }))
            }
            _ => Err(damaged()),
        }
    }

    /// Adds utterances to a voiceprint that had `num_before` of them when these were checked
    /// against it; with 0, begins one. All or none; refused where the voiceprint is of another
    /// model, or was changed since.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`], [`Error::Store`], [`Error::Io`].
    pub fn add(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        num_before: usize,
        utterances: &[Utterance],
    ) -> Result<()> {
        let changed = Error::Io {
            path: self.path.clone(),
            doing: "add to the voiceprint",
            source: io::Error::other("another command changed it meanwhile"),
            remedy: "run the command again",
        };
        self.write(|tx| {
            let count: i64 = tx.query_row(
                "SELECT count(*) FROM utterance JOIN speaker ON speaker.id = speaker_id
                 WHERE key = ?1",
                [name.key()],
                |row| row.get(0),
            )?;
            if count != num_before as i64 {
                return Err(changed.into());
            }
            insert(tx, name, model, utterances)
        })
    }

    /// Puts utterances in the place of a voiceprint, whatever model that was of.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn replace(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        utterances: &[Utterance],
    ) -> Result<()> {
        // Before as well as after: whenever this is stopped, no index outlives what it holds.
        index::remove(&self.path)?;
        self.write(|tx| {
            tx.execute("DELETE FROM speaker WHERE key = ?1", [name.key()])?;
            insert(tx, name, model, utterances)
        })?;
        self.forget_deleted()
    }

    /// Erases a voiceprint; its bytes do not stay behind in the file.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`], [`Error::Io`].
    pub fn remove(&mut self, name: &SpeakerName) -> Result<()> {
        let unknown = Error::UnknownSpeaker {
            name: name.to_string(),
            store: self.path.clone(),
        };
        index::remove(&self.path)?;
        self.write(
            |tx| match tx.execute("DELETE FROM speaker WHERE key = ?1", [name.key()])? {
                0 => Err(unknown.into()),
                _ => Ok(()),
            },
        )?;
        self.forget_deleted()
    }

    /// Everybody enrolled, by name.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn list(&self) -> Result<Vec<Enrolled>> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT name, model, count(utterance.id), round(total(speech_seconds), 2)
                 FROM speaker LEFT JOIN utterance ON speaker_id = speaker.id
                 GROUP BY speaker.id ORDER BY key",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Enrolled {
                    name: row.get(0)?,
                    model: row.get(1)?,
                    num_utterances: row.get::<_, i64>(2)? as usize,
                    speech_seconds: row.get(3)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|e| self.failed(e))
    }

    fn query<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T> {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| self.failed(e))
    }

    fn rows(&self, speaker_id: i64) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare(
            "SELECT file, speech_seconds, quality, embedding, checksum
             FROM utterance WHERE speaker_id = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([speaker_id], |row| {
            Ok(Row {
                file: row.get(0)?,
                speech_seconds: row.get(1)?,
                quality: row.get(2)?,
                embedding: row.get(3)?,
                checksum: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    /// One transaction: everything that `work` does, or nothing.
    fn write(
        &mut self,
        work: impl FnOnce(&Transaction) -> std::result::Result<(), Refusal>,
    ) -> Result<()> {
        let path = self.path.clone();
        let run = || -> std::result::Result<(), Refusal> {
            let tx = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            work(&tx)?;
            Ok(tx.commit()?)
        };
        run().map_err(|refusal| match refusal {
            Refusal::Sqlite(e) => failed(&path, e),
            Refusal::Ours(e) => *e,
        })
    }

    /// Empties the write-ahead log, which still holds what was deleted.
    fn forget_deleted(&self) -> Result<()> {
        self.query::<i64>("PRAGMA wal_checkpoint(TRUNCATE)")?;
        index::remove(&self.path)
    }

    fn failed(&self, e: rusqlite::Error) -> Error {
        failed(&self.path, e)
    }

    fn damaged(&self, what: impl AsRef<str>) -> Error {
        damaged(&self.path, what.as_ref())
    }
}

/// What ends a transaction.
enum Refusal {
    Sqlite(rusqlite::Error),
    Ours(Box<Error>),
}

impl From<rusqlite::Error> for Refusal {
    fn from(e: rusqlite::Error) -> Self {
        Refusal::Sqlite(e)
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        Refusal::Ours(Box::new(e))
    }
}

fn insert(
    tx: &Transaction,
    name: &SpeakerName,
    model: ModelId,
    utterances: &[Utterance],
) -> std::result::Result<(), Refusal> {
    let key = name.key();
    // Prepared once: an import comes here a million times.
    tx.prepare_cached(
        "INSERT INTO speaker (key, name, model) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING",
    )?
    .execute(params![key, name.as_str(), model.to_string()])?;
    let (id, enrolled_model): (i64, String) = tx
        .prepare_cached("SELECT id, model FROM speaker WHERE key = ?1")?
        .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if enrolled_model != model.to_string() {
        return Err(Error::ModelMismatch {
            name: name.to_string(),
            voiceprint_model: enrolled_model,
            model: model.to_string(),
        }
        .into());
    }
    for utterance in utterances {
        let row = Row::new(utterance, &key, model);
        tx.prepare_cached(
            "INSERT INTO utterance
             (speaker_id, file, speech_seconds, quality, embedding, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            id,
            row.file,
            row.speech_seconds,
            row.quality,
            row.embedding,
            row.checksum
        ])?;
    }
    Ok(())
}
