//! Damaged and exchanged rows are noticed, and do the rest of the store no harm.

use crate::{MODEL, anna, key, name, opened, opened_with, store_of_two, store_with, utterance};
use rusqlite::{Connection, types::Value as Sql};
use spkver::{
    storage::{secret::Secret, voiceprints::Store},
    verifier::ModelId,
};
use std::path::Path;

#[track_caller]
fn damage_told(path: &Path, secret: Option<&Secret>, what: &str) {
    let error = anna(path, secret).expect_err(what);
    assert_eq!(error.exit_code(), 4, "{what}: {error}");
    let told = Store::open(path, secret).and_then(|store| store.unwrap().list());
    assert!(told.is_err() || !told.unwrap().damaged.is_empty(), "{what}");
}

/// All values in all rows of a table, with the number of the row.
fn values(connection: &Connection, table: &str) -> Vec<(usize, String, Sql)> {
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {table}"))
        .unwrap();
    let columns: Vec<String> = statement.column_names().map(|c| c.to_string()).collect();
    let mut rows = statement.query([]).unwrap();
    let mut values = vec![];
    let mut number = 0;
    while let Some(row) = rows.next().unwrap() {
        for (i, column) in columns.iter().enumerate() {
            values.push((number, column.clone(), row.get(i).unwrap()));
        }
        number += 1;
    }
    values
}

fn bits(value: &Sql) -> usize {
    match value {
        Sql::Integer(_) | Sql::Real(_) => 64,
        Sql::Text(text) => 8 * text.len(),
        Sql::Blob(bytes) => 8 * bytes.len(),
        Sql::Null => 0,
    }
}

/// An SQL literal of the value with one bit changed; text as the resulting bytes, valid or not.
fn flipped(value: &Sql, bit: usize) -> String {
    let hex = |bytes: &[u8]| -> String {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    };
    match value {
        Sql::Integer(number) => (number ^ (1 << bit)).to_string(),
        Sql::Text(text) => format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes())),
        Sql::Blob(bytes) => format!("x'{}'", hex(bytes)),
        other => panic!("no column holds {other:?}"),
    }
}

#[test]
fn every_bit_of_a_row_counts() {
    for secret in [None, Some(key(7))] {
        let secret = secret.as_ref();
        let (_folder, path) = store_with(secret);
        let right = anna(&path, secret).unwrap();
        let connection = Connection::open(&path).unwrap();
        let fast = "PRAGMA synchronous = OFF";
        connection.execute_batch(fast).unwrap();
        let lookup_of_anna = match secret {
            None => b"anna".to_vec(),
            // The speaker with two templates.
            Some(_) => connection
                .query_row(
                    "SELECT lookup FROM speaker WHERE num_templates = 2",
                    [],
                    |r| r.get(0),
                )
                .unwrap(),
        };
        let is_anna = |number: usize| -> bool {
            let lookup: Vec<u8> = connection
                .query_row(
                    "SELECT lookup FROM speaker ORDER BY lookup LIMIT 1 OFFSET ?1",
                    [number as i64],
                    |r| r.get(0),
                )
                .unwrap();
            lookup == lookup_of_anna
        };
        let id_of_anna: Vec<u8> = connection
            .query_row(
                "SELECT id FROM speaker WHERE lookup = ?1",
                [&lookup_of_anna],
                |r| r.get(0),
            )
            .unwrap();
        let mut num_flips = 0;
        for (table, condition) in [
            ("store", "id = 1"),
            ("speaker", "lookup = ?1"),
            ("template", "speaker = ?1 AND position = 1"),
        ] {
            let rows = values(&connection, table);
            let mine: Vec<_> = match table {
                "store" => rows,
                "speaker" => rows.into_iter().filter(|(n, ..)| is_anna(*n)).collect(),
                _ => {
                    let of: Vec<usize> = rows
                        .iter()
                        .filter(|(_, c, v)| c == "speaker" && *v == Sql::Blob(id_of_anna.clone()))
                        .map(|(n, ..)| *n)
                        .collect();
                    rows.into_iter().filter(|(n, ..)| *n == of[1]).collect()
                }
            };
            assert!(!mine.is_empty());
            for (_, column, value) in &mine {
                for bit in 0..bits(value) {
                    let of: &[u8] = match table {
                        "speaker" => &lookup_of_anna,
                        _ => &id_of_anna,
                    };
                    let flip = flipped(value, bit);
                    let sql = format!("UPDATE {table} SET {column} = {flip} WHERE {condition}");
                    let done = match table {
                        "store" => connection.execute(&sql, []),
                        _ => connection.execute(&sql, [of]),
                    };
                    // The table itself rejects some values.
                    if done.is_err() {
                        continue;
                    }
                    assert_eq!(done.unwrap(), 1);
                    num_flips += 1;
                    damage_told(&path, secret, &format!("{table}.{column}, bit {bit}"));
                    let back = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = {flip}");
                    assert_eq!(connection.execute(&back, [value]).unwrap(), 1);
                }
            }
        }
        assert!(num_flips > 2000, "{num_flips}");
        assert_eq!(anna(&path, secret).unwrap(), right);
    }
}

#[test]
fn rows_in_the_place_of_others_are_noticed() {
    for secret in [None, Some(key(7))] {
        for damage in [
            // Exchanged within one voiceprint, and between two.
            "UPDATE template SET body = (SELECT body FROM template AS other
                WHERE other.speaker = template.speaker AND other.position = 1 - template.position)
             WHERE speaker = (SELECT id FROM speaker WHERE num_templates = 2)",
            "UPDATE template SET position = position + 1
             WHERE speaker = (SELECT id FROM speaker WHERE num_templates = 2) AND position = 1",
            "UPDATE template SET
                id = (SELECT id FROM template WHERE speaker =
                    (SELECT id FROM speaker WHERE num_templates = 1)),
                row_key = (SELECT row_key FROM template WHERE speaker =
                    (SELECT id FROM speaker WHERE num_templates = 1)),
                body = (SELECT body FROM template WHERE speaker =
                    (SELECT id FROM speaker WHERE num_templates = 1))
             WHERE position = 0",
            "UPDATE speaker SET id = (SELECT id FROM speaker WHERE num_templates = 1)",
            "UPDATE speaker SET body = (SELECT body FROM speaker WHERE num_templates = 1)",
            "DELETE FROM template WHERE position = 1",
            "DELETE FROM template",
            "UPDATE store SET salt = x'00'",
            "INSERT INTO template SELECT speaker, 2, id, row_key, body FROM template
             WHERE position = 1",
            "UPDATE speaker SET lookup = x'00' WHERE num_templates = 1;
             UPDATE speaker SET lookup = (SELECT lookup FROM speaker WHERE num_templates = 2),
                num_templates = 3 WHERE num_templates = 1",
        ] {
            let (_folder, path) = store_with(secret.as_ref());
            // What the table does not accept need not be tested.
            if Connection::open(&path)
                .unwrap()
                .execute_batch(damage)
                .is_ok()
            {
                damage_told(&path, secret.as_ref(), damage);
            }
        }
    }
}

#[test]
fn a_speakers_row_is_of_its_own_time() {
    // Somebody who kept an older digest removes a recording that was added later.
    let secret = key(7);
    let (_folder, path) = store_with(Some(&secret));
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT digest FROM speaker WHERE num_templates = 1";
    let before: Vec<u8> = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let mut store = opened_with(&path, Some(&secret));
    let two = [
        utterance("b2.wav", [7.0, 8.0, 9.0]),
        utterance("b3.wav", [7.0, 8.0, 8.0]),
    ];
    assert!(
        store
            .add(&name("boris"), ModelId::of(MODEL), 1, &two)
            .unwrap()
    );
    assert_eq!(store.list().unwrap().damaged.len(), 0);
    let of_boris = "(SELECT id FROM speaker WHERE num_templates = 3)";
    connection
        .execute(
            &format!("DELETE FROM template WHERE position > 0 AND speaker = {of_boris}"),
            [],
        )
        .unwrap();
    let sql = "UPDATE speaker SET num_templates = 1, digest = ?1 WHERE num_templates = 3";
    assert_eq!(connection.execute(sql, [before]).unwrap(), 1);
    let read = opened_with(&path, Some(&secret)).get(&name("boris"));
    assert_eq!(read.unwrap_err().exit_code(), 4);
}

#[test]
fn a_damaged_voiceprint_hides_no_other_and_can_be_replaced_and_removed() {
    for secret in [None, Some(key(7))] {
        let secret = secret.as_ref();
        let (_folder, path) = store_with(secret);
        let damage = "UPDATE template SET body = x'00' WHERE position = 1";
        Connection::open(&path)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        let mut store = opened_with(&path, secret);
        let listing = store.list().unwrap();
        assert_eq!(listing.speakers.len(), 1);
        assert_eq!(listing.speakers[0].name, "boris");
        assert_eq!(listing.damaged.len(), 1);
        // The speaker is named, unless names are encrypted.
        let told = listing.damaged[0].to_string();
        let whose = match secret {
            None => "the voiceprint of \"anna\" is damaged",
            Some(_) => ": a voiceprint is damaged",
        };
        assert!(told.contains(whose), "{told}");
        let id = ModelId::of(MODEL);
        let new = [utterance("new", [1.0, 2.0, 3.0])];
        // Nothing can be added to a damaged voiceprint, and it prevents backups and re-encryption.
        assert_eq!(
            store
                .add(&name("anna"), id, 2, &new)
                .unwrap_err()
                .exit_code(),
            4
        );
        assert_eq!(store.reseal(Some(&key(9))).unwrap_err().exit_code(), 4);
        store.replace(&name("anna"), id, &new).unwrap();
        assert_eq!(store.get(&name("anna")).unwrap().utterances, new);
        assert!(store.list().unwrap().damaged.is_empty());
        Connection::open(&path)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        store.remove(&name("anna")).unwrap();
        let num_left = || -> i64 {
            Connection::open(&path)
                .unwrap()
                .query_row("SELECT count(*) FROM template", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(num_left(), 1, "of Boris");
        // Templates without a speaker are deleted, too.
        Connection::open(&path)
            .unwrap()
            .execute_batch("UPDATE speaker SET id = zeroblob(16)")
            .unwrap();
        store.remove(&name("boris")).unwrap();
        assert_eq!(num_left(), 0);
    }
}

#[test]
fn what_is_no_store_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "no database at all, but long enough to look at".repeat(40),
    )
    .unwrap();
    // Whatever is beside it.
    std::fs::write(folder.path().join("text-wal"), "text").unwrap();
    let other = folder.path().join("other.sqlite");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    for path in [&text, &other] {
        for error in [
            Store::open(path, None).unwrap_err(),
            Store::open_or_create(path, None).unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 4, "{error}");
        }
    }
    let error = Store::open(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("not a file"), "{error}");
    // Not the same as no store: a wrong path must not look like an empty store.
    #[cfg(unix)]
    {
        let error = Store::open(&text.join("store"), None).unwrap_err();
        assert_eq!(error.exit_code(), 5, "{error}");
    }
    let (_folder, later) = store_of_two();
    Connection::open(&later)
        .unwrap()
        .execute_batch("PRAGMA user_version = 3")
        .unwrap();
    let error = Store::open(&later, None).unwrap_err();
    assert!(error.to_string().contains("schema version 3"), "{error}");
}

#[test]
fn a_store_with_any_page_destroyed_gives_an_error_or_the_right_answer() {
    let (_folder, path) = store_of_two();
    let whole = std::fs::read(&path).unwrap();
    let right = opened(&path).get(&name("anna")).unwrap().utterances;
    for at in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, damaged).unwrap();
        let read = Store::open(&path, None).and_then(|store| match store {
            Some(store) => store.get(&name("anna")),
            None => panic!("the file is there"),
        });
        match read {
            Ok(voiceprint) => assert_eq!(voiceprint.utterances, right, "byte {at}"),
            Err(error) => assert!([4, 5].contains(&error.exit_code()), "byte {at}: {error}"),
        }
    }
}
