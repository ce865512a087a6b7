//! Exports the network, from features to embedding, as an ONNX file for other runtimes. Feature
//! extraction and pair head are not included. The options of the extraction are stored as metadata.
//!
//! ```text
//! feats (B, T, C_in) ─► Transpose (B, C_in, T) ─► Conv, Relu, … ─► pooling ─► Gemm ─► embs (B, D)
//! ```
//!
//! Input and output have the names and shapes of WeSpeaker's exports. The file uses operator set 13
//! (2020), which onnxruntime reads from version 1.6 on.

mod message;

use crate::{
    Error, Result,
    network::{Affine, Conv2dOptions, Layer, Network},
    storage::write_whole,
    verifier::Verifier,
};
use message::{
    Attribute, FLOAT, Graph, INT64, Model, Node, OperatorSet, Property, float, int, ints, tensor,
    value,
};
use prost::Message;
use std::path::Path;

const OPERATOR_SET: i64 = 13;
/// The version of the file format that belongs to the operator set.
const IR_VERSION: i64 = 7;

/// Writes the network of a verifier, completely or not at all.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for a network that [`can_export`] refuses.
pub fn save(path: &Path, verifier: &Verifier) -> Result<()> {
    let network = &verifier.model().network;
    if !can_export(network) {
        return Err(Error::Usage(
            "this network has layers that are not exported, such as an attentive pooling; it was \
             imported: use the original's ONNX export"
                .into(),
        ));
    }
    let front_end = serde_json::to_string(verifier.mfcc().config()).expect("plain data");
    let metadata = [
        ("spkver_model", verifier.id().to_string()),
        ("spkver_front_end", front_end),
    ];
    let num_features = verifier.mfcc().num_channels();
    // The last output may be the overlap term, which is no part of the embedding.
    let size = verifier.model().embedding_size();
    write_whole(path, &to_bytes(network, num_features, size, &metadata))
}

/// Whether every layer can be exported: a single pooling, and nothing that only imported networks have.
pub fn can_export(network: &Network) -> bool {
    let layers = network.layers();
    let is_known = |layer: &Layer| {
        !matches!(
            layer,
            Layer::SegmentMean { .. } | Layer::ReflectPad { .. } | Layer::AttentiveStatsPool { .. }
        )
    };
    layers.iter().filter(|layer| layer.is_pooling()).count() == 1 && layers.iter().all(is_known)
}

/// The bytes of an ONNX file with the first `embedding_size` outputs of a network. The same network always gives
/// the same bytes.
///
/// # Panics
/// For a network that [`can_export`] refuses.
pub fn to_bytes(
    network: &Network,
    num_features: usize,
    embedding_size: usize,
    metadata: &[(&str, String)],
) -> Vec<u8> {
    let mut graph = Graph {
        name: "spkver".into(),
        input: vec![value("feats", &["B", "T", &num_features.to_string()])],
        output: vec![value("embs", &["B", &embedding_size.to_string()])],
        ..Graph::default()
    };
    let mut x = graph.node("Transpose", &["feats"], vec![ints("perm", &[0, 2, 1])]);
    let mut frames_left = true;
    let mut outputs: Vec<String> = vec![];
    for (index, layer) in network.layers().iter().enumerate() {
        let named: Vec<&str> = layer.named().iter().map(|n| &outputs[*n][..]).collect();
        x = match layer {
            Layer::Channels { first, count, .. } => {
                graph.channels(&format!("{index}"), named[0], *first, *count)
            }
            Layer::Concat { .. } => graph.node("Concat", &named, vec![int("axis", 1)]),
            Layer::Add { .. } => graph.node("Sum", &named, vec![]),
            Layer::Multiply { .. } => {
                let mut product = |x: String, y: &&str| graph.node("Mul", &[&x, y], vec![]);
                named[1..].iter().fold(named[0].to_string(), &mut product)
            }
            _ => graph.layer(index, layer, network, &x, frames_left),
        };
        frames_left &= !layer.is_pooling();
        outputs.push(x.clone());
    }
    let last = match embedding_size == network.embedding_size() {
        true => graph.node("Identity", &[&x], vec![]),
        false => graph.channels("embedding", &x, 0, embedding_size),
    };
    for node in &mut graph.node {
        if node.output[0] == last {
            node.output = vec!["embs".into()];
        }
    }
    Model {
        ir_version: IR_VERSION,
        producer_name: "spkver".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPERATOR_SET,
        }],
        metadata_props: metadata
            .iter()
            .map(|(key, value)| Property {
                key: (*key).into(),
                value: value.clone(),
            })
            .collect(),
    }
    .encode_to_vec()
}

impl Graph {
    /// Adds the nodes of one layer that reads the value `x`, and returns the name of its output.
    /// `(B, C, T)` before the pooling, `(B, C)` after it.
    fn layer(
        &mut self,
        index: usize,
        layer: &Layer,
        network: &Network,
        x: &str,
        frames_left: bool,
    ) -> String {
        // Of these operators, only Conv supports groups.
        let affine = Affine::of(layer);
        let is_gemm = !frames_left && affine.is_some_and(|affine| affine.groups == 1);
        let tensor_names: Vec<String> = layer
            .tensors()
            .into_iter()
            .map(|(name, mut shape)| {
                let name = format!("{index}.{name}");
                if matches!(layer, Layer::Linear { .. }) && !is_gemm && shape.len() == 2 {
                    shape.push(1); // a Conv with one tap
                }
                let values = &network.weights()[&name];
                self.floats(&name, &shape, values);
                name
            })
            .collect();
        let mut inputs = vec![x];
        inputs.extend(tensor_names.iter().map(String::as_str));
        match *layer {
            Layer::Conv1d(_) | Layer::Linear { .. } => {
                if is_gemm {
                    return self.node("Gemm", &inputs, vec![int("transB", 1)]);
                }
                let affine = affine.expect("it is one of these two");
                let one_frame = (!frames_left).then(|| {
                    let axis = format!("{index}.axis");
                    self.integers(&axis, &[1], &[2]);
                    self.node("Unsqueeze", &[x, &axis], vec![]) // (B, C) -> (B, C, 1)
                });
                if let Some(one_frame) = &one_frame {
                    inputs[0] = one_frame;
                }
                let attributes = vec![
                    ints("kernel_shape", &[affine.shape.2]),
                    ints("strides", &[affine.stride]),
                    ints("dilations", &[affine.dilation]),
                    ints("pads", &[affine.padding, affine.padding]),
                    int("group", affine.groups as i64),
                ];
                let y = self.node("Conv", &inputs, attributes);
                if frames_left {
                    return y;
                }
                self.node("Flatten", &[&y], vec![int("axis", 1)])
            }
            Layer::BatchNorm { eps, .. } => {
                self.node("BatchNormalization", &inputs, vec![float("epsilon", eps)])
            }
            Layer::Relu => self.node("Relu", &inputs, vec![]),
            Layer::LeakyRelu { negative_slope } => {
                self.node("LeakyRelu", &inputs, vec![float("alpha", negative_slope)])
            }
            Layer::Sigmoid => self.node("Sigmoid", &inputs, vec![]),
            Layer::Tanh => self.node("Tanh", &inputs, vec![]),
            Layer::Identity => x.into(),
            Layer::MeanPool => {
                let mean = self.mean_over_frames(x);
                self.node("Flatten", &[&mean], vec![int("axis", 1)])
            }
            Layer::StatsPool { eps, groups } => self.stats_pool(index, x, eps, groups),
            Layer::SampleStatsPool { eps } => self.sample_stats_pool(index, x, eps),
            Layer::Flatten { num_frames } => self.first_frames(index, x, num_frames),
            Layer::Conv2d(conv) => self.conv2d(index, conv, &inputs),
            _ => unreachable!("refused, or made by `to_bytes`"),
        }
    }

    /// `(B, F·C, T) -> (B, F'·C', T')`; `inputs` has x, the weight and the bias. A frame holds one bin after the other,
    /// an image one channel after the other.
    fn conv2d(&mut self, index: usize, conv: Conv2dOptions, inputs: &[&str]) -> String {
        let (bins, outputs) = (conv.num_bins as i64, conv.out_bins() * conv.out_channels);
        let [by_bin, flat] = ["bins", "flat"].map(|name| format!("{index}.{name}"));
        self.integers(&by_bin, &[4], &[0, bins, conv.in_channels as i64, -1]);
        self.integers(&flat, &[3], &[0, outputs as i64, -1]);
        let swap = || vec![ints("perm", &[0, 2, 1, 3])];
        let frames = self.node("Reshape", &[inputs[0], &by_bin], vec![]);
        let image = self.node("Transpose", &[&frames], swap()); // (B, C, F, T)
        let (padding_bins, padding_frames) = (conv.padding_bins, conv.padding_frames);
        let attributes = vec![
            ints("kernel_shape", &[conv.kernel_bins, conv.kernel_frames]),
            ints("strides", &[conv.stride_bins, conv.stride_frames]),
            ints(
                "pads",
                &[padding_bins, padding_frames, padding_bins, padding_frames],
            ),
        ];
        let image = self.node("Conv", &[&image, inputs[1], inputs[2]], attributes);
        let frames = self.node("Transpose", &[&image], swap());
        self.node("Reshape", &[&frames, &flat], vec![])
    }

    /// Some channels from `first` on. `(B, C) -> (B, count)`
    fn channels(&mut self, name: &str, x: &str, first: usize, count: usize) -> String {
        let [from, to, axis] = ["from", "to", "axis"].map(|part| format!("{name}.{part}"));
        self.integers(&from, &[1], &[first as i64]);
        self.integers(&to, &[1], &[(first + count) as i64]);
        self.integers(&axis, &[1], &[1]);
        self.node("Slice", &[x, &from, &to, &axis], vec![])
    }

    /// `(B, C, T) -> (B, 2C)`
    fn stats_pool(&mut self, index: usize, x: &str, eps: f32, groups: usize) -> String {
        let floor = format!("{index}.eps");
        self.floats(&floor, &[], &[eps]);
        let (mean, variance) = self.mean_and_variance(x);
        let floored = self.node("Max", &[&variance, &floor], vec![]);
        let deviation = self.node("Sqrt", &[&floored], vec![]);
        let by_group = format!("{index}.groups");
        self.integers(&by_group, &[3], &[0, groups as i64, -1]);
        // (B, C, 1) -> (B, g, C/g), twice -> (B, g, 2C/g) -> (B, 2C)
        let [mean, deviation] =
            [mean, deviation].map(|part| self.node("Reshape", &[&part, &by_group], vec![]));
        let both = self.node("Concat", &[&mean, &deviation], vec![int("axis", 2)]);
        self.node("Flatten", &[&both], vec![int("axis", 1)])
    }

    /// `(B, C, T) -> (B, 2C)`
    fn sample_stats_pool(&mut self, index: usize, x: &str, eps: f32) -> String {
        let [added, one, axis] = ["eps", "one", "axis"].map(|n| format!("{index}.{n}"));
        self.floats(&added, &[], &[eps]);
        self.floats(&one, &[], &[1.0]);
        self.integers(&axis, &[], &[2]);
        let (mean, biased) = self.mean_and_variance(x);
        let shape = self.node("Shape", &[x], vec![]);
        let frames = self.node("Gather", &[&shape, &axis], vec![int("axis", 0)]);
        let frames = self.node("Cast", &[&frames], vec![int("to", FLOAT.into())]);
        let fewer = self.node("Sub", &[&frames, &one], vec![]);
        let freedom = self.node("Max", &[&fewer, &one], vec![]);
        let correction = self.node("Div", &[&frames, &freedom], vec![]);
        let variance = self.node("Mul", &[&biased, &correction], vec![]);
        let variance = self.node("Add", &[&variance, &added], vec![]);
        let deviation = self.node("Sqrt", &[&variance], vec![]);
        let both = self.node("Concat", &[&mean, &deviation], vec![int("axis", 1)]);
        self.node("Flatten", &[&both], vec![int("axis", 1)])
    }

    /// `(B, C, T) -> (B, num_frames·C)`. Frame t is frame t mod T: the utterance is truncated or repeated.
    fn first_frames(&mut self, index: usize, x: &str, num_frames: usize) -> String {
        let (wanted, axis) = (format!("{index}.frames"), format!("{index}.axis"));
        let frames: Vec<i64> = (0..num_frames as i64).collect();
        self.integers(&wanted, &[num_frames], &frames);
        self.integers(&axis, &[], &[2]);
        let shape = self.node("Shape", &[x], vec![]);
        let present = self.node("Gather", &[&shape, &axis], vec![int("axis", 0)]);
        let frames = self.node("Mod", &[&wanted, &present], vec![]);
        let cut = self.node("Gather", &[x, &frames], vec![int("axis", 2)]);
        let rows = self.node("Transpose", &[&cut], vec![ints("perm", &[0, 2, 1])]);
        self.node("Flatten", &[&rows], vec![int("axis", 1)])
    }

    /// Mean and variance over the frames, each `(B, C, T) -> (B, C, 1)`.
    fn mean_and_variance(&mut self, x: &str) -> (String, String) {
        let mean = self.mean_over_frames(x);
        let centred = self.node("Sub", &[x, &mean], vec![]);
        let squares = self.node("Mul", &[&centred, &centred], vec![]);
        let variance = self.mean_over_frames(&squares);
        (mean, variance)
    }

    /// `(B, C, T) -> (B, C, 1)`.
    fn mean_over_frames(&mut self, x: &str) -> String {
        let attributes = vec![ints("axes", &[2]), int("keepdims", 1)];
        self.node("ReduceMean", &[x], attributes)
    }

    /// Adds a node with one output, and returns its name.
    fn node(&mut self, op_type: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let name = format!("{op_type}_{}", self.node.len());
        self.node.push(Node {
            input: inputs.iter().map(|i| (*i).into()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op_type.into(),
            attribute,
        });
        name
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer.push(tensor(name, FLOAT, shape, bytes));
    }

    fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer.push(tensor(name, INT64, shape, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Conv1dOptions, Weights};
    use std::collections::HashSet;

    /// A network with every kind of layer, before and after the pooling.
    fn network(pooling: Layer, pooled: usize) -> Network {
        let layers = vec![
            Layer::Conv1d(Conv1dOptions {
                in_channels: 3,
                out_channels: 4,
                kernel_size: 2,
                stride: 2,
                dilation: 3,
                padding: 1,
                groups: 1,
            }),
            Layer::Relu,
            Layer::leaky_relu(0.0),
            Layer::Sigmoid,
            Layer::linear(4, 5),
            Layer::Tanh,
            Layer::batch_norm(5, 0.5),
            Layer::Conv2d(Conv2dOptions {
                kernel_frames: 1,
                padding_frames: 0,
                ..Conv2dOptions::new(1, 1, 5, 3)
            }),
            pooling,
            Layer::linear(pooled, 6),
            Layer::Identity,
            Layer::channels(10, 1, 4),
            Layer::concat([9, 11]),
            Layer::add([12, 12]),
            Layer::multiply([12, 13]),
        ];
        let mut weights = Weights::new();
        for (i, layer) in layers.iter().enumerate() {
            for (name, shape) in layer.tensors() {
                weights.insert(format!("{i}.{name}"), vec![1.0; shape.iter().product()]);
            }
        }
        Network::new(layers, weights, 3).unwrap()
    }

    #[test]
    fn every_name_is_defined_before_its_use_and_every_tensor_has_its_size() {
        for (pooling, pooled) in [
            (Layer::stats_pool(1e-5), 10),
            (Layer::SampleStatsPool { eps: 1e-5 }, 10),
            (Layer::MeanPool, 5),
            (Layer::Flatten { num_frames: 7 }, 35),
        ] {
            let network = network(pooling, pooled);
            let metadata = [("key", "value".into())];
            let bytes = to_bytes(&network, 3, network.embedding_size(), &metadata);
            let model = Model::decode(&bytes[..]).unwrap();
            let graph = model.graph.unwrap();
            let gemms = graph.node.iter().filter(|node| node.op_type == "Gemm");
            assert_eq!(
                gemms.count(),
                1,
                "the Linear behind the pooling has no frames"
            );
            let mut names: HashSet<&str> = graph.input.iter().map(|i| &i.name[..]).collect();
            for tensor in &graph.initializer {
                let count: i64 = tensor.dims.iter().product();
                let size = if tensor.data_type == INT64 { 8 } else { 4 };
                assert_eq!(tensor.raw_data.len(), count as usize * size);
                assert!(names.insert(&tensor.name), "{} twice", tensor.name);
            }
            for node in &graph.node {
                for input in &node.input {
                    assert!(names.contains(&input[..]), "{}: no {input}", node.name);
                }
                assert!(names.insert(&node.output[0]), "{} twice", node.name);
            }
            assert!(names.contains(&graph.output[0].name[..]));
        }
    }
}
