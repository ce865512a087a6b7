//! Why networks need activation functions: without them, several layers are one linear map. With
//! them, two layers can still approximate any linear map to any accuracy, so nothing is lost.

use spkver::{
    features::Features,
    network::{Conv1dOptions, Layer, Network, Weights, fold_batch_norms},
    train::{options::ArchitectureOptions, random::Random, tape::Trainable},
};

const CHANNELS: usize = 5;

/// The TDNN that `spkver train` makes, with fresh weights and BatchNorms that do something.
fn tdnn(activation: &str) -> Network {
    let options = ArchitectureOptions {
        channels: 6,
        embedding_size: 4,
        stride: 1,
        activation: activation.into(),
        pool: "mean".into(),
        residual: None,
    };
    let layers = options.layers(CHANNELS).unwrap();
    let mut trainable = Trainable::new(layers, 1);
    let mut random = Random::new(1, "statistics", &[]);
    for (name, values) in &mut trainable.weights {
        if name.ends_with("running_mean") {
            values.iter_mut().for_each(|v| *v = 0.3 * random.normal());
        }
        if name.ends_with("running_var") {
            values
                .iter_mut()
                .for_each(|v| *v = random.uniform(0.3, 1.5));
        }
        // So that inputs reach where a sigmoid is bent.
        if name.ends_with(".weight") {
            values.iter_mut().for_each(|v| *v *= 3.0);
        }
    }
    let (layers, weights) = fold_batch_norms(&trainable.layers, &trainable.weights);
    Network::new(layers, weights, CHANNELS).unwrap()
}

fn noise(num_frames: usize, seed: u64) -> Features {
    let mut random = Random::new(seed, "noise", &[]);
    Features::new(
        (0..num_frames * CHANNELS)
            .map(|_| random.normal())
            .collect(),
        CHANNELS,
    )
}

/// One Conv1d over the whole receptive field, then the mean: what the network does to each frame
/// at a time, found by asking.
fn one_linear_map(network: &Network) -> Network {
    let taps = network.receptive_field();
    let size = network.embedding_size();
    let answer = |values: Vec<f32>| network.embed(&Features::new(values, CHANNELS));
    let bias = answer(vec![0.0; taps * CHANNELS]);
    let mut weight = vec![0.0; size * CHANNELS * taps];
    for tap in 0..taps {
        for channel in 0..CHANNELS {
            let mut one = vec![0.0; taps * CHANNELS];
            one[tap * CHANNELS + channel] = 1.0;
            for (d, (with, without)) in answer(one).iter().zip(&bias).enumerate() {
                weight[(d * CHANNELS + channel) * taps + tap] = with - without;
            }
        }
    }
    let conv = Layer::Conv1d(Conv1dOptions::new(CHANNELS, size, taps));
    let weights = Weights::from([("0.weight".into(), weight), ("0.bias".into(), bias)]);
    Network::new(vec![conv, Layer::MeanPool], weights, CHANNELS).unwrap()
}

/// Largest difference of embeddings, over the largest value.
fn difference(a: &Network, b: &Network, num_frames: usize) -> f32 {
    let x = noise(num_frames, num_frames as u64);
    let (a, b) = (a.embed(&x), b.embed(&x));
    let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
    a.iter()
        .zip(&b)
        .fold(0f32, |m, (a, b)| m.max((a - b).abs()))
        / largest
}

#[test]
fn layers_of_identity_activations_collapse_to_one_linear_map() {
    let deep = tdnn("identity");
    assert!(deep.layers().len() > 8);
    let shallow = one_linear_map(&deep);
    for num_frames in [15, 16, 40, 333] {
        let apart = difference(&deep, &shallow, num_frames);
        assert!(apart < 1e-4, "{num_frames} frames: {apart}"); // five layers of f32 sums
    }
}

#[test]
fn layers_with_any_other_activation_do_not() {
    for activation in ["relu", "leaky-relu", "tanh", "sigmoid"] {
        let deep = tdnn(activation);
        let apart = difference(&deep, &one_linear_map(&deep), 40);
        assert!(apart > 1e-3, "{activation}: {apart}");
    }
}

/// `y = W x + b` and the two layers that say the same.
struct Map {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

const OUTPUTS: usize = 3;

impl Map {
    fn new() -> Self {
        let mut random = Random::new(7, "map", &[]);
        Map {
            weight: (0..OUTPUTS * CHANNELS).map(|_| random.normal()).collect(),
            bias: (0..OUTPUTS).map(|_| random.normal()).collect(),
        }
    }

    fn apply(&self, x: &[f32]) -> Vec<f64> {
        let rows = self.weight.chunks(CHANNELS).zip(&self.bias);
        rows.map(|(row, b)| {
            let products = row
                .iter()
                .zip(x)
                .map(|(w, x)| f64::from(*w) * f64::from(*x));
            f64::from(*b) + products.sum::<f64>()
        })
        .collect()
    }

    /// Linear `first` (hidden × C), `activation`, Linear `second` (outputs × hidden) plus `shift`.
    fn two_layers(
        &self,
        first: Vec<f32>,
        activation: Layer,
        second: Vec<f32>,
        shift: Vec<f32>,
    ) -> Network {
        let hidden = first.len() / CHANNELS;
        let layers = vec![
            Layer::linear(CHANNELS, hidden),
            activation,
            Layer::linear(hidden, OUTPUTS),
            Layer::MeanPool,
        ];
        let weights = Weights::from([
            ("0.weight".into(), first),
            ("0.bias".into(), vec![0.0; hidden]),
            ("2.weight".into(), second),
            ("2.bias".into(), shift),
        ]);
        Network::new(layers, weights, CHANNELS).unwrap()
    }

    /// Largest error over some inputs of up to ±`bound`.
    fn error(&self, network: &Network, bound: f32) -> f64 {
        let mut random = Random::new(8, "inputs", &[]);
        let mut largest = 0f64;
        for _ in 0..200 {
            let x: Vec<f32> = (0..CHANNELS)
                .map(|_| random.uniform(-bound, bound))
                .collect();
            let wanted = self.apply(&x);
            for (got, wanted) in network
                .embed(&Features::new(x, CHANNELS))
                .iter()
                .zip(wanted)
            {
                largest = largest.max((f64::from(*got) - wanted).abs());
            }
        }
        largest
    }
}

fn diagonal(value: f32) -> impl Iterator<Item = f32> {
    (0..CHANNELS * CHANNELS).map(move |i| if i % (CHANNELS + 1) == 0 { value } else { 0.0 })
}

/// x = relu(x) − relu(−x), exactly: hidden [I ; −I], then [W, −W].
#[test]
fn a_relu_layer_can_be_any_linear_map() {
    let map = Map::new();
    let first = diagonal(1.0).chain(diagonal(-1.0)).collect();
    let rows = map.weight.chunks(CHANNELS);
    let second = rows
        .flat_map(|row| row.iter().copied().chain(row.iter().map(|w| -w)))
        .collect();
    let network = map.two_layers(first, Layer::Relu, second, map.bias.clone());
    for bound in [1e-3, 1.0, 1e3] {
        let error = map.error(&network, bound);
        assert!(
            error <= 1e-6 * f64::from(bound).max(1.0) * 10.0,
            "{bound}: {error}"
        );
    }
}

/// (σ(εx) − ½)·4/ε → x as ε → 0, the error below ε²|x|³/12: hidden ε·I, then (4/ε)·W, and W's share
/// of ½ taken off the bias.
#[test]
fn a_sigmoid_layer_can_be_any_linear_map_as_nearly_as_wanted() {
    let map = Map::new();
    let bound = 2.0f32;
    let mut last = f64::INFINITY;
    for epsilon in [1.0f32, 0.5, 0.25, 0.125] {
        let first = diagonal(epsilon).collect();
        let second: Vec<f32> = map.weight.iter().map(|w| w * 4.0 / epsilon).collect();
        let halves = second.chunks(CHANNELS).zip(&map.bias);
        let shift = halves
            .map(|(row, b)| b - 0.5 * row.iter().sum::<f32>())
            .collect();
        let network = map.two_layers(first, Layer::Sigmoid, second, shift);
        let error = map.error(&network, bound);
        let rows = map.weight.chunks(CHANNELS);
        let most = rows
            .map(|row| row.iter().map(|w| w.abs()).sum::<f32>())
            .fold(0.0, f32::max);
        let promised = f64::from(most * epsilon * epsilon * bound.powi(3) / 12.0);
        // f32 rounds σ to 6e-8, which 4/ε enlarges.
        assert!(
            error <= promised + 1e-5,
            "ε {epsilon}: {error}, promised {promised}"
        );
        assert!(error < last / 3.0, "ε {epsilon}: {error} after {last}");
        last = error;
    }
    // In f64, down to any accuracy that is asked for.
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for accuracy in [1e-2, 1e-4, 1e-6] {
        let epsilon = (12.0 * accuracy / 8.0f64).sqrt();
        for x in [-2.0f64, -0.3, 0.0, 1.1, 2.0] {
            let near = (sigmoid(epsilon * x) - 0.5) * 4.0 / epsilon;
            assert!((near - x).abs() <= accuracy, "{accuracy}: {near} {x}");
        }
    }
}
