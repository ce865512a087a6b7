//! The forward pass in plain loops and f64, one layer after the other as the list has them: what
//! the kernels, blocks and threads must agree with. And weights to compare them on. Used by tests alone.

use super::{Affine, Layer, Weights};
use crate::features::Features;

/// The output of a layer: `(frames, width)`; a vector has one frame.
#[derive(Debug, Clone)]
pub struct Value {
    pub rows: Vec<f64>,
    pub width: usize,
    is_vector: bool,
}

impl Value {
    fn frames(&self) -> usize {
        self.rows.len() / self.width
    }

    fn at(&self, t: usize, c: usize) -> f64 {
        self.rows[t * self.width + c]
    }

    /// `(frames, width)` from its values.
    fn filled(frames: usize, width: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let rows = (0..frames * width).map(|i| value(i / width, i % width));
        Value {
            rows: rows.collect(),
            width,
            is_vector: false,
        }
    }

    fn vector(values: Vec<f64>) -> Self {
        Value {
            width: values.len(),
            rows: values,
            is_vector: true,
        }
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Value {
            rows: self.rows.iter().map(|x| f(*x)).collect(),
            ..self.clone()
        }
    }

    /// Means and biased variances over frames, of channel c.
    fn moments(&self, c: usize, weight: impl Fn(usize) -> f64) -> (f64, f64) {
        let frames = || 0..self.frames();
        let total: f64 = frames().map(&weight).sum();
        let mean = frames().map(|t| weight(t) * self.at(t, c)).sum::<f64>() / total;
        let square = |t| weight(t) * (self.at(t, c) - mean).powi(2);
        (mean, frames().map(square).sum::<f64>() / total)
    }
}

/// The embedding of `features` `(T, num_features)`.
pub fn forward(layers: &[Layer], weights: &Weights, features: &[f32], width: usize) -> Vec<f64> {
    let mut outputs: Vec<Value> = vec![];
    let features = Value {
        rows: features.iter().map(|x| f64::from(*x)).collect(),
        width,
        is_vector: false,
    };
    for (index, layer) in layers.iter().enumerate() {
        let tensor = |name: &str| &weights[&format!("{index}.{name}")];
        let x = outputs.last().unwrap_or(&features);
        let y = match *layer {
            Layer::Conv1d(_) | Layer::Linear { .. } => {
                let affine = Affine::of(layer).unwrap();
                let (c_out, c_in, taps) = affine.shape;
                let out_per_group = c_out / affine.groups;
                let y = Value::filled(affine.num_frames(x.frames()), c_out, |t, o| {
                    let mut sum = f64::from(tensor("bias")[o]);
                    for k in 0..taps {
                        let at = t * affine.stride + k * affine.dilation;
                        let Some(at) = at.checked_sub(affine.padding) else {
                            continue;
                        };
                        for i in (0..c_in).filter(|_| at < x.frames()) {
                            let weight = tensor("weight")[(o * c_in + i) * taps + k];
                            sum += f64::from(weight) * x.at(at, o / out_per_group * c_in + i);
                        }
                    }
                    sum
                });
                Value {
                    is_vector: x.is_vector,
                    ..y
                }
            }
            Layer::Conv2d(conv) => {
                let frames = conv.num_frames(x.frames());
                let bins = conv.out_bins();
                Value::filled(frames, bins * conv.out_channels, |t, c| {
                    let (bin, o) = (c / conv.out_channels, c % conv.out_channels);
                    let mut sum = f64::from(tensor("bias")[o]);
                    for (kb, kt) in (0..conv.kernel_bins * conv.kernel_frames)
                        .map(|k| (k / conv.kernel_frames, k % conv.kernel_frames))
                    {
                        let at = (t * conv.stride_frames + kt).checked_sub(conv.padding_frames);
                        let bin = (bin * conv.stride_bins + kb).checked_sub(conv.padding_bins);
                        let (Some(at), Some(bin)) = (at, bin) else {
                            continue;
                        };
                        for i in
                            (0..conv.in_channels).filter(|_| at < x.frames() && bin < conv.num_bins)
                        {
                            let row = (o * conv.in_channels + i) * conv.kernel_bins + kb;
                            let weight = tensor("weight")[row * conv.kernel_frames + kt];
                            sum += f64::from(weight) * x.at(at, bin * conv.in_channels + i);
                        }
                    }
                    sum
                })
            }
            Layer::BatchNorm { eps, .. } => {
                let value = |name: &str, c: usize| f64::from(tensor(name)[c]);
                let y = Value::filled(x.frames(), x.width, |t, c| {
                    let deviation = (value("running_var", c) + f64::from(eps)).sqrt();
                    (x.at(t, c) - value("running_mean", c)) / deviation * value("weight", c)
                        + value("bias", c)
                });
                Value {
                    is_vector: x.is_vector,
                    ..y
                }
            }
            Layer::Relu => x.map(|x| x.max(0.0)),
            Layer::LeakyRelu { negative_slope } => x.map(|x| {
                if x < 0.0 {
                    f64::from(negative_slope) * x
                } else {
                    x
                }
            }),
            Layer::Sigmoid => x.map(|x| 1.0 / (1.0 + (-x).exp())),
            Layer::Tanh => x.map(f64::tanh),
            Layer::Identity => x.clone(),
            Layer::Channels {
                layer,
                first,
                count,
            } => {
                let x = &outputs[layer];
                let y = Value::filled(x.frames(), count, |t, c| x.at(t, first + c));
                Value {
                    is_vector: x.is_vector,
                    ..y
                }
            }
            Layer::Add { ref layers } => joined(layers, &outputs, |values| values.iter().sum()),
            Layer::Multiply { ref layers } => {
                joined(layers, &outputs, |values| values.iter().product())
            }
            Layer::Concat { ref layers } => {
                let parts = over_frames(layers, &outputs);
                let frames = parts[0].frames();
                let rows = (0..frames).flat_map(|t| {
                    let row = |part: &Value| part.rows[t * part.width..][..part.width].to_vec();
                    parts.iter().flat_map(row).collect::<Vec<f64>>()
                });
                Value {
                    rows: rows.collect(),
                    width: parts.iter().map(|part| part.width).sum(),
                    is_vector: parts.iter().all(|part| part.is_vector),
                }
            }
            Layer::SegmentMean { num_frames } => {
                let segments = x.frames().div_ceil(num_frames);
                Value::filled(segments, x.width, |s, c| {
                    let segment = s * num_frames..((s + 1) * num_frames).min(x.frames());
                    let count = segment.len() as f64;
                    segment.map(|t| x.at(t, c)).sum::<f64>() / count
                })
            }
            Layer::ReflectPad { frames } => {
                let last = x.frames() - 1;
                Value::filled(x.frames() + 2 * frames, x.width, |t, c| {
                    let at = t.abs_diff(frames);
                    x.at(last - last.abs_diff(at), c)
                })
            }
            Layer::MeanPool => pooled(x, |mean, _| vec![mean], 1),
            Layer::StatsPool { eps, groups } => {
                let spread =
                    |mean: f64, variance: f64| vec![mean, variance.max(f64::from(eps)).sqrt()];
                pooled(x, spread, groups)
            }
            Layer::SampleStatsPool { eps } => {
                let frames = x.frames() as f64;
                let correction = frames / (frames - 1.0).max(1.0);
                let spread = |mean: f64, variance: f64| {
                    vec![mean, (variance * correction + f64::from(eps)).sqrt()]
                };
                pooled(x, spread, 1)
            }
            Layer::AttentiveStatsPool { layer, eps } => {
                let values = &outputs[layer];
                let weighted_moments = |c: usize| {
                    let largest = (0..x.frames()).map(|t| x.at(t, c)).fold(f64::MIN, f64::max);
                    values.moments(c, |t| (x.at(t, c) - largest).exp())
                };
                let (means, variances): (Vec<f64>, Vec<f64>) =
                    (0..x.width).map(weighted_moments).unzip();
                let deviation = |v: &f64| v.max(f64::from(eps)).sqrt();
                Value::vector(
                    means
                        .iter()
                        .copied()
                        .chain(variances.iter().map(deviation))
                        .collect(),
                )
            }
            Layer::Flatten { num_frames } => {
                let rows = x.rows.iter().copied().cycle();
                Value::vector(rows.take(num_frames * x.width).collect())
            }
        };
        outputs.push(y);
    }
    outputs.pop().expect("a layer").rows
}

/// The pooled vector. `spread` makes one or two values of each channel's mean and biased variance.
/// A group of channels has all first values, then all second ones.
fn pooled(x: &Value, spread: impl Fn(f64, f64) -> Vec<f64>, groups: usize) -> Value {
    let of_channel: Vec<Vec<f64>> = (0..x.width)
        .map(|c| {
            let (mean, variance) = x.moments(c, |_| 1.0);
            spread(mean, variance)
        })
        .collect();
    let mut values = vec![];
    for group in of_channel.chunks(x.width / groups) {
        for kind in 0..group[0].len() {
            values.extend(group.iter().map(|values| values[kind]));
        }
    }
    Value::vector(values)
}

/// The outputs of `layers` with as many frames as the longest has: one with fewer frames holds for
/// all frames of its segment.
fn over_frames(layers: &[usize], outputs: &[Value]) -> Vec<Value> {
    let parts = || layers.iter().map(|layer| &outputs[*layer]);
    let is_vector = parts().all(|part| part.is_vector);
    let frames = parts().map(Value::frames).max().unwrap();
    let spread = parts().map(|part| {
        let each = match (part.is_vector, part.frames() == frames) {
            (true, _) => usize::MAX,
            (false, true) => 1,
            (false, false) => SEGMENT_FRAMES,
        };
        let y = Value::filled(frames, part.width, |t, c| part.at(t / each, c));
        Value { is_vector, ..y }
    });
    spread.collect()
}

/// Frames of all segments in tests.
pub const SEGMENT_FRAMES: usize = 10;

fn joined(layers: &[usize], outputs: &[Value], join: impl Fn(&[f64]) -> f64) -> Value {
    let parts = over_frames(layers, outputs);
    let y = Value::filled(parts[0].frames(), parts[0].width, |t, c| {
        let values: Vec<f64> = parts.iter().map(|part| part.at(t, c)).collect();
        join(&values)
    });
    Value {
        is_vector: parts[0].is_vector,
        ..y
    }
}

/// Weights from −0.6 to 0.7, and variances from 0 to 1.3, without a pattern.
pub fn some_weights(layers: &[Layer]) -> Weights {
    let mut value = 0.7f32;
    let mut weights = Weights::new();
    for (index, layer) in layers.iter().enumerate() {
        for (name, shape) in layer.tensors() {
            let values = (0..shape.iter().product()).map(|_| {
                value = (value * 3.7 + 0.21) % 1.3;
                if name == "running_var" {
                    value
                } else {
                    value - 0.6
                }
            });
            weights.insert(format!("{index}.{name}"), values.collect());
        }
    }
    weights
}

/// `(num_frames, channels)`, without a pattern.
pub fn some_features(num_frames: usize, channels: usize) -> Features {
    let values = (0..num_frames * channels).map(|i| (i as f32 * 0.7).sin() + 0.3);
    Features::new(values.collect(), channels)
}

/// Checks that an embedding has the same bits at any number of threads.
#[cfg(feature = "threads")]
#[track_caller]
pub fn same_at_any_number_of_threads(network: &super::Network, features: &Features) {
    let wanted = network.embed(features);
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let got = pool.build().unwrap().install(|| network.embed(features));
        assert_eq!(
            got,
            wanted,
            "{} frames, {threads} threads",
            features.num_frames()
        );
    }
}
