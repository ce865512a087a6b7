//! Several programs use one store at the same time, and one that they may only read.

use crate::{MODEL, name, opened, store_of_two, utterance};
use rusqlite::Connection;
use spkver::{storage::voiceprints::Store, verifier::ModelId};
use std::path::Path;

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/s");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut store = Store::open_or_create(path, None).unwrap();
                for i in 0..5 {
                    let speaker = name(&format!("{writer}-{i}"));
                    let of = utterance("x", [writer as f32, i as f32, 0.0]);
                    store.add(&speaker, ModelId::of(MODEL), 0, &[of]).unwrap();
                }
            });
        }
    });
    assert_eq!(opened(&path).list().unwrap().speakers.len(), 20);
}

#[test]
fn all_that_open_a_new_store_together_get_it() {
    for _ in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    Store::open_or_create(&path, None).unwrap();
                });
            }
        });
    }
}

#[test]
fn who_opens_a_new_store_waits_for_who_writes_to_it() {
    // Created, but not yet with a write-ahead log: SQLite itself waits only for readers.
    let (_folder, path) = store_of_two();
    let first = Connection::open(&path).unwrap();
    first
        .execute_batch("PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE")
        .unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Store::open_or_create(&path, None).map(drop));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!second.is_finished());
        first.execute_batch("COMMIT").unwrap();
        second.join().unwrap().unwrap();
    });
}

#[test]
fn damage_is_told_as_such_while_others_use_the_store() {
    let (_folder, path) = store_of_two();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'damaged' WHERE name = 'speaker'",
        )
        .unwrap();
    // Their changes are still in the log.
    let log = path.with_file_name("voiceprints.sqlite-wal");
    assert!(std::fs::metadata(log).unwrap().len() > 0);
    let error = Store::open(&path, None).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
}

#[test]
fn who_reads_does_not_wait_for_who_writes() {
    let (_folder, path) = store_of_two();
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(opened(&path).list().unwrap().speakers.len(), 2);
}

#[test]
fn what_was_checked_against_an_older_voiceprint_is_not_added() {
    // Two commands read a voiceprint, both find their recording consistent with it, and both write.
    let (_folder, path) = store_of_two();
    let (mut one, mut other) = (opened(&path), opened(&path));
    let id = ModelId::of(MODEL);
    let of = |file| [utterance(file, [7.0, 8.0, 9.0])];
    assert!(one.add(&name("anna"), id, 2, &of("a3")).unwrap());
    assert!(!other.add(&name("anna"), id, 2, &of("a4")).unwrap());
    assert_eq!(other.get(&name("anna")).unwrap().utterances.len(), 3);
    assert!(other.add(&name("anna"), id, 3, &of("a4")).unwrap());
}

/// Root may write to read-only files, so this runs the test again as an unprivileged user.
#[cfg(unix)]
fn again_as_nobody(test: &str) {
    use std::os::unix::{fs::chown, process::CommandExt};
    const NOBODY: u32 = 65534;
    const AGAIN: &str = "SPKVER_TEST_AS_NOBODY";
    let place = tempfile::tempdir().unwrap();
    chown(place.path(), Some(NOBODY), None).unwrap();
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let (_, module) = module_path!().split_once("::").unwrap();
    again
        .args(["--exact", &format!("{module}::{test}")])
        .uid(NOBODY);
    again.env("TMPDIR", place.path()).env(AGAIN, "1");
    match std::env::var_os(AGAIN) {
        None => match again.status() {
            Ok(status) => assert!(status.success()),
            Err(e) => println!("SKIPPED: nobody may not run this test ({e})"),
        },
        Some(_) => println!("SKIPPED: everybody may write to read-only files"),
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_store_can_be_read() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    // Characters with a special meaning in URIs.
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("50% of a?b#c&d ü");
    fs::create_dir(&folder).unwrap();
    let (_folder, made) = store_of_two();
    let path = folder.join("s");
    fs::copy(made, &path).unwrap();
    let utterances = opened(&path).get(&name("anna")).unwrap().utterances;
    set_mode(&path, 0o400);
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        again_as_nobody("a_read_only_store_can_be_read");
        return;
    }
    for folder_mode in [0o700, 0o500] {
        set_mode(&folder, folder_mode);
        let mut store = opened(&path);
        assert_eq!(store.list().unwrap().speakers.len(), 2);
        assert_eq!(store.get(&name("anna")).unwrap().utterances, utterances);
        for error in [
            store.remove(&name("anna")).unwrap_err(),
            Store::open_or_create(&path, None)
                .and_then(|mut store| store.add(&name("chloe"), ModelId::of(MODEL), 0, &utterances))
                .unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 5, "{error}");
            assert!(error.to_string().contains("is read-only"), "{error}");
        }
    }
    // A log beside the store holds its latest changes; a reader who cannot apply them is told so.
    set_mode(&folder, 0o700);
    for log in ["s-wal", "s-shm"] {
        let _ = fs::remove_file(folder.join(log));
    }
    fs::write(folder.join("s-wal"), b"changes").unwrap();
    set_mode(&folder, 0o500);
    let error = Store::open(&path, None).unwrap_err();
    assert!(error.to_string().contains("latest changes"), "{error}");
    // An empty log is no loss.
    set_mode(&folder, 0o700);
    fs::write(folder.join("s-wal"), b"").unwrap();
    set_mode(&folder, 0o500);
    assert_eq!(opened(&path).list().unwrap().speakers.len(), 2);
    set_mode(&folder, 0o700);
}
