//! The SQLite file of the store: creates and opens it, runs transactions, and translates SQLite's
//! errors for the user.

use crate::{
    Error, Result,
    remedy::Remedy,
    storage::{folder_of, secret::wipe_traces, with_ending},
};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::{
    fs, io,
    path::{Path, PathBuf, is_separator},
    thread,
    time::Duration,
};

/// How long a command waits for another one that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens an existing file for writing.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    open(path).map_err(|e| failed(path, e))
}

/// Opens an existing file for reading. Lock files cannot be created if the file or folder is
/// read-only. Then the file is read without locks, because no process of this user can change it.
/// On a full disk there is no room for lock files either.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection> {
    let readable = |connection: Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    let locked_out = |e: &rusqlite::Error| {
        let code = e.sqlite_error_code();
        matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
    };
    let opened = match open(path).and_then(readable) {
        // What SQLite would put into `-shm` for others, a process that is alone keeps in memory.
        Err(e) if is_full(&e) => open_in(path, "EXCLUSIVE").and_then(readable),
        other => other,
    };
    match opened {
        Err(e) if locked_out(&e) || is_full(&e) => {
            let log = beside(path, "-wal");
            if fs::metadata(&log).is_ok_and(|facts| facts.len() > 0) {
                let (why, remedy) = match is_full(&e) {
                    true => ("the disk is full", "free some space"),
                    false => (
                        "the folder is read-only",
                        "make the folder writable, or copy both files into one that is",
                    ),
                };
                return Err(Error::io_with(
                    path,
                    "read the store",
                    io::Error::other(format!(
                        "its latest changes are still in {}, and {why}",
                        log.display()
                    )),
                    remedy,
                ));
            }
            open_unchanging(path).and_then(readable)
        }
        other => other,
    }
    .map_err(|e| failed(path, e))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    open_in(path, "NORMAL")
}

fn open_in(path: &Path, locking_mode: &str) -> rusqlite::Result<Connection> {
    // Without CREATE, so that reading never creates a file. Without URI, so that names are taken
    // literally.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Set before the other settings, because they read the file.
    connection.pragma_update(None, "locking_mode", locking_mode)?;
    // A change is synced to disk before it counts, also on macOS.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    // A removed voiceprint must not remain in the file.
    connection.pragma_update(None, "secure_delete", "ON")?;
    harden(&connection)?;
    Ok(connection)
}

/// Whether the disk is full. If a `-shm` file does not fit, SQLite reports an error of its size.
fn is_full(e: &rusqlite::Error) -> bool {
    const IOERR_SHMSIZE: i32 = 4874;
    e.sqlite_error()
        .is_some_and(|e| e.code == ErrorCode::DiskFull || e.extended_code == IOERR_SHMSIZE)
}

/// Permanently switches to a write-ahead log. SQLite does not wait for locks here: if several
/// processes open a new store at once, all but one get a busy error. So this function tries again.
pub(super) fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    // All pauses together last as long as BUSY_TIMEOUT.
    const NUM_PAUSES: usize = 12_000;
    const PAUSE: Duration = Duration::from_millis(5);
    let set = || connection.pragma_update(None, "journal_mode", "WAL");
    for _ in 0..NUM_PAUSES {
        let done = set();
        let code = done.as_ref().err().and_then(|e| e.sqlite_error_code());
        if code != Some(ErrorCode::DatabaseBusy) {
            return done;
        }
        thread::sleep(PAUSE);
    }
    set()
}

/// Opens a file that nobody changes meanwhile, without locks and without a log.
fn open_unchanging(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::from_iter([
        OpenFlags::SQLITE_OPEN_READ_ONLY,
        OpenFlags::SQLITE_OPEN_NO_MUTEX,
        OpenFlags::SQLITE_OPEN_URI,
    ]);
    let connection = Connection::open_with_flags(unchanging_uri(path), flags)?;
    harden(&connection)?;
    Ok(connection)
}

/// Protects against manipulated files: their views, triggers and functions must not run.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // Nothing from the store may get into temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// `file:///folder/name?immutable=1`, with all special characters escaped.
fn unchanging_uri(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut uri = String::from("file:///");
    let bytes = path.as_os_str().as_encoded_bytes();
    let slash = |b: &u8| *b == b'/';
    // The prefix ends in a slash. Further slashes would start a host name.
    for &byte in bytes.iter().skip_while(|b| slash(b)) {
        match byte {
            _ if is_separator(byte.into()) => uri.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'.' | b'-' | b'_' => {
                uri.push(byte.into());
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Path of a file that belongs to a store: the store's path with links resolved, plus `ending`.
pub(in crate::storage) fn beside(store: &Path, ending: &str) -> PathBuf {
    let store = fs::canonicalize(store).unwrap_or_else(|_| store.to_path_buf());
    with_ending(&store, ending)
}

/// Creates the file and its folders, readable by their owner only, unless they exist.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    let mut folders = fs::DirBuilder::new();
    let mut file = fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folders.mode(0o700);
        file.mode(0o600);
    }
    let folder = folder_of(path);
    folders.recursive(true).create(folder)?;
    match file.write(true).create_new(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        // SQLite syncs only folders in which it creates files, and it did not create this file.
        #[cfg(unix)]
        Ok(_) => fs::File::open(folder)?.sync_all(),
        #[cfg(not(unix))]
        Ok(_) => Ok(()),
    }
}

pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::store(
        path,
        format!("damaged: {what}"),
        "restore it from a backup, or move it away and enroll again",
    )
}

/// Translates an SQLite error into one that says what the user can do.
pub(super) fn failed(path: &Path, e: rusqlite::Error) -> Error {
    match e.sqlite_error_code() {
        _ if is_full(&e) => {
            let full = io::Error::new(io::ErrorKind::StorageFull, "the disk is full");
            Error::io(path, "use the store", full)
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => Error::io_with(
            path,
            "use the store",
            io::Error::other(e),
            "check its permissions, its folder's, and the disk",
        ),
        Some(ErrorCode::ReadOnly) => Error::io_with(
            path,
            "change the store",
            io::Error::other("the file or its folder is read-only"),
            Remedy::OtherStore(
                "make both writable (and `-wal` and `-shm` beside it), or give another file",
            ),
        ),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => Error::io_with(
            path,
            "use the store",
            io::Error::other(e),
            "another program is writing to it: try again",
        ),
        // SQLite reports a failed read as damage, too.
        Some(ErrorCode::DatabaseCorrupt) if reading_fails(path) => Error::io_with(
            path,
            "read the store",
            io::Error::other("the disk fails; nothing is wrong with what can be read"),
            "check the disk, and run the command again",
        ),
        _ => damaged(path, &e.to_string()),
    }
}

/// Whether an error came from the disk and not from damage: then the file is intact, or cannot be
/// read.
fn reading_fails(path: &Path) -> bool {
    let checked = open(path).and_then(|connection| {
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    });
    match checked {
        Ok(health) => health == "ok",
        Err(e) => e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
    }
}

/// Why a transaction was rolled back.
pub(super) enum Refusal {
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

/// Runs `work` in one transaction: everything is done, or nothing.
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
    let outcome = run().map_err(|refusal| match refusal {
        Refusal::Sqlite(e) => failed(path, e),
        Refusal::Ours(e) => *e,
    });
    wipe_traces();
    outcome
}

#[cfg(test)]
mod tests;
