//! Reads all speakers enrolled with one model in blocks, from one state of the store.

use super::{Store, checked, database::failed, row::Rows};
use crate::{
    Result, parallel,
    verifier::{ModelId, Voiceprint},
};
use rusqlite::Transaction;

/// Speakers per block.
const BLOCK: i64 = 4096;

/// An ongoing read of the store that no writer can disturb.
#[derive(Debug)]
pub struct Sweep<'a> {
    store: &'a Store,
    snapshot: Transaction<'a>,
    model: ModelId,
    last_lookup: Vec<u8>,
    num_speakers: usize,
    num_others: usize,
}

impl Store {
    /// Starts to read all speakers enrolled with `model`.
    ///
    /// # Errors
    /// [`crate::Error::Store`], [`crate::Error::Io`].
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
        let (snapshot, of_model, all) = begin().map_err(|e| failed(&self.path, e))?;
        Ok(Sweep {
            store: self,
            snapshot,
            model,
            last_lookup: vec![],
            num_speakers: of_model as usize,
            num_others: (all - of_model) as usize,
        })
    }

    /// The voiceprint of the speaker with the number that [`Sweep`] returned; `None` if the speaker
    /// has been removed.
    ///
    /// # Errors
    /// [`crate::Error::Store`] for a damaged row.
    pub fn by_id(&self, id: i64) -> Result<Option<Voiceprint>> {
        let rows = self.read(|tx| Ok(Rows::find_by_number(tx, id)?))?;
        rows.map(|rows| self.checked(&rows, None)).transpose()
    }
}

impl Sweep<'_> {
    /// Number of speakers enrolled with the model.
    pub fn num_speakers(&self) -> usize {
        self.num_speakers
    }

    /// Number of speakers enrolled with other models, who are left out.
    pub fn num_others(&self) -> usize {
        self.num_others
    }

    /// The next voiceprints and their numbers, after checking every row. Empty at the end.
    ///
    /// # Errors
    /// [`crate::Error::Store`] for a damaged row.
    pub fn next_block(&mut self) -> Result<Vec<(i64, Voiceprint)>> {
        let model = self.model.to_string();
        let block = Rows::block(&self.snapshot, &model, &self.last_lookup, BLOCK)
            .map_err(|e| failed(&self.store.path, e))?;
        if let Some(last) = block.last() {
            self.last_lookup = last.lookup().to_vec();
        }
        let (path, seal) = (&self.store.path, &self.store.seal);
        let numbered = |rows: &Rows| Ok((rows.number(), checked(path, seal, rows, None)?));
        parallel::map(&block, numbered).into_iter().collect()
    }
}
