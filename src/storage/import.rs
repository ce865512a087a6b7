//! Imports models of other toolkits: turns a safetensors state dict into a [`Model`].
//!
//! Supports WeSpeaker's `XVEC` (`wespeaker/models/tdnn.py`, Wang et al. 2023): five TDNN layers,
//! each Conv1d → ReLU → BatchNorm, TSTP pooling, and two Linear layers with ReLU → BatchNorm
//! between them. Its features are the log-mel frames of the recipe's `fbank` (Hamming window,
//! samples at 16-bit scale) with the mean subtracted. The layer list and the front-end's options
//! can express all of it.

use super::model::MAX_BYTES;
use crate::{
    Error, Result,
    features::{MfccConfig, WindowType},
    network::{Layer, Network, Weights, fold_batch_norms},
    scoring::PairHead,
    verifier::{Limits, Model, ModelCard},
};
use safetensors::{Dtype, SafeTensors};
use std::{fs::File, io::Read, path::Path};

/// PyTorch's default.
const BATCH_NORM_EPS: f32 = 1e-5;
/// As in TSTP.
const POOLING_EPS: f32 = 1e-7;
/// Logit per unit of cosine, and the cosine at which the logit is 0, until trials calibrate the
/// model.
const SCALE: f32 = 20.0;
const EVEN_COSINE: f32 = 0.5;

/// Name, taps and dilation of each layer.
const FRAME_LAYERS: [(&str, usize, usize); 5] = [
    ("frame_1", 5, 1),
    ("frame_2", 3, 2),
    ("frame_3", 3, 3),
    ("frame_4", 1, 1),
    ("frame_5", 1, 1),
];

/// Imports a state dict of `XVEC`; sizes are taken from the tensors. Ignores the speaker classifier
/// (`projection.…`) and `num_batches_tracked`. Names may start with `module.` or `model.`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] for a file that is not a state dict, and for tensors that are
/// missing, unknown, of another shape or type, or not finite.
pub fn wespeaker_xvec(path: &Path) -> Result<Model> {
    let failed = |source| Error::io(path, "read", source);
    let mut bytes = vec![];
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    from_bytes(&bytes).map_err(|(fact, remedy)| Error::Model {
        path: path.to_path_buf(),
        fact,
        remedy,
    })
}

/// (fact, remedy)
type Problem = (String, String);

const CONVERT: &str = "write it from Python with \
     safetensors.torch.save_file({k: v.float() for k, v in torch.load(FILE, \
     map_location='cpu').items()}, OUT)";

fn from_bytes(bytes: &[u8]) -> std::result::Result<Model, Problem> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err((
            format!("larger than {} MiB", MAX_BYTES >> 20),
            "is this a state dict of XVEC?".into(),
        ));
    }
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| (format!("not a safetensors file ({e})"), CONVERT.into()))?;
    let mut dict = StateDict::new(tensors);
    let (mut layers, mut weights) = (vec![], Weights::new());
    let mut inputs = None;
    let mut channels = 0;
    for (name, taps, dilation) in FRAME_LAYERS {
        let weight = dict.take(
            &format!("{name}.conv_1d.weight"),
            &[None, inputs, Some(taps)],
        )?;
        let (out_channels, in_channels) = (weight.shape[0], weight.shape[1]);
        let bias = dict.take(&format!("{name}.conv_1d.bias"), &[Some(out_channels)])?;
        let conv = Layer::Conv1d {
            in_channels,
            out_channels,
            kernel_size: taps,
            stride: 1,
            dilation,
            padding: 0,
            groups: 1,
        };
        push(
            &mut layers,
            &mut weights,
            conv,
            [("weight", weight), ("bias", bias)],
        );
        layers.push(Layer::Relu);
        dict.batch_norm(
            &format!("{name}.bn"),
            out_channels,
            &mut layers,
            &mut weights,
        )?;
        (inputs, channels) = (Some(out_channels), out_channels);
    }
    layers.push(Layer::SampleStatsPool { eps: POOLING_EPS });
    let embedding_size = dict.linear("seg_1", 2 * channels, &mut layers, &mut weights)?;
    layers.push(Layer::Relu);
    dict.batch_norm("seg_bn_1", embedding_size, &mut layers, &mut weights)?;
    let embedding_size = dict.linear("seg_2", embedding_size, &mut layers, &mut weights)?;
    dict.check_all_used()?;

    let Some(Layer::Conv1d { in_channels, .. }) = layers.first() else {
        unreachable!("the first layer is frame_1");
    };
    let front_end = log_mel(*in_channels);
    let unfit = |e: Error| (e.to_string(), "is this a state dict of XVEC?".to_string());
    let (layers, weights) = fold_batch_norms(&layers, &weights);
    let network = Network::new(layers, weights, front_end.num_mel_bins).map_err(unfit)?;
    Ok(Model {
        front_end,
        network,
        overlap: None,
        speech: None,
        head: scaled_cosine(embedding_size),
        limits: Limits::default(),
        rates: None,
        card: ModelCard {
            name: "WeSpeaker XVEC".into(),
            description: "Imported x-vector network; embeddings are compared by cosine.".into(),
            calibration: format!(
                "none: scores are {SCALE}·(cosine − {EVEN_COSINE}), no log-likelihood ratios; run \
                 `spkver calibrate`"
            ),
            ..ModelCard::default()
        },
    })
}

/// torchaudio's `kaldi.fbank` with the options of the recipe.
fn log_mel(num_mel_bins: usize) -> MfccConfig {
    MfccConfig {
        window_type: WindowType::Hamming,
        num_mel_bins,
        low_freq_hz: 20.0,
        high_freq_hz: 0.0, // Nyquist
        num_ceps: 0,
        speech_only: false,
        mean_norm: true,
        ..MfccConfig::default()
    }
}

/// A head whose logit is SCALE·cosine. Points have length sqrt D, so each product is weighted with
/// SCALE/D.
fn scaled_cosine(size: usize) -> PairHead {
    let mut weight = vec![SCALE / size as f32; size];
    weight.resize(2 * size, 0.0);
    PairHead {
        mean: vec![0.0; size],
        whiten: None,
        weight,
        groups: 1,
        bias: -SCALE * EVEN_COSINE,
        prior: 0.5,
        quality: None,
        cohort: None,
        knee: None,
    }
}

/// A tensor read from the file.
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Tensors by name, and which of them were used.
struct StateDict<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'static str,
    used: Vec<String>,
}

impl<'a> StateDict<'a> {
    fn new(tensors: SafeTensors<'a>) -> Self {
        let has = |prefix: &&str| {
            tensors
                .tensor(&format!("{prefix}frame_1.conv_1d.weight"))
                .is_ok()
        };
        StateDict {
            prefix: ["", "module.", "model.", "module.model."]
                .into_iter()
                .find(has)
                .unwrap_or(""),
            tensors,
            used: vec![],
        }
    }

    /// Takes a tensor of the shape `wanted`, in which `None` stands for any size.
    fn take(
        &mut self,
        name: &str,
        wanted: &[Option<usize>],
    ) -> std::result::Result<Tensor, Problem> {
        let name = format!("{}{name}", self.prefix);
        let sizes: Vec<String> = wanted
            .iter()
            .map(|size| size.map_or("any".into(), |n| n.to_string()))
            .collect();
        let wanted_text = format!("wanted shape ({})", sizes.join(", "));
        let which = || "is this a state dict of WeSpeaker's XVEC?".to_string();
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

    fn linear(
        &mut self,
        name: &str,
        in_features: usize,
        layers: &mut Vec<Layer>,
        weights: &mut Weights,
    ) -> std::result::Result<usize, Problem> {
        let weight = self.take(&format!("{name}.weight"), &[None, Some(in_features)])?;
        let out_features = weight.shape[0];
        let bias = self.take(&format!("{name}.bias"), &[Some(out_features)])?;
        let linear = Layer::Linear {
            in_features,
            out_features,
            groups: 1,
        };
        push(
            layers,
            weights,
            linear,
            [("weight", weight), ("bias", bias)],
        );
        Ok(out_features)
    }

    /// WeSpeaker's BatchNorms have no weight and bias.
    fn batch_norm(
        &mut self,
        name: &str,
        size: usize,
        layers: &mut Vec<Layer>,
        weights: &mut Weights,
    ) -> std::result::Result<(), Problem> {
        let constant = |value: f32| Tensor {
            shape: vec![size],
            values: vec![value; size],
        };
        let mut own = vec![("weight", constant(1.0)), ("bias", constant(0.0))];
        for statistic in ["running_mean", "running_var"] {
            own.push((
                statistic,
                self.take(&format!("{name}.{statistic}"), &[Some(size)])?,
            ));
        }
        if own[3].1.values.iter().any(|v| *v < 0.0) {
            return Err((
                format!("{name}.running_var is negative"),
                "the file is damaged".into(),
            ));
        }
        let batch_norm = Layer::BatchNorm {
            num_features: size,
            eps: BATCH_NORM_EPS,
        };
        push(layers, weights, batch_norm, own);
        Ok(())
    }

    /// Checks that all tensors were used: an unknown one means a different network.
    fn check_all_used(&self) -> std::result::Result<(), Problem> {
        let prefix = self.prefix;
        let passed_over = |name: &str| {
            name.ends_with(".num_batches_tracked")
                || name.starts_with("projection.")
                || name.starts_with(&format!("{prefix}projection."))
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
                    "tensors that XVEC with TSTP pooling has not: {}",
                    extra.join(", ")
                ),
                "only this architecture is imported".into(),
            )),
        }
    }
}

fn push(
    layers: &mut Vec<Layer>,
    weights: &mut Weights,
    layer: Layer,
    tensors: impl IntoIterator<Item = (&'static str, Tensor)>,
) {
    let index = layers.len();
    for (name, tensor) in tensors {
        weights.insert(format!("{index}.{name}"), tensor.values);
    }
    layers.push(layer);
}
