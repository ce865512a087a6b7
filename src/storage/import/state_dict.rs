//! A state dict that is being imported: gives tensors by name, and collects the layers made from
//! them.

use crate::network::{Conv1dOptions, Layer, Weights};
use safetensors::{Dtype, SafeTensors};

/// PyTorch's default.
const BATCH_NORM_EPS: f32 = 1e-5;

/// What wrappers of PyTorch and of other toolkits put before all names.
const PREFIXES: [&str; 4] = ["", "module.", "model.", "module.model."];

/// A fact and its remedy.
pub type Problem = (String, String);

/// The remedy for a file that the import cannot read.
pub const CONVERT: &str = "write it from Python with recipes/safetensors_of.py, or with \
     safetensors.torch.save_file({k: v.float().contiguous() for k, v in torch.load(FILE, \
     map_location='cpu').items()}, OUT)";

/// Tensors by name, which of them were used, and the layers added so far.
pub struct StateDict<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'static str,
    used: Vec<String>,
    /// Name of the network, for messages.
    network: &'static str,
    pub layers: Vec<Layer>,
    pub weights: Weights,
}

/// A tensor read from the file.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Tensor {
    /// Divides a weight `(C_out, C_in, …)` in two: for the first `count` inputs, and for the other
    /// inputs.
    pub fn split_inputs(self, count: usize) -> [Self; 2] {
        let per_input: usize = self.shape[2..].iter().product();
        let rows = || self.values.chunks_exact(self.shape[1] * per_input);
        let part = |num_inputs: usize, values: Vec<f32>| {
            let mut shape = self.shape.clone();
            shape[1] = num_inputs;
            Tensor { shape, values }
        };
        let first = rows().flat_map(|row| &row[..count * per_input]);
        let others = rows().flat_map(|row| &row[count * per_input..]);
        [
            part(count, first.copied().collect()),
            part(self.shape[1] - count, others.copied().collect()),
        ]
    }
}

/// Taps and steps of a Conv1d.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub taps: usize,
    pub stride: usize,
    pub dilation: usize,
    pub padding: usize,
}

impl Window {
    /// A single frame.
    pub const FRAME: Self = Window {
        taps: 1,
        stride: 1,
        dilation: 1,
        padding: 0,
    };

    /// `taps` frames, padded so that all frames stay.
    pub fn same(taps: usize, dilation: usize) -> Self {
        Window {
            taps,
            dilation,
            padding: taps.saturating_sub(1) / 2 * dilation,
            ..Self::FRAME
        }
    }
}

impl<'a> StateDict<'a> {
    /// The prefix with which the file has the tensor `name`; none if the file lacks this tensor.
    pub fn prefix_of(tensors: &SafeTensors, name: &str) -> Option<&'static str> {
        let has = |prefix: &&str| tensors.tensor(&format!("{prefix}{name}")).is_ok();
        PREFIXES.into_iter().find(has)
    }

    pub fn new(tensors: SafeTensors<'a>, prefix: &'static str, network: &'static str) -> Self {
        StateDict {
            tensors,
            prefix,
            used: vec![],
            network,
            layers: vec![],
            weights: Weights::new(),
        }
    }

    /// Shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let tensor = self.tensors.tensor(&format!("{}{name}", self.prefix));
        tensor.ok().map(|tensor| tensor.shape().to_vec())
    }

    /// Size of a tensor along an axis, if there is one of this name that has the axis.
    pub fn size(&self, name: &str, axis: usize) -> Option<usize> {
        self.shape(name)?.get(axis).copied()
    }

    /// Channels that the first layer reads, which is a Conv1d.
    pub fn first_channels(&self) -> usize {
        match self.layers.first() {
            Some(Layer::Conv1d(conv)) => conv.in_channels,
            _ => unreachable!("the first layer is a Conv1d"),
        }
    }

    /// Takes a tensor of the shape `wanted`, in which `None` stands for any size.
    pub fn take(&mut self, name: &str, wanted: &[Option<usize>]) -> Result<Tensor, Problem> {
        let name = format!("{}{name}", self.prefix);
        let sizes: Vec<String> = wanted
            .iter()
            .map(|size| size.map_or("any".into(), |n| n.to_string()))
            .collect();
        let wanted_text = format!("wanted shape ({})", sizes.join(", "));
        let which = || format!("is this a state dict of {}?", self.network);
        let tensor = self
            .tensors
            .tensor(&name)
            .map_err(|_| (format!("tensor {name} is missing, {wanted_text}"), which()))?;
        let shape = tensor.shape().to_vec();
        let fits = shape.len() == wanted.len()
            && shape
                .iter()
                .zip(wanted)
                .all(|(n, w)| w.is_none_or(|w| w == *n) && *n > 0);
        if !fits {
            return Err((
                format!("tensor {name} has shape {shape:?}, {wanted_text}"),
                which(),
            ));
        }
        if tensor.dtype() != Dtype::F32 {
            return Err((
                format!("tensor {name} is {}, wanted F32", tensor.dtype()),
                CONVERT.into(),
            ));
        }
        let (values, _) = tensor.data().as_chunks();
        let values: Vec<f32> = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
        self.used.push(name);
        Ok(Tensor { shape, values })
    }

    /// Adds a layer with its tensors, and returns its index.
    pub fn push(
        &mut self,
        layer: Layer,
        tensors: impl IntoIterator<Item = (&'static str, Tensor)>,
    ) -> usize {
        let index = self.layers.len();
        for (name, tensor) in tensors {
            self.weights
                .insert(format!("{index}.{name}"), tensor.values);
        }
        self.layers.push(layer);
        index
    }

    /// Adds a layer without tensors, and returns its index.
    pub fn add(&mut self, layer: Layer) -> usize {
        self.push(layer, [])
    }

    /// Index of the last layer.
    pub fn last(&self) -> usize {
        self.layers.len() - 1
    }

    /// The bias, `size` values; zeros if the network has none.
    fn bias(&mut self, name: &str, size: usize) -> Result<Tensor, Problem> {
        let name = format!("{name}.bias");
        match self.shape(&name) {
            Some(_) => self.take(&name, &[Some(size)]),
            None => Ok(constant(size, 0.0)),
        }
    }

    /// Adds a Conv1d that reads `in_channels` channels, or any number if `None`. Returns C_out.
    pub fn conv1d(
        &mut self,
        name: &str,
        in_channels: Option<usize>,
        window: Window,
    ) -> Result<usize, Problem> {
        let wanted = [None, in_channels, Some(window.taps)];
        let weight = self.take(&format!("{name}.weight"), &wanted)?;
        self.push_conv1d(name, weight, window)
    }

    /// As [`Self::conv1d`], with a weight `(C_out, C_in, K)` that was already taken.
    pub fn push_conv1d(
        &mut self,
        name: &str,
        weight: Tensor,
        window: Window,
    ) -> Result<usize, Problem> {
        let out_channels = weight.shape[0];
        let bias = self.bias(name, out_channels)?;
        self.push_conv1d_with(weight, bias, window);
        Ok(out_channels)
    }

    fn push_conv1d_with(&mut self, weight: Tensor, bias: Tensor, window: Window) {
        let conv = Layer::Conv1d(Conv1dOptions {
            in_channels: weight.shape[1],
            out_channels: weight.shape[0],
            kernel_size: window.taps,
            stride: window.stride,
            dilation: window.dilation,
            padding: window.padding,
            groups: 1,
        });
        self.push(conv, [("weight", weight), ("bias", bias)]);
    }

    /// Adds a Conv1d of one frame that reads each frame `(width,)` of layer `frames`, the last
    /// layer. Returns C_out. A weight of three times the width also reads the statistics that
    /// `pooling` makes of all frames. They are the same for each frame, so their part is computed
    /// once, as a vector, and added.
    pub fn frame_and_statistics(
        &mut self,
        name: &str,
        frames: usize,
        width: usize,
        pooling: Layer,
    ) -> Result<usize, Problem> {
        if self.size(&format!("{name}.weight"), 1) != Some(3 * width) {
            return self.conv1d(name, Some(width), Window::FRAME);
        }
        let wanted = [None, Some(3 * width), Some(1)];
        let weight = self.take(&format!("{name}.weight"), &wanted)?;
        let [of_frame, of_statistics] = weight.split_inputs(width);
        self.add(pooling); // (2·width)
        let out_channels = self.push_linear(name, of_statistics)?;
        let of_statistics = self.last();
        self.add(Layer::channels(frames, 0, width));
        // The other part has the bias.
        let no_bias = constant(out_channels, 0.0);
        self.push_conv1d_with(of_frame, no_bias, Window::FRAME);
        let of_frame = self.last();
        self.add(Layer::add([of_frame, of_statistics]));
        Ok(out_channels)
    }

    /// Adds a Linear that reads `in_features` values. The file may have it as a Conv1d of one
    /// frame. Returns the size of its output.
    pub fn linear(&mut self, name: &str, in_features: usize) -> Result<usize, Problem> {
        let name_of_weight = format!("{name}.weight");
        let is_conv1d = self.shape(&name_of_weight).is_some_and(|s| s.len() == 3);
        let wanted = [None, Some(in_features), Some(1)];
        let weight = self.take(&name_of_weight, &wanted[..2 + usize::from(is_conv1d)])?;
        self.push_linear(name, weight)
    }

    /// As [`Self::linear`], with a weight `(out, in, …)` that was already taken.
    pub fn push_linear(&mut self, name: &str, weight: Tensor) -> Result<usize, Problem> {
        let (out_features, in_features) = (weight.shape[0], weight.shape[1]);
        let bias = self.bias(name, out_features)?;
        let linear = Layer::linear(in_features, out_features);
        self.push(linear, [("weight", weight), ("bias", bias)]);
        Ok(out_features)
    }

    /// Adds a BatchNorm. In some networks it has no weight and no bias.
    pub fn batch_norm(&mut self, name: &str, size: usize) -> Result<(), Problem> {
        let is_affine = self.shape(&format!("{name}.weight")).is_some();
        let mut tensors = vec![];
        for (tensor, value) in [("weight", 1.0), ("bias", 0.0)] {
            let values = match is_affine {
                true => self.take(&format!("{name}.{tensor}"), &[Some(size)])?,
                false => constant(size, value),
            };
            tensors.push((tensor, values));
        }
        for statistic in ["running_mean", "running_var"] {
            let values = self.take(&format!("{name}.{statistic}"), &[Some(size)])?;
            tensors.push((statistic, values));
        }
        if tensors[3].1.values.iter().any(|v| *v < 0.0) {
            return Err((
                format!("{name}.running_var is negative"),
                "the file is damaged".into(),
            ));
        }
        let batch_norm = Layer::batch_norm(size, BATCH_NORM_EPS);
        self.push(batch_norm, tensors);
        Ok(())
    }

    /// Checks that all tensors were used, because an unknown tensor means a different network. Only the
    /// speaker classifier and the counters of training may be left over.
    pub fn check_all_used(&self) -> Result<(), Problem> {
        let passed_over = |name: &str| {
            let without_prefix = name.strip_prefix(self.prefix).unwrap_or(name);
            name.ends_with(".num_batches_tracked")
                || without_prefix.starts_with("projection.")
                || name.starts_with("projection.")
        };
        let names = self.tensors.names();
        let mut extra: Vec<&str> = names
            .into_iter()
            .filter(|name| !passed_over(name) && !self.used.iter().any(|used| used == name))
            .collect();
        extra.sort_unstable();
        match extra.is_empty() {
            true => Ok(()),
            false => Err((
                format!(
                    "tensors that {} does not have: {}",
                    self.network,
                    extra.join(", ")
                ),
                "only this architecture is imported".into(),
            )),
        }
    }
}

/// A tensor `(size,)` in which all values are the same.
pub fn constant(size: usize, value: f32) -> Tensor {
    Tensor {
        shape: vec![size],
        values: vec![value; size],
    }
}
