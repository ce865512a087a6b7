//! Model files: what is written can be read back; damaged and invalid files are refused with a
//! specific error.

mod random_model;

use random_model::random_model;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use spkver::{
    Error,
    scoring::{Cohort, QualityTerms, QualityWeights},
    storage::{Readers, model, write_whole, write_whole_with},
    verifier::{Model, ModelId},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

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

/// The file of a small model after `edit`, with the checksum corrected.
fn edited(edit: impl FnOnce(&mut Value, &mut Tensors)) -> Vec<u8> {
    edited_of(&small_model(), edit)
}

fn edited_of(bytes: &[u8], edit: impl FnOnce(&mut Value, &mut Tensors)) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let text = &metadata.metadata().as_ref().unwrap()["spkver"];
    let mut header: Value = serde_json::from_str(text).unwrap();
    let mut tensors: Tensors = SafeTensors::deserialize(bytes)
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
    let mut file = safetensors::serialize(views, Some(metadata.into_iter().collect())).unwrap();
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
fn a_voiceprint_stays_valid_when_the_model_is_calibrated_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let ids = |edit: fn(&mut Model)| {
        let mut model = random_model(7, 2, 3);
        edit(&mut model);
        model::save(&path, &model).unwrap();
        let verifier = model::load(&path).unwrap();
        (verifier.id(), verifier.file_id())
    };
    let (id, file_id) = ids(|_| {});
    let calibrated = ids(|model| model.head.bias += 1.0);
    assert!(calibrated.0 == id && calibrated.1 != file_id);
    let other_front_end = ids(|model| model.front_end.preemph_coeff = 0.5);
    assert!(other_front_end.0 != id);
}

#[test]
fn a_model_comes_back_with_the_same_bits_and_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let made = random_model(7, 2, 3);
    let id = model::save(&path, &made).unwrap();
    let back = model::load(&path).unwrap();
    assert_eq!(back.file_id(), id);
    assert_eq!(back.file_id(), ModelId::of(&std::fs::read(&path).unwrap()));
    assert_eq!(back.model().network.weights(), made.network.weights());
    assert_eq!(back.model().head, made.head);
    assert_eq!(back.model().card, made.card);
    assert_eq!(model::to_bytes(back.model()), small_model());
    // No other file is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // A file with the same contents written by another program is equally valid.
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
fn the_detector_of_overlapped_speech_is_kept_beside_the_network() {
    let with = |outputs: usize| {
        let mut model = random_model(7, 2, 3);
        model.overlap = Some(random_model(8, 2, outputs).network);
        model::to_bytes(&model)
    };
    let bytes = with(1);
    let read = model::from_bytes(&bytes, Path::new("some")).unwrap();
    let detector = read.model().overlap.as_ref().unwrap();
    assert_eq!(detector.weights(), random_model(8, 2, 1).network.weights());
    assert_eq!(model::to_bytes(read.model()), bytes);
    assert!(refusal(&with(2)).contains("overlapped speech has 2 outputs"));
    let without = model::from_bytes(&small_model(), Path::new("some")).unwrap();
    assert!(without.model().overlap.is_none());
}

/// A model with a cohort of two speakers, whose points are integers plus `fraction`.
fn with_cohort(fraction: f32) -> Vec<u8> {
    let mut model = random_model(7, 2, 3);
    model.head.quality = Some(QualityTerms {
        weights: QualityWeights {
            seconds: -0.5,
            length: 0.25,
            noise: -0.5,
            high: 0.5,
            low: 0.25,
            cohort: -0.125,
        },
        cohort: Some(Cohort {
            points: (0..6u8).map(|v| f32::from(v) + fraction).collect(),
            top: 2,
        }),
    });
    model::to_bytes(&model)
}

#[test]
fn a_cohort_is_kept_with_the_head() {
    // The second does not fit in F16.
    for (fraction, bytes_each) in [(0.5, 2), (0.1, 4)] {
        let bytes = with_cohort(fraction);
        let back = model::from_bytes(&bytes, Path::new("some")).unwrap();
        let quality = back.model().head.quality.as_ref().unwrap();
        let cohort = quality.cohort.as_ref().unwrap();
        assert_eq!((cohort.points[5], cohort.top), (5.0 + fraction, 2));
        assert_eq!(quality.weights.cohort, -0.125);
        assert_eq!(model::to_bytes(back.model()), bytes);
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let points = tensors.tensor("head.cohort").unwrap();
        assert_eq!(points.shape(), [2, 3]);
        assert_eq!(points.data().len(), 6 * bytes_each);
    }
}

#[test]
fn a_cohort_that_does_not_fit_is_refused() {
    let refused = |edit: fn(&mut Value, &mut Tensors)| {
        let bytes = with_cohort(0.5);
        let text = refusal(&edited_of(&bytes, |header, tensors| {
            edit(&mut header["head"], tensors);
        }));
        text.split_once("some.safetensors: ").unwrap().1.to_string()
    };
    for (edit, fact) in [
        (
            (|head, _| head["cohort_top"] = json!(0)) as fn(&mut Value, &mut Tensors),
            "2 speakers, top 0",
        ),
        (|head, _| head["cohort_top"] = json!(3), "top 3"),
        (
            |_, tensors| tensors.get_mut("head.cohort").unwrap().1 = vec![3, 2],
            "\"head.cohort\" has shape [3, 2], wanted [3, 3]",
        ),
        (
            |head, _| head["cohort_top"] = Value::Null,
            "belong to no layer: head.cohort",
        ),
        (
            |_, tensors| drop(tensors.remove("head.cohort")),
            "tensor \"head.cohort\" is missing, wanted shape [0, 3]",
        ),
        (
            |_, tensors| tensors.get_mut("head.cohort").unwrap().2[3] = 0x7c,
            "tensor \"head.cohort\" holds",
        ),
        (
            |head, tensors| {
                head["cohort_top"] = json!(0);
                let points = tensors.get_mut("head.cohort").unwrap();
                (points.1, points.2) = (vec![0, 3], vec![]);
            },
            "0 speakers",
        ),
        (
            |head, _| head["quality"] = Value::Null,
            "a cohort without quality terms",
        ),
        (
            |head, tensors| {
                head["cohort_top"] = Value::Null;
                tensors.remove("head.cohort");
            },
            "a weight of -0.125 for a cohort that is not there",
        ),
    ] {
        let text = refused(edit);
        assert!(text.contains(fact), "{text}");
        assert!(text.contains("; "), "{text}");
    }
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
        *bias = (Dtype::I16, vec![2], vec![0; 4]);
    });
    assert!(refusal(&half).contains("tensor \"0.bias\" is I16, wanted F32 or F16"));
    let head = edited(|header, _| header["head"]["size"] = json!(5));
    assert!(refusal(&head).contains("tensor \"head.whiten\" has shape [3, 3], wanted [5, 3]"));
    let absurd = edited(|header, _| header["head"]["size"] = json!(u64::MAX));
    assert!(refusal(&absurd).contains("head of size"));
}

#[test]
fn layers_that_do_not_fit_are_named() {
    // The second Conv1d needs more channels than the first one outputs.
    let text = refusal(&edited(|header, tensors| {
        header["layers"][2]["in_channels"] = json!(3);
        tensors.insert("2.weight".into(), (Dtype::F32, vec![2, 3, 3], vec![0; 72]));
    }));
    assert!(text.contains("layer 2 (conv1d)"), "{text}");
    for (layer, groups) in [(0, 0), (0, 3), (10, 0), (10, 4), (11, 0), (11, 2)] {
        let text = refusal(&edited(|header, _| {
            header["layers"][layer]["groups"] = json!(groups);
        }));
        assert!(text.contains(&format!("layer {layer} (")), "{text}");
    }
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

/// A model written by a faulty program is refused like a damaged one.
#[test]
fn what_does_not_fit_together_is_refused() {
    let text = refusal(&edited(|header, _| {
        header["rates"] = json!({
            "targets": 3, "nontargets": 3, "speakers": 2, "lists": 1, "blake3": "", "points": []
        });
    }));
    assert!(text.contains("measured error rates"), "{text}");
    // Sizes up to that of the largest file are compared with the tensor; larger ones are refused at
    // once.
    for (size, fact) in [
        (1u64 << 28, "wanted [268435456, 3]"),
        ((1 << 28) + 1, "head of size 268435457"),
    ] {
        let text = refusal(&edited(|header, _| header["head"]["size"] = json!(size)));
        assert!(text.contains(fact), "{text}");
    }
}

/// Models from before groups were introduced have one group.
#[test]
fn a_head_without_groups_is_one_group() {
    let old = edited(|header, _| {
        header["head"].as_object_mut().unwrap().remove("groups");
    });
    let verifier = model::from_bytes(&old, Path::new("m")).unwrap();
    assert_eq!(verifier.model().head.projection.groups, 1);
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
    // The temporary file is in the same folder, so on the same disk, whatever the working folder.
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    write_whole_with(&path, Readers::Everybody, |_| {
        assert_eq!(files(), 2);
        Ok(())
    })
    .unwrap();
    assert_eq!((files(), std::fs::read(&path).unwrap()), (1, vec![]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Readable as the umask allows.
        let usual = folder.path().join("usual");
        std::fs::write(&usual, b"x").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&usual));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_whole(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        // A pipe or device is written to, not replaced. (Not tested with a device: a bug would
        // destroy it if run as root.)
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let both_ends = std::fs::File::options().read(true).write(true).open(&pipe);
        write_whole(&pipe, b"x").unwrap();
        assert!(!std::fs::metadata(&pipe).unwrap().is_file());
        let mut byte = [0];
        std::io::Read::read_exact(&mut both_ends.unwrap(), &mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
}
