//! What is stored can be read back, also from a store of an earlier version.

use crate::{
    MODEL, anna, key, name, opened, opened_with, random_model::random_model, store_of_two,
    store_with, utterance,
};
use spkver::{
    Error,
    scoring::OperatingPoint,
    storage::{model, secret::Secret, voiceprints::Store},
    verifier::{Embedding, ModelId, SpeakerName, Utterance},
};
use std::path::{Path, PathBuf};

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
        let embedding = Embedding::new(vec![row as f32; SIZE], id).unwrap();
        let file = format!("x.npy[{row}]");
        Ok(Utterance::without_quality(file, embedding, 0.0))
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
    let embedding = Embedding::new(vec![1.0], other).unwrap();
    let of_other = Utterance::without_quality("x", embedding, 2.5);
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
