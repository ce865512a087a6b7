//! Compares the gradients that training computes (f32, on the kernels) with central differences of
//! the same functions, written again as plain loops in f64. Covers every layer and every loss.

use spkver::{
    network::{Conv1dOptions, Conv2dOptions, Layer, Weights},
    train::{
        batch::Batch,
        loss::AngularMargin,
        options::{ArchitectureOptions, ResidualOptions, StageOptions},
        random::Random,
        tape::Trainable,
    },
};
use std::collections::BTreeMap;

/// Step of the central differences: its error is ~h² in f64, far below f32's.
const H: f64 = 1e-5;

/// f32 sums of some hundred terms of size 1, compared relative to the largest gradient.
const TOLERANCE: f64 = 2e-4;

type Weights64 = BTreeMap<String, Vec<f64>>;
/// Utterances, each a list of frames.
type Frames = Vec<Vec<Vec<f64>>>;

/// Forward pass in training mode, `(T, C)` per utterance -> `(D,)` per utterance.
fn forward(layers: &[Layer], weights: &Weights64, mut x: Frames) -> Vec<Vec<f64>> {
    let mut outputs: Vec<Frames> = vec![];
    for (index, layer) in layers.iter().enumerate() {
        let w = |name: &str| &weights[&format!("{index}.{name}")][..];
        x = match *layer {
            Layer::Conv2d(conv) => x
                .iter()
                .map(|u| conv2d(&conv, w("weight"), w("bias"), u))
                .collect(),
            Layer::Channels {
                layer,
                first,
                count,
            } => map_rows(outputs[layer].clone(), |row| {
                row[first..first + count].to_vec()
            }),
            Layer::Add { ref layers } => {
                let terms = layers.iter().map(|layer| outputs[*layer].clone());
                let sum = |a: Frames, b: Frames| {
                    let of_rows = |(a, b): (Vec<f64>, Vec<f64>)| {
                        a.iter().zip(b).map(|(a, b)| a + b).collect()
                    };
                    let of_utterances = |(a, b): (Vec<Vec<f64>>, Vec<Vec<f64>>)| {
                        a.into_iter().zip(b).map(of_rows).collect()
                    };
                    a.into_iter().zip(b).map(of_utterances).collect()
                };
                terms.reduce(sum).unwrap()
            }
            Layer::Conv1d(Conv1dOptions {
                in_channels,
                out_channels,
                kernel_size,
                stride,
                dilation,
                padding,
                ..
            }) => {
                let per_utterance = |u: &Vec<Vec<f64>>| {
                    let mut padded = vec![vec![0.0; in_channels]; padding];
                    padded.extend(u.iter().cloned());
                    padded.extend(vec![vec![0.0; in_channels]; padding]);
                    let frames = (padded.len() - dilation * (kernel_size - 1) - 1) / stride + 1;
                    let at = |t: usize, o: usize| {
                        let mut sum = w("bias")[o];
                        for i in 0..in_channels {
                            for k in 0..kernel_size {
                                sum += w("weight")[(o * in_channels + i) * kernel_size + k]
                                    * padded[t * stride + k * dilation][i];
                            }
                        }
                        sum
                    };
                    (0..frames)
                        .map(|t| (0..out_channels).map(|o| at(t, o)).collect())
                        .collect()
                };
                x.iter().map(per_utterance).collect()
            }
            Layer::Linear {
                in_features,
                out_features,
                ..
            } => map_rows(x, |row| {
                let at = |o: usize| {
                    let row = row.iter().enumerate();
                    w("bias")[o]
                        + row
                            .map(|(i, v)| w("weight")[o * in_features + i] * v)
                            .sum::<f64>()
                };
                (0..out_features).map(at).collect()
            }),
            Layer::BatchNorm { num_features, eps } => {
                // After a Conv2d, each bin is like a frame.
                let rows: Vec<&[f64]> = x
                    .iter()
                    .flatten()
                    .flat_map(|r| r.chunks(num_features))
                    .collect();
                let n = rows.len() as f64;
                let mean: Vec<f64> = (0..num_features)
                    .map(|c| rows.iter().map(|r| r[c]).sum::<f64>() / n)
                    .collect();
                let var: Vec<f64> = (0..num_features)
                    .map(|c| rows.iter().map(|r| (r[c] - mean[c]).powi(2)).sum::<f64>() / n)
                    .collect();
                map_rows(x, |row| {
                    let at = |(i, value): (usize, &f64)| {
                        let c = i % num_features;
                        (value - mean[c]) / (var[c] + f64::from(eps)).sqrt() * w("weight")[c]
                            + w("bias")[c]
                    };
                    row.iter().enumerate().map(at).collect()
                })
            }
            Layer::StatsPool { .. } | Layer::SampleStatsPool { .. } | Layer::MeanPool => x
                .iter()
                .map(|u| {
                    let n = u.len() as f64;
                    let channels = u[0].len();
                    let mean = |c: usize| u.iter().map(|r| r[c]).sum::<f64>() / n;
                    let std = |c: usize| {
                        let m = mean(c);
                        let squares = u.iter().map(|r| (r[c] - m).powi(2)).sum::<f64>();
                        match *layer {
                            Layer::SampleStatsPool { eps } => {
                                (squares / (n - 1.0) + f64::from(eps)).sqrt()
                            }
                            _ => (squares / n).sqrt(),
                        }
                    };
                    let mut row: Vec<f64> = (0..channels).map(mean).collect();
                    if !matches!(layer, Layer::MeanPool) {
                        row.extend((0..channels).map(std));
                    }
                    vec![row]
                })
                .collect(),
            Layer::Flatten { num_frames } => x
                .iter()
                .map(|u| {
                    vec![
                        u.iter()
                            .cycle()
                            .take(num_frames)
                            .flatten()
                            .copied()
                            .collect(),
                    ]
                })
                .collect(),
            Layer::Relu => elementwise(x, |v| v.max(0.0)),
            Layer::LeakyRelu { negative_slope } => elementwise(x, |v| {
                if v > 0.0 {
                    v
                } else {
                    f64::from(negative_slope) * v
                }
            }),
            Layer::Sigmoid => elementwise(x, |v| 1.0 / (1.0 + (-v).exp())),
            Layer::Tanh => elementwise(x, f64::tanh),
            Layer::Identity => x,
            ref other => panic!("{other:?} is not trained"),
        };
        outputs.push(x.clone());
    }
    x.into_iter().map(|u| u.concat()).collect()
}

/// `(T, F·C_in) -> (T', F'·C_out)` of one utterance.
fn conv2d(conv: &Conv2dOptions, weight: &[f64], bias: &[f64], x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (c_in, c_out) = (conv.in_channels, conv.out_channels);
    let (taps, bins) = (conv.kernel_frames, conv.kernel_bins);
    let value = |t: isize, f: isize, i: usize| match (usize::try_from(t), usize::try_from(f)) {
        (Ok(t), Ok(f)) if t < x.len() && f < conv.num_bins => x[t][f * c_in + i],
        _ => 0.0,
    };
    let output = |t: usize, f: usize, o: usize| {
        let mut sum = bias[o];
        for i in 0..c_in {
            for b in 0..bins {
                for k in 0..taps {
                    let from_t =
                        (t * conv.stride_frames + k) as isize - conv.padding_frames as isize;
                    let from_f = (f * conv.stride_bins + b) as isize - conv.padding_bins as isize;
                    sum +=
                        weight[((o * c_in + i) * bins + b) * taps + k] * value(from_t, from_f, i);
                }
            }
        }
        sum
    };
    let out_bins = (conv.num_bins + 2 * conv.padding_bins - bins) / conv.stride_bins + 1;
    let frames = (x.len() + 2 * conv.padding_frames - taps) / conv.stride_frames + 1;
    let frame = |t| {
        (0..out_bins * c_out)
            .map(|at| output(t, at / c_out, at % c_out))
            .collect()
    };
    (0..frames).map(frame).collect()
}

fn map_rows(x: Frames, f: impl Fn(&Vec<f64>) -> Vec<f64>) -> Frames {
    x.iter().map(|u| u.iter().map(&f).collect()).collect()
}

fn elementwise(x: Frames, f: impl Fn(f64) -> f64) -> Frames {
    map_rows(x, |row| row.iter().map(|v| f(*v)).collect())
}

/// Checks every weight of `layers` against Σ embeddings·(fixed random direction).
fn check(what: &str, layers: Vec<Layer>, channels: usize) {
    let mut random = Random::new(7, what, &[]);
    let lengths = [9, 6, 13];
    let mut features = Batch::zeros(lengths, channels);
    features
        .values
        .iter_mut()
        .for_each(|v| *v = random.normal());
    let frames: Frames = features
        .utterances()
        .iter()
        .map(|u| {
            u.chunks(channels)
                .map(|r| r.iter().map(|v| f64::from(*v)).collect())
                .collect()
        })
        .collect();
    let mut trainable = Trainable::new(layers.clone(), 3);
    // Away from 1 and 0, where a wrong gradient of a BatchNorm could hide.
    for values in trainable.weights.values_mut() {
        values.iter_mut().for_each(|v| *v += 0.2 * random.normal());
    }
    let tape = trainable.forward(features);
    let embeddings = tape.embeddings();
    let direction: Vec<f32> = embeddings.values.iter().map(|_| random.normal()).collect();
    let gradients: Weights = trainable.backward(&tape, direction.clone());

    let mut weights: Weights64 = trainable
        .weights
        .iter()
        .map(|(name, v)| (name.clone(), v.iter().map(|v| f64::from(*v)).collect()))
        .collect();
    let objective = |weights: &Weights64| -> f64 {
        let out = forward(&layers, weights, frames.clone()).concat();
        out.iter()
            .zip(&direction)
            .map(|(o, d)| o * f64::from(*d))
            .sum()
    };
    for (o, e) in forward(&layers, &weights, frames.clone())
        .concat()
        .iter()
        .zip(&embeddings.values)
    {
        assert!(
            (o - f64::from(*e)).abs() < 1e-4,
            "{what}: forward {e} instead of {o}"
        );
    }
    for (name, gradient) in &gradients {
        let largest = gradient
            .iter()
            .fold(1.0f64, |m, g| m.max(f64::from(g.abs())));
        for i in 0..gradient.len() {
            let value = weights[name][i];
            let mut at = |v: f64| {
                weights.get_mut(name).unwrap()[i] = v;
                objective(&weights)
            };
            let wanted = (at(value + H) - at(value - H)) / (2.0 * H);
            at(value);
            let got = f64::from(gradient[i]);
            assert!(
                (got - wanted).abs() <= TOLERANCE * largest,
                "{what}: d {name}[{i}] is {got}, differences say {wanted}"
            );
        }
    }
}

fn conv(c_in: usize, c_out: usize, k: usize, stride: usize, dilation: usize, p: usize) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        stride,
        dilation,
        padding: p,
        ..Conv1dOptions::new(c_in, c_out, k)
    })
}

#[test]
fn conv1d_with_stride_dilation_and_padding() {
    for (stride, dilation, padding) in [(1, 1, 0), (2, 1, 0), (1, 2, 1), (2, 2, 3), (3, 1, 2)] {
        // Two in a row: the first one's weights see the second one's input gradient.
        let layers = vec![
            conv(3, 5, 2, 1, 1, 0),
            conv(5, 4, 3, stride, dilation, padding),
            Layer::MeanPool,
        ];
        check(&format!("conv s{stride} d{dilation} p{padding}"), layers, 3);
    }
}

#[test]
fn conv2d_with_strides_and_padding() {
    for (taps, strides, padding, channels) in [
        (3, (1, 1), 1, 2),
        (3, (2, 3), 1, 2),
        (3, (1, 2), 0, 3),
        (1, (2, 2), 0, 2),
        // Wide enough for Winograd's method.
        (3, (1, 1), 1, 16),
    ] {
        let first = Conv2dOptions::new(1, channels, 7, 3);
        let second = Conv2dOptions {
            stride_frames: strides.0,
            stride_bins: strides.1,
            padding_frames: padding,
            padding_bins: padding,
            ..Conv2dOptions::new(channels, channels, 7, taps)
        };
        let norm = Layer::batch_norm(channels, 1e-3);
        // The first one's weights see the second one's input gradient.
        let layers = vec![
            Layer::Conv2d(first),
            norm,
            Layer::Relu,
            Layer::Conv2d(second),
            Layer::MeanPool,
        ];
        check(
            &format!("conv2d {taps} s{strides:?} p{padding} c{channels}"),
            layers,
            7,
        );
    }
}

#[test]
fn a_residual_network_with_shortcuts() {
    let stage = |channels, stride, stride_bins| StageOptions {
        channels,
        blocks: 2,
        stride,
        stride_bins,
    };
    let options = ArchitectureOptions {
        channels: 3,
        embedding_size: 4,
        // In so few frames, many channels have a deviation of 0, which has no gradient.
        pool: "mean".into(),
        residual: Some(ResidualOptions {
            channels: 2,
            stride_bins: 2,
            stages: vec![stage(2, 1, 1), stage(3, 2, 2)],
        }),
        ..ArchitectureOptions::default()
    };
    // The BatchNorms after the pooling are left out. Over three vectors, they are too curved for central differences.
    let mut layers = options.layers(8).unwrap();
    layers.pop();
    let pooled = layers.iter().position(Layer::is_pooling).unwrap();
    layers.remove(pooled + 1);
    // A central difference is wrong if it crosses the kink of a ReLU, and here are many: tanh takes their place.
    for layer in layers.iter_mut().filter(|layer| **layer == Layer::Relu) {
        *layer = Layer::Tanh;
    }
    check("residual", layers, 8);
}

#[test]
fn every_activation() {
    let slope = Layer::leaky_relu(0.1);
    for activation in [
        Layer::Relu,
        slope,
        Layer::Sigmoid,
        Layer::Tanh,
        Layer::Identity,
    ] {
        let kind = activation.kind();
        let layers = vec![
            conv(3, 6, 3, 1, 1, 0),
            activation,
            conv(6, 2, 1, 1, 1, 0),
            Layer::MeanPool,
        ];
        check(kind, layers, 3);
    }
}

#[test]
fn batch_norm_over_frames_and_over_vectors() {
    let layers = vec![
        conv(3, 5, 2, 1, 1, 0),
        Layer::batch_norm(5, 1e-3),
        Layer::Tanh,
        Layer::stats_pool(1e-5),
        Layer::batch_norm(10, 1e-3),
        Layer::linear(10, 4),
    ];
    check("batch norm", layers, 3);
}

#[test]
fn poolings_and_linear() {
    for (pool, size) in [
        (Layer::stats_pool(1e-5), 10),
        (Layer::SampleStatsPool { eps: 1e-2 }, 10),
        (Layer::MeanPool, 5),
        (Layer::Flatten { num_frames: 7 }, 35),
    ] {
        let kind = pool.kind();
        let layers = vec![
            conv(3, 5, 2, 1, 1, 0),
            Layer::linear(5, 5),
            pool,
            Layer::linear(size, 3),
        ];
        check(kind, layers, 3);
    }
}

/// d loss of each input value against central differences of `loss64`.
fn check_loss(what: &str, x: &[f32], gradient: &[f32], loss64: impl Fn(&[f64]) -> f64) {
    let mut x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let largest = gradient
        .iter()
        .fold(1e-3f64, |m, g| m.max(f64::from(g.abs())));
    for i in 0..x.len() {
        let value = x[i];
        let mut at = |v: f64| {
            x[i] = v;
            loss64(&x)
        };
        let wanted = (at(value + H) - at(value - H)) / (2.0 * H);
        at(value);
        let got = f64::from(gradient[i]);
        assert!(
            (got - wanted).abs() <= TOLERANCE * largest,
            "{what}: d[{i}] is {got}, differences say {wanted}"
        );
    }
}

fn angular_margin_64(e: &[f64], w: &[f64], labels: &[u32], scale: f64, margin: f64) -> f64 {
    let num = labels.len();
    let d = e.len() / num;
    let unit = |row: &[f64]| -> Vec<f64> {
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().map(|v| v / norm).collect()
    };
    let mut total = 0.0;
    for (row, label) in e.chunks(d).zip(labels) {
        let row = unit(row);
        let logits: Vec<f64> = w
            .chunks(d)
            .enumerate()
            .map(|(s, speaker)| {
                let cosine: f64 = unit(speaker).iter().zip(&row).map(|(a, b)| a * b).sum();
                if s != *label as usize {
                    scale * cosine
                } else if cosine > -margin.cos() {
                    scale * (cosine.acos() + margin).cos()
                } else {
                    scale * (cosine - margin * margin.sin())
                }
            })
            .collect();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        total += sum.ln() - logits[*label as usize];
    }
    total / num as f64
}

#[test]
fn angular_margin_softmax() {
    let mut random = Random::new(1, "aam", &[]);
    let (num, d, s) = (5, 7, 33);
    let e: Vec<f32> = (0..num * d).map(|_| random.normal()).collect();
    let mut w: Vec<f32> = (0..s * d).map(|_| random.normal()).collect();
    // One embedding opposite to its speaker: the straight part of the margin.
    for i in 0..d {
        w[3 * d + i] = -e[i] + 0.05 * random.normal();
    }
    let labels = [3, 0, 32, 7, 7];
    for margin in [0.0, 0.2, 0.5] {
        let criterion = AngularMargin { scale: 8.0, margin };
        let result = criterion.loss(&e, &w, &labels);
        let (e64, w64): (Vec<f64>, Vec<f64>) = (
            e.iter().map(|v| f64::from(*v)).collect(),
            w.iter().map(|v| f64::from(*v)).collect(),
        );
        let of = |e: &[f64], w: &[f64]| angular_margin_64(e, w, &labels, 8.0, f64::from(margin));
        assert!((f64::from(result.loss) - of(&e64, &w64)).abs() < 1e-4);
        check_loss("d embeddings", &e, &result.d_embeddings, |e| of(e, &w64));
        check_loss("d speakers", &w, &result.d_speakers, |w| of(&e64, w));
    }
}
