//! Transactions on a store: all of the work is done, or nothing. Each transaction checks that the
//! header is still the one that the store was opened with. Deleted data is also removed from the
//! log and the index.

use super::{
    Store,
    database::{Refusal, transaction},
    deleted_bytes::DeletedBytes,
    schema::Header,
};
use crate::{Error, Result, storage::index_file};
use rusqlite::{Transaction, TransactionBehavior};
use std::io;

impl Store {
    /// Reads one state of the store. Changes that other processes make meanwhile are not seen.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// Runs `work` in one transaction: everything is done, or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    /// As [`Self::write`], for work that deletes rows. The index file is removed both before the change
    /// and after it: no index may outlive the voiceprints in it, even if the command is interrupted.
    pub(super) fn write_deleting<T>(
        &self,
        work: impl FnOnce(&Transaction, &mut DeletedBytes) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        index_file::remove(&self.path)?;
        let mut deleted = DeletedBytes::default();
        let value = self.write(|tx| work(tx, &mut deleted))?;
        self.purge_deleted(&deleted);
        Ok(value)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        transaction(&self.path, &self.connection, behavior, |tx| {
            // A row that is sealed with the old key would be lost.
            if Header::read(tx)?.as_ref() != Some(&self.header) {
                return Err(Error::io_with(
                    self.path.clone(),
                    "use the store",
                    io::Error::other("another command changed its key meanwhile"),
                    "run the command again, with the new key",
                )
                .into());
            }
            work(tx)
        })
    }

    /// Empties the write-ahead log, which still holds deleted data, and rewrites the file if the
    /// file holds any. This may fail if another command is reading or the disk is full. Then the
    /// change itself is safe, and the last command that closes the store empties the log.
    pub(super) fn purge_deleted(&self, deleted: &DeletedBytes) {
        let empty_log = || {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let _ = self.connection.query_row(sql, [], |_| Ok(()));
        };
        empty_log();
        let _ = index_file::remove(&self.path);
        // If SQLite cannot say, the file is rewritten each time: slower, with the same result.
        if deleted.are_in(&self.connection).unwrap_or(true) {
            let _ = self.connection.execute_batch("VACUUM");
            empty_log();
        }
    }
}
