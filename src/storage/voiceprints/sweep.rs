//! Reads all speakers enrolled with one model in blocks, from one state of the store.

use super::{Store, checked, database::failed, row::Rows};
use crate::{
    Result, parallel,
    storage::seal::Seal,
    verifier::{ModelId, Voiceprint},
};
use rusqlite::Transaction;
use std::path::Path;

/// Speakers per block.
const BLOCK: i64 = 4096;

/// A read of the store in progress, which no writer can disturb.
#[derive(Debug)]
pub struct Sweep<'a> {
    store: &'a Store,
    snapshot: Transaction<'a>,
    model: ModelId,
    last_lookup: Vec<u8>,
    num_speakers: usize,
    num_others: usize,
}

/// Speakers that were read but not checked yet. Another thread can check them while the sweep reads
/// the next ones.
pub struct Block<'a> {
    store: &'a Path,
    seal: &'a Seal,
    rows: Vec<Rows>,
}

impl Store {
    /// Starts to read all speakers enrolled with `model`.
    ///
    /// # Errors
    /// [`crate::Error::Store`], [`crate::Error::Io`].
    #[doc(hidden)]
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
    #[doc(hidden)]
    pub fn by_id(&self, id: i64) -> Result<Option<Voiceprint>> {
        let rows = self.read(|tx| Ok(Rows::find_by_number(tx, id)?))?;
        rows.map(|rows| self.checked(&rows, None)).transpose()
    }
}

impl<'a> Sweep<'a> {
    /// Number of speakers enrolled with the model.
    pub fn num_speakers(&self) -> usize {
        self.num_speakers
    }

    /// Number of speakers enrolled with other models, who are left out.
    pub fn num_others(&self) -> usize {
        self.num_others
    }

    /// Reads the next speakers; none at the end.
    ///
    /// # Errors
    /// [`crate::Error::Store`], [`crate::Error::Io`].
    pub fn read_block(&mut self) -> Result<Block<'a>> {
        let model = self.model.to_string();
        let rows = Rows::block(&self.snapshot, &model, &self.last_lookup, BLOCK)
            .map_err(|e| failed(&self.store.path, e))?;
        if let Some(last) = rows.last() {
            self.last_lookup = last.lookup().to_vec();
        }
        Ok(Block {
            store: &self.store.path,
            seal: &self.store.seal,
            rows,
        })
    }

    /// Reads the next voiceprints and their numbers, and checks every row; none at the end.
    ///
    /// # Errors
    /// [`crate::Error::Store`] for a damaged row.
    pub fn next_block(&mut self) -> Result<Vec<(i64, Voiceprint)>> {
        let block = self.read_block()?;
        parallel::map(&block.rows, |rows| block.check(rows))
            .into_iter()
            .collect()
    }
}

impl Block<'_> {
    /// Whether the sweep is at its end.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Calls `work` for every `num` speakers, with their numbers and voiceprints. Returns the
    /// results.
    ///
    /// # Errors
    /// [`crate::Error::Store`] for a damaged row.
    pub fn map_chunks<R: Send>(
        &self,
        num: usize,
        work: impl Fn(Vec<(i64, Voiceprint)>) -> R + Send + Sync,
    ) -> Result<Vec<R>> {
        let results = parallel::map(self.rows.chunks(num), |rows| {
            let checked = rows.iter().map(|rows| self.check(rows));
            Ok(work(checked.collect::<Result<_>>()?))
        });
        results.into_iter().collect()
    }

    fn check(&self, rows: &Rows) -> Result<(i64, Voiceprint)> {
        Ok((rows.number(), checked(self.store, self.seal, rows, None)?))
    }
}
