//! Imports networks that were trained with other toolkits: makes a [`Model`] from a state dict of
//! PyTorch that was saved as safetensors.
//!
//! The names of the tensors tell which network it is, and their shapes give its sizes:
//!
//! | network | from | names |
//! | --- | --- | --- |
//! | CAM++ | 3D-Speaker, WeSpeaker | `head.…`, `xvector.…` |
//! | ECAPA-TDNN | WeSpeaker | `layer1.…`, `layer2.se_res2block.…`, `pool.…` |
//! | ECAPA-TDNN | SpeechBrain | `blocks.0.…` to `blocks.3.…`, `mfa.…`, `asp.…`, `fc.…` |
//! | ResNet34 and its like | WeSpeaker | `conv1.…`, `layer1.…` to `layer4.…`, `seg_1.…` |
//! | XVEC | WeSpeaker | `frame_1.…` to `frame_5.…`, `seg_1.…` |
//!
//! The features are those that the network was trained with: log-mel energies as Kaldi or
//! SpeechBrain computes them, minus their mean over the recording. Embeddings are compared by
//! cosine until the model is calibrated on trials.

mod campplus;
mod ecapa;
mod front_end;
mod resnet;
mod speechbrain;
mod state_dict;
mod xvec;

use super::model::{MAX_BYTES, read_file};
use crate::{
    Error, Result,
    features::MfccConfig,
    network::{Network, fold_batch_norms},
    scoring::{PairHead, Projection},
    verifier::{Limits, Model, ModelCard},
};
use safetensors::SafeTensors;
use state_dict::{CONVERT, Problem, StateDict};
use std::path::Path;

/// Logit per unit of cosine, and the cosine at which the logit is 0. They hold until the model is
/// calibrated on trials.
const SCALE: f32 = 20.0;
const EVEN_COSINE: f32 = 0.5;

/// A kind of network that can be imported.
struct Kind {
    /// For messages and the model card.
    name: &'static str,
    /// A tensor that only this kind has.
    recognised_by: &'static str,
    /// The features, given the number of mel bins.
    front_end: fn(usize) -> MfccConfig,
    /// Adds the layers of the network. Returns the number of mel bins, which the first layer gives.
    layers: fn(&mut StateDict) -> std::result::Result<usize, Problem>,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "CAM++",
        recognised_by: "xvector.tdnn.linear.weight",
        front_end: front_end::log_mel,
        layers: campplus::layers,
    },
    Kind {
        name: "WeSpeaker ECAPA-TDNN",
        recognised_by: "layer2.se_res2block.0.conv.weight",
        front_end: front_end::hamming_log_mel,
        layers: ecapa::layers,
    },
    Kind {
        name: "SpeechBrain ECAPA-TDNN",
        recognised_by: speechbrain::RECOGNISED_BY,
        front_end: front_end::speechbrain,
        layers: speechbrain::layers,
    },
    Kind {
        name: "WeSpeaker ResNet",
        recognised_by: "layer4.0.conv1.weight",
        front_end: front_end::hamming_log_mel,
        layers: resnet::layers,
    },
    Kind {
        name: "WeSpeaker XVEC",
        recognised_by: "frame_1.conv_1d.weight",
        front_end: front_end::hamming_log_mel,
        layers: xvec::layers,
    },
];

/// Imports a state dict of one of the networks above. Ignores the speaker classifier
/// (`projection.…`) and `num_batches_tracked`. Names may start with `module.` or `model.`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] for a file that is not a state dict of these networks, and for
/// tensors that are missing, unknown, of another shape or type, or not finite.
pub fn network(path: &Path) -> Result<Model> {
    from_bytes(&read_file(path)?).map_err(|(fact, remedy)| Error::model(path, fact, remedy))
}

fn from_bytes(bytes: &[u8]) -> std::result::Result<Model, Problem> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err((
            format!("larger than {} MiB", MAX_BYTES >> 20),
            "is this a state dict of a speaker network?".into(),
        ));
    }
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| (format!("not a safetensors file ({e})"), CONVERT.into()))?;
    let recognised = KINDS.iter().find_map(|kind| {
        let prefix = StateDict::prefix_of(&tensors, kind.recognised_by)?;
        Some((kind, prefix))
    });
    let Some((kind, prefix)) = recognised else {
        let known = KINDS.map(|kind| format!("{} ({})", kind.name, kind.recognised_by));
        return Err((
            "the names of the tensors are those of no network that can be imported".into(),
            format!("known are {}", known.join(", ")),
        ));
    };
    let mut dict = StateDict::new(tensors, prefix, kind.name);
    let num_mel_bins = (kind.layers)(&mut dict)?;
    dict.check_all_used()?;

    let front_end = (kind.front_end)(num_mel_bins);
    let unfit = |e: Error| {
        let remedy = format!("is this a state dict of {}?", kind.name);
        (e.to_string(), remedy)
    };
    let (layers, weights) = fold_batch_norms(&dict.layers, &dict.weights);
    let network = Network::new(layers, weights, num_mel_bins).map_err(unfit)?;
    Ok(Model {
        front_end,
        head: scaled_cosine(network.embedding_size()),
        network,
        overlap: None,
        has_overlap_term: false,
        speech: None,
        limits: Limits::default(),
        rates: None,
        sequential: None,
        rounded_from: None,
        card: ModelCard {
            name: kind.name.into(),
            description: "Imported network; embeddings are compared by cosine.".into(),
            calibration: format!(
                "none: scores are {SCALE}·(cosine − {EVEN_COSINE}), not log-likelihood ratios; \
                 calibrate the model"
            ),
            uncalibrated: true,
            ..ModelCard::default()
        },
    })
}

/// A head whose logit is SCALE·cosine. Points have length √D, so each product has the weight
/// SCALE/D.
fn scaled_cosine(size: usize) -> PairHead {
    let mut weight = vec![SCALE / size as f32; size];
    weight.resize(2 * size, 0.0);
    let mut head = PairHead::new(Projection::identity(size, 1), weight);
    head.bias = -SCALE * EVEN_COSINE;
    head
}
