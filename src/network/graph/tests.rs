//! Compares blocks, stages and threads with the forward pass in plain loops.

use crate::{
    features::Features,
    network::{
        Conv1dOptions, Conv2dOptions, Layer, Network, fold_batch_norms,
        reference::{self, SEGMENT_FRAMES, some_features, some_weights},
        run::Scratch,
    },
};

fn conv(in_channels: usize, out_channels: usize, kernel_size: usize, dilation: usize) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        dilation,
        padding: (kernel_size - 1) / 2 * dilation,
        ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
    })
}

fn conv2d(
    in_channels: usize,
    out_channels: usize,
    num_bins: usize,
    kernel: usize,
    strides: (usize, usize),
) -> Layer {
    Layer::Conv2d(Conv2dOptions {
        stride_frames: strides.0,
        stride_bins: strides.1,
        ..Conv2dOptions::new(in_channels, out_channels, num_bins, kernel)
    })
}

/// Residual blocks over frames and bins, strides in both, and a layer with a mask by segments.
fn masked() -> Vec<Layer> {
    let num_frames = SEGMENT_FRAMES;
    vec![
        conv2d(1, 3, 8, 3, (1, 1)),
        Layer::Relu, // 1: (T, 24)
        conv2d(3, 4, 8, 3, (2, 2)),
        Layer::Relu,
        conv2d(4, 4, 4, 5, (1, 1)), // 4: (T/2, 16)
        Layer::channels(1, 0, 24),
        conv2d(3, 4, 8, 1, (2, 2)), // 6: (T/2, 16)
        Layer::add([4, 6]),
        Layer::Relu, // 8
        norm(16),
        Layer::Relu,
        conv(16, 6, 1, 1),
        Layer::Relu, // 12: h
        Layer::SegmentMean { num_frames },
        Layer::channels(12, 0, 6),
        Layer::MeanPool,
        Layer::add([13, 15]),
        conv(6, 5, 1, 1),
        Layer::Sigmoid, // 18: (T/20, 5)
        Layer::channels(12, 0, 6),
        conv(6, 5, 3, 2), // 20: (T/2, 5)
        Layer::multiply([20, 18]),
        Layer::concat([8, 21]), // 22: (T/2, 21)
        conv(21, 4, 3, 1),      // 23: reads across the edges of blocks
        Layer::concat([22, 23]),
        norm(25),
        Layer::leaky_relu(0.2),
        Layer::SampleStatsPool { eps: 1e-5 },
        Layer::linear(50, 7),
        norm(7),
    ]
}

/// Maps that only maps read, and layers that each read all before them: in int8, activations stay u8
/// between the maps, and the parts of a Concat become u8 one by one.
fn dense() -> Vec<Layer> {
    vec![
        conv2d(1, 4, 8, 3, (1, 1)),
        Layer::Relu,
        conv2d(4, 8, 8, 3, (1, 2)),
        Layer::Relu, // 3: (T, 32)
        conv2d(8, 4, 4, 3, (2, 1)),
        Layer::Relu, // 5: (T/2, 16)
        conv(16, 8, 5, 1),
        Layer::Relu, // 7
        norm(8),
        Layer::Relu,
        conv(8, 16, 1, 1),
        Layer::Relu,
        conv(16, 4, 3, 2),      // 12
        Layer::concat([7, 12]), // 13: (T/2, 12)
        norm(12),
        Layer::Relu,
        conv(12, 16, 1, 1),
        Layer::Relu,
        conv(16, 4, 3, 1),       // 18
        Layer::concat([13, 18]), // 19: (T/2, 16)
        norm(16),
        conv(16, 12, 1, 1),
        Layer::stats_pool(1e-4),
        Layer::linear(24, 5),
    ]
}

/// Parts of the channels one after the other, a gate by the whole utterance, attention.
fn attentive() -> Vec<Layer> {
    let part = |first| Layer::channels(1, first, 4);
    vec![
        conv(8, 12, 5, 1),
        Layer::Tanh, // 1
        part(0),
        part(4),
        conv(4, 4, 3, 2),
        Layer::Relu, // 5
        part(8),
        Layer::add([6, 5]),
        conv(4, 4, 3, 3),         // 8
        Layer::concat([2, 5, 8]), // 9
        Layer::MeanPool,
        Layer::linear(12, 12),
        Layer::Sigmoid,              // 12
        Layer::multiply([9, 12, 1]), // 13: (T, 12)
        Layer::StatsPool {
            eps: 1e-4,
            groups: 2,
        },
        Layer::concat([13, 14]), // 15: (T, 36)
        conv(36, 12, 1, 1),
        Layer::attentive_stats_pool(13, 1e-4),
        Layer::linear(24, 5),
    ]
}

/// Mirrored frames before maps with and without strides, within a stage and at the start of one.
fn mirrored() -> Vec<Layer> {
    let valid = |channels, dilation, stride| {
        Layer::Conv1d(Conv1dOptions {
            stride,
            dilation,
            ..Conv1dOptions::new(8, channels, 3)
        })
    };
    vec![
        Layer::ReflectPad { frames: 4 },
        valid(8, 4, 1),
        Layer::Relu, // 2: (T, 8)
        Layer::ReflectPad { frames: 3 },
        valid(8, 3, 1), // 4
        Layer::add([2, 4]),
        norm(8),
        Layer::ReflectPad { frames: 1 },
        valid(8, 1, 2), // 8: (T/2, 8)
        Layer::MeanPool,
        Layer::linear(8, 8),
        Layer::multiply([8, 10]),
        Layer::ReflectPad { frames: 2 },
        valid(4, 2, 1),
        Layer::stats_pool(1e-4),
        Layer::linear(8, 5),
    ]
}

fn norm(num_features: usize) -> Layer {
    Layer::batch_norm(num_features, 0.5)
}

fn features(num_frames: usize) -> Features {
    some_features(num_frames, 8)
}

#[track_caller]
fn close(got: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len());
    for (g, w) in got.iter().zip(wanted) {
        let difference = (f64::from(*g) - w).abs();
        assert!(
            difference < 2e-5 * w.abs().max(1.0),
            "{what}: {got:?} {wanted:?}"
        );
    }
}

#[test]
fn a_graph_computes_what_its_layers_say() {
    for layers in [masked(), dense(), attentive()] {
        let weights = some_weights(&layers);
        let network = Network::new(layers.clone(), weights.clone(), 8).unwrap();
        for num_frames in [1, 2, 19, 20, 21, 41, 200, 777] {
            let features = features(num_frames);
            let wanted = reference::forward(&layers, &weights, features.values(), 8);
            let got = network.embed(&features);
            close(&got, &wanted, &format!("{num_frames} frames"));
        }
    }
}

#[test]
fn mirrored_frames_are_those_next_to_the_edges() {
    let layers = mirrored();
    let weights = some_weights(&layers);
    let network = Network::new(layers.clone(), weights.clone(), 8).unwrap();
    // Fewer have nothing to mirror.
    assert_eq!(network.receptive_field(), 5);
    for num_frames in [5, 6, 20, 21, 41, 200, 777, 3001] {
        let features = features(num_frames);
        let wanted = reference::forward(&layers, &weights, features.values(), 8);
        let got = network.embed(&features);
        close(&got, &wanted, &format!("{num_frames} frames"));
    }
}

#[test]
fn folding_leaves_a_graph_what_it_is() {
    for mut layers in [masked(), dense(), attentive()] {
        // After a map that another layer reads too, and after one that is read here alone.
        let pooled = layers.len();
        layers.extend([Layer::linear(layers_out(&layers), 6), norm(6)]);
        let weights = some_weights(&layers);
        let (folded, folded_weights) = fold_batch_norms(&layers, &weights);
        assert!(folded.len() < layers.len() && pooled > 0);
        let features = features(150);
        let wanted = reference::forward(&layers, &weights, features.values(), 8);
        let network = Network::new(folded, folded_weights, 8).unwrap();
        close(&network.embed(&features), &wanted, "folded");
    }
}

fn layers_out(layers: &[Layer]) -> usize {
    match layers.last() {
        Some(Layer::Linear { out_features, .. }) => *out_features,
        Some(Layer::BatchNorm { num_features, .. }) => *num_features,
        _ => 0,
    }
}

#[test]
fn a_batch_norm_whose_neighbour_is_read_elsewhere_stays() {
    let layers = vec![
        conv(8, 4, 1, 1),
        norm(4),
        Layer::Relu,
        Layer::add([0, 2]),
        norm(4),
        conv(4, 3, 1, 1),
        Layer::MeanPool,
    ];
    let weights = some_weights(&layers);
    let (folded, folded_weights) = fold_batch_norms(&layers, &weights);
    let kinds: Vec<_> = folded.iter().map(Layer::kind).collect();
    let wanted = ["conv1d", "batch_norm", "relu", "add", "conv1d", "mean_pool"];
    assert_eq!(kinds, wanted);
    let features = features(30);
    let wanted = reference::forward(&layers, &weights, features.values(), 8);
    let network = Network::new(folded, folded_weights, 8).unwrap();
    close(&network.embed(&features), &wanted, "folded");
}

#[test]
fn the_frames_of_spans_are_those_of_the_whole() {
    for layers in [masked(), dense(), mirrored()] {
        let network = Network::new(layers.clone(), some_weights(&layers), 8).unwrap();
        let (graph, scratch) = (&network.operations().graph, Scratch::default());
        assert!(graph.gives_spans());
        let features = features(777);
        let total = graph.num_outputs(777);
        let spans = [0..1, 1..total / 3, total / 3..total - 2, total - 2..total];
        let mut frames = vec![];
        graph.in_spans(&features, spans.into_iter(), &scratch, |_, outputs| {
            frames.extend_from_slice(&outputs[0]);
        });
        assert_eq!(frames, graph.run(&features, &scratch)[0]);
    }
    let network = Network::new(attentive(), some_weights(&attentive()), 8).unwrap();
    assert!(
        !network.operations().graph.gives_spans(),
        "needs all weights"
    );
}

#[test]
fn parts_of_a_recording_have_embeddings_of_their_own() {
    let layers = masked();
    let network = Network::new(layers.clone(), some_weights(&layers), 8).unwrap();
    let (whole, cuts) = network.embed_cut(&features(900));
    assert_eq!(whole, network.embed(&features(900)));
    assert_eq!((cuts.splits.len(), cuts.pieces.len()), (10, 9));
    assert!(cuts.splits.iter().all(|split| split.before.len() == 7));
}

#[test]
fn a_graph_in_int8_stays_near_what_its_layers_say() {
    for layers in [masked(), dense(), attentive(), mirrored()] {
        let weights = some_weights(&layers);
        let mut network = Network::new(layers.clone(), weights.clone(), 8).unwrap();
        network.quantise(&[features(300), features(170)]).unwrap();
        // With fewer frames, the rounding errors do not average out. The ranges leave room for louder
        // recordings, which makes the steps coarser.
        for num_frames in [20, 41, 200, 777] {
            let features = features(num_frames);
            let wanted = reference::forward(&layers, &weights, features.values(), 8);
            let got = network.embed(&features);
            let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
            let off = norm(&mut got.iter().zip(&wanted).map(|(g, w)| f64::from(*g) - w));
            let size = norm(&mut wanted.iter().copied());
            assert!(off < 0.04 * size, "{num_frames} frames: {got:?} {wanted:?}");
            assert!(off > 1e-7 * size, "not in int8");
        }
    }
}

#[cfg(feature = "threads")]
#[test]
fn the_number_of_threads_changes_no_bit_of_a_graph() {
    for layers in [masked(), dense(), attentive(), mirrored()] {
        let network = Network::new(layers.clone(), some_weights(&layers), 8).unwrap();
        for num_frames in [30, 400, 2003] {
            reference::same_at_any_number_of_threads(&network, &features(num_frames));
        }
    }
}
