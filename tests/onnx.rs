//! `spkver model export --onnx`. Also exports the golden networks for
//! `fixtures/golden/check_onnx.py`.

mod program;

use program::Place;
use safetensors::SafeTensors;
use spkver::{
    network::{Layer, Network, Weights},
    storage::onnx,
};
use std::path::Path;

#[derive(serde::Deserialize)]
struct Case {
    weights_of: usize,
    layers: Vec<Layer>,
}

/// Writes `{case}.onnx` into the build folder: onnxruntime must make of them what PyTorch did.
#[test]
fn the_golden_networks_are_exported() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let json = std::fs::read(golden.join("network.json")).unwrap();
    let bytes = std::fs::read(golden.join("network.safetensors")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&json).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx");
    std::fs::create_dir_all(&folder).unwrap();
    for (number, case) in cases.into_iter().enumerate() {
        let mut weights = Weights::new();
        let mut num_values = 0;
        for (index, layer) in case.layers.iter().enumerate() {
            for (name, _) in layer.tensors() {
                let name = format!("{index}.{name}");
                let tensor = tensors.tensor(&format!("{}/{name}", case.weights_of));
                let (values, _) = tensor.unwrap().data().as_chunks();
                let values: Vec<f32> = values.iter().map(|x| f32::from_le_bytes(*x)).collect();
                num_values += values.len();
                weights.insert(name, values);
            }
        }
        let num_features = tensors.tensor(&format!("{number}/input")).unwrap().shape()[1];
        let network = Network::new(case.layers, weights, num_features).unwrap();
        if network.is_graph() {
            // `model export` refuses it.
            continue;
        }
        let bytes = onnx::to_bytes(&network, num_features, &[]);
        assert_eq!(bytes, onnx::to_bytes(&network, num_features, &[]));
        assert!(bytes.len() > 4 * num_values, "the weights are in the file");
        std::fs::write(folder.join(format!("{number}.onnx")), bytes).unwrap();
    }
}

#[test]
fn the_shipped_network_is_exported_whole_or_not_at_all() {
    let place = Place::new();
    let told = place.done("model export --onnx net.onnx --json").json();
    assert_eq!(told["onnx"], "net.onnx");
    let file = std::fs::read(place.path("net.onnx")).unwrap();
    let says = |text: &str| file.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(says(told["model"].as_str().unwrap()), "whose network it is");
    assert!(says("num_mel_bins"), "which features it wants");

    for line in ["", "--onnx no/such/folder/net.onnx", "--onnx ."] {
        let answer = place.say(&format!("model export {line}"));
        assert_eq!(answer.code, 2, "{line}");
    }
}
