//! Layers that fit together, and those that are refused with their place.

use super::{step::MAX_LAYERS, *};
use crate::network::{Conv1dOptions, Conv2dOptions};

/// Checks that the error of these layers contains `fact`.
#[track_caller]
fn refused(layers: &[Layer], fact: &str) {
    let text = infer(layers, 40).unwrap_err().to_string();
    assert!(text.contains(fact), "{text}");
}

fn conv(in_channels: usize, out_channels: usize, kernel_size: usize, dilation: usize) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        dilation,
        ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
    })
}

#[test]
fn an_x_vector_has_its_receptive_field() {
    let layers = [
        conv(40, 8, 5, 1),
        Layer::Relu,
        conv(8, 8, 3, 2),
        conv(8, 8, 3, 3),
        Layer::stats_pool(1e-5),
        Layer::linear(16, 4),
    ];
    let shapes = infer(&layers, 40).unwrap();
    assert_eq!(
        shapes,
        Shapes {
            embedding_size: 4,
            receptive_field: 15
        }
    );
}

#[test]
fn a_linear_fed_the_wrong_size_is_refused_with_the_number_to_put() {
    let layers = [Layer::MeanPool, Layer::linear(80, 4)];
    let text = infer(&layers, 40).unwrap_err().to_string();
    assert_eq!(
        text,
        "layer 1 (linear): got (40), wanted (…, 80); set in_features to 40"
    );
}

#[test]
fn frames_left_at_the_end_and_pooling_twice_are_refused() {
    refused(&[conv(40, 8, 5, 1)], "stats_pool");
    refused(&[Layer::MeanPool, Layer::stats_pool(1e-5)], "pool once");
}

#[test]
fn groups_that_do_not_share_the_channels_evenly_are_refused() {
    let layer = |groups| {
        Layer::Conv1d(Conv1dOptions {
            groups,
            ..Conv1dOptions::new(40, 8, 3)
        })
    };
    assert!(infer(&[layer(4), Layer::MeanPool], 40).is_ok());
    for groups in [0, 3, 16] {
        refused(&[layer(groups), Layer::MeanPool], "groups");
    }
}

#[test]
fn layers_that_name_others_are_refused_with_their_place() {
    let strided = |stride| {
        Layer::Conv1d(Conv1dOptions {
            stride,
            ..Conv1dOptions::new(40, 40, 1)
        })
    };
    refused(
        &[Layer::Relu, Layer::add([0, 1]), Layer::MeanPool],
        "layer 1 (add): got layer 1, wanted layers",
    );
    refused(
        &[Layer::Relu, Layer::add([0, usize::MAX]), Layer::MeanPool],
        "layer 1 (add)",
    );
    refused(
        &[Layer::Relu, Layer::add([0]), Layer::MeanPool],
        "wanted two or more",
    );
    refused(
        &[
            Layer::Relu,
            conv(40, 8, 1, 1),
            Layer::add([0, 1]),
            Layer::MeanPool,
        ],
        "got layer 1 (T, 8), wanted what fits layer 0 (T, 40)",
    );
    refused(
        &[
            Layer::Relu,
            conv(40, 40, 3, 1),
            Layer::concat([0, 1]),
            Layer::MeanPool,
        ],
        "the numbers of frames must agree",
    );
    let three = [
        strided(2),
        strided(3),
        Layer::concat([0, 1]),
        Layer::MeanPool,
    ];
    assert_eq!(infer(&three, 40).unwrap().embedding_size, 80);
    let unread = [
        Layer::Relu,
        Layer::Tanh,
        Layer::concat([0, 0]),
        Layer::MeanPool,
    ];
    refused(&unread, "layer 1 (tanh)");
    refused(&unread, "reads it");
    let after_pooling = [Layer::Relu, Layer::MeanPool, Layer::concat([1, 1])];
    assert_eq!(infer(&after_pooling, 40).unwrap().embedding_size, 80);
    refused(
        &[Layer::Relu, Layer::MeanPool, Layer::concat([0, 1])],
        "got layer 0, wanted the last pooling or a layer after it",
    );
    let channels = Layer::channels(0, usize::MAX, 2);
    refused(
        &[Layer::Relu, channels, Layer::MeanPool],
        "got layer 0 (T, 40), wanted 2 channels",
    );
}

#[test]
fn graphs_that_would_fill_the_memory_are_refused() {
    let all = vec![Layer::Relu; MAX_LAYERS + 1];
    refused(&all, "layer 2048 (relu)");
    let mut doubling = vec![Layer::Relu];
    doubling.extend((0..20).map(|index| Layer::concat([index, index])));
    refused(&doubling, "up to 16384 channels together");
    let mut wide = vec![conv(40, 16384, 1, 1)];
    let again = Layer::channels(0, 0, 16384);
    wide.extend((0..5).flat_map(|_| [again.clone(), Layer::Tanh]));
    wide.push(Layer::add([2, 4, 6, 8, 10]));
    wide.push(Layer::MeanPool);
    // The same after the pooling.
    let mut branches = wide.clone();
    branches.pop();
    branches[0] = Layer::MeanPool;
    let widened = Layer::linear(40, 16384);
    branches.insert(1, widened);
    for layer in &mut branches {
        layer.named_mut().iter_mut().for_each(|named| *named += 1);
    }
    for layers in [wide, branches] {
        refused(&layers, "channels of layers that are still needed");
    }
    let padded = Layer::ReflectPad { frames: 2000 };
    let padded = [padded.clone(), padded, Layer::MeanPool];
    refused(&padded, "layer 1 (reflect_pad)");
    refused(&padded, "add up to at most 4096 frames");
    let skipping = Layer::SegmentMean { num_frames: 2048 };
    refused(
        &[skipping.clone(), skipping, Layer::MeanPool],
        "one frame in 2^20",
    );
    let plane = |num_bins, out_channels, kernel_bins, padding_bins| {
        Layer::Conv2d(Conv2dOptions {
            kernel_bins,
            padding_bins,
            ..Conv2dOptions::new(1, out_channels, num_bins, 3)
        })
    };
    for (layer, fact) in [
        (plane(40, 1 << 14, 3, 1), "channels of all bins"),
        (plane(usize::MAX, 4, 3, 1), "counts from 1"),
        (plane(40, 4, 8, 1), "kernel_bins up to 7"),
        (plane(40, 4, 3, 3), "smaller than the kernel"),
        (plane(39, 4, 3, 1), "got (T, 40), wanted (T, 39·1)"),
    ] {
        refused(&[layer, Layer::MeanPool], fact);
    }
}

#[test]
fn zero_stride_or_channels_are_refused() {
    let zero = Layer::Conv1d(Conv1dOptions {
        stride: 0,
        ..Conv1dOptions::new(40, 8, 3)
    });
    assert!(infer(&[zero, Layer::MeanPool], 40).is_err());
}

#[test]
fn what_would_fill_the_memory_is_refused() {
    let with = |out_channels, kernel_size, dilation, padding| {
        Layer::Conv1d(Conv1dOptions {
            dilation,
            padding,
            ..Conv1dOptions::new(40, out_channels, kernel_size)
        })
    };
    let flatten = |num_frames| Layer::Flatten { num_frames };
    for (layer, fact) in [
        (with(8, 3, 1, 3), "padding up to"),
        (with(8, 3, 1, 1 << 20), "padding up to"),
        (with(8, 3, 1, usize::MAX), "padding up to"),
        (with(8, 3, (1 << 11) + 1, 0), "up to 4096, not 4098"),
        (with(8, usize::MAX, 2, 0), "counts from 1"),
        (with((1 << 14) + 1, 3, 1, 0), "channels to 16384"),
        (Layer::linear(40, (1 << 14) + 1), "up to 16384 channels"),
        (flatten(1 << 18), "num_frames"),
    ] {
        refused(&[layer, Layer::MeanPool], fact);
    }
    for fits in [with(8, 3, 1, 2), with(1 << 14, 3, 1 << 11, 1 << 12)] {
        infer(&[fits, Layer::MeanPool], 40).unwrap();
    }
}
