//! The store of voiceprints, plain and encrypted.

mod contents;
mod damage;
#[path = "../random_model/mod.rs"]
mod random_model;
mod secrets;
mod sharing;
mod traces;

use spkver::{
    storage::{secret::Secret, voiceprints::Store},
    verifier::{Embedding, ModelId, SpeakerName, Utterance},
};
use std::path::{Path, PathBuf};

const MODEL: &[u8] = b"a model";

fn utterance(file: &str, values: [f32; 3]) -> Utterance {
    let embedding = Embedding::new(values.to_vec(), ModelId::of(MODEL)).unwrap();
    let utterance = Utterance::without_quality(file, embedding, 2.5);
    let quality = br#"{ "seconds": 3.0, "warning": null }"#;
    utterance.with_quality(quality).unwrap()
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
