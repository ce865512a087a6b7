//! The store of voiceprints, plain and encrypted: what is written can be read back; damaged or
//! exchanged rows and wrong keys are refused with a specific error.

mod random_model;

use random_model::random_model;
use rusqlite::{Connection, types::Value as Sql};
use serde_json::json;
use spkver::{
    Error,
    scoring::OperatingPoint,
    storage::{
        model,
        secret::Secret,
        voiceprints::{Store, wanted_secret},
    },
    verifier::{Embedding, ModelId, SpeakerName, Utterance, Voiceprint},
};
use std::path::{Path, PathBuf};

const MODEL: &[u8] = b"a model";

fn utterance(file: &str, values: [f32; 3]) -> Utterance {
    Utterance {
        file: file.into(),
        speech_seconds: 2.5,
        quality: json!({ "seconds": 3.0, "warning": null }),
        embedding: Embedding::new(values.to_vec(), ModelId::of(MODEL)).unwrap(),
    }
}

fn name(text: &str) -> SpeakerName {
    SpeakerName::new(text).unwrap()
}

fn key(byte: u8) -> Secret {
    Secret::from_hex(format!("{byte:02x}").repeat(32).as_bytes()).unwrap()
}

/// A store with Anna (two utterances) and Boris (one).
fn store_of_two() -> (tempfile::TempDir, PathBuf) {
    store_with(None)
}

fn store_with(secret: Option<&Secret>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/voiceprints.sqlite");
    let mut store = Store::open_or_create(&path, secret).unwrap();
    let id = ModelId::of(MODEL);
    let of_anna = [
        utterance("a1.wav", [0.1, -0.2, f32::MIN_POSITIVE]),
        utterance("a2.wav", [1.0, 2.0, 3.0]),
    ];
    assert!(store.add(&name("anna"), id, 0, &of_anna).unwrap());
    let of_boris = [utterance("b1.wav", [4.0, 5.0, 6.0])];
    assert!(store.add(&name("boris"), id, 0, &of_boris).unwrap());
    (folder, path)
}

fn opened(path: &Path) -> Store {
    opened_with(path, None)
}

fn opened_with(path: &Path, secret: Option<&Secret>) -> Store {
    Store::open(path, secret).unwrap().unwrap()
}

/// Anna's voiceprint, as `verify anna` reads it.
fn anna(path: &Path, secret: Option<&Secret>) -> spkver::Result<Vec<Utterance>> {
    let store = Store::open(path, secret)?.expect("the file is there");
    Ok(store.get(&name("anna"))?.utterances)
}

#[track_caller]
fn damage_told(path: &Path, secret: Option<&Secret>, what: &str) {
    let error = anna(path, secret).expect_err(what);
    assert_eq!(error.exit_code(), 4, "{what}: {error}");
    let told = Store::open(path, secret).and_then(|store| store.unwrap().list());
    assert!(told.is_err() || !told.unwrap().damaged.is_empty(), "{what}");
}

#[test]
fn voiceprints_come_back_bit_for_bit() {
    let (_folder, path) = store_of_two();
    let mut store = opened(&path);
    let anna = store.get(&name("anna")).unwrap();
    assert_eq!(
        anna.utterances,
        [
            utterance("a1.wav", [0.1, -0.2, f32::MIN_POSITIVE]),
            utterance("a2.wav", [1.0, 2.0, 3.0])
        ]
    );
    assert_eq!(anna.model, ModelId::of(MODEL));

    let more = utterance("a3.wav", [7.0, 8.0, 9.0]);
    store
        .add(&name("anna"), anna.model, 2, std::slice::from_ref(&more))
        .unwrap();
    assert_eq!(store.get(&name("anna")).unwrap().utterances.len(), 3);
    store
        .replace(&name("anna"), anna.model, std::slice::from_ref(&more))
        .unwrap();
    assert_eq!(store.get(&name("anna")).unwrap().utterances, [more]);

    let list = store.list().unwrap().speakers;
    assert_eq!(
        list.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["anna", "boris"]
    );
    assert_eq!(list[1].speech_seconds, 2.5);
    store.remove(&name("anna")).unwrap();
    assert!(matches!(
        store.get(&name("anna")),
        Err(Error::UnknownSpeaker { .. })
    ));
    assert!(matches!(
        store.remove(&name("anna")),
        Err(Error::UnknownSpeaker { .. })
    ));
}

/// Writes the stores in `fixtures/stores`. Was run once, by the version whose stores later versions
/// must open.
#[test]
#[ignore = "writes fixtures"]
fn write_the_stores_of_version_2() {
    for (file, secret) in stores_of_version_2() {
        let (_folder, made) = store_with(secret.as_ref());
        // Closing the last connection has merged everything into one file.
        std::fs::copy(made, file).unwrap();
    }
}

fn stores_of_version_2() -> [(PathBuf, Option<Secret>); 3] {
    let words = Secret::from_passphrase("correct horse").unwrap();
    let secrets = [
        ("plain", None),
        ("key", Some(key(7))),
        ("words", Some(words)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores");
    secrets.map(|(kind, secret)| (folder.join(format!("v2-{kind}.sqlite")), secret))
}

#[test]
fn a_store_of_before_opens() {
    let (_folder, now) = store_of_two();
    let right = anna(&now, None).unwrap();
    for (file, secret) in stores_of_version_2() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::copy(file, &path).unwrap();
        assert_eq!(anna(&path, secret.as_ref()).unwrap(), right);
        let mut store = opened_with(&path, secret.as_ref());
        let listing = store.list().unwrap();
        assert_eq!((listing.speakers.len(), listing.damaged.len()), (2, 0));
        // Its tables are laid out in another way, and grow and shrink as today's do.
        import_of_four(&mut store);
        store.remove(&name("anna")).unwrap();
        assert_eq!(store.list().unwrap().speakers.len(), 2);
        store.reseal(Some(&key(9))).unwrap();
        drop(store);
        let store = opened_with(&path, Some(&key(9)));
        assert_eq!(store.get(&name("boris")).unwrap().utterances.len(), 3);
    }
}

/// Two more recordings of boris, one more of anna, and one of chloe.
fn import_of_four(store: &mut Store) {
    let names = ["boris", "chloe", "anna", "boris"].map(name);
    let files = ["b2", "c1", "a3", "b3"];
    let read = |row: usize| Ok(utterance(files[row], [row as f32 + 1.0, 0.0, 0.0]));
    store.import(ModelId::of(MODEL), &names, read).unwrap();
}

#[test]
fn an_import_in_any_order_is_as_enrolling_one_after_the_other() {
    for secret in [None, Some(key(7))] {
        let (_folder, path) = store_with(secret.as_ref());
        import_of_four(&mut opened_with(&path, secret.as_ref()));
        let store = opened_with(&path, secret.as_ref());
        for (of, files) in [
            ("anna", vec!["a1.wav", "a2.wav", "a3"]),
            ("boris", vec!["b1.wav", "b2", "b3"]),
            ("chloe", vec!["c1"]),
        ] {
            let stored = store.get(&name(of)).unwrap().utterances;
            let stored: Vec<&str> = stored.iter().map(|u| u.file.as_str()).collect();
            assert_eq!(stored, files, "{of}");
        }
        assert_eq!(store.list().unwrap().damaged.len(), 0);
    }
}

#[test]
fn a_store_of_imported_vectors_is_hardly_larger_than_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path, None).unwrap();
    const NUM: usize = 3000;
    const SIZE: usize = 450;
    let names: Vec<SpeakerName> = (0..NUM).map(|n| name(&format!("s{n}"))).collect();
    let id = ModelId::of(MODEL);
    let read = |row: usize| {
        Ok(Utterance {
            file: format!("x.npy[{row}]"),
            speech_seconds: 0.0,
            quality: serde_json::Value::Null,
            embedding: Embedding::new(vec![row as f32; SIZE], id).unwrap(),
        })
    };
    store.import(id, &names, read).unwrap();
    assert_eq!(store.list().unwrap().speakers.len(), NUM);
    drop(store);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let bytes_each = bytes as f64 / NUM as f64;
    assert!(bytes_each < 1.3 * (4 * SIZE) as f64, "{bytes_each}");
}

#[test]
fn any_name_is_only_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path, None).unwrap();
    let names = [
        "Zoe\u{308}",
        "李小龍",
        "../../../etc/passwd",
        "'; DROP TABLE speaker; --",
        "%_",
        "ANNA",
        "anna",
    ];
    for text in names {
        let of = utterance(text, [1.0, 2.0, 3.0]);
        store
            .add(&name(text), ModelId::of(MODEL), 0, &[of])
            .unwrap();
    }
    for text in names {
        let voiceprint = store.get(&name(text)).unwrap();
        assert_eq!(voiceprint.name.as_str(), text);
        assert_eq!(voiceprint.utterances[0].file, text);
    }
    // The other Unicode form of Zoë is the same speaker, displayed as first typed.
    let zoe = store.get(&name("Zo\u{eb}")).unwrap();
    assert_eq!(zoe.name.as_str(), "Zoe\u{308}");
    assert_eq!(store.list().unwrap().speakers.len(), names.len());
}

#[test]
fn a_voiceprint_of_another_model_is_not_mixed() {
    let (_folder, path) = store_of_two();
    let mut store = opened(&path);
    let other = ModelId::of(b"another model");
    let of_other = Utterance {
        embedding: Embedding::new(vec![1.0], other).unwrap(),
        ..utterance("x", [0.0; 3])
    };
    let error = store
        .add(&name("anna"), other, 2, std::slice::from_ref(&of_other))
        .unwrap_err();
    assert!(matches!(error, Error::ModelMismatch { .. }));
    assert_eq!(store.get(&name("anna")).unwrap().utterances.len(), 2);
    store.replace(&name("anna"), other, &[of_other]).unwrap();
    assert_eq!(store.get(&name("anna")).unwrap().model, other);

    // The verifier does not score voiceprints of other models either.
    let verifier =
        model::from_bytes(&model::to_bytes(&random_model(7, 2, 3)), Path::new("m")).unwrap();
    let boris = store.get(&name("boris")).unwrap();
    let test = Embedding::new(vec![1.0, 2.0, 3.0], verifier.id()).unwrap();
    let error = verifier
        .verify(&boris, &test, &OperatingPoint::default())
        .unwrap_err();
    assert!(matches!(error, Error::ModelMismatch { .. }));
}

#[test]
fn reading_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/voiceprints.sqlite");
    assert!(Store::open(&path, None).unwrap().is_none());
    assert!(!path.parent().unwrap().exists());
    assert!(
        Store::open(folder.path(), None).is_err(),
        "a folder is no store"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = store_of_two();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
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

/// All bytes of all files in a folder.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.unwrap().path());
    files.flat_map(|file| read(file).unwrap()).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// As many values as a model gives, different for every speaker.
fn template(speaker: usize) -> Utterance {
    let value = |i: usize| 1.0 + (speaker * 1000 + i) as f32 / 1e6;
    Utterance {
        embedding: Embedding::new((0..192).map(value).collect(), ModelId::of(MODEL)).unwrap(),
        ..utterance(&format!("recording-of-{speaker}-.wav"), [0.0; 3])
    }
}

fn first_bytes(utterance: &Utterance) -> Vec<u8> {
    let values = utterance.embedding.values().iter();
    values.flat_map(|v| v.to_le_bytes()).take(32).collect()
}

#[test]
fn what_is_removed_is_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path, None).unwrap();
    // Enough speakers for pages to be split, merged and freed.
    let num_speakers = 150;
    for i in 0..num_speakers {
        let (speaker, of) = (name(&format!("speaker-{i}-")), [template(i)]);
        store.add(&speaker, ModelId::of(MODEL), 0, &of).unwrap();
    }
    // Removed, or replaced by recordings or from a backup.
    let removed = |i: &usize| !i.is_multiple_of(3);
    let new = utterance("new", [1.0, 2.0, 3.0]);
    for i in (0..num_speakers).filter(removed) {
        let speaker = name(&format!("speaker-{i}-"));
        let model = ModelId::of(MODEL);
        let utterances = vec![new.clone()];
        match i % 3 {
            1 if i > 100 => store.replace(&speaker, model, &utterances).unwrap(),
            1 => {
                let of_backup = Voiceprint {
                    name: speaker.clone(),
                    model,
                    utterances,
                };
                store.restore(vec![of_backup], true).unwrap();
            }
            _ => {}
        }
        if i % 3 == 1 {
            let file = format!("recording-of-{i}-.wav");
            assert!(!holds(&bytes_in(folder.path()), file.as_bytes()), "{i}");
        }
        store.remove(&speaker).unwrap();
    }
    // While another command has the store open.
    let bytes = bytes_in(folder.path());
    for i in 0..num_speakers {
        let name = format!("speaker-{i}-");
        let file = format!("recording-of-{i}-.wav");
        for trace in [name.as_bytes(), file.as_bytes(), &first_bytes(&template(i))] {
            assert_eq!(holds(&bytes, trace), !removed(&i), "{i}");
        }
    }
}

/// SQLite leaves copies of moved rows when it moves many of different sizes.
#[test]
fn rows_that_moved_leave_no_copy_behind() {
    let mut state = 7u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path, None).unwrap();
    for i in 0..400 {
        let speaker = name(&format!("speaker-{}-", below(60)));
        let length = 20 + below(300) as usize;
        let value = |j: usize| 1.0 + (i * 1000 + j) as f32 / 1e6;
        let model = ModelId::of(MODEL);
        let of = Utterance {
            embedding: Embedding::new((0..length).map(value).collect(), model).unwrap(),
            ..utterance("x", [0.0; 3])
        };
        match store.find(&speaker).unwrap() {
            Some(voiceprint) if below(2) == 0 => {
                store.remove(&speaker).unwrap();
                let bytes = bytes_in(folder.path());
                for removed in &voiceprint.utterances {
                    assert!(!holds(&bytes, &first_bytes(removed)), "{i}");
                }
            }
            Some(voiceprint) => {
                let num = voiceprint.utterances.len();
                assert!(store.add(&speaker, model, num, &[of]).unwrap());
            }
            None => assert!(store.add(&speaker, model, 0, &[of]).unwrap()),
        }
    }
    let listing = store.list().unwrap();
    assert!(listing.damaged.is_empty() && listing.speakers.len() > 20);
}

#[test]
fn an_encrypted_store_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    // Created without a key and encrypted later: the old pages are overwritten.
    let mut store = Store::open_or_create(&path, None).unwrap();
    for i in 0..50 {
        let (speaker, of) = (
            name(&format!("speaker-{i}-")),
            [template(i), template(i + 500)],
        );
        store.add(&speaker, ModelId::of(MODEL), 0, &of).unwrap();
    }
    assert!(holds(&bytes_in(folder.path()), b"recording-of-7-.wav"));
    let (first, second) = (key(1), Secret::from_passphrase("correct horse").unwrap());
    for secret in [&first, &second] {
        store.reseal(Some(secret)).unwrap();
        assert!(store.is_encrypted());
        let bytes = bytes_in(folder.path());
        for i in 0..50 {
            let name = format!("speaker-{i}-");
            let file = format!("recording-of-{i}-.wav");
            for trace in [name.as_bytes(), file.as_bytes(), &first_bytes(&template(i))] {
                assert!(!holds(&bytes, trace), "{i}");
            }
        }
        for secret in [&[1u8; 32][..], b"correct horse"] {
            assert!(!holds(&bytes, secret));
        }
        assert_eq!(store.list().unwrap().speakers.len(), 50);
        let back = opened_with(&path, Some(secret))
            .get(&name("speaker-3-"))
            .unwrap();
        assert_eq!(back.utterances, [template(3), template(503)]);
    }
    // Another store with the same key has a different header.
    let header = |path: &Path| -> Vec<u8> {
        let connection = Connection::open(path).unwrap();
        let code = connection.query_row("SELECT code FROM store", [], |row| row.get(0));
        code.unwrap()
    };
    let [one, two] = [(); 2].map(|()| store_with(Some(&first)));
    assert_ne!(header(&one.1), header(&two.1));
    // The previous key no longer opens it.
    assert!(Store::open(&path, Some(&first)).is_err());
    store.reseal(None).unwrap();
    assert_eq!(opened(&path).list().unwrap().speakers.len(), 50);
}

#[test]
fn only_the_right_secret_opens_a_store() {
    let words = |text| Secret::from_passphrase(text).unwrap();
    for (right, wrong, other_kind, wanted) in [
        (key(1), key(2), words("key"), "with a key"),
        (words("horse"), words("Horse"), key(1), "with a passphrase"),
    ] {
        let (_folder, path) = store_with(Some(&right));
        assert_eq!(anna(&path, Some(&right)).unwrap().len(), 2);
        assert!(wanted_secret(&path).unwrap().is_some());
        for (secret, fact) in [
            (Some(&wrong), "does not open it"),
            (None, wanted),
            (Some(&other_kind), "another kind of secret was given"),
        ] {
            for error in [
                Store::open(&path, secret).unwrap_err(),
                Store::open_or_create(&path, secret).unwrap_err(),
            ] {
                assert!(matches!(error, Error::Store { .. }), "{error:?}");
                assert_eq!(error.exit_code(), 4);
                assert!(error.to_string().contains(fact), "{error}");
                for told in ["0101", "0202", "orse"] {
                    assert!(!format!("{error} {error:?}").contains(told));
                }
            }
        }
    }
    // A plain store put in place of the encrypted one is detected.
    let (_folder, path) = store_of_two();
    let error = Store::open(&path, Some(&key(1))).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("is not encrypted"), "{error}");
    assert_eq!(wanted_secret(&path).unwrap(), None);
    assert_eq!(wanted_secret(&path.with_extension("none")).unwrap(), None);
}

#[test]
fn secrets_are_read_as_people_keep_them_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |bytes: &[u8]| {
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let hex = "0123456789abcdefABCDEF00112233445566778899aabbccddeeff0011223344";
    for bytes in [hex.as_bytes(), format!("{hex}\r\n").as_bytes(), &[0xfe; 32]] {
        let secret = Secret::from_key_file(&file(bytes)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret::Key(..)");
    }
    let too_long = "ab".repeat(5000);
    for bytes in [
        &b""[..],
        &hex.as_bytes()[1..],
        &[0xfe; 31],
        &[0xfe; 33],
        too_long.as_bytes(),
    ] {
        let error = Secret::from_key_file(&file(bytes)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("64 hexadecimal digits"),
            "{error}"
        );
    }
    let not_hex = hex.replace('0', "g");
    assert!(Secret::from_hex(not_hex.as_bytes()).is_none());
    for text in [
        "correct horse",
        "correct horse\n",
        "correct horse\r\nsecond line",
    ] {
        let Secret::Passphrase(words) =
            Secret::from_passphrase_file(&file(text.as_bytes())).unwrap()
        else {
            panic!("a passphrase");
        };
        assert_eq!(words.as_str(), "correct horse");
    }
    let longest = "x".repeat(Secret::MAX_PASSPHRASE_BYTES);
    assert!(Secret::from_passphrase_file(&file(longest.as_bytes())).is_ok());
    for bytes in [
        &b""[..],
        b"\nsecond",
        b"\xff\xfe",
        format!("{longest}x").as_bytes(),
    ] {
        let error = Secret::from_passphrase_file(&file(bytes)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    let missing = Secret::from_key_file(&folder.path().join("none")).unwrap_err();
    assert_eq!(missing.exit_code(), 5);
    let (_folder, path) = store_with(Some(&key(0xab)));
    let store = opened_with(&path, Some(&key(0xab)));
    let of = utterance("f", [0.123, 4.5, 6.0]);
    let shown = format!("{of:?} {:?} {store:?}", key(0xab));
    for told in ["0.123", "4.5", "abab", "171, 171"] {
        assert!(!shown.contains(told), "{shown}");
    }
    assert!(shown.contains(&path.display().to_string()), "{shown}");
}

#[test]
fn a_store_that_asks_for_absurd_work_is_refused() {
    let secret = Secret::from_passphrase("horse").unwrap();
    let (_folder, path) = store_with(Some(&secret));
    for derivation in [
        "argon2id 4000000000 3",
        "argon2id 65536 4000000000",
        "argon2id 1 1",
        "md5",
    ] {
        Connection::open(&path)
            .unwrap()
            .execute("UPDATE store SET derivation = ?1", [derivation])
            .unwrap();
        let error = Store::open(&path, Some(&secret)).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("damaged: the header"), "{error}");
    }
}

#[test]
fn nothing_is_sealed_with_a_key_of_before() {
    let (_folder, path) = store_with(Some(&key(1)));
    let mut slow = opened_with(&path, Some(&key(1)));
    opened_with(&path, Some(&key(1)))
        .reseal(Some(&key(2)))
        .unwrap();
    let of = [utterance("late", [1.0, 2.0, 3.0])];
    for error in [
        slow.add(&name("chloe"), ModelId::of(MODEL), 0, &of)
            .unwrap_err(),
        slow.get(&name("anna")).unwrap_err(),
        slow.remove(&name("anna")).unwrap_err(),
        slow.reseal(None).unwrap_err(),
    ] {
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains("changed its key"), "{error}");
    }
    let store = opened_with(&path, Some(&key(2)));
    assert_eq!(store.list().unwrap().speakers.len(), 2);
}

#[test]
fn no_voiceprint_is_empty() {
    let (_folder, path) = store_of_two();
    let mut store = opened(&path);
    let id = ModelId::of(MODEL);
    assert!(store.add(&name("chloe"), id, 0, &[]).is_err());
    assert!(store.replace(&name("anna"), id, &[]).is_err());
    assert!(store.find(&name("chloe")).unwrap().is_none());
    assert_eq!(store.get(&name("anna")).unwrap().utterances.len(), 2);
}

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
    again.args(["--exact", test]).uid(NOBODY);
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
