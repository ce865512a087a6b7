//! Records the progress of a long run, so that it can be killed at any moment and resumed. The
//! ledger holds the outcome of each recording, and how much of the output file is complete. It is
//! one SQLite file beside the output, and is removed when the run is complete.
//!
//! The key of an outcome is the hash of model, precision, audio and segment, so equal recordings are
//! embedded once. A cache file keeps outcomes from run to run and shares them between processes.

mod database;

use super::outcome::{AudioHash, Embedded, Outcome, Refused};
use crate::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};

/// The progress of a run.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    /// Path of the file, for error messages.
    path: PathBuf,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Hash of its file, if the file could be read.
    pub audio: Option<AudioHash>,
    /// Its outcome.
    pub outcome: Outcome,
}

/// The index of a recording in the list, then the hash of its audio and the key of its outcome. If
/// its file cannot be read, the reason takes the place of hash and key.
pub type Place = (
    usize,
    std::result::Result<(AudioHash, blake3::Hash), Refused>,
);

/// A block of the output that was written completely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Number of rows.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl Ledger {
    /// Opens the ledger at `state`, or a temporary one. Embeddings are kept in `cache` if it is given.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open(state: Option<&Path>, cache: Option<&Path>) -> Result<Self> {
        Ok(Ledger {
            connection: database::open(state, cache)?,
            path: state.unwrap_or(Path::new("")).to_path_buf(),
        })
    }

    /// Removes the files of a ledger.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(state: &Path) -> Result<()> {
        database::remove(state)
    }

    /// Checks that the ledger was made for this job. A new ledger stores the job's fingerprint.
    ///
    /// # Errors
    /// [`Error::Usage`] if it was made for another job.
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

    /// Indices in `0..count` without an outcome.
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

    /// Whether there is an outcome with this key.
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

    /// The outcome with this key.
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

    /// Stores the results of some recordings, all or none: the outcomes with their keys, then for each
    /// recording its audio hash and key, or why its file cannot be read.
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
                    Ok(embedded) => {
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
                    Err(refused) => {
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

    /// Calls `take` with the entry of each recording, in order.
    ///
    /// # Errors
    /// [`Error::Store`], or the error of `take`.
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

    /// The complete blocks of the output, in order.
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

    /// Stores that one more block of the output is complete.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn add_block(&self, block: Block) -> Result<()> {
        let insert = "INSERT INTO main.block (rows, bytes) VALUES (?1, ?2)";
        self.execute(insert, params![block.rows as i64, block.bytes as i64])
    }

    /// Removes the ledger after a complete run.
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

/// Reads code, reason, seconds and vector, starting at this column.
fn outcome_at(row: &Row, first: usize) -> rusqlite::Result<Outcome> {
    let code: Option<String> = row.get(first)?;
    if let Some(code) = code {
        let reason = row.get(first + 1)?;
        return Ok(Err(Refused { code, reason }));
    }
    let vector = row.get_ref(first + 3)?.as_blob()?;
    let (numbers, _) = vector.as_chunks();
    Ok(Ok(Embedded {
        values: numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        speech_seconds: row.get(first + 2)?,
    }))
}
