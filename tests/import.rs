//! Compares imported models (`spkver model import`) with PyTorch (`fixtures/golden/make_xvec.py`,
//! `fixtures/golden/make_imports.py`).

mod program;

use program::{Place, has, waveform};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use spkver::{
    audio::Waveform,
    features::Features,
    network::{Layer, Network},
    storage::{import, model},
    verifier::{ModelId, Verifier},
};
use std::{
    fs,
    path::{Path, PathBuf},
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

/// A recording by the name of its file.
fn recording(file: &str) -> Waveform {
    waveform(file.strip_suffix(".wav").unwrap())
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
    let place = Place::new();
    let file = golden("xvec.safetensors");
    let import = format!("model import --name small {} -o xvec", file.display());
    let json = place.done(&format!("{import} --json")).json();
    assert_eq!(json["num_mel_bins"], 80);
    assert_eq!(json["embedding_size"], 16);

    let verifier = model::load(&place.path("xvec")).unwrap();
    assert_eq!(verifier.model().card.name, "small");
    has(&verifier.model().card.calibration, "calibrate the model");
    let network = &verifier.model().network;
    // All BatchNorms but the one before the pooling are folded away.
    let is_kept = |layer: &&Layer| matches!(layer, Layer::BatchNorm { .. });
    assert_eq!(network.layers().iter().filter(is_kept).count(), 1);
    let features = Features::new(wanted.given.features, 80);
    let got = network.embed(&features);
    close(&got, &wanted.given.embedding, TOLERANCE.0);
    for (file, embedding) in wanted.recordings {
        let got = verifier.embed(&recording(&file)).unwrap();
        close(got.values(), &embedding, TOLERANCE.1);
    }
}

#[test]
fn scores_of_an_imported_network_are_marked_uncalibrated() {
    let place = Place::new();
    let file = golden("campplus.safetensors");
    let import = format!("model import {} -o imported", file.display());
    let json = place.done(&format!("{import} --json")).json();
    assert_eq!(json["calibrated"], false);
    let json = place.json("compare --model imported @anna-1 @anna-2");
    assert_eq!(json["calibrated"], false);
    assert!(json["p"].is_null() && json["llr"].is_number(), "{json}");
}

#[test]
fn silence_does_not_move_the_embedding_of_a_network_that_gets_the_speech_only() {
    let place = Place::new();
    let speech = waveform("anna-1");
    let silence = vec![0.0; 10 * 16_000];
    let samples = [speech.samples(), &silence].concat();
    let padded = Waveform::from_samples(samples, 16_000).unwrap();
    let cosine = |flags: &str| {
        let file = golden("campplus.safetensors");
        let file = file.display();
        place.done(&format!("model import --force {flags} {file} -o imported"));
        let verifier = model::load(&place.path("imported")).unwrap();
        let [a, b] = [&speech, &padded].map(|w| verifier.embed(w).unwrap());
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let lengths = dot(a.values(), a.values()) * dot(b.values(), b.values());
        dot(a.values(), b.values()) / lengths.sqrt()
    };
    // Where the speech ends, one frame more or less may count.
    assert!(cosine("--speech-only") > 0.999);
    assert!(cosine("") < 0.99);
}

#[derive(serde::Deserialize)]
struct Imported {
    recordings: std::collections::BTreeMap<String, Vec<f32>>,
    /// By number of frames; see `given` in make_imports.py.
    given: std::collections::BTreeMap<usize, Vec<f32>>,
}

/// Largest distance from PyTorch's embedding in f64, as a share of its length. Given features: f32
/// sums. Recordings: kaldi-native-fbank's features differ from ours by up to 6e-4.
const SHARES: (f64, f64) = (1e-5, 1e-4);

#[track_caller]
fn near(got: &[f32], wanted: &[f32], share: f64, what: &str) {
    assert_eq!(got.len(), wanted.len());
    let length = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    let distance = length(&mut got.iter().zip(wanted).map(|(g, w)| g - w));
    let distance = distance / length(&mut wanted.iter().copied());
    println!("{what}: {distance:.1e}");
    assert!(distance <= share, "{what}: {distance:.1e}"); // a NaN fails as well
}

#[test]
fn an_imported_network_in_int8_comes_back_from_its_file() {
    let waveform = waveform("anna-1");
    for name in ["xvec", "campplus", "ecapa", "resnet", "speechbrain"] {
        let mut model = import::network(&golden(&format!("{name}.safetensors"))).unwrap();
        model.limits.min_bandwidth_hz = 0.0;
        let mut verifier = Verifier::new(ModelId::of(b"imported"), model).unwrap();
        let exact = verifier.embed(&waveform).unwrap();
        let bytes = model::to_bytes(&verifier.to_int8().unwrap());
        let back = model::from_bytes(&bytes, Path::new("int8")).unwrap();
        let from_file = back.embed(&waveform).unwrap();
        near(from_file.values(), exact.values(), 0.05, name);
        assert!(from_file.values() != exact.values(), "{name}: not in int8");
        verifier.quantise().unwrap();
        let flagged = verifier.embed(&waveform).unwrap();
        assert_eq!(from_file, flagged, "{name}");
        // In f32 the weights are what they were rounded to.
        let f32 = Network::new(
            back.model().network.layers().to_vec(),
            back.model().network.weights().clone(),
            80,
        );
        let f32 = f32.unwrap().embed(&verifier.mfcc().extract(&waveform));
        near(&f32, exact.values(), 0.05, name);
    }
}

#[test]
fn other_networks_compute_what_pytorch_does() {
    let all = fs::read(golden("imports.json")).unwrap();
    let all: std::collections::BTreeMap<String, Imported> = serde_json::from_slice(&all).unwrap();
    for (name, wanted) in all {
        let mut model = import::network(&golden(&format!("{name}.safetensors"))).unwrap();
        // These voices are artificial; whether they are fit is not asked here.
        model.limits.min_bandwidth_hz = 0.0;
        let bytes = model::to_bytes(&model);
        let verifier = model::from_bytes(&bytes, Path::new("imported")).unwrap();
        let network = &verifier.model().network;
        for (num_frames, embedding) in wanted.given {
            let value = |i: usize| (0.7 * (i / 80) as f64 + 0.9 * (i % 80) as f64).sin() as f32;
            let features = Features::new((0..num_frames * 80).map(value).collect(), 80);
            let got = network.embed(&features);
            let what = format!("{name}, {num_frames} frames");
            near(&got, &embedding, SHARES.0, &what);
        }
        for (file, embedding) in wanted.recordings {
            let got = verifier.embed(&recording(&file)).unwrap();
            near(
                got.values(),
                &embedding,
                SHARES.1,
                &format!("{name}, {file}"),
            );
        }
    }
}

/// Name, type, shape and bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// The refusal of a state dict with one change.
fn changed(name: &str, change: impl Fn(&mut Vec<Tensor>)) -> String {
    let bytes = fs::read(golden(name)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let owned = tensors
        .into_iter()
        .map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec()));
    let mut owned: Vec<Tensor> = owned.collect();
    change(&mut owned);
    let views = owned.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    refusal(
        "dict.safetensors",
        &safetensors::serialize(views, None).unwrap(),
    )
}

/// Why a file is not imported.
fn refusal(name: &str, bytes: &[u8]) -> String {
    match import::network(&Place::new().write(name, bytes)) {
        Ok(_) => "imported".into(),
        Err(error) => error.to_string(),
    }
}

/// A tensor of one number.
fn one_number(name: &str) -> Tensor {
    (name.into(), Dtype::F32, vec![1], vec![0; 4])
}

fn named<'a>(all: &'a mut [Tensor], name: &str) -> &'a mut Tensor {
    all.iter_mut().find(|tensor| tensor.0 == name).unwrap()
}

#[test]
fn missing_and_unknown_tensors_are_named() {
    let text = changed("campplus.safetensors", |all| {
        all.retain(|t| t.0 != "xvector.block2.tdnnd2.cam_layer.linear1.weight");
    });
    has(&text, "block2.tdnnd2.cam_layer.linear1.weight is missing");
    let more = "xvector.block1.tdnnd4.linear1.weight";
    let text = changed("campplus.safetensors", |all| all.push(one_number(more)));
    has(&text, &format!("CAM++ does not have: {more}"));
    let text = changed("resnet.safetensors", |all| {
        all.retain(|t| t.0 != "seg_1.weight")
    });
    has(&text, "seg_1.weight is missing");
    // Parts of the channels that are wider than all of them.
    let text = changed("ecapa.safetensors", |all| {
        for tensor in all.iter_mut() {
            let name = tensor.0.strip_prefix("layer3.se_res2block.1.");
            match name.map(|name| name.split_once('.').unwrap().0) {
                Some("convs") if tensor.0.ends_with("weight") => tensor.2 = vec![32, 32, 3],
                Some(_) if tensor.2.len() == 1 => tensor.2 = vec![32],
                _ => continue,
            }
            tensor.3 = [0, 0, 0, 0].repeat(tensor.2.iter().product());
        }
        all.retain(|t| !t.0.contains("layer3") || !t.0.contains("s.1.") && !t.0.contains("s.2."));
    });
    has(&text, "channels");
    let text = changed("resnet.safetensors", |all| {
        let renamed = |t: &mut Tensor| t.0 = t.0.replace("layer", "stage");
        all.iter_mut().for_each(renamed);
    });
    has(&text, "no network that can be imported");
    has(&text, "CAM++");
}

/// A tensor whose sizes say how large the network is, and that has none: the import panicked.
#[test]
fn a_number_in_the_place_of_a_weight_is_refused() {
    for (file, name) in [
        ("campplus.safetensors", "head.conv2.weight"),
        ("resnet.safetensors", "layer4.0.conv1.weight"),
    ] {
        let text = changed(file, |all| {
            let tensor = named(all, name);
            (tensor.2, tensor.3) = (vec![], vec![0; 4]);
        });
        has(&text, &format!("{name} has shape []"));
    }
}

#[test]
fn other_networks_and_damage_are_refused_by_name() {
    let changed = |change: fn(&mut Vec<Tensor>)| changed("xvec.safetensors", change);
    assert_eq!(changed(|_| {}), "imported");
    let prefixed = changed(|all| all.iter_mut().for_each(|t| t.0 = format!("module.{}", t.0)));
    assert_eq!(prefixed, "imported");
    let text = changed(|all| all.retain(|t| t.0 != "frame_3.conv_1d.weight"));
    has(&text, "frame_3.conv_1d.weight is missing");
    let text = changed(|all| named(all, "seg_1.weight").2.reverse());
    has(
        &text,
        "seg_1.weight has shape [80, 16], wanted shape (any, 80)",
    );
    let text = changed(|all| all.push(one_number("pool.linear1.weight")));
    has(&text, "pool.linear1.weight");
    fn first(tensor: &mut Tensor, value: f32) {
        tensor.3[..4].copy_from_slice(&value.to_le_bytes());
    }
    let text = changed(|all| first(named(all, "seg_2.bias"), f32::NAN));
    has(&text, "NaN");
    let text = changed(|all| first(named(all, "frame_1.bn.running_var"), -1.0));
    has(&text, "running_var is negative");
    let text = changed(|all| {
        let bias = named(all, "seg_2.bias");
        bias.1 = Dtype::F16;
        bias.3.truncate(bias.3.len() / 2);
    });
    has(&text, "F16");
    has(&text, "save_file");
    let text = refusal("avg_model.pt", b"PK\x03\x04 a pickle");
    has(&text, "not a safetensors file");
    has(&text, "torch.load");
}
