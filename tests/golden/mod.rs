//! The networks of `fixtures/golden/make_network.py`, and what PyTorch computed with them.

#![allow(dead_code, reason = "no test file uses all of it")]

use safetensors::SafeTensors;
use spkver::{
    features::Features,
    network::{Layer, Network, Weights},
};
use std::path::Path;

pub struct Case {
    pub name: String,
    pub network: Network,
    pub input: Features,
    pub output: Vec<f32>,
}

#[derive(serde::Deserialize)]
struct Stored {
    name: String,
    weights_of: usize,
    layers: Vec<Layer>,
}

/// All of them, in the order of their numbers.
pub fn cases() -> Vec<Case> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let json = std::fs::read(golden.join("network.json")).unwrap();
    let bytes = std::fs::read(golden.join("network.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values = |name: &str| -> Vec<f32> {
        let (values, _) = tensors.tensor(name).unwrap().data().as_chunks();
        values.iter().map(|x| f32::from_le_bytes(*x)).collect()
    };
    let case = |(number, stored): (usize, Stored)| {
        let own = format!("{}/", stored.weights_of);
        let weights: Weights = tensors
            .names()
            .into_iter()
            .filter_map(|name| Some((name, name.strip_prefix(&own)?)))
            .filter(|(_, tensor)| tensor.contains('.')) // not `input` and `output`
            .map(|(name, tensor)| (tensor.to_owned(), values(name)))
            .collect();
        let input = format!("{number}/input");
        let num_features = tensors.tensor(&input).unwrap().shape()[1];
        Case {
            name: stored.name,
            network: Network::new(stored.layers, weights, num_features).unwrap(),
            input: Features::new(values(&input), num_features),
            output: values(&format!("{number}/output")),
        }
    };
    let stored: Vec<Stored> = serde_json::from_slice(&json).unwrap();
    stored.into_iter().enumerate().map(case).collect()
}
