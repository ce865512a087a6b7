//! Compares imported models (`spkver model import`) with PyTorch (`fixtures/golden/make_xvec.py`).

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use spkver::{
    audio::{self, ReadOptions},
    features::Features,
    network::Layer,
    storage::{import, model},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// On embeddings of up to ±8. Given features: f32 sums against f64. Recordings: kaldi-native-fbank's
/// features differ from ours by up to 6e-4.
const TOLERANCE: (f32, f32) = (2e-5, 1e-3);

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/golden")
        .join(name)
}

#[derive(serde::Deserialize)]
struct Golden {
    recordings: std::collections::BTreeMap<String, Vec<f32>>,
    given: Given,
}

#[derive(serde::Deserialize)]
struct Given {
    features: Vec<f32>,
    embedding: Vec<f32>,
}

#[track_caller]
fn close(got: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(got.len(), wanted.len());
    let mut largest = 0f32;
    for (g, w) in got.iter().zip(wanted) {
        assert!((g - w).abs() <= tolerance, "{g}, not {w}"); // a NaN fails as well
        largest = largest.max((g - w).abs());
    }
    println!("largest difference {largest:.1e}");
}

#[test]
fn an_imported_xvec_computes_what_pytorch_does() {
    let wanted: Golden = serde_json::from_slice(&fs::read(golden("xvec.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("xvec.spkver");
    let output = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .args(["model", "import", "--json", "--name", "small", "-o"])
        .args([&out, &golden("xvec.safetensors")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["num_mel_bins"], &json["embedding_size"]),
        (&80.into(), &16.into())
    );

    let verifier = model::load(&out).unwrap();
    assert_eq!(verifier.model().card.name, "small");
    assert!(
        verifier
            .model()
            .card
            .calibration
            .contains("spkver calibrate")
    );
    let network = &verifier.model().network;
    // All BatchNorms but the one before the pooling are folded away.
    let kept = network
        .layers()
        .iter()
        .filter(|l| matches!(l, Layer::BatchNorm { .. }));
    assert_eq!(kept.count(), 1);
    let features = Features::new(wanted.given.features, 80);
    close(
        &network.embed(&features),
        &wanted.given.embedding,
        TOLERANCE.0,
    );
    for (name, embedding) in wanted.recordings {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/voices")
            .join(name);
        let waveform = audio::read(&path, &ReadOptions::default()).unwrap();
        let got = verifier.embed(&waveform).unwrap();
        close(got.values(), &embedding, TOLERANCE.1);
    }
}

/// The state dict with one change.
fn changed(change: impl Fn(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>)) -> String {
    let bytes = fs::read(golden("xvec.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut owned: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec()))
        .collect();
    change(&mut owned);
    let views = owned.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dict.safetensors");
    fs::write(&path, file).unwrap();
    match import::wespeaker_xvec(&path) {
        Ok(_) => "imported".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn other_networks_and_damage_are_refused_by_name() {
    assert_eq!(changed(|_| {}), "imported");
    let prefixed = changed(|all| all.iter_mut().for_each(|t| t.0 = format!("module.{}", t.0)));
    assert_eq!(prefixed, "imported");
    let text = changed(|all| all.retain(|t| t.0 != "frame_3.conv_1d.weight"));
    assert!(text.contains("frame_3.conv_1d.weight is missing"), "{text}");
    let text = changed(|all| {
        let at = all.iter().position(|t| t.0 == "seg_1.weight").unwrap();
        all[at].2.reverse();
    });
    assert!(
        text.contains("seg_1.weight has shape [80, 16], wanted shape (any, 80)"),
        "{text}"
    );
    let text = changed(|all| {
        all.push((
            "pool.linear1.weight".into(),
            Dtype::F32,
            vec![1],
            vec![0; 4],
        ));
    });
    assert!(text.contains("pool.linear1.weight"), "{text}");
    let text = changed(|all| {
        let at = all.iter().position(|t| t.0 == "seg_2.bias").unwrap();
        all[at].3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(text.contains("NaN"), "{text}");
    let text = changed(|all| {
        let at = all
            .iter()
            .position(|t| t.0 == "frame_1.bn.running_var")
            .unwrap();
        all[at].3[..4].copy_from_slice(&(-1f32).to_le_bytes());
    });
    assert!(text.contains("running_var is negative"), "{text}");
    let text = changed(|all| {
        let at = all.iter().position(|t| t.0 == "seg_2.bias").unwrap();
        all[at].1 = Dtype::F16;
        let half = all[at].3.len() / 2;
        all[at].3.truncate(half);
    });
    assert!(text.contains("F16") && text.contains("save_file"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("avg_model.pt");
    fs::write(&path, b"PK\x03\x04 a pickle").unwrap();
    let text = import::wespeaker_xvec(&path).unwrap_err().to_string();
    assert!(
        text.contains("not a safetensors file") && text.contains("torch.load"),
        "{text}"
    );
}
