//! Compares parts, threads and groups of plain lists with the whole utterance run through one layer
//! after the other.

use super::*;
use crate::network::{
    Affine, Conv1dOptions, Cuts, Layer, Network,
    operation::one_operation,
    padded,
    reference::{self, some_features, some_weights},
    source::Source,
};

fn conv(in_channels: usize, out_channels: usize, kernel_size: usize, padding: usize) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        stride: 1 + kernel_size % 2,
        dilation: 2,
        padding,
        ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
    })
}

/// A network with strides, dilations, padding, and operations before, between and after the
/// convolutions.
fn network(pooling: Layer, pooled: usize) -> Network {
    with_some_weights(vec![
        Layer::Tanh,
        conv(3, 8, 66, 130),
        Layer::Sigmoid,
        conv(8, 5, 3, 2),
        Layer::Relu,
        conv(5, 7, 1, 0),
        Layer::leaky_relu(0.1),
        pooling,
        Layer::linear(pooled, 4),
    ])
}

/// A network whose first layer has one group and whose other layers have several.
fn in_groups() -> Network {
    let grouped = |in_channels, out_channels, kernel_size| {
        Layer::Conv1d(Conv1dOptions {
            dilation: 2,
            padding: kernel_size - 1,
            groups: 4,
            ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
        })
    };
    with_some_weights(vec![
        conv(3, 16, 3, 2),
        Layer::Relu,
        grouped(16, 32, 3),
        Layer::Relu,
        Layer::batch_norm(32, 1.0),
        grouped(32, 16, 1),
        Layer::Tanh,
        grouped(16, 24, 1),
        Layer::StatsPool {
            eps: 1e-5,
            groups: 4,
        },
        Layer::Linear {
            in_features: 48,
            out_features: 4,
            groups: 4,
        },
    ])
}

fn with_some_weights(layers: Vec<Layer>) -> Network {
    let weights = some_weights(&layers);
    Network::new(layers, weights, 3).unwrap()
}

/// A network with branches after the pooling.
fn in_branches() -> Network {
    with_some_weights(vec![
        conv(3, 8, 3, 0),
        Layer::stats_pool(1e-5),
        Layer::linear(16, 6),
        Layer::channels(1, 0, 16),
        Layer::linear(16, 6),
        Layer::Relu,
        Layer::add([2, 5]),
        Layer::channels(2, 1, 3),
        Layer::channels(5, 0, 3),
        Layer::multiply([7, 8]),
        Layer::concat([6, 9, 1]),
    ])
}

fn poolings() -> [Network; 7] {
    let by_group = Layer::StatsPool {
        eps: 1e-5,
        groups: 7,
    };
    [
        network(by_group, 14),
        network(Layer::stats_pool(1e-5), 14),
        network(Layer::SampleStatsPool { eps: 1e-5 }, 14),
        network(Layer::MeanPool, 7),
        network(Layer::Flatten { num_frames: 150 }, 150 * 7),
        in_groups(),
        in_branches(),
    ]
}

fn features(num_frames: usize) -> Features {
    some_features(num_frames, 3)
}

/// Runs every layer over the whole utterance, one after the other.
fn whole(network: &Network, features: &Features) -> Vec<f32> {
    let weights = Source::Weights(network.weights());
    let operations = network.operations();
    let (mut x, mut channels) = (features.values().to_vec(), features.num_channels());
    let before = network.layers().iter().take_while(|l| !l.is_pooling());
    for (index, layer) in before.enumerate() {
        let operation = one_operation(layer, index, weights);
        let mut frames = x.len() / channels;
        if let Some(affine) = Affine::of(layer) {
            frames = affine.num_frames(frames);
            x = padded(&x, channels, affine.padding);
        }
        channels = operation.width(channels);
        let mut y = vec![0.0; frames * channels];
        operation.apply(&x, &mut y);
        x = y;
    }
    let x = match operations.pooling {
        Pooling::Stats { eps, groups } => pooling::stats(&x, channels, eps, groups),
        Pooling::SampleStats { eps } => pooling::sample_stats(&x, channels, eps),
        Pooling::Mean => pooling::mean(&x, channels),
        Pooling::Flatten { num_frames } => pooling::flatten(&x, channels, num_frames),
        Pooling::AttentiveStats { .. } => unreachable!("none here"),
    };
    operations.after.run(x, 1)
}

#[test]
fn groups_are_one_map_with_zeros_between_them() {
    let layer = |groups, kernel_size| {
        Layer::Conv1d(Conv1dOptions {
            dilation: 2,
            padding: kernel_size - 1,
            groups,
            ..Conv1dOptions::new(8, 12, kernel_size)
        })
    };
    for groups in [1, 2, 4] {
        for taps in [1, 3] {
            let (group_in, group_out) = (8 / groups, 12 / groups);
            let weight: Vec<f32> = (0..12 * group_in * taps)
                .map(|i| (i as f32).sin())
                .collect();
            let bias: Vec<f32> = (0..12).map(|i| (i as f32).cos()).collect();
            let mut dense = vec![0.0; 12 * 8 * taps];
            for (o, row) in weight.chunks_exact(group_in * taps).enumerate() {
                let at = (o * 8 + o / group_out * group_in) * taps;
                dense[at..at + row.len()].copy_from_slice(row);
            }
            let embed = |groups, weight| {
                let layers = vec![layer(groups, taps), Layer::Relu, Layer::MeanPool];
                let weights = [("0.weight", weight), ("0.bias", bias.clone())];
                let weights = weights.map(|(name, values)| (name.to_string(), values));
                let mut network = Network::new(layers, weights.into(), 8).unwrap();
                let values = (0..40 * 8).map(|i| (i as f32 * 0.3).sin()).collect();
                let features = Features::new(values, 8);
                let f32 = network.embed(&features);
                network.quantise(std::slice::from_ref(&features)).unwrap();
                (f32, network.embed(&features))
            };
            let (wanted, _) = embed(1, dense);
            let (got, int8) = embed(groups, weight);
            for (k, w) in wanted.iter().enumerate() {
                assert!(
                    (got[k] - w).abs() < 1e-5,
                    "{groups} groups: {got:?} {wanted:?}"
                );
                assert!(
                    (int8[k] - w).abs() < 0.15,
                    "{groups} groups: {int8:?} {wanted:?}"
                );
            }
        }
    }
}

#[test]
fn parts_give_what_the_whole_gives() {
    for network in poolings() {
        let fewest = network.receptive_field();
        for frames in [fewest, fewest + 1, 197, 199, 401, 1201, 2003] {
            let features = features(frames);
            let (got, wanted) = (network.embed(&features), whole(&network, &features));
            for (g, w) in got.iter().zip(&wanted) {
                assert!((g - w).abs() < 1e-5, "{frames} frames: {got:?} {wanted:?}");
            }
        }
    }
}

#[test]
fn a_long_recording_gives_what_the_whole_gives() {
    let network = with_some_weights(vec![
        conv(3, 5, 3, 0),
        Layer::linear(5, 1024),
        Layer::stats_pool(1e-5),
        Layer::linear(2048, 4),
    ]);
    let features = features(20_000);
    let num_outputs = network.operations().graph.num_outputs(20_000);
    assert!(2 * VALUES_IN_SPAN < 1024 * num_outputs, "three spans");
    let (got, wanted) = (network.embed(&features), whole(&network, &features));
    for (g, w) in got.iter().zip(&wanted) {
        assert!((g - w).abs() < 1e-4, "{got:?} {wanted:?}");
    }
}

#[test]
fn branches_after_the_pooling_compute_what_the_layers_say() {
    let network = in_branches();
    assert!(!network.is_graph());
    let features = features(200);
    let (layers, weights) = (network.layers(), network.weights());
    let wanted = reference::forward(layers, weights, features.values(), 3);
    let got = network.embed(&features);
    assert_eq!(got.len(), wanted.len());
    for (g, w) in got.iter().zip(&wanted) {
        // Sums of a hundred products in f32.
        assert!((f64::from(*g) - w).abs() < 1e-5, "{got:?} {wanted:?}");
    }
}

#[test]
fn a_cut_gives_what_its_parts_give() {
    for network in poolings() {
        let operations = network.operations();
        for frames in [network.receptive_field(), 197, 401, 1201, 4003] {
            let pooled = operations.pool(&features(frames), &Scratch::default());
            let (parts, statistics) = (&pooled.parts, &pooled.statistics);
            let cuts = operations.cuts(&pooled);
            if parts.len() == 1 || matches!(operations.pooling, Pooling::Flatten { .. }) {
                assert_eq!(cuts, Cuts::default());
                continue;
            }
            let end = parts[parts.len() - 1].end as f32;
            let check = |place: Range<f32>, got: &[f32]| {
                let has = |at: f32| parts.iter().position(|p| p.start as f32 / end == at);
                let range = has(place.start).unwrap()..has(place.end).unwrap_or(parts.len());
                let wanted = operations.after_pooling(&statistics[range.clone()], &parts[range]);
                for (g, w) in got.iter().zip(&wanted) {
                    // f64 sums in another order.
                    assert!((g - w).abs() < 1e-5, "{frames} frames: {got:?} {wanted:?}");
                }
            };
            assert_eq!(cuts.splits.len(), (parts.len() - 1).min(10));
            for split in &cuts.splits {
                check(0.0..split.at, &split.before);
                check(split.at..1.0, &split.behind);
            }
            assert_eq!(cuts.pieces.len(), parts.len().div_ceil(2).min(12));
            assert_eq!(cuts.pieces[cuts.pieces.len() - 1].place.end, 1.0);
            for piece in &cuts.pieces {
                check(piece.place.clone(), &piece.values);
            }
        }
    }
}

#[cfg(feature = "threads")]
#[test]
fn the_number_of_threads_changes_no_bit() {
    for network in poolings() {
        for frames in [30, 400, 2003] {
            reference::same_at_any_number_of_threads(&network, &features(frames));
        }
    }
}
