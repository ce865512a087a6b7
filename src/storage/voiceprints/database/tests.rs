//! Opening the database file, and the error messages for its failures.

use super::*;
use rusqlite::ffi;

#[test]
fn what_is_written_is_on_disk_and_what_is_deleted_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    create_private(&path).unwrap();
    let connection = open(&path).unwrap();
    let setting = |connection: &Connection, name: &str| -> i64 {
        let read = connection.pragma_query_value(None, name, |row| row.get(0));
        read.unwrap()
    };
    for (name, value) in [
        ("synchronous", 2), // FULL
        ("fullfsync", 1),
        ("secure_delete", 1),
        ("busy_timeout", 60_000),
        // Functions of a manipulated file are not called, and no temporary files are written.
        ("trusted_schema", 0),
        ("temp_store", 2),
    ] {
        assert_eq!(setting(&connection, name), value, "{name}");
    }
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    let unchanging = open_unchanging(&path).unwrap();
    for (name, value) in [("trusted_schema", 0), ("temp_store", 2)] {
        assert_eq!(setting(&unchanging, name), value, "{name}");
    }
    assert!(unchanging.execute_batch("DROP TABLE t").is_err());
}

#[test]
fn a_path_may_hold_any_character() {
    let uri = |path: &str| unchanging_uri(Path::new(path));
    assert_eq!(uri("/a/B9_-.:z"), "file:///a/B9_-.:z?immutable=1");
    let odd = uri("/50% of a?b#c&d e/\u{fc}");
    let escaped = "file:///50%25%20of%20a%3Fb%23c%26d%20e/%C3%BC?immutable=1";
    assert_eq!(odd, escaped);
    #[cfg(unix)]
    assert_eq!(uri("/a\\b"), "file:///a%5Cb?immutable=1");
    // Never a host name.
    assert_eq!(uri("//a/b"), "file:///a/b?immutable=1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of a?b#c&d \u{fc}");
    create_private(&path).unwrap();
    let connection = open(&path).unwrap();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    let read = open_unchanging(&path).unwrap();
    read.execute_batch("SELECT * FROM t").unwrap();
}

#[test]
fn errors_say_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    create_private(&path).unwrap();
    open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    let told = |code| {
        let error = failed(
            &path,
            rusqlite::Error::SqliteFailure(ffi::Error::new(code), None),
        );
        (error.exit_code(), error.to_string())
    };
    for (code, exit_code, remedy) in [
        (ffi::SQLITE_CANTOPEN, 5, "check its permissions"),
        (ffi::SQLITE_FULL, 5, "the disk is full; free some space"),
        (ffi::SQLITE_IOERR, 5, "and the disk"),
        (ffi::SQLITE_READONLY, 5, "make both writable"),
        (ffi::SQLITE_BUSY, 5, "try again"),
        (ffi::SQLITE_LOCKED, 5, "try again"),
        (ffi::SQLITE_NOTADB, 4, "restore it from a backup"),
        // The file is intact: the disk returned a wrong read.
        (ffi::SQLITE_CORRUPT, 5, "check the disk"),
    ] {
        let (exit, text) = told(code);
        assert!(exit == exit_code && text.contains(remedy), "{code}: {text}");
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    // Now the file is really damaged.
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x55);
    fs::write(&path, bytes).unwrap();
    assert_eq!(told(ffi::SQLITE_CORRUPT).0, 4);
    fs::write(&path, "no database at all, but long enough to look at").unwrap();
    assert_eq!(told(ffi::SQLITE_CORRUPT).0, 4);
}

#[test]
fn what_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(300));
    assert!(create_private(&long).is_err());
    let path = folder.path().join("a/b/s");
    create_private(&path).unwrap();
    create_private(&path).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"");
}
