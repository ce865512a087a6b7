//! The shape of one layer's output, from that of its input: a function for each kind of layer that
//! has sizes of its own to be checked.

use super::output::Shape;
use crate::{
    Error, Result,
    network::{Conv1dOptions, Conv2dOptions, Layer, frame_count::FrameCount},
    remedy::Remedy,
};

/// Largest count (features, taps, stride…) in a layer: a limit against damaged or hostile files.
const MAX_COUNT: usize = 1 << 20;

/// Most channels of a frame; a recording has many frames.
const MAX_CHANNELS: usize = 1 << 14;

/// Largest span of a kernel, d(k−1), in frames: 41 s.
const MAX_REACH: usize = 1 << 12;

/// Most bins that a Conv2d sees at once.
const MAX_KERNEL_BINS: usize = 7;

/// Most layers. The shipped networks have 12, CAM++ has about 800.
pub(super) const MAX_LAYERS: usize = 2048;

/// A layer and the outputs that it can read.
pub(super) struct Step<'a> {
    pub index: usize,
    pub layer: &'a Layer,
    /// Output of the layer before.
    pub input: Shape,
    /// Outputs of all layers before.
    pub outputs: &'a [Shape],
}

impl Step<'_> {
    /// The shape of the layer's output.
    ///
    /// # Errors
    /// [`Error::Layer`] where the layer has wrong sizes, or its inputs do not fit.
    pub fn output(&self) -> Result<Shape> {
        if self.index >= MAX_LAYERS {
            return self.refuse(
                format!("up to {MAX_LAYERS} layers"),
                "make the network smaller",
            );
        }
        let named = self.layer.named();
        if let Some(later) = named.iter().find(|named| **named >= self.index) {
            return self.refuse_named(
                format!("layer {later}"),
                "layers that come before it",
                "a layer cannot read itself or a later one",
            );
        }
        match *self.layer {
            Layer::Conv1d(ref conv) => self.conv1d(conv),
            Layer::Conv2d(ref conv) => self.conv2d(conv),
            Layer::Channels {
                layer,
                first,
                count,
            } => self.channels(layer, first, count),
            Layer::Add { ref layers } | Layer::Multiply { ref layers } => self.join(layers, false),
            Layer::Concat { ref layers } => self.join(layers, true),
            Layer::SegmentMean { num_frames } => self.segment_mean(num_frames),
            Layer::ReflectPad { frames } => self.reflect_pad(frames),
            Layer::AttentiveStatsPool { layer, .. } => self.attentive_stats_pool(layer),
            Layer::Linear {
                in_features,
                out_features,
                groups,
            } => self.linear(in_features, out_features, groups),
            Layer::BatchNorm { num_features, .. } => self.batch_norm(num_features),
            Layer::StatsPool { groups, .. } => self.stats_pool(groups),
            Layer::SampleStatsPool { .. } => Ok(Shape::Vector(2 * self.pooled_channels()?)),
            Layer::MeanPool => Ok(Shape::Vector(self.pooled_channels()?)),
            Layer::Flatten { num_frames } => self.flatten(num_frames),
            Layer::Relu
            | Layer::LeakyRelu { .. }
            | Layer::Sigmoid
            | Layer::Tanh
            | Layer::Identity => Ok(self.input),
        }
    }

    fn conv1d(&self, conv: &Conv1dOptions) -> Result<Shape> {
        let Conv1dOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            padding,
            groups,
        } = *conv;
        let counts = [
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            groups,
        ];
        if !are_counts(&counts) || in_channels.max(out_channels) > MAX_CHANNELS {
            return self.refuse(
                format!("counts from 1 to {MAX_COUNT}, channels to {MAX_CHANNELS}"),
                "correct channels, kernel_size, stride, dilation and groups",
            );
        }
        if !in_channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            return self.refuse(
                format!("channels that {groups} groups share evenly"),
                format!("set in_channels and out_channels to multiples of {groups}"),
            );
        }
        let reach = conv.reach(); // at most 2^40, because both counts were checked
        if reach > MAX_REACH {
            return self.refuse(
                format!("dilation·(kernel_size − 1) up to {MAX_REACH}, not {reach}"),
                "correct kernel_size and dilation",
            );
        }
        if padding > reach {
            return self.refuse(
                format!("padding up to dilation·(kernel_size − 1) = {reach}, not {padding}"),
                "correct padding: a larger one adds frames of zeros alone",
            );
        }
        let wanted = format!("(T, {in_channels})");
        let count = self.frames_of(in_channels, wanted, |c| format!("set in_channels to {c}"))?;
        self.windowed(out_channels, count, reach + 1, stride, padding)
    }

    fn conv2d(&self, conv: &Conv2dOptions) -> Result<Shape> {
        let Conv2dOptions {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins,
            stride_frames,
            stride_bins,
            padding_frames,
            padding_bins,
        } = *conv;
        let counts = [
            in_channels,
            out_channels,
            num_bins,
            kernel_frames,
            kernel_bins,
            stride_frames,
            stride_bins,
        ];
        if !are_counts(&counts) || conv.frame_size() > MAX_CHANNELS {
            return self.refuse(
                format!("counts from 1 to {MAX_COUNT}, channels·num_bins to {MAX_CHANNELS}"),
                "correct channels, num_bins, kernels and strides",
            );
        }
        if kernel_bins > MAX_KERNEL_BINS || kernel_frames - 1 > MAX_REACH {
            return self.refuse(
                format!("kernel_bins up to {MAX_KERNEL_BINS}, kernel_frames up to {MAX_REACH}"),
                "correct the kernel",
            );
        }
        if padding_bins >= kernel_bins || padding_frames >= kernel_frames {
            return self.refuse(
                "a padding smaller than the kernel",
                "correct padding_frames and padding_bins",
            );
        }
        let out_bins = conv.out_bins();
        let channels = out_bins * out_channels;
        if out_bins == 0 || channels > MAX_CHANNELS {
            return self.refuse(
                format!("1 to {MAX_CHANNELS} channels of all bins after it"),
                format!("it leaves {out_bins} bins of {out_channels} channels"),
            );
        }
        let wanted = format!("(T, {num_bins}·{in_channels})");
        let count = self.frames_of(conv.frame_size(), wanted, |c| {
            format!("set num_bins and in_channels to a product of {c}")
        })?;
        self.windowed(
            channels,
            count,
            kernel_frames,
            stride_frames,
            padding_frames,
        )
    }

    fn channels(&self, layer: usize, first: usize, count: usize) -> Result<Shape> {
        let source = self.outputs[layer];
        let end = first.checked_add(count);
        if count == 0 || end.is_none_or(|end| end > source.size()) {
            return self.refuse_named(
                format!("layer {layer} {source}"),
                format!("{count} channels from channel {first} on"),
                "correct first and count",
            );
        }
        Ok(source.with_size(count))
    }

    /// The outputs of `layers` together: channels one after the other for a Concat, elementwise
    /// otherwise.
    fn join(&self, layers: &[usize], is_concat: bool) -> Result<Shape> {
        let num_layers = || format!("{} layers", layers.len());
        if layers.len() < 2 {
            return self.refuse_named(num_layers(), "two or more", "list all layers to join");
        }
        let mut joined = self.outputs[layers[0]];
        for other in &layers[1..] {
            let Some(shape) = joined.joined(self.outputs[*other], is_concat) else {
                return self.refuse_named(
                    format!("layer {other} {}", self.outputs[*other]),
                    format!("what fits layer {} {joined}", layers[0]),
                    match is_concat {
                        true => "the numbers of frames must agree",
                        false => "the numbers of frames and channels must agree",
                    },
                );
            };
            if shape.size() > MAX_CHANNELS {
                return self.refuse_named(
                    num_layers(),
                    format!("up to {MAX_CHANNELS} channels together"),
                    "join fewer or smaller layers",
                );
            }
            joined = shape;
        }
        Ok(joined)
    }

    fn segment_mean(&self, num_frames: usize) -> Result<Shape> {
        let (channels, count) = self.frames("no frames are left")?;
        if !are_counts(&[num_frames]) {
            let wanted = format!("num_frames from 1 to {MAX_COUNT}");
            return self.refuse(wanted, "correct num_frames");
        }
        match count.segments(num_frames) {
            Some(count) => Ok(Shape::Frames(channels, count)),
            None => self.refuse(TOO_FEW, "correct num_frames"),
        }
    }

    fn reflect_pad(&self, frames: usize) -> Result<Shape> {
        let (channels, count) = self.frames("no frames are left")?;
        if !(1..=MAX_REACH).contains(&frames) {
            let wanted = format!("frames from 1 to {MAX_REACH}, not {frames}");
            return self.refuse(wanted, "correct frames");
        }
        self.windowed(channels, count, 1, 1, frames)
    }

    fn attentive_stats_pool(&self, layer: usize) -> Result<Shape> {
        let values = self.outputs[layer];
        match self.input {
            Shape::Frames(channels, _) if self.input == values => Ok(Shape::Vector(2 * channels)),
            _ => self.refuse(
                format!("the shape of layer {layer}, {values}"),
                "there must be a weight for each channel of each frame",
            ),
        }
    }

    fn linear(&self, in_features: usize, out_features: usize, groups: usize) -> Result<Shape> {
        if !are_counts(&[in_features, out_features, groups]) {
            return self.refuse(
                format!("counts from 1 to {MAX_COUNT}"),
                "correct in_features, out_features and groups",
            );
        }
        if !in_features.is_multiple_of(groups) || !out_features.is_multiple_of(groups) {
            return self.refuse(
                format!("features that {groups} groups share evenly"),
                format!("set in_features and out_features to multiples of {groups}"),
            );
        }
        if matches!(self.input, Shape::Frames(..)) && out_features > MAX_CHANNELS {
            return self.refuse(
                format!("up to {MAX_CHANNELS} channels"),
                "correct out_features, or put a pooling before it",
            );
        }
        match self.input.size() {
            size if size == in_features => Ok(self.input.with_size(out_features)),
            size => {
                let wanted = format!("(…, {in_features})");
                self.refuse(wanted, format!("set in_features to {size}"))
            }
        }
    }

    fn batch_norm(&self, num_features: usize) -> Result<Shape> {
        match self.input.size() {
            size if size == num_features => Ok(self.input),
            size => {
                let wanted = format!("(…, {num_features})");
                self.refuse(wanted, format!("set num_features to {size}"))
            }
        }
    }

    fn stats_pool(&self, groups: usize) -> Result<Shape> {
        let channels = self.pooled_channels()?;
        if groups == 0 || !channels.is_multiple_of(groups) {
            let wanted = format!("channels that {groups} groups share evenly");
            return self.refuse(wanted, "correct groups");
        }
        Ok(Shape::Vector(2 * channels))
    }

    fn flatten(&self, num_frames: usize) -> Result<Shape> {
        let size = num_frames.saturating_mul(self.pooled_channels()?);
        if !are_counts(&[num_frames, size]) {
            let wanted = format!("num_frames·C from 1 to {MAX_COUNT}");
            return self.refuse(wanted, "correct num_frames");
        }
        Ok(Shape::Vector(size))
    }

    /// C of the frames that a pooling reads.
    fn pooled_channels(&self) -> Result<usize> {
        let (channels, _) = self.frames("pool once: no frames are left")?;
        Ok(channels)
    }

    /// The frames of the input; `remedy` is for a vector.
    fn frames(&self, remedy: &'static str) -> Result<(usize, FrameCount)> {
        match self.input {
            Shape::Frames(channels, count) => Ok((channels, count)),
            Shape::Vector(_) => self.refuse("(T, C)", remedy),
        }
    }

    /// The number of frames of the input, which must have so many channels; `remedy` is for another
    /// number.
    fn frames_of(
        &self,
        channels: usize,
        wanted: String,
        remedy: impl Fn(usize) -> String,
    ) -> Result<FrameCount> {
        match self.input {
            Shape::Frames(c, count) if c == channels => Ok(count),
            Shape::Frames(c, _) => self.refuse(wanted, remedy(c)),
            Shape::Vector(_) => {
                self.refuse(wanted, "move it before the pooling: no frames are left")
            }
        }
    }

    /// The shape after a kernel that moves over frames, with `channels` channels. The parameters
    /// are those of [`FrameCount::windowed`].
    fn windowed(
        &self,
        channels: usize,
        count: FrameCount,
        span: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Shape> {
        match count.windowed(span, stride, padding) {
            // The frames that padding alone gives, without a recording.
            Some(count) if count.at(0) > MAX_REACH => self.refuse(
                format!("paddings of all layers that add up to at most {MAX_REACH} frames"),
                "correct the paddings",
            ),
            Some(count) => Ok(Shape::Frames(channels, count)),
            None => self.refuse(TOO_FEW, "correct the strides: they skip more frames"),
        }
    }

    /// Refuses the layer; what it got is the output of the layer before.
    fn refuse<T>(&self, wanted: impl Into<String>, remedy: impl Into<Remedy>) -> Result<T> {
        self.refuse_named(self.input.to_string(), wanted, remedy)
    }

    /// Refuses the layer; `got` is what it was given.
    fn refuse_named<T>(
        &self,
        got: String,
        wanted: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Result<T> {
        Err(Error::Layer {
            index: self.index,
            kind: self.layer.kind(),
            got,
            wanted: wanted.into(),
            remedy: remedy.into(),
        })
    }
}

const TOO_FEW: &str = "strides and segments that leave at least one frame in 2^20";

fn are_counts(counts: &[usize]) -> bool {
    counts.iter().all(|count| (1..=MAX_COUNT).contains(count))
}
