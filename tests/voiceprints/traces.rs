//! What the files on the disk give away: nothing of removed voiceprints, and nothing at all of
//! encrypted ones.

use crate::{MODEL, key, name, opened, opened_with, store_of_two, store_with, utterance};
use rusqlite::Connection;
use spkver::{
    storage::{secret::Secret, voiceprints::Store},
    verifier::{Embedding, ModelId, Utterance, Voiceprint},
};
use std::path::Path;

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = store_of_two();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
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
    let embedding = Embedding::new((0..192).map(value).collect(), ModelId::of(MODEL)).unwrap();
    Utterance::without_quality(format!("recording-of-{speaker}-.wav"), embedding, 2.5)
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
        let embedding = Embedding::new((0..length).map(value).collect(), model).unwrap();
        let of = Utterance::without_quality("x", embedding, 2.5);
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
