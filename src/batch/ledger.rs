//! What a long run has done so far, so that it can be killed at any moment and go on: the outcome
//! of each recording, and how much of the output file is whole. One SQLite file beside the output,
//! gone when the run is complete.
//!
//! Outcomes are kept under the hash of model, precision, audio and segment, so that equal recordings are
//! embedded once; with a cache file of its own this holds from run to run and between processes.

mod database;

use super::outcome::{AudioHash, Embedded, Outcome, Refused};
use crate::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};

/// A run's memory.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    /// For the errors.
    path: PathBuf,
}

/// A recording that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Hash of its file, if that could be read.
    pub audio: Option<AudioHash>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A recording's place in the list; its audio's hash and the key of its outcome, or why its file
/// cannot be read.
pub type Place = (
    usize,
    std::result::Result<(AudioHash, blake3::Hash), Refused>,
);

/// A piece of the output that is wholly written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

impl Ledger {
    /// The ledger at `state`, or a temporary one; embeddings are kept in `cache` if there is one.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open(state: Option<&Path>, cache: Option<&Path>) -> Result<Self> {
        Ok(Ledger {
            connection: database::open(state, cache)?,
            path: state.unwrap_or(Path::new("")).to_path_buf(),
        })
    }

    /// Removes a ledger's files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(state: &Path) -> Result<()> {
        database::remove(state)
    }

    /// Is this the job that the ledger was begun for? A new ledger takes it.
    ///
    /// # Errors
    /// [`Error::Usage`] for another one's.
    pub fn check_job(&self, fingerprint: &blake3::Hash) -> Result<()> {
        let sql = "SELECT fingerprint FROM main.job";
        let earlier: Option<Vec<u8>> = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .optional()
            .map_err(|e| self.failed(e))?;
        match earlier {
            Some(earlier) if earlier == fingerprint.as_bytes() => Ok(()),
            Some(_) => Err(Error::Usage(format!(
                "{}: the unfinished run had another list, model or flags; delete this file to begin \
                 anew, or name another output",
                self.path.display()
            ))),
            None => {
                let insert = "INSERT INTO main.job VALUES (?1)";
                self.execute(insert, params![fingerprint.as_bytes()])
            }
        }
    }

    /// Places of `0..count` that have no outcome yet.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn missing(&self, count: usize) -> Result<Vec<usize>> {
        let mut missing = vec![true; count];
        self.query(
            "SELECT place FROM main.recording WHERE key IS NULL
             UNION ALL
             SELECT place FROM main.recording JOIN embedding USING (key)",
            [],
            |row| {
                let place: i64 = row.get(0)?;
                if let Some(missing) = missing.get_mut(place as usize) {
                    *missing = false;
                }
                Ok(())
            },
        )?;
        Ok((0..count).filter(|&place| missing[place]).collect())
    }

    /// Is there an outcome under this key?
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn knows(&self, key: &blake3::Hash) -> Result<bool> {
        let sql = "SELECT 1 FROM embedding WHERE key = ?1";
        let mut found = false;
        self.query(sql, [key.as_bytes()], |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    }

    /// The outcome under this key.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn outcome(&self, key: &blake3::Hash) -> Result<Option<Outcome>> {
        let sql = "SELECT code, reason, speech_seconds, vector FROM embedding WHERE key = ?1";
        let mut found = None;
        self.query(sql, [key.as_bytes()], |row| {
            found = Some(outcome_at(row, 0)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Notes what came of some recordings, all or none: outcomes under their keys, then each
    /// place's audio hash and key, or the reason why its file cannot be read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn note(&mut self, outcomes: &[(blake3::Hash, Outcome)], places: &[Place]) -> Result<()> {
        let path = self.path.clone();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO embedding VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for (key, outcome) in outcomes {
                let key = key.as_bytes();
                match outcome {
                    Outcome::Embedded(embedded) => {
                        let vector: &[u8] = bytemuck::cast_slice(&embedded.values);
                        let seconds = f64::from(embedded.speech_seconds);
                        insert.execute(params![
                            key,
                            seconds,
                            vector,
                            None::<&str>,
                            None::<&str>
                        ])?;
                    }
                    Outcome::Refused(refused) => {
                        let (code, reason) = (&refused.code, &refused.reason);
                        insert.execute(params![key, None::<f64>, None::<&[u8]>, code, reason])?;
                    }
                }
            }
            drop(insert);
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO main.recording VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (place, found) in places {
                match found {
                    Ok((audio, key)) => insert.execute(params![
                        *place as i64,
                        audio.as_bytes(),
                        key.as_bytes(),
                        None::<&str>,
                        None::<&str>
                    ])?,
                    Err(refused) => insert.execute(params![
                        *place as i64,
                        None::<&[u8]>,
                        None::<&[u8]>,
                        refused.code,
                        refused.reason
                    ])?,
                };
            }
            drop(insert);
            transaction.commit()
        };
        write().map_err(|e| database::failed(&path, e))
    }

    /// Gives every place's entry to `take`, in order.
    ///
    /// # Errors
    /// [`Error::Store`], or what `take` fails with.
    pub fn for_each(&self, mut take: impl FnMut(usize, Entry) -> Result<()>) -> Result<()> {
        let mut failed = Ok(());
        self.query(
            "SELECT place, audio, coalesce(e.code, r.code), coalesce(e.reason, r.reason),
                    speech_seconds, vector
             FROM main.recording AS r LEFT JOIN embedding AS e ON e.key = r.key ORDER BY place",
            [],
            |row| {
                let audio: Option<[u8; 32]> = row.get(1)?;
                let entry = Entry {
                    audio: audio.map(AudioHash::from_bytes),
                    outcome: outcome_at(row, 2)?,
                };
                if failed.is_ok() {
                    let place: i64 = row.get(0)?;
                    failed = take(place as usize, entry);
                }
                Ok(())
            },
        )?;
        failed
    }

    /// The pieces of the output that are whole, in order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn blocks(&self) -> Result<Vec<Block>> {
        let mut blocks = vec![];
        let sql = "SELECT rows, bytes FROM main.block ORDER BY number";
        self.query(sql, [], |row| {
            blocks.push(Block {
                rows: row.get::<_, i64>(0)? as u64,
                bytes: row.get::<_, i64>(1)? as u64,
            });
            Ok(())
        })?;
        Ok(blocks)
    }

    /// Notes that one more piece of the output is whole.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn add_block(&self, block: Block) -> Result<()> {
        let insert = "INSERT INTO main.block (rows, bytes) VALUES (?1, ?2)";
        self.execute(insert, params![block.rows as i64, block.bytes as i64])
    }

    /// Erases the ledger's file: the run is complete.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn erase(self) -> Result<()> {
        let path = self.path.clone();
        drop(self);
        database::remove(&path)
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        let done = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(values));
        done.map(drop).map_err(|e| self.failed(e))
    }

    fn query(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        mut take: impl FnMut(&Row) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let query = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        };
        query().map_err(|e| self.failed(e))
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        database::failed(&self.path, error)
    }
}

/// Code, reason, seconds and vector, from this column on.
fn outcome_at(row: &Row, first: usize) -> rusqlite::Result<Outcome> {
    let code: Option<String> = row.get(first)?;
    if let Some(code) = code {
        let reason = row.get(first + 1)?;
        return Ok(Outcome::Refused(Refused { code, reason }));
    }
    let vector = row.get_ref(first + 3)?.as_blob()?;
    let numbers = vector.chunks_exact(4);
    Ok(Outcome::Embedded(Embedded {
        values: numbers
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        speech_seconds: row.get(first + 2)?,
    }))
}
