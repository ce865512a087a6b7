//! Compares network outputs with those of PyTorch (`fixtures/golden/make_network.py`).

use safetensors::SafeTensors;
use spkver::{
    features::Features,
    network::{Layer, Network, Weights},
};
use std::path::Path;

/// Largest difference allowed, on embeddings of up to ±4 that PyTorch computed in f64. Measured:
/// 1.5e-6, with f32 sums of up to 256 products, six layers deep.
const TOLERANCE: f32 = 1e-5;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    weights_of: usize,
    layers: Vec<Layer>,
}

fn values(tensors: &SafeTensors, name: &str) -> Vec<f32> {
    let (values, _) = tensors.tensor(name).unwrap().data().as_chunks();
    values.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

#[test]
fn every_layer_kind_agrees_with_pytorch() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let json = std::fs::read(golden.join("network.json")).unwrap();
    let bytes = std::fs::read(golden.join("network.safetensors")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&json).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (number, case) in cases.into_iter().enumerate() {
        let own = format!("{}/", case.weights_of);
        let weights: Weights = tensors
            .names()
            .into_iter()
            .filter_map(|name| Some((name, name.strip_prefix(&own)?)))
            .filter(|(_, tensor)| tensor.contains('.')) // not `input` and `output`
            .map(|(name, tensor)| (tensor.to_owned(), values(&tensors, name)))
            .collect();
        let input = tensors.tensor(&format!("{number}/input")).unwrap();
        let num_channels = input.shape()[1];
        let features = Features::new(values(&tensors, &format!("{number}/input")), num_channels);
        let network = Network::new(case.layers, weights, num_channels).unwrap();

        let embedding = network.embed(&features);
        let wanted = values(&tensors, &format!("{number}/output"));

        assert_eq!(embedding.len(), wanted.len(), "{}", case.name);
        let mut largest = 0f32;
        for (got, wanted) in embedding.iter().zip(&wanted) {
            let difference = (got - wanted).abs();
            // A NaN fails as well.
            assert!(
                difference <= TOLERANCE,
                "{}: {got}, not {wanted}",
                case.name
            );
            largest = largest.max(difference);
        }
        println!("{}: largest difference {largest:.1e}", case.name);
    }
}
