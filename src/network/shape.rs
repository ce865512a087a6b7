//! Shape inference, done once when a model is loaded: checks that the layers fit together, and
//! computes the size of the embedding and the smallest number of frames.
// Longer than 450 lines: one arm for each kind of layer, and a third of it is tests.

use super::{Layer, frame_count::FrameCount};
use crate::{Error, Result};

/// Shape of the output of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// `(T', C)`, with T' as a function of the number of frames of the utterance.
    Frames(usize, FrameCount),
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

/// Most bins that a Conv2d sees at once.
const MAX_KERNEL_BINS: usize = 7;

/// Most layers. The shipped networks have 12, CAM++ has about 800.
const MAX_LAYERS: usize = 2048;

/// Most channels of all outputs that are needed at the same time: what a frame takes in memory.
const MAX_LIVE_CHANNELS: usize = 1 << 16;

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
/// [`Error::Layer`] for the first layer whose input shape does not fit, or that reads a layer that
/// does not come before it.
pub fn infer(layers: &[Layer], num_features: usize) -> Result<Shapes> {
    let outputs = outputs(layers, num_features)?;
    check_uses(layers, &outputs)?;
    match outputs.last() {
        Some(Shape::Vector(embedding_size)) => Ok(Shapes {
            embedding_size: *embedding_size,
            receptive_field: receptive_field(layers, &outputs),
        }),
        last => Err(Error::Layer {
            index: layers.len(),
            kind: "end of the list",
            got: last.unwrap_or(&features(num_features)).to_string(),
            wanted: "one vector per utterance".into(),
            remedy: "put stats_pool, mean_pool or flatten before the last linear".into(),
        }),
    }
}

fn features(num_features: usize) -> Shape {
    Shape::Frames(num_features, FrameCount::FEATURES)
}

/// The shape of each layer's output.
///
/// # Errors
/// As [`infer`].
pub(super) fn outputs(layers: &[Layer], num_features: usize) -> Result<Vec<Shape>> {
    let mut outputs = vec![];
    for (index, layer) in layers.iter().enumerate() {
        let before = outputs.last().copied().unwrap_or(features(num_features));
        outputs.push(step(index, layer, before, &outputs)?);
    }
    Ok(outputs)
}

/// `outputs` are those of the layers before; `shape` is that of the last one.
fn step(index: usize, layer: &Layer, shape: Shape, outputs: &[Shape]) -> Result<Shape> {
    let refuse_input = |got: String, wanted: String, remedy: String| {
        Err(Error::Layer {
            index,
            kind: layer.kind(),
            got,
            wanted,
            remedy,
        })
    };
    let refuse = |wanted, remedy| refuse_input(shape.to_string(), wanted, remedy);
    let counted = |counts: &[usize]| counts.iter().all(|c| (1..=MAX_COUNT).contains(c));
    if index >= MAX_LAYERS {
        return refuse(
            format!("up to {MAX_LAYERS} layers"),
            "make the network smaller".into(),
        );
    }
    if let Some(later) = layer.named().iter().find(|named| **named >= index) {
        return refuse_input(
            format!("layer {later}"),
            "layers that come before it".into(),
            "a layer cannot read itself or a later one".into(),
        );
    }
    // The shape after a window over frames, with `channels` channels.
    let windowed = |channels, count: FrameCount, span, stride, padding| match count
        .windowed(span, stride, padding)
    {
        // Frames of a recording without any.
        Some(count) if count.at(0) > MAX_REACH => refuse(
            format!("paddings of all layers that add up to at most {MAX_REACH} frames"),
            "correct the paddings".into(),
        ),
        Some(count) => Ok(Shape::Frames(channels, count)),
        None => refuse(
            too_few(),
            "correct the strides: together they skip more".into(),
        ),
    };
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
                Shape::Frames(c, count) if c == in_channels => {
                    windowed(out_channels, count, reach + 1, stride, padding)
                }
                Shape::Frames(c, _) => refuse(
                    format!("(T, {in_channels})"),
                    format!("set in_channels to {c}"),
                ),
                Shape::Vector(_) => refuse(
                    format!("(T, {in_channels})"),
                    "move it before the pooling: no frames are left".into(),
                ),
            }
        }
        Layer::Conv2d {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins,
            stride_frames,
            stride_bins,
            padding_frames,
            padding_bins,
        } => {
            if !counted(&[
                in_channels,
                out_channels,
                num_bins,
                kernel_frames,
                kernel_bins,
                stride_frames,
                stride_bins,
            ]) || in_channels * num_bins > MAX_CHANNELS
            {
                return refuse(
                    format!("counts from 1 to {MAX_COUNT}, channels·num_bins to {MAX_CHANNELS}"),
                    "correct channels, num_bins, kernels and strides".into(),
                );
            }
            if kernel_bins > MAX_KERNEL_BINS || kernel_frames - 1 > MAX_REACH {
                return refuse(
                    format!("kernel_bins up to {MAX_KERNEL_BINS}, kernel_frames up to {MAX_REACH}"),
                    "correct the kernel".into(),
                );
            }
            if padding_bins >= kernel_bins || padding_frames >= kernel_frames {
                return refuse(
                    "a padding smaller than the kernel".into(),
                    "correct padding_frames and padding_bins".into(),
                );
            }
            let out_bins = conv1d_frames(num_bins, kernel_bins, stride_bins, 1, padding_bins);
            if out_bins == 0 || out_bins * out_channels > MAX_CHANNELS {
                return refuse(
                    format!("1 to {MAX_CHANNELS} channels of all bins after it"),
                    format!("it leaves {out_bins} bins of {out_channels} channels"),
                );
            }
            match shape {
                Shape::Frames(c, count) if c == in_channels * num_bins => {
                    let channels = out_bins * out_channels;
                    windowed(
                        channels,
                        count,
                        kernel_frames,
                        stride_frames,
                        padding_frames,
                    )
                }
                Shape::Frames(c, _) => refuse(
                    format!("(T, {num_bins}·{in_channels})"),
                    format!("set num_bins and in_channels to a product of {c}"),
                ),
                Shape::Vector(_) => refuse(
                    format!("(T, {num_bins}·{in_channels})"),
                    "move it before the pooling: no frames are left".into(),
                ),
            }
        }
        Layer::Channels {
            layer,
            first,
            count,
        } => {
            let (source, channels) = match outputs[layer] {
                Shape::Frames(c, frames) => (Shape::Frames(count, frames), c),
                Shape::Vector(n) => (Shape::Vector(count), n),
            };
            let fits = first.checked_add(count).is_some_and(|end| end <= channels);
            if count == 0 || !fits {
                return refuse_input(
                    format!("layer {layer} {}", outputs[layer]),
                    format!("{count} channels from channel {first} on"),
                    "correct first and count".into(),
                );
            }
            Ok(source)
        }
        Layer::Add { ref layers }
        | Layer::Multiply { ref layers }
        | Layer::Concat { ref layers } => {
            if layers.len() < 2 {
                return refuse_input(
                    format!("{} layers", layers.len()),
                    "two or more".into(),
                    "name the layers".into(),
                );
            }
            let is_concat = matches!(layer, Layer::Concat { .. });
            let mut joined = outputs[layers[0]];
            for other in &layers[1..] {
                let fits = join(joined, outputs[*other], is_concat);
                joined = match fits {
                    Some(shape) if shape.size() <= MAX_CHANNELS => shape,
                    Some(_) => {
                        return refuse_input(
                            format!("{} layers", layers.len()),
                            format!("up to {MAX_CHANNELS} channels together"),
                            "name fewer or smaller layers".into(),
                        );
                    }
                    None => {
                        return refuse_input(
                            format!("layer {other} {}", outputs[*other]),
                            format!("what fits layer {} {joined}", layers[0]),
                            match is_concat {
                                true => "the numbers of frames must agree".into(),
                                false => "the numbers of frames and channels must agree".into(),
                            },
                        );
                    }
                };
            }
            Ok(joined)
        }
        Layer::SegmentMean { num_frames } => {
            let Shape::Frames(c, count) = shape else {
                return refuse("(T, C)".into(), "no frames are left".into());
            };
            if !counted(&[num_frames]) {
                return refuse(
                    format!("num_frames from 1 to {MAX_COUNT}"),
                    "correct num_frames".into(),
                );
            }
            match count.segments(num_frames) {
                Some(count) => Ok(Shape::Frames(c, count)),
                None => refuse(too_few(), "correct num_frames".into()),
            }
        }
        Layer::ReflectPad { frames } => {
            let Shape::Frames(c, count) = shape else {
                return refuse("(T, C)".into(), "no frames are left".into());
            };
            if !(1..=MAX_REACH).contains(&frames) {
                return refuse(
                    format!("frames from 1 to {MAX_REACH}, not {frames}"),
                    "correct frames".into(),
                );
            }
            windowed(c, count, 1, 1, frames)
        }
        Layer::AttentiveStatsPool { layer, .. } => match (shape, outputs[layer]) {
            (logits @ Shape::Frames(c, _), values) if logits == values => Ok(Shape::Vector(2 * c)),
            (_, values) => refuse(
                format!("the shape of layer {layer}, {values}"),
                "there must be a weight for each channel of each frame".into(),
            ),
        },
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
                Shape::Frames(..) if out_features > MAX_CHANNELS => refuse(
                    format!("up to {MAX_CHANNELS} channels"),
                    "correct out_features, or pool before".into(),
                ),
                Shape::Frames(c, count) if c == in_features => {
                    Ok(Shape::Frames(out_features, count))
                }
                Shape::Vector(n) if n == in_features => Ok(Shape::Vector(out_features)),
                Shape::Frames(n, _) | Shape::Vector(n) => refuse(
                    format!("(…, {in_features})"),
                    format!("set in_features to {n}"),
                ),
            }
        }
        Layer::BatchNorm { num_features, .. } => match shape.size() {
            c if c == num_features => Ok(shape),
            c => refuse(
                format!("(…, {num_features})"),
                format!("set num_features to {c}"),
            ),
        },
        Layer::StatsPool { .. }
        | Layer::SampleStatsPool { .. }
        | Layer::MeanPool
        | Layer::Flatten { .. } => {
            let Shape::Frames(c, _) = shape else {
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

fn too_few() -> String {
    "strides and segments that leave one frame in 2^20".into()
}

/// The shape of two outputs together: channels one after the other for a Concat, elementwise
/// otherwise. An output with fewer frames holds for all frames of its segment. None where they do
/// not fit.
fn join(a: Shape, b: Shape, is_concat: bool) -> Option<Shape> {
    let size = match is_concat {
        true => a.size().checked_add(b.size())?,
        false if a.size() == b.size() => a.size(),
        false => return None,
    };
    match (a, b) {
        (Shape::Vector(_), Shape::Vector(_)) => Some(Shape::Vector(size)),
        (Shape::Frames(_, count), Shape::Vector(_))
        | (Shape::Vector(_), Shape::Frames(_, count)) => Some(Shape::Frames(size, count)),
        (Shape::Frames(_, a), Shape::Frames(_, b)) => {
            let finer = if a.hop() <= b.hop() { a } else { b };
            let coarser = if a.hop() <= b.hop() { b } else { a };
            finer.per_segment(coarser)?;
            Some(Shape::Frames(size, finer))
        }
    }
}

/// Checks that every output is read by a later layer, that no more channels are needed at a time
/// than [`MAX_LIVE_CHANNELS`], and that each layer after the last pooling reads the one before.
fn check_uses(layers: &[Layer], outputs: &[Shape]) -> Result<()> {
    let mut last_read: Vec<usize> = (0..layers.len()).collect();
    for (index, layer) in layers.iter().enumerate() {
        for read in layer.reads(index) {
            last_read[read] = index;
        }
    }
    let refuse = |index: usize, got: String, wanted: String, remedy: &str| {
        Err(Error::Layer {
            index,
            kind: layers[index].kind(),
            got,
            wanted,
            remedy: remedy.into(),
        })
    };
    let pooling = layers.iter().rposition(Layer::is_pooling);
    let mut live: Vec<usize> = vec![];
    let mut live_channels = 0;
    for (index, shape) in outputs.iter().enumerate() {
        if last_read[index] == index && index + 1 < layers.len() {
            let wanted = "a later layer that reads it".into();
            let remedy = "leave it out, or name it in a later layer";
            return refuse(index, shape.to_string(), wanted, remedy);
        }
        let inner = pooling.is_some_and(|at| index < at);
        if let (true, Layer::Flatten { .. } | Layer::AttentiveStatsPool { .. }) =
            (inner, &layers[index])
        {
            let wanted = "mean_pool, stats_pool or sample_stats_pool before the last pooling";
            return refuse(
                index,
                shape.to_string(),
                wanted.into(),
                "pool in another way",
            );
        }
        if pooling.is_some_and(|at| index > at) && !layers[index].reads_previous() {
            let wanted = "linear, batch_norm or an activation after the last pooling".into();
            return refuse(index, shape.to_string(), wanted, "join layers before it");
        }
        live.push(index);
        live_channels += shape.size();
        live.retain(|other| {
            let is_live = last_read[*other] >= index;
            live_channels -= if is_live { 0 } else { outputs[*other].size() };
            is_live
        });
        if matches!(shape, Shape::Frames(..)) && live_channels > MAX_LIVE_CHANNELS {
            return refuse(
                index,
                format!("{live_channels} channels of layers that are still needed"),
                format!("up to {MAX_LIVE_CHANNELS}"),
                "make the network smaller",
            );
        }
    }
    Ok(())
}

/// Smallest T for which every layer has at least one frame.
fn receptive_field(layers: &[Layer], outputs: &[Shape]) -> usize {
    let fewest = layers.iter().enumerate().map(|(index, layer)| {
        let input = match index {
            0 => FrameCount::FEATURES,
            _ => match outputs[index - 1] {
                Shape::Frames(_, count) => count,
                Shape::Vector(_) => return 1,
            },
        };
        let wanted = match *layer {
            Layer::Conv1d {
                kernel_size,
                dilation,
                padding,
                ..
            } => (dilation * (kernel_size - 1) + 1).saturating_sub(2 * padding),
            Layer::Conv2d {
                kernel_frames,
                padding_frames,
                ..
            } => kernel_frames.saturating_sub(2 * padding_frames),
            Layer::ReflectPad { frames } => frames + 1,
            _ => 1,
        };
        input.fewest(wanted.max(1))
    });
    fewest.max().unwrap_or(1)
}

impl Shape {
    /// Number of channels, or size of the vector.
    pub fn size(self) -> usize {
        match self {
            Shape::Frames(size, _) | Shape::Vector(size) => size,
        }
    }

    /// Number of frames for T = `of`; a vector is one row.
    pub fn num_frames(self, of: usize) -> usize {
        match self {
            Shape::Frames(_, count) => count.at(of),
            Shape::Vector(_) => 1,
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Shape::Frames(c, count) if count.hop() == 1 => write!(f, "(T, {c})"),
            Shape::Frames(c, count) => write!(f, "(T/{}, {c})", count.hop()),
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
    fn layers_that_name_others_are_refused_with_their_place() {
        let refusal = |layers: &[Layer]| infer(layers, 40).unwrap_err().to_string();
        let add = |layers: &[usize]| Layer::Add {
            layers: layers.to_vec(),
        };
        let concat = |layers: &[usize]| Layer::Concat {
            layers: layers.to_vec(),
        };
        let strided = |stride| Layer::Conv1d {
            in_channels: 40,
            out_channels: 40,
            kernel_size: 1,
            stride,
            dilation: 1,
            padding: 0,
            groups: 1,
        };
        let text = refusal(&[Layer::Relu, add(&[0, 1]), Layer::MeanPool]);
        assert!(
            text.starts_with("layer 1 (add): got layer 1, wanted layers"),
            "{text}"
        );
        let text = refusal(&[Layer::Relu, add(&[0, usize::MAX]), Layer::MeanPool]);
        assert!(text.contains("layer 1 (add)"), "{text}");
        let text = refusal(&[Layer::Relu, add(&[0]), Layer::MeanPool]);
        assert!(text.contains("wanted two or more"), "{text}");
        let text = refusal(&[
            Layer::Relu,
            conv(40, 8, 1, 1),
            add(&[0, 1]),
            Layer::MeanPool,
        ]);
        assert!(
            text.contains("got layer 1 (T, 8), wanted what fits layer 0 (T, 40)"),
            "{text}"
        );
        let text = refusal(&[
            Layer::Relu,
            conv(40, 40, 3, 1),
            concat(&[0, 1]),
            Layer::MeanPool,
        ]);
        assert!(text.contains("the numbers of frames must agree"), "{text}");
        let three = [strided(2), strided(3), concat(&[0, 1]), Layer::MeanPool];
        assert_eq!(infer(&three, 40).unwrap().embedding_size, 80);
        let text = refusal(&[Layer::Relu, Layer::Tanh, concat(&[0, 0]), Layer::MeanPool]);
        assert!(
            text.contains("layer 1 (tanh)") && text.contains("reads it"),
            "{text}"
        );
        let pooled_before = [Layer::Relu, Layer::MeanPool, concat(&[1, 1])];
        let text = refusal(&pooled_before);
        assert!(text.contains("after the last pooling"), "{text}");
        let channels = Layer::Channels {
            layer: 0,
            first: usize::MAX,
            count: 2,
        };
        let text = refusal(&[Layer::Relu, channels, Layer::MeanPool]);
        assert!(
            text.contains("got layer 0 (T, 40), wanted 2 channels"),
            "{text}"
        );
    }

    #[test]
    fn graphs_that_would_fill_the_memory_are_refused() {
        let refusal = |layers: &[Layer]| infer(layers, 40).unwrap_err().to_string();
        let all = vec![Layer::Relu; MAX_LAYERS + 1];
        assert!(refusal(&all).starts_with("layer 2048 (relu)"));
        let concat = |layers: Vec<usize>| Layer::Concat { layers };
        let mut doubling = vec![Layer::Relu];
        doubling.extend((0..20).map(|index| concat(vec![index, index])));
        let text = refusal(&doubling);
        assert!(text.contains("up to 16384 channels together"), "{text}");
        let mut wide = vec![conv(40, 16384, 1, 1)];
        let again = Layer::Channels {
            layer: 0,
            first: 0,
            count: 16384,
        };
        wide.extend((0..5).flat_map(|_| [again.clone(), Layer::Tanh]));
        wide.push(Layer::Add {
            layers: vec![2, 4, 6, 8, 10],
        });
        wide.push(Layer::MeanPool);
        let text = refusal(&wide);
        assert!(
            text.contains("channels of layers that are still needed"),
            "{text}"
        );
        let padded = Layer::ReflectPad { frames: 2000 };
        let text = refusal(&[padded.clone(), padded, Layer::MeanPool]);
        assert!(text.contains("layer 1 (reflect_pad)"), "{text}");
        assert!(text.contains("add up to at most 4096 frames"), "{text}");
        let skipping = Layer::SegmentMean { num_frames: 2048 };
        let text = refusal(&[skipping.clone(), skipping, Layer::MeanPool]);
        assert!(text.contains("one frame in 2^20"), "{text}");
        let plane = |num_bins, out_channels, kernel_bins, padding_bins| Layer::Conv2d {
            in_channels: 1,
            out_channels,
            num_bins,
            kernel_frames: 3,
            kernel_bins,
            stride_frames: 1,
            stride_bins: 1,
            padding_frames: 1,
            padding_bins,
        };
        for (layer, fact) in [
            (plane(40, 1 << 14, 3, 1), "channels of all bins"),
            (plane(usize::MAX, 4, 3, 1), "counts from 1"),
            (plane(40, 4, 8, 1), "kernel_bins up to 7"),
            (plane(40, 4, 3, 3), "smaller than the kernel"),
            (plane(39, 4, 3, 1), "got (T, 40), wanted (T, 39·1)"),
        ] {
            let text = refusal(&[layer, Layer::MeanPool]);
            assert!(text.contains(fact), "{text}");
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
