//! Model files and the store of voiceprints: what is written is read back; what is damaged, wrong
//! or somebody else's is refused with its own text.

mod random_model;

use random_model::random_model;
use rusqlite::Connection;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use spkver::{
    Error,
    scoring::OperatingPoint,
    storage::{model, voiceprints::Store, write_whole},
    verifier::{Embedding, ModelId, SpeakerName, Utterance},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// Makes the model that the binary holds until a trained one takes its place.
#[test]
#[ignore = "writes models/spkver.safetensors"]
fn write_the_random_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/spkver.safetensors");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    model::save(&path, &random_model(1, 32, 64)).unwrap();
}

// ---- model files

fn small_model() -> Vec<u8> {
    model::to_bytes(&random_model(7, 2, 3))
}

fn refusal(bytes: &[u8]) -> String {
    let error = model::from_bytes(bytes, Path::new("some.safetensors")).unwrap_err();
    assert!(matches!(error, Error::Model { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 4);
    let text = error.to_string();
    assert!(text.contains("some.safetensors"), "{text}");
    text
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// A small model's file after `edit`, with a checksum that fits again.
fn edited(edit: impl FnOnce(&mut Value, &mut Tensors)) -> Vec<u8> {
    let bytes = small_model();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = &metadata.metadata().as_ref().unwrap()["spkver"];
    let mut header: Value = serde_json::from_str(text).unwrap();
    let mut tensors: Tensors = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, t)| {
            let parts = (t.dtype(), t.shape().to_vec(), t.data().to_vec());
            (name.to_string(), parts)
        })
        .collect();
    edit(&mut header, &mut tensors);
    let zeros = "0".repeat(64);
    header["blake3"] = json!(zeros);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([("spkver".to_string(), header.to_string())]);
    let mut file = safetensors::serialize(views, Some(metadata)).unwrap();
    let at = file
        .windows(64)
        .position(|w| w == zeros.as_bytes())
        .unwrap();
    let digits = blake3::hash(&file).to_hex();
    file[at..at + 64].copy_from_slice(digits.as_bytes());
    file
}

#[test]
fn the_model_in_the_binary_is_valid() {
    model::embedded().unwrap();
}

#[test]
fn a_model_comes_back_with_the_same_bits_and_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let made = random_model(7, 2, 3);
    let id = model::save(&path, &made).unwrap();
    let back = model::load(&path).unwrap();
    assert_eq!(back.id(), id);
    assert_eq!(back.id(), ModelId::of(&std::fs::read(&path).unwrap()));
    assert_eq!(back.model().network.weights(), made.network.weights());
    assert_eq!(back.model().head, made.head);
    assert_eq!(back.model().card, made.card);
    assert_eq!(model::to_bytes(back.model()), small_model());
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // A file that another program wrote with the same facts is as good.
    model::from_bytes(&edited(|_, _| ()), Path::new("m")).unwrap();
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut bytes = small_model();
    assert!(8 * bytes.len() > 10_000);
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refusal(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_cut_is_noticed() {
    let bytes = small_model();
    for length in (0..bytes.len()).step_by(7) {
        refusal(&bytes[..length]);
    }
    let longer = [bytes, vec![0]].concat();
    refusal(&longer);
}

#[test]
fn what_is_no_model_is_called_so() {
    assert!(refusal(b"").contains("not a safetensors file"));
    assert!(refusal(b"RIFF....WAVEfmt ").contains("claims a header of"));
    let plain = safetensors::serialize(Vec::<(String, TensorView)>::new(), None).unwrap();
    assert!(refusal(&plain).contains("without the metadata key \"spkver\""));
    let missing = model::load(Path::new("/nonexistent/model")).unwrap_err();
    assert_eq!(missing.exit_code(), 5);
}

#[test]
fn wrong_shapes_name_tensor_got_and_wanted() {
    let transposed = edited(|_, tensors| tensors.get_mut("0.weight").unwrap().1.swap(0, 2));
    let text = refusal(&transposed);
    assert!(
        text.contains("tensor \"0.weight\" has shape [5, 40, 2], wanted [2, 40, 5]"),
        "{text}"
    );
    let missing = edited(|_, tensors| drop(tensors.remove("4.bias")));
    assert!(refusal(&missing).contains("tensor \"4.bias\" is missing, wanted shape [2]"));
    let extra = edited(|_, tensors| {
        let bias = tensors["4.bias"].clone();
        tensors.insert("99.bias".into(), bias);
    });
    assert!(refusal(&extra).contains("belong to no layer: 99.bias"));
    let half = edited(|_, tensors| {
        let bias = tensors.get_mut("0.bias").unwrap();
        *bias = (Dtype::F16, vec![2], vec![0; 4]);
    });
    assert!(refusal(&half).contains("tensor \"0.bias\" is F16, wanted F32"));
    let head = edited(|header, _| header["head"]["size"] = json!(5));
    assert!(refusal(&head).contains("tensor \"head.whiten\" has shape [3, 3], wanted [5, 3]"));
    let absurd = edited(|header, _| header["head"]["size"] = json!(u64::MAX));
    assert!(refusal(&absurd).contains("head of size"));
}

#[test]
fn layers_that_do_not_fit_are_named() {
    // The second Conv1d wants more channels than the first one gives.
    let text = refusal(&edited(|header, tensors| {
        header["layers"][2]["in_channels"] = json!(3);
        tensors.insert("2.weight".into(), (Dtype::F32, vec![2, 3, 3], vec![0; 72]));
    }));
    assert!(text.contains("layer 2 (conv1d)"), "{text}");
    let unknown = edited(|header, _| header["layers"][1]["kind"] = json!("swish"));
    assert!(refusal(&unknown).contains("swish"));
    let none = edited(|header, tensors| {
        header["layers"] = json!([]);
        tensors.retain(|name, _| name.starts_with("head"));
    });
    refusal(&none);
}

#[test]
fn numbers_that_are_none_are_refused() {
    for (bits, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let text = refusal(&edited(|_, tensors| {
            let data = &mut tensors.get_mut("0.weight").unwrap().2;
            data[8..12].copy_from_slice(&bits.to_le_bytes());
        }));
        let wanted = format!("tensor \"0.weight\" holds {shown} at position 2");
        assert!(text.contains(&wanted), "{text}");
    }
    refusal(&edited(|header, _| header["head"]["prior"] = json!(1.0)));
    refusal(&edited(|header, _| {
        header["limits"]["max_clipped"] = json!(-1)
    }));
}

#[test]
fn another_format_version_is_told_as_such() {
    let later = edited(|header, _| {
        header["format_version"] = json!(2);
        header["something_new"] = json!(true);
    });
    assert!(refusal(&later).contains("format version 2, this program reads 1"));
}

#[test]
fn a_file_is_written_whole_and_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    write_whole(&path, b"one").unwrap();
    let error = write_whole(&folder.path().join("none/b"), b"x").unwrap_err();
    assert_eq!(error.exit_code(), 5);
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_whole(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        // A device is not replaced by a file.
        write_whole(Path::new("/dev/null"), b"x").unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}

// ---- voiceprints

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

/// A store with Anna (two utterances) and Boris (one).
fn store_of_two() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/voiceprints.sqlite");
    let mut store = Store::open_or_create(&path).unwrap();
    let id = ModelId::of(MODEL);
    let of_anna = [
        utterance("a1.wav", [0.1, -0.2, f32::MIN_POSITIVE]),
        utterance("a2.wav", [1.0, 2.0, 3.0]),
    ];
    store.add(&name("anna"), id, 0, &of_anna).unwrap();
    let of_boris = [utterance("b1.wav", [4.0, 5.0, 6.0])];
    store.add(&name("boris"), id, 0, &of_boris).unwrap();
    (folder, path)
}

fn opened(path: &Path) -> Store {
    Store::open(path).unwrap().unwrap()
}

fn damage_told(path: &Path) {
    let error = opened(path).get(&name("anna")).unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("damaged"), "{error}");
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

    let list = store.list().unwrap();
    assert_eq!(
        list.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["anna", "boris"]
    );
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

#[test]
fn any_name_is_only_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path).unwrap();
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
    // The other spelling of Zoë is the same speaker, shown as first typed.
    let zoe = store.get(&name("Zo\u{eb}")).unwrap();
    assert_eq!(zoe.name.as_str(), "Zoe\u{308}");
    assert_eq!(store.list().unwrap().len(), names.len());
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

    // And the verifier does not score what is not its own.
    let verifier = model::from_bytes(&small_model(), Path::new("m")).unwrap();
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
    assert!(Store::open(&path).unwrap().is_none());
    assert!(!path.parent().unwrap().exists());
    assert!(Store::open(folder.path()).is_err(), "a folder is no store");
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

#[test]
fn damaged_rows_are_noticed() {
    for damage in [
        "UPDATE utterance SET embedding = x'0000803f0000803f0000803f' WHERE file = 'a1.wav'",
        "UPDATE utterance SET speaker_id = 3 - speaker_id",
        "UPDATE utterance SET file = 'b1.wav'",
        "UPDATE utterance SET quality = '{}'",
        "UPDATE speaker SET model = replace(model, 'a', 'b')",
        "UPDATE speaker SET model = ''",
        "UPDATE speaker SET name = 'boris' WHERE key = 'anna'",
        "DELETE FROM utterance",
    ] {
        let (_folder, path) = store_of_two();
        Connection::open(&path)
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        damage_told(&path);
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
    let other = folder.path().join("other.sqlite");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    for path in [&text, &other] {
        for error in [
            Store::open(path).unwrap_err(),
            Store::open_or_create(path).unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 4, "{error}");
        }
    }
    let (_folder, later) = store_of_two();
    Connection::open(&later)
        .unwrap()
        .execute_batch("PRAGMA user_version = 2")
        .unwrap();
    let error = Store::open(&later).unwrap_err();
    assert!(error.to_string().contains("schema version 2"), "{error}");
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
        let read = Store::open(&path).and_then(|store| match store {
            Some(store) => store.get(&name("anna")),
            None => panic!("the file is there"),
        });
        match read {
            Ok(voiceprint) => assert_eq!(voiceprint.utterances, right, "byte {at}"),
            Err(error) => assert!([4, 5].contains(&error.exit_code()), "byte {at}: {error}"),
        }
    }
}

#[test]
fn what_is_removed_is_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut store = Store::open_or_create(&path).unwrap();
    let secret = utterance("very-secret-name.wav", [1.25e10, 2.5e10, 3.5e10]);
    store
        .add(&name("anna"), ModelId::of(MODEL), 0, &[secret])
        .unwrap();
    store.remove(&name("anna")).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(16).any(|w| w == b"very-secret-name");
        assert!(!found);
    }
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/s");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut store = Store::open_or_create(path).unwrap();
                for i in 0..5 {
                    let speaker = name(&format!("{writer}-{i}"));
                    let of = utterance("x", [writer as f32, i as f32, 0.0]);
                    store.add(&speaker, ModelId::of(MODEL), 0, &[of]).unwrap();
                }
            });
        }
    });
    assert_eq!(opened(&path).list().unwrap().len(), 20);
}

#[test]
fn what_was_checked_against_an_older_voiceprint_is_not_added() {
    // Two commands read a voiceprint, each finds its recording consistent with it, both write.
    let (_folder, path) = store_of_two();
    let (mut one, mut other) = (opened(&path), opened(&path));
    let id = ModelId::of(MODEL);
    let of = |file| [utterance(file, [7.0, 8.0, 9.0])];
    one.add(&name("anna"), id, 2, &of("a3")).unwrap();
    let error = other.add(&name("anna"), id, 2, &of("a4")).unwrap_err();
    assert!(error.to_string().contains("run the command again"));
    assert_eq!(error.exit_code(), 5);
    let files = other.get(&name("anna")).unwrap().utterances;
    assert_eq!(files.len(), 3);
}

#[cfg(unix)]
#[test]
fn a_read_only_store_can_be_read() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    // Characters that mean something in a URI.
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("50% of a?b#c&d ü");
    fs::create_dir(&folder).unwrap();
    let (_folder, made) = store_of_two();
    let path = folder.join("s");
    fs::copy(made, &path).unwrap();
    let utterances = opened(&path).get(&name("anna")).unwrap().utterances;
    set_mode(&path, 0o400);
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("SKIPPED: this user may write to read-only files");
        return;
    }
    for folder_mode in [0o700, 0o500] {
        set_mode(&folder, folder_mode);
        let mut store = opened(&path);
        assert_eq!(store.list().unwrap().len(), 2);
        assert_eq!(store.get(&name("anna")).unwrap().utterances, utterances);
        for error in [
            store.remove(&name("anna")).unwrap_err(),
            Store::open_or_create(&path)
                .and_then(|mut store| store.add(&name("chloe"), ModelId::of(MODEL), 0, &utterances))
                .unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 5, "{error}");
            assert!(error.to_string().contains("is read-only"), "{error}");
        }
    }
    // With a log that cannot be read, part of the store would be missing.
    set_mode(&folder, 0o700);
    for log in ["s-wal", "s-shm"] {
        let _ = fs::remove_file(folder.join(log));
    }
    fs::write(folder.join("s-wal"), b"changes").unwrap();
    set_mode(&folder, 0o500);
    let error = Store::open(&path).unwrap_err();
    assert!(error.to_string().contains("latest changes"), "{error}");
    set_mode(&folder, 0o700);
}
