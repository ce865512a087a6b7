//! `spkver model export --onnx`. Also exports the golden networks for
//! `fixtures/golden/check_onnx.py`.

mod golden;
mod program;

use program::Place;
use spkver::storage::onnx;
use std::path::Path;

/// Writes `{case}.onnx` into the build folder: onnxruntime must make of them what PyTorch did.
#[test]
fn the_golden_networks_are_exported() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx");
    std::fs::create_dir_all(&folder).unwrap();
    for (number, case) in golden::cases().into_iter().enumerate() {
        let (network, num_features) = (case.network, case.input.num_channels());
        if !onnx::can_export(&network) {
            // `model export` refuses it.
            continue;
        }
        let size = network.embedding_size();
        let bytes = onnx::to_bytes(&network, num_features, size, &[]);
        assert_eq!(bytes, onnx::to_bytes(&network, num_features, size, &[]));
        let num_values: usize = network.weights().values().map(Vec::len).sum();
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
