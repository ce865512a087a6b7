//! Work on a store in, all of it done or nothing out. Each transaction finds the header that the
//! store was opened with; what is deleted leaves the log and the index.

use super::{Store, database::Refusal, schema::Header, traces::Traces};
use crate::{
    Error, Result,
    storage::{index, secret::wipe_traces},
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{io, path::Path};

impl Store {
    /// One moment of the store: what others write meanwhile is not seen.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// One transaction: everything that `work` does, or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        transaction(&self.path, &self.connection, behavior, |tx| {
            // A row that was sealed with the old key would be lost.
            if Header::read(tx)?.as_ref() != Some(&self.header) {
                return Err(Error::Io {
                    path: self.path.clone(),
                    doing: "use the store",
                    source: io::Error::other("another command changed its key meanwhile"),
                    remedy: "run the command again, with the new key",
                }
                .into());
            }
            work(tx)
        })
    }

    /// Empties the write-ahead log, which still holds what was deleted, and writes the file anew
    /// where that still does. What was written is written even if that fails (another command
    /// reads, the disk is full): the last command that closes the store empties the log as well.
    pub(super) fn forget_deleted(&self, deleted: &Traces) {
        let empty_log = || {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let _ = self.connection.query_row(sql, [], |_| Ok(()));
        };
        empty_log();
        let _ = index::remove(&self.path);
        // Where SQLite cannot say, the file is written anew each time: slower, with the same result.
        if deleted.are_in(&self.connection).unwrap_or(true) {
            let _ = self.connection.execute_batch("VACUUM");
            empty_log();
        }
    }
}

pub(super) fn transaction<T>(
    path: &Path,
    connection: &Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Transaction) -> std::result::Result<T, Refusal>,
) -> Result<T> {
    let run = || -> std::result::Result<T, Refusal> {
        let tx = Transaction::new_unchecked(connection, behavior)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    };
    let outcome = run().map_err(|refusal| refusal.told(path));
    wipe_traces();
    outcome
}
