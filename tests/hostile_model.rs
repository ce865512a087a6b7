//! The shipped model with flipped bits, and models with harmful numbers: each is refused with exit
//! code 4 and an error that names the file.

mod program;

use program::{has, waveform};
use spkver::{
    network::Layer,
    storage::{import, model},
};
use std::path::Path;

fn refusal(bytes: &[u8]) -> String {
    let error = match model::from_bytes(bytes, Path::new("some.safetensors")) {
        Ok(_) => panic!("a damaged model was taken"),
        Err(error) => error,
    };
    assert_eq!(error.exit_code(), 4, "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("model some.safetensors: ") && text.contains("; "),
        "{text}"
    );
    text
}

fn shipped() -> Vec<u8> {
    std::fs::read("models/spkver.safetensors").unwrap()
}

/// `SPKVER_FLIPS=10000` gives the full number; each costs a BLAKE3 hash of the whole file.
#[test]
fn flipped_bits_of_the_shipped_model_are_noticed() {
    let mut bytes = shipped();
    let num_flips = std::env::var("SPKVER_FLIPS").map_or(200, |n| n.parse().unwrap());
    let mut state = 1u64;
    for flip in 0..num_flips {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Half of the bits are in the header.
        let reach = if flip % 2 == 0 { bytes.len() } else { 4096 };
        let bit = (state >> 20) as usize % (8 * reach);
        bytes[bit / 8] ^= 1 << (bit % 8);
        refusal(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(model::from_bytes(&bytes, Path::new("m")).is_ok());
}

#[test]
fn headers_without_measure_are_refused_before_they_are_read() {
    let mut bytes = shipped();
    for claimed in [u64::MAX, 1 << 40, (16 << 20) + 1] {
        bytes[..8].copy_from_slice(&claimed.to_le_bytes());
        has(&refusal(&bytes), &format!("a header of {claimed} bytes"));
    }
    // A header of these sizes would be allowed, but the file is shorter.
    for claimed in [16u64 << 20, 4 << 20] {
        bytes[..8].copy_from_slice(&claimed.to_le_bytes());
        has(&refusal(&bytes), "not a safetensors file, or a damaged one");
    }
}

/// A sparse file takes no disk space. Only an allowed amount of it is ever read.
#[test]
fn a_file_without_measure_is_refused_by_its_size() {
    const LARGEST: u64 = 256 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.safetensors");
    let file = std::fs::File::create(&path).unwrap();
    for (bytes, fact) in [
        (LARGEST, "not a safetensors file"),
        (LARGEST + 1, "larger than 256 MiB"),
        (1 << 40, "larger than 256 MiB"),
    ] {
        file.set_len(bytes).unwrap();
        let error = model::load(&path).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains(fact), "{error}");
    }
}

/// An I8 tensor has steps and ranges to divide by; a text in the header can be changed to one as long.
#[test]
fn harmful_int8_models_are_refused_with_the_tensor() {
    let exact = model::embedded().unwrap();
    let mut rounded = exact.to_int8().unwrap();
    // The program leaves this detector in f32, but a file may have it in int8.
    let overlap = exact.model().overlap.as_ref().unwrap();
    let (features, _) = exact.features(&waveform("anna-1"));
    rounded.overlap = Some(overlap.to_int8(&[features]).unwrap());
    let valid = model::to_bytes(&rounded);
    let path = Path::new("m");
    assert!(model::from_bytes(&valid, path).is_ok());
    let header_end = 8 + u64::from_le_bytes(valid[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&valid[8..header_end]).unwrap();
    for (tensor, value) in [
        ("0.input_range", 0.0f32),
        ("0.input_range", -1.0),
        ("0.input_range", f32::NAN),
        ("0.weight_step", f32::INFINITY),
        ("0.weight_step", 1e-40),
        // Found by fuzzing: divided by a small range, this step is infinite.
        ("0.weight_step", 1e29),
        ("overlap.0.weight_step", 0.0),
    ] {
        let mut bytes = valid.clone();
        let start = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
        assert_eq!(header[tensor]["dtype"], "F32");
        bytes[header_end + start..][..4].copy_from_slice(&value.to_le_bytes());
        let text = refusal(&with_checksum(bytes));
        has(&text, tensor.trim_start_matches("overlap."));
    }
    for (from, to, fact) in [
        ("0.weight_step", "0.weight_stop", "0.weight_step"),
        (r#""dtype":"I8""#, r#""dtype":"U8""#, "wanted F32 or F16"),
    ] {
        refused_with(valid.clone(), from, to, fact);
    }
    let [none, other] = [r#"rounded_from":""#, r#"rounded_from":"x"#].map(escaped);
    refused_with(valid, &none, &other, "rounded_from");
}

/// A model whose layers form a graph.
fn graph() -> Vec<u8> {
    let path = Path::new("fixtures/golden/campplus.safetensors");
    model::to_bytes(&import::network(path).unwrap())
}

/// JSON as it stands in the header, which has it as a text.
fn escaped(json: impl AsRef<str>) -> String {
    json.as_ref().replace('"', r#"\""#)
}

/// Asserts that a model file is refused with `to` from where `from` stands. Returns the refusal.
#[track_caller]
fn refused_with(mut bytes: Vec<u8>, from: &str, to: &str, fact: &str) -> String {
    let found = bytes.windows(from.len()).position(|w| w == from.as_bytes());
    let at = found.unwrap_or_else(|| panic!("no {from}"));
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let text = refusal(&with_checksum(bytes));
    has(&text, fact);
    text
}

/// The bytes of a model file with the checksum that they need.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let key = r#"\"blake3\":\""#;
    let found = bytes.windows(key.len()).position(|w| w == key.as_bytes());
    let at = found.expect("a model has a checksum") + key.len();
    bytes[at..at + 64].fill(b'0');
    let digits = blake3::hash(&bytes).to_hex();
    bytes[at..at + 64].copy_from_slice(digits.as_bytes());
    bytes
}

#[test]
fn hostile_graphs_are_refused_with_the_place() {
    let graph = graph();
    let verifier = model::from_bytes(&graph, Path::new("m")).unwrap();
    let mut layers = verifier.model().network.layers().iter().enumerate();
    let (index, named) = layers
        .find_map(|(index, layer)| match layer {
            Layer::Add { layers } => Some((index, layers.clone())),
            _ => None,
        })
        .unwrap();
    let list = format!("[{},{}]", named[0], named[1]);
    assert_eq!(list.len(), 5, "{list}");
    let add = |list: &str| escaped(format!(r#""add","layers":{list}"#));
    for (put, fact) in [
        // A later layer, itself, far beyond the list, another shape, none.
        ("[9,8]", "layers that come before it"),
        (&format!("[{index},1]"), &format!("got layer {index}")),
        ("[999]", "got layer 999"),
        ("[4,1]", "what fits layer 4"),
        ("[   ]", "got 0 layers"),
    ] {
        let text = refused_with(graph.clone(), &add(&list), &add(put), fact);
        has(&text, &format!("layer {index} (add)"));
    }
    for (option, is, becomes, fact) in [
        ("num_frames", "100", "000", "invalid number"),
        ("num_frames", "100", "0  ", "num_frames from 1"),
        ("kernel_bins", "3", "9", "kernel_bins up to 7"),
        ("stride_bins", "1", "0", "counts from 1"),
        ("padding_bins", "1", "9", "smaller than the kernel"),
        ("num_bins", "80", "81", "set num_bins and in_channels"),
        ("first", "0", "9", "channels from channel 9 on"),
    ] {
        let [from, to] = [is, becomes].map(|value| escaped(format!(r#""{option}":{value}"#)));
        refused_with(graph.clone(), &from, &to, fact);
    }
}
