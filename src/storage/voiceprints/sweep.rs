//! Everybody enrolled with one model, in blocks: one state of the store in, voiceprints out, always
//! in the same order.

use super::{Store, row::Row};
use crate::{
    Error, Result,
    verifier::{ModelId, SpeakerName, Voiceprint},
};
use rayon::prelude::*;
use rusqlite::{Transaction, params};
use std::path::Path;

/// Speakers in a block.
const BLOCK: i64 = 4096;

/// A reading of the store that no writer disturbs.
#[derive(Debug)]
pub struct Sweep<'a> {
    store: &'a Store,
    snapshot: Transaction<'a>,
    model: ModelId,
    last_id: i64,
    num_speakers: usize,
    num_others: usize,
}

/// A speaker as stored, not checked yet.
struct Stored {
    id: i64,
    key: String,
    name: String,
    utterances: Vec<Row>,
}

impl Store {
    /// Begins to read everybody enrolled with `model`.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn sweep(&self, model: ModelId) -> Result<Sweep<'_>> {
        let begin = || {
            let snapshot = self.connection.unchecked_transaction()?;
            let (of_model, all): (i64, i64) = snapshot.query_row(
                "SELECT count(*) FILTER (WHERE model = ?1), count(*) FROM speaker",
                [model.to_string()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            Ok((snapshot, of_model, all))
        };
        let (snapshot, of_model, all) = begin().map_err(|e| self.failed(e))?;
        Ok(Sweep {
            store: self,
            snapshot,
            model,
            last_id: i64::MIN,
            num_speakers: of_model as usize,
            num_others: (all - of_model) as usize,
        })
    }
}

impl Sweep<'_> {
    /// Speakers of the model.
    pub fn num_speakers(&self) -> usize {
        self.num_speakers
    }

    /// Speakers of other models, which are left out.
    pub fn num_others(&self) -> usize {
        self.num_others
    }

    /// The next voiceprints, every row checked; none at the end.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged row.
    pub fn next_block(&mut self) -> Result<Vec<Voiceprint>> {
        let stored = self.read_block().map_err(|e| self.store.failed(e))?;
        if let Some(last) = stored.last() {
            self.last_id = last.id;
        }
        let (model, path) = (self.model, &self.store.path);
        let checked = stored.into_par_iter().map(|speaker| {
            let damaged = || damaged_print(path, &speaker.name);
            let name = SpeakerName::new(speaker.name.clone()).map_err(|_| damaged())?;
            let rows = speaker.utterances.into_iter();
            let utterances: Option<Vec<_>> =
                rows.map(|row| row.checked(&speaker.key, model)).collect();
            match utterances {
                Some(utterances) if !utterances.is_empty() && name.key() == speaker.key => {
                    Ok(Voiceprint {
                        name,
                        model,
                        utterances,
                    })
                }
                _ => Err(damaged()),
            }
        });
        checked.collect()
    }

    fn read_block(&self) -> rusqlite::Result<Vec<Stored>> {
        let mut statement = self.snapshot.prepare_cached(
            "SELECT speaker.id, key, name, file, speech_seconds, quality, embedding, checksum
             FROM (SELECT id, key, name FROM speaker
                   WHERE id > ?1 AND model = ?2 ORDER BY id LIMIT ?3) AS speaker
             LEFT JOIN utterance ON speaker_id = speaker.id
             ORDER BY speaker.id, utterance.id",
        )?;
        let mut rows = statement.query(params![self.last_id, self.model.to_string(), BLOCK])?;
        let mut block: Vec<Stored> = vec![];
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if block.last().is_none_or(|last| last.id != id) {
                block.push(Stored {
                    id,
                    key: row.get(1)?,
                    name: row.get(2)?,
                    utterances: vec![],
                });
            }
            // Nothing to join: a speaker without utterances, which is damage.
            if let (Some(file), Some(last)) = (row.get(3)?, block.last_mut()) {
                last.utterances.push(Row {
                    file,
                    speech_seconds: row.get(4)?,
                    quality: row.get(5)?,
                    embedding: row.get(6)?,
                    checksum: row.get(7)?,
                });
            }
        }
        Ok(block)
    }
}

fn damaged_print(path: &Path, name: &str) -> Error {
    Error::Store {
        path: path.to_path_buf(),
        fact: format!("the voiceprint of {name:?} is damaged"),
        remedy: "restore the store from a backup, or enrol again with --replace".into(),
    }
}
