//! Shape inference, done once when a model is loaded: checks that the layers fit together, and
//! computes the size of the embedding and the smallest number of frames.

use super::Layer;
use crate::{Error, Result};

/// Shape of the data between two layers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// `(T, C)`, any T.
    Frames(usize),
    /// `(size,)`.
    Vector(usize),
}

/// Shapes of a checked layer list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shapes {
    /// D, size of the embedding.
    pub embedding_size: usize,
    /// Smallest number of input frames for which every layer has at least one output frame.
    pub receptive_field: usize,
}

/// Largest count (features, taps, stride…) in a layer: a limit against damaged or hostile files.
const MAX_COUNT: usize = 1 << 20;

/// Most channels of a frame; a recording has many frames.
const MAX_CHANNELS: usize = 1 << 14;

/// Largest span of a kernel, d(k−1), in frames: 41 s.
const MAX_REACH: usize = 1 << 12;

/// Output frames of a Conv1d: floor((T + 2p − d(k−1) − 1)/s) + 1, or 0 where T is too small.
pub fn conv1d_frames(
    frames: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
) -> usize {
    let span = dilation * (kernel - 1) + 1;
    if frames + 2 * padding < span {
        0
    } else {
        (frames + 2 * padding - span) / stride + 1
    }
}

/// Infers the shapes from `(T, num_features)` on.
///
/// # Errors
/// [`Error::Layer`] for the first layer whose input shape does not fit.
pub fn infer(layers: &[Layer], num_features: usize) -> Result<Shapes> {
    let mut shape = Shape::Frames(num_features);
    for (index, layer) in layers.iter().enumerate() {
        shape = step(index, layer, shape)?;
    }
    match shape {
        Shape::Vector(embedding_size) => Ok(Shapes {
            embedding_size,
            receptive_field: receptive_field(layers),
        }),
        Shape::Frames(channels) => Err(Error::Layer {
            index: layers.len(),
            kind: "end of the list",
            got: Shape::Frames(channels).to_string(),
            wanted: "one vector per utterance".into(),
            remedy: "put stats_pool, mean_pool or flatten before the last linear".into(),
        }),
    }
}

fn step(index: usize, layer: &Layer, shape: Shape) -> Result<Shape> {
    let refuse = |wanted: String, remedy: String| {
        Err(Error::Layer {
            index,
            kind: layer.kind(),
            got: shape.to_string(),
            wanted,
            remedy,
        })
    };
    let counted = |counts: &[usize]| counts.iter().all(|c| (1..=MAX_COUNT).contains(c));
    match *layer {
        Layer::Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            padding,
            groups,
        } => {
            if !counted(&[
                in_channels,
                out_channels,
                kernel_size,
                stride,
                dilation,
                groups,
            ]) || in_channels.max(out_channels) > MAX_CHANNELS
            {
                return refuse(
                    format!("counts from 1 to {MAX_COUNT}, channels to {MAX_CHANNELS}"),
                    "correct channels, kernel_size, stride, dilation and groups".into(),
                );
            }
            if in_channels % groups != 0 || out_channels % groups != 0 {
                return refuse(
                    format!("channels that {groups} groups share evenly"),
                    format!("set in_channels and out_channels to multiples of {groups}"),
                );
            }
            // At most 2^40, because both counts were checked.
            let reach = dilation * (kernel_size - 1);
            if reach > MAX_REACH {
                return refuse(
                    format!("dilation·(kernel_size − 1) up to {MAX_REACH}, not {reach}"),
                    "correct kernel_size and dilation".into(),
                );
            }
            if padding > reach {
                return refuse(
                    format!("padding up to dilation·(kernel_size − 1) = {reach}, not {padding}"),
                    "correct padding: more of it is frames of nothing but zeros".into(),
                );
            }
            match shape {
                Shape::Frames(c) if c == in_channels => Ok(Shape::Frames(out_channels)),
                Shape::Frames(c) => refuse(
                    format!("(T, {in_channels})"),
                    format!("set in_channels to {c}"),
                ),
                Shape::Vector(_) => refuse(
                    format!("(T, {in_channels})"),
                    "move it before the pooling: no frames are left".into(),
                ),
            }
        }
        Layer::Linear {
            in_features,
            out_features,
            groups,
        } => {
            if !counted(&[in_features, out_features, groups]) {
                return refuse(
                    format!("counts from 1 to {MAX_COUNT}"),
                    "correct in_features, out_features and groups".into(),
                );
            }
            if in_features % groups != 0 || out_features % groups != 0 {
                return refuse(
                    format!("features that {groups} groups share evenly"),
                    format!("set in_features and out_features to multiples of {groups}"),
                );
            }
            match shape {
                Shape::Frames(_) if out_features > MAX_CHANNELS => refuse(
                    format!("up to {MAX_CHANNELS} channels"),
                    "correct out_features, or pool before".into(),
                ),
                Shape::Frames(c) if c == in_features => Ok(Shape::Frames(out_features)),
                Shape::Vector(n) if n == in_features => Ok(Shape::Vector(out_features)),
                Shape::Frames(n) | Shape::Vector(n) => refuse(
                    format!("(…, {in_features})"),
                    format!("set in_features to {n}"),
                ),
            }
        }
        Layer::BatchNorm { num_features, .. } => match shape {
            Shape::Frames(c) | Shape::Vector(c) if c == num_features => Ok(shape),
            Shape::Frames(c) | Shape::Vector(c) => refuse(
                format!("(…, {num_features})"),
                format!("set num_features to {c}"),
            ),
        },
        Layer::StatsPool { .. }
        | Layer::SampleStatsPool { .. }
        | Layer::MeanPool
        | Layer::Flatten { .. } => {
            let Shape::Frames(c) = shape else {
                return refuse("(T, C)".into(), "pool once: no frames are left".into());
            };
            match *layer {
                Layer::StatsPool { groups, .. } if groups == 0 || c % groups != 0 => refuse(
                    format!("channels that {groups} groups share evenly"),
                    "correct groups".into(),
                ),
                Layer::StatsPool { .. } | Layer::SampleStatsPool { .. } => Ok(Shape::Vector(2 * c)),
                Layer::MeanPool => Ok(Shape::Vector(c)),
                Layer::Flatten { num_frames }
                    if counted(&[num_frames]) && counted(&[num_frames.saturating_mul(c)]) =>
                {
                    Ok(Shape::Vector(num_frames * c))
                }
                _ => refuse(
                    format!("num_frames·C from 1 to {MAX_COUNT}"),
                    "correct num_frames".into(),
                ),
            }
        }
        Layer::Relu | Layer::LeakyRelu { .. } | Layer::Sigmoid | Layer::Tanh | Layer::Identity => {
            Ok(shape)
        }
    }
}

/// Goes backwards from one output frame: T = (T' − 1)s + d(k−1) + 1 − 2p, at least 1.
fn receptive_field(layers: &[Layer]) -> usize {
    layers.iter().rev().fold(1, |frames, layer| match *layer {
        Layer::Conv1d {
            kernel_size,
            stride,
            dilation,
            padding,
            ..
        } => {
            let span = dilation.saturating_mul(kernel_size - 1);
            let wanted = (frames - 1)
                .saturating_mul(stride)
                .saturating_add(span)
                .saturating_add(1);
            wanted.saturating_sub(2 * padding).max(1)
        }
        _ => frames,
    })
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Shape::Frames(c) => write!(f, "(T, {c})"),
            Shape::Vector(n) => write!(f, "({n})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(in_channels: usize, out_channels: usize, kernel_size: usize, dilation: usize) -> Layer {
        Layer::Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            dilation,
            padding: 0,
            groups: 1,
        }
    }

    #[test]
    fn an_x_vector_has_its_receptive_field() {
        let layers = [
            conv(40, 8, 5, 1),
            Layer::Relu,
            conv(8, 8, 3, 2),
            conv(8, 8, 3, 3),
            Layer::StatsPool {
                eps: 1e-5,
                groups: 1,
            },
            Layer::Linear {
                in_features: 16,
                out_features: 4,
                groups: 1,
            },
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
        let layers = [
            Layer::MeanPool,
            Layer::Linear {
                in_features: 80,
                out_features: 4,
                groups: 1,
            },
        ];
        let text = infer(&layers, 40).unwrap_err().to_string();
        assert_eq!(
            text,
            "layer 1 (linear): got (40), wanted (…, 80); set in_features to 40"
        );
    }

    #[test]
    fn frames_left_at_the_end_and_pooling_twice_are_refused() {
        assert!(
            infer(&[conv(40, 8, 5, 1)], 40)
                .unwrap_err()
                .to_string()
                .contains("stats_pool")
        );
        let twice = [
            Layer::MeanPool,
            Layer::StatsPool {
                eps: 1e-5,
                groups: 1,
            },
        ];
        assert!(
            infer(&twice, 40)
                .unwrap_err()
                .to_string()
                .contains("pool once")
        );
    }

    #[test]
    fn groups_that_do_not_share_the_channels_evenly_are_refused() {
        let layer = |groups| Layer::Conv1d {
            in_channels: 40,
            out_channels: 8,
            kernel_size: 3,
            stride: 1,
            dilation: 1,
            padding: 0,
            groups,
        };
        assert!(infer(&[layer(4), Layer::MeanPool], 40).is_ok());
        for groups in [0, 3, 16] {
            let text = infer(&[layer(groups), Layer::MeanPool], 40).unwrap_err();
            assert!(text.to_string().contains("groups"), "{text}");
        }
    }

    #[test]
    fn zero_stride_or_channels_are_refused() {
        let zero = Layer::Conv1d {
            in_channels: 40,
            out_channels: 8,
            kernel_size: 3,
            stride: 0,
            dilation: 1,
            padding: 0,
            groups: 1,
        };
        assert!(infer(&[zero, Layer::MeanPool], 40).is_err());
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let with = |out_channels, kernel_size, dilation, padding| Layer::Conv1d {
            in_channels: 40,
            out_channels,
            kernel_size,
            stride: 1,
            dilation,
            padding,
            groups: 1,
        };
        let refusal = |layer| match infer(&[layer, Layer::MeanPool], 40) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        for padding in [3, 1 << 20, usize::MAX] {
            let text = refusal(with(8, 3, 1, padding));
            assert!(text.contains("padding up to"), "{padding}: {text}");
        }
        assert!(refusal(with(8, 3, (1 << 11) + 1, 0)).contains("up to 4096, not 4098"));
        assert!(refusal(with(8, usize::MAX, 2, 0)).contains("counts from 1"));
        assert!(refusal(with((1 << 14) + 1, 3, 1, 0)).contains("channels to 16384"));
        let wide = Layer::Linear {
            in_features: 40,
            out_features: (1 << 14) + 1,
            groups: 1,
        };
        assert!(refusal(wide).contains("up to 16384 channels"));
        assert!(
            refusal(Layer::Flatten {
                num_frames: 1 << 18
            })
            .contains("num_frames")
        );
        for fits in [with(8, 3, 1, 2), with(1 << 14, 3, 1 << 11, 1 << 12)] {
            assert_eq!(refusal(fits), "");
        }
    }
}
