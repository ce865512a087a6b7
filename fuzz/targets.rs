//! The doors of the program as functions of arbitrary bytes: for cargo-fuzz (`fuzz_targets/`) and
//! for the replay and mutation loop that runs on stable (`tests/fuzz_replay.rs`). Each panics where
//! a promise is broken: a panic inside, a refusal without file, fact and remedy, a result that the
//! rest of the program must not be given.

use spkver::{
    Error,
    audio::{self, ReadOptions},
    batch::vectors,
    contained::silence,
    eval::table::ScoreTable,
    features::{Mfcc, MfccConfig},
    lists::{trial::Expected, trials::for_each_trial},
    storage::{import, model, voiceprints::Store},
    train::options::TrainOptions,
    verifier::{ModelId, SpeakerName, Verifier},
};
use std::path::{Path, PathBuf};

/// A door: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("wav", wav),
    ("audio", any_audio),
    ("model", model_file),
    ("import", import_file),
    ("voiceprint", voiceprint),
    ("trials", trials),
    ("vectors", vectors_file),
    ("config", config),
];

/// WAV only: what is no WAV is passed over, so that the others' decoders take no time.
pub fn wav(bytes: &[u8]) {
    let names: [&[u8]; 6] = [b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"ID3"];
    if names.iter().any(|name| bytes.starts_with(name)) {
        any_audio(bytes);
    }
}

/// Any audio file.
pub fn any_audio(bytes: &[u8]) {
    // libFuzzer ends at every panic that is printed, and those in decoders become errors.
    silence();
    let name = Path::new("some file");
    match audio::read_from(bytes, name, &ReadOptions::default()) {
        Ok(waveform) => {
            let (samples, quality) = (waveform.samples(), waveform.quality());
            assert!(!samples.is_empty() && samples.iter().all(|x| x.is_finite()));
            assert!(!quality.truncated || quality.warning.is_some());
            assert!(quality.clipped <= 1.0 && quality.snr_db.is_finite());
        }
        Err(error) => refused(&error, "some file", 3),
    }
}

/// A model file as it is, and with the checksum made right.
pub fn model_file(bytes: &[u8]) {
    let name = Path::new("some model");
    for bytes in [Some(bytes.to_vec()), sealed(bytes)].into_iter().flatten() {
        match model::from_bytes(&bytes, name) {
            Ok(verifier) => usable(&verifier),
            Err(error) => refused(&error, "some model", 4),
        }
    }
}

/// The same file with the BLAKE3 that it should state.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let key = br#"\"blake3\":\""#;
    let header = &bytes[..bytes.len().min(1 << 16)];
    let at = header.windows(key.len()).position(|w| w == key)? + key.len();
    let mut sealed = bytes.to_vec();
    sealed.get_mut(at..at + 64)?.fill(b'0');
    let digits = blake3::hash(&sealed).to_hex();
    sealed[at..at + 64].copy_from_slice(digits.as_bytes());
    Some(sealed)
}

/// Another system's network.
pub fn import_file(bytes: &[u8]) {
    let (_folder, path) = in_a_file(bytes, "some network");
    let model = import::network(&path);
    match model.and_then(|model| Verifier::new(ModelId::of(b"imported"), model)) {
        Ok(verifier) => usable(&verifier),
        Err(error) => refused(&error, "some network", 4),
    }
}

/// A store of voiceprints.
pub fn voiceprint(bytes: &[u8]) {
    let (_folder, path) = in_a_file(bytes, "store");
    let read = || -> Result<(), Error> {
        let Some(store) = Store::open(&path, None)? else {
            return Ok(());
        };
        for enrolled in store.list()?.speakers {
            let name = SpeakerName::new(enrolled.name)?;
            let Some(voiceprint) = store.find(&name)? else {
                continue;
            };
            for utterance in &voiceprint.utterances {
                let values = utterance.embedding.values();
                assert!(!values.is_empty() && values.iter().all(|v| v.is_finite()));
            }
        }
        Ok(())
    };
    if let Err(error) = read() {
        assert!([2, 4, 5].contains(&error.exit_code()), "{error}");
    }
}

/// A list of trials, or of scores: as `score` reads it, and as `evaluate` and `calibrate` do.
pub fn trials(bytes: &[u8]) {
    silence();
    let read = for_each_trial(bytes, Path::new("some list"), Expected::Pairs, |trial| {
        assert!(!trial.enroll.is_empty() && !trial.test.is_empty());
        Ok(())
    });
    if let Err(error) = read {
        // The Parquet of a pipe is not looked at.
        refused(&error, "some list", 2);
    }
    let (_folder, path) = in_a_file(bytes, "some list");
    match ScoreTable::read(&path) {
        Ok(table) => {
            assert!(table.names().all(|name| !name.is_empty()));
            for trial in table.trials().iter().filter(|trial| trial.is_scored()) {
                assert!(trial.score.is_finite());
            }
        }
        Err(error) => refused(&error, "some list", 2),
    }
}

/// Embeddings of other programs: NumPy, Kaldi, Parquet, JSON lines or text, told by the content.
pub fn vectors_file(bytes: &[u8]) {
    silence();
    let (_folder, path) = in_a_file(bytes, "some vectors");
    // A file that ends early cannot be read (5); one of another form is wrong usage (2).
    let refused_one = |error: Error| {
        assert!([2, 5].contains(&error.exit_code()), "{error}");
        refused(&error, "some vectors", error.exit_code());
    };
    match vectors::read(&path, None, &|_| true) {
        Ok(vectors) => assert!(vectors.is_empty() || vectors.size() > 0),
        Err(error) => refused_one(error),
    }
    // As `store import-vectors` reads an array, row by row.
    match vectors::Array::open(&path) {
        Ok(mut rows) => {
            for row in 0..rows.num_rows().min(1000) {
                match rows.row(row) {
                    Ok(values) => assert_eq!(values.len(), rows.size()),
                    Err(error) => return refused_one(error),
                }
            }
        }
        Err(error) => refused_one(error),
    }
}

/// A configuration: of the front-end, or of training.
pub fn config(bytes: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<MfccConfig>(bytes)
        && let Ok(mfcc) = Mfcc::new(config)
    {
        let features = mfcc.extract_samples(&[0.1; 4000], &[true; 23]);
        assert!(features.values().iter().all(|v| v.is_finite()));
    }
    if let Ok(options) = serde_json::from_slice::<TrainOptions>(bytes)
        && options.check().is_ok()
    {
        // Layers that do not fit are an error like any other.
        let _ = options.layers();
    }
}

/// A file with these bytes, and the folder that goes with it.
fn in_a_file(bytes: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("room for a file");
    (folder, path)
}

fn usable(verifier: &Verifier) {
    let weights = verifier.model().network.weights();
    assert!(weights.values().all(|v| v.iter().all(|w| w.is_finite())));
}

fn refused(error: &Error, file: &str, exit_code: u8) {
    let text = error.to_string();
    assert_eq!(error.exit_code(), exit_code, "{text}");
    assert!(text.contains(file) && text.contains("; "), "{text}");
}
