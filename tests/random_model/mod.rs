//! A small model with random weights from a seed: valid, but it has learned nothing.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use spkver::{
    features::{Mfcc, MfccConfig},
    network::{Layer, Network, Weights},
    scoring::{PairHead, Projection},
    train::options::ArchitectureOptions,
    verifier::{Limits, Model, ModelCard},
};

/// The layers of an x-vector network with C channels and embeddings of size D.
pub fn x_vector(num_features: usize, c: usize, d: usize) -> Vec<Layer> {
    let architecture = ArchitectureOptions {
        channels: c,
        embedding_size: d,
        stride: 1,
        ..ArchitectureOptions::default()
    };
    let mut layers = architecture.layers(num_features).unwrap();
    layers.retain(|layer| !matches!(layer, Layer::BatchNorm { .. }));
    layers
}

/// A model with random weights.
pub fn random_model(seed: u64, c: usize, d: usize) -> Model {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Uniform in ±scale.
    let mut numbers = |count: usize, scale: f32| -> Vec<f32> {
        let unit = || (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        std::iter::repeat_with(unit)
            .map(|v| v * scale)
            .take(count)
            .collect()
    };
    let front_end = MfccConfig::default();
    let num_features = Mfcc::new(front_end.clone()).unwrap().num_channels();
    let layers = x_vector(num_features, c, d);
    let mut weights = Weights::new();
    for (i, layer) in layers.iter().enumerate() {
        for (name, shape) in layer.tensors() {
            let fan_in: usize = shape[1..].iter().product();
            let values = numbers(shape.iter().product(), (3.0 / fan_in as f32).sqrt());
            weights.insert(format!("{i}.{name}"), values);
        }
    }
    let projection = Projection::new(numbers(d, 0.1), Some(numbers(d * d, 1.0)));
    let head = PairHead::new(projection, [vec![0.2; d], vec![-0.05; d]].concat());
    Model {
        front_end,
        network: Network::new(layers, weights, num_features).unwrap(),
        overlap: None,
        has_overlap_term: false,
        speech: None,
        head,
        limits: Limits::default(),
        rates: None,
        sequential: None,
        rounded_from: None,
        card: ModelCard {
            name: "random".into(),
            description: "Random numbers, to have something to run. Knows no voices.".into(),
            recipe: format!("seed {seed}"),
            ..ModelCard::default()
        },
    }
}
