//! Opens the two SQLite files of a ledger: the file of the run and the cache of embeddings. Turns their
//! errors into messages that a user understands.

use crate::{
    Error, Result,
    remedy::Remedy,
    storage::{remove_file, with_ending},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a process waits for another process that writes to the same cache.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// "spkc", which tells the cache from other SQLite files.
const APPLICATION_ID: i64 = 0x7370_6b63;

const RUN_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS main.job (fingerprint BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS main.recording (
        place INTEGER PRIMARY KEY,
        audio BLOB,
        key BLOB,
        code TEXT,
        reason TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS main.block (
        number INTEGER PRIMARY KEY,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;";

const CACHE_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS cache.embedding (
        key BLOB PRIMARY KEY,
        speech_seconds REAL,
        vector BLOB,
        code TEXT,
        reason TEXT
    ) STRICT;";

/// Opens both files. Without a cache, the run's own file keeps the embeddings. Without a path, the
/// run's own file is a temporary one.
pub(super) fn open(state: Option<&Path>, cache: Option<&Path>) -> Result<Connection> {
    let path = state.unwrap_or(Path::new(""));
    let connection = open_state(path).map_err(|e| failed(path, e))?;
    match cache {
        Some(cache) => attach_cache(&connection, cache)?,
        None => connection
            .execute_batch(&CACHE_SCHEMA.replace("cache.", "main."))
            .map_err(|e| failed(path, e))?,
    }
    Ok(connection)
}

fn open_state(path: &Path) -> rusqlite::Result<Connection> {
    // No URI: a path is taken literally. An empty path is a temporary file that SQLite makes.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    // A second run with the same output must wait until this one has ended.
    connection.pragma_update(Some("main"), "locking_mode", "EXCLUSIVE")?;
    if !path.as_os_str().is_empty() {
        connection.pragma_update(Some("main"), "journal_mode", "WAL")?;
    }
    connection.pragma_update(Some("main"), "synchronous", "NORMAL")?;
    connection.execute_batch(RUN_SCHEMA)?;
    Ok(connection)
}

fn attach_cache(connection: &Connection, path: &Path) -> Result<()> {
    let attach = || -> rusqlite::Result<bool> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute("ATTACH DATABASE ?1 AS cache", [path.to_string_lossy()])?;
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let num_tables = number("SELECT count(*) FROM cache.sqlite_schema")?;
        if num_tables > 0 && number("PRAGMA cache.application_id")? != APPLICATION_ID {
            return Ok(false);
        }
        let batch = format!(
            "PRAGMA cache.journal_mode = WAL; PRAGMA cache.synchronous = NORMAL;
             PRAGMA cache.application_id = {APPLICATION_ID}; {CACHE_SCHEMA}"
        );
        connection.execute_batch(&batch)?;
        Ok(true)
    };
    match attach().map_err(|e| failed(path, e))? {
        true => Ok(()),
        false => Err(Error::store(
            path,
            "is an SQLite file, but not a cache of embeddings",
            Remedy::Option(&["name another file with ", "cache", ""]),
        )),
    }
}

/// Removes a ledger and SQLite's own files beside it.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn remove(path: &Path) -> Result<()> {
    let mut endings = ["-wal", "-shm", "-journal", ""].into_iter();
    endings.try_for_each(|ending| remove_file(&with_ending(path, ending)))
}

pub(super) fn failed(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let path = match path.as_os_str().is_empty() {
        true => PathBuf::from("<temporary>"),
        false => path.to_path_buf(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::store(
            path,
            "another run is writing to it",
            "wait for it to end, or name another file",
        ),
        Some(ErrorCode::NotADatabase) => Error::store(
            path,
            "is not a file of this program",
            "name another file, or delete it",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Error::io(
            &path,
            "write",
            std::io::Error::other("the file cannot be opened for writing"),
        ),
        Some(ErrorCode::DiskFull) => Error::io(
            &path,
            "write",
            std::io::Error::from(std::io::ErrorKind::StorageFull),
        ),
        _ => Error::store(
            path,
            error.to_string(),
            "check the disk; delete the file to start over",
        ),
    }
}
