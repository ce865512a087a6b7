//! Model files: reads a safetensors file into a checked [`Model`], and writes one.
//!
//! The metadata of the file has one key, `spkver`, with a JSON text:
//!
//! ```text
//! {"format_version":1, "blake3":"<64 hex digits>", "front_end":{…MFCC options…},
//!  "layers":[{"kind":"conv1d",…},…], "overlap":[{…},…], "overlap_term":true, "speech":[{…},…],
//!  "head":{"size":L,"groups":g,"prior":p,"bias":b}, "limits":{…},
//!  "rates":{…error rates by threshold, if calibrated}, "card":{…}}
//! ```
//!
//! Tensors are F32, or F16 if that loses nothing; weights of a model in int8 are I8. `{i}.{tensor}`
//! belongs to layer i, with PyTorch's names and shapes. `overlap.{i}.{tensor}` belongs to the
//! detector of overlapped speech and `speech.{i}.{tensor}` to the speech detector, if the model has
//! them. With `"overlap_term"`, the last output of `layers` belongs to the logit of overlapped speech.
//! The pair head has `head.mean` (D,), `head.whiten` (L, D; the identity if missing) and `head.weight`
//! (2L,). With `"cohort_top":N` in `head`, `head.cohort` (K, L) holds the points of the cohort. A head
//! with quality terms may also have `lower_slope_below`, an LLR below which its scores fall more slowly.
//!
//! `blake3` is the BLAKE3 hash of the file in which these 64 digits are replaced by zeros. This
//! hash detects damage, not forgery. The id of the file is the BLAKE3 hash of the unchanged file.
//! Embeddings carry another id: that of the front-end, the network and the speech detector alone.
// Longer than 450 lines: reading and writing of the format belong together.

use crate::{
    Error, Result,
    features::MfccConfig,
    network::{Layer, Network, Number, Stored, Tensors, infer},
    parallel,
    scoring::{
        Cohort, LowerSlope, MeasuredRates, PairHead, Projection, QualityTerms, QualityWeights,
    },
    verifier::{Limits, Model, ModelCard, ModelId, Verifier},
};
use bytes::Bytes;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{fs::File, io::Read, path::Path};

/// Key in the safetensors metadata.
const KEY: &str = "spkver";
const FORMAT_VERSION: u32 = 1;
/// Largest file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 256 << 20;
/// Largest header that is read, in bytes. It is parsed before the checksum can be verified.
const MAX_HEADER_BYTES: u64 = 16 << 20;
const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const OVERLAP: &str = "overlap.";
const SPEECH: &str = "speech.";
const MEAN: &str = "head.mean";
const WHITEN: &str = "head.whiten";
const WEIGHT: &str = "head.weight";
const COHORT: &str = "head.cohort";
/// Path of the built-in model in error messages.
const EMBEDDED: &str = "<embedded>";

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    blake3: String,
    front_end: MfccConfig,
    layers: Vec<Layer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overlap: Option<Vec<Layer>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overlap_term: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speech: Option<Vec<Layer>>,
    head: Head,
    limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rates: Option<MeasuredRates>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequential: Option<MeasuredRates>,
    card: ModelCard,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rounded_from: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Size of a point without its conditions, V.
    size: usize,
    /// Number of conditions that have weights: L − V.
    #[serde(default, skip_serializing_if = "is_zero")]
    conditions: usize,
    #[serde(default = "one")]
    groups: usize,
    prior: f32,
    bias: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quality: Option<QualityWeights>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cohort_top: Option<usize>,
    /// Called `knee` in older model files.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "knee")]
    lower_slope_below: Option<f32>,
}

fn one() -> usize {
    1
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The version is read first, because a later version may have fields that this one does not know.
#[derive(serde::Deserialize)]
struct Version {
    format_version: u32,
    blake3: String,
}

/// The model built into the program.
static EMBEDDED_FILE: &[u8] = include_bytes!("../../models/spkver.safetensors");

/// The built-in model. Its bytes are hashed once, for the id. Only a test verifies the checksum in
/// the file, because every short command would have to wait for it.
///
/// # Errors
/// Only if the program was built with a damaged file.
pub fn embedded() -> Result<Verifier> {
    let (file, path) = (Bytes::from_static(EMBEDDED_FILE), Path::new(EMBEDDED));
    Parsed::new(&file, path)?.verifier(ModelId::of(&file), path)
}

impl Verifier {
    /// The model inside this library: no file is read.
    ///
    /// ```
    /// let verifier = spkver::Verifier::embedded()?;
    /// println!("embeddings of model {}", verifier.id());
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// None, unless the build was given a damaged file.
    pub fn embedded() -> Result<Self> {
        embedded()
    }

    /// Loads a model file and checks it.
    ///
    /// ```
    /// use spkver::Verifier;
    ///
    /// let verifier = Verifier::load("models/spkver.safetensors")?;
    /// assert_eq!(verifier.id(), Verifier::embedded()?.id());
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Model`] if the contents are damaged or inconsistent.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        load(path.as_ref())
    }
}

/// Loads a model file and checks it.
///
/// # Errors
/// [`Error::Io`], and [`Error::Model`] if the contents are damaged or inconsistent.
pub fn load(path: &Path) -> Result<Verifier> {
    from_shared(&read_file(path)?.into(), path)
}

/// The bytes of a file. Of a file that is larger than [`MAX_BYTES`], one byte more than this limit,
/// which tells the caller that the file is too large.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::io(path, "read", source);
    let file = File::open(path).map_err(failed)?;
    let claimed = file.metadata().map_or(0, |metadata| metadata.len());
    // One byte more, so that the end is found without a larger buffer.
    let mut bytes = Vec::with_capacity(claimed.min(MAX_BYTES) as usize + 1);
    // Reads at most one byte more than allowed, whatever size the file claims.
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// Checks the bytes of a model file. Errors name it `path`.
///
/// # Errors
/// [`Error::Model`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Verifier> {
    from_shared(&Bytes::copy_from_slice(bytes), path)
}

fn from_shared(bytes: &Bytes, path: &Path) -> Result<Verifier> {
    let parsed = Parsed::new(bytes, path)?;
    // Each of the two hashes the whole file.
    let (is_intact, id) = parallel::both(|| parsed.is_intact(), || ModelId::of(bytes));
    if !is_intact {
        let fact = "damaged: the checksum does not match".into();
        return Err(refusal(path, fact, AGAIN));
    }
    parsed.verifier(id, path)
}

const AGAIN: &str = "fetch or make the file again";
const MUST_MATCH: &str = "layer list, head and tensors must match";

fn refusal(path: &Path, fact: String, remedy: &'static str) -> Error {
    Error::model(path, fact, remedy)
}

/// A parsed file.
struct Parsed<'a> {
    file: &'a Bytes,
    tensors: SafeTensors<'a>,
    text: String,
    version: Version,
    header_end: usize,
}

impl<'a> Parsed<'a> {
    fn new(bytes: &'a Bytes, path: &Path) -> Result<Self> {
        let refuse = |fact, remedy| refusal(path, fact, remedy);
        if bytes.len() as u64 > MAX_BYTES {
            return Err(refuse(
                format!("larger than {} MiB", MAX_BYTES >> 20),
                "is this a model file?",
            ));
        }
        if let Some(size) = bytes.first_chunk().map(|b| u64::from_le_bytes(*b))
            && size > MAX_HEADER_BYTES
        {
            return Err(refuse(
                format!("claims a header of {size} bytes, at most {MAX_HEADER_BYTES} are read"),
                "is this a model file?",
            ));
        }
        let no_model = |e| {
            refuse(
                format!("not a safetensors file, or a damaged one ({e})"),
                AGAIN,
            )
        };
        let (header_bytes, metadata) = SafeTensors::read_metadata(bytes).map_err(no_model)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(no_model)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|keys| keys.get(KEY))
            .ok_or_else(|| {
                refuse(
                    format!("a safetensors file without the metadata key {KEY:?}"),
                    "is this a spkver model?",
                )
            })?;
        let damaged = |e| refuse(format!("metadata {KEY:?}: {e}"), AGAIN);
        let version: Version = serde_json::from_str(text).map_err(damaged)?;
        if version.format_version != FORMAT_VERSION {
            return Err(refuse(
                format!(
                    "format version {}, this program reads {FORMAT_VERSION}",
                    version.format_version
                ),
                "use the version of spkver that made it",
            ));
        }
        Ok(Parsed {
            file: bytes,
            tensors,
            text: text.clone(),
            version,
            header_end: 8 + header_bytes,
        })
    }

    fn is_intact(&self) -> bool {
        let digits = &self.version.blake3;
        checksum(self.file, self.header_end, digits).as_ref() == Some(digits)
    }

    /// Checks everything and assembles the model.
    fn verifier(&self, id: ModelId, path: &Path) -> Result<Verifier> {
        let refuse = |fact, remedy| refusal(path, fact, remedy);
        let damaged = |e| refuse(format!("metadata {KEY:?}: {e}"), AGAIN);
        let header: Header = serde_json::from_str(&self.text).map_err(damaged)?;
        let unfit = |e: Error| refuse(e.to_string(), "make the model again");
        header.front_end.check().map_err(unfit)?;
        let num_features = header.front_end.num_channels();
        let num_raw = header.front_end.num_frame_channels();
        let mut known = vec![];
        let mut network = |layers: Vec<Layer>, prefix: &str, num_features| -> Result<Network> {
            // The layers are checked before their sizes are used to compute shapes.
            infer(&layers, num_features).map_err(unfit)?;
            let is_int8 = |name: &str| {
                let tensor = self.tensors.tensor(name);
                tensor.is_ok_and(|tensor| tensor.dtype() == Dtype::I8)
            };
            let tensors = self.read(layer_shapes(&layers, prefix, is_int8), path)?;
            known.extend(tensors.keys().cloned());
            let tensors = tensors.into_iter();
            let tensors = tensors.map(|(name, stored)| (name[prefix.len()..].to_string(), stored));
            Network::from_tensors(layers, tensors.collect(), num_features).map_err(unfit)
        };
        let overlap = header
            .overlap
            .map(|layers| network(layers, OVERLAP, num_features));
        let overlap = overlap.transpose()?;
        let speech = header.speech.map(|layers| network(layers, SPEECH, num_raw));
        let speech = speech.transpose()?;
        let network = network(header.layers, "", num_features)?;
        let size = network.embedding_size() - usize::from(header.overlap_term);
        let head = self.head(header.head, size, &known, path)?;
        let rounded_from = header.rounded_from.map(|id| {
            let refused = |e| refuse(format!("metadata {KEY:?}: rounded_from: {e}"), AGAIN);
            id.parse::<ModelId>().map_err(refused)
        });
        let model = Model {
            front_end: header.front_end,
            network,
            speech,
            overlap,
            has_overlap_term: header.overlap_term,
            head,
            limits: header.limits,
            rates: header.rates,
            sequential: header.sequential,
            card: header.card,
            rounded_from: rounded_from.transpose()?,
        };
        let embedder = match model.rounded_from {
            Some(id) => id,
            None => self.embedder_id(&model, &known),
        };
        let verifier = Verifier::new(embedder, model).map_err(unfit)?;
        Ok(verifier.of_file(id))
    }

    /// The pair head. `known` are the tensors of the networks; there must be no others than those and the
    /// head's.
    fn head(
        &self,
        head: Head,
        embedding_size: usize,
        known: &[String],
        path: &Path,
    ) -> Result<PairHead> {
        let refuse = |fact, remedy| refusal(path, fact, remedy);
        let (size, conditions) = (head.size, head.conditions);
        if size.max(conditions) as u64 > MAX_BYTES {
            return Err(refuse(
                format!("claims a head of size {size} with {conditions} conditions"),
                AGAIN,
            ));
        }
        let is_whitening = size != embedding_size || self.tensors.tensor(WHITEN).is_ok();
        let speakers = head.cohort_top.map(|_| {
            let points = self.tensors.tensor(COHORT).ok();
            points.map_or(0, |points| points.shape().first().copied().unwrap_or(0))
        });
        let shapes = head_shapes([size, conditions], embedding_size, is_whitening, speakers);
        let tensors = self.read(shapes, path)?;
        if self.tensors.len() != known.len() + tensors.len() {
            let known = |name: &str| tensors.contains_key(name) || known.iter().any(|k| k == name);
            let names = self.tensors.names().into_iter();
            let extra: Vec<&str> = names.filter(|n| !known(n)).collect();
            return Err(refuse(
                format!("tensors that belong to no layer: {}", extra.join(", ")),
                MUST_MATCH,
            ));
        }
        if let Some((name, _)) = tensors.iter().find(|(_, t)| t.number == Number::I8) {
            let fact = format!("tensor {name:?} is I8, wanted F32 or F16");
            return Err(refuse(fact, AGAIN));
        }
        let take = |name: &str| tensors.get(name).map(Stored::values).unwrap_or_default();
        let cohort = head.cohort_top.map(|top| Cohort {
            points: take(COHORT),
            top,
        });
        if head.quality.is_none() && cohort.is_some() {
            return Err(refuse("a cohort without quality terms".into(), AGAIN));
        }
        let whiten = is_whitening.then(|| take(WHITEN));
        let projection = Projection {
            groups: head.groups,
            ..Projection::new(take(MEAN), whiten)
        };
        Ok(PairHead {
            bias: head.bias,
            prior: head.prior,
            quality: head.quality.map(|weights| QualityTerms { weights, cohort }),
            lower_slope: head.lower_slope_below.map(|below| LowerSlope { below }),
            ..PairHead::new(projection, take(WEIGHT))
        })
    }

    /// Tensors by name, each of the shape that it must have.
    fn read(&self, shapes: Vec<(String, Vec<usize>)>, path: &Path) -> Result<Tensors> {
        let values = shapes.into_iter().map(|(name, shape)| {
            let values = self.tensor(&name, &shape);
            let values = values.map_err(|fact| refusal(path, fact, MUST_MATCH))?;
            Ok((name, values))
        });
        values.collect()
    }

    /// A tensor of the file, or what is wrong with it.
    fn tensor(&self, name: &str, shape: &[usize]) -> std::result::Result<Stored, String> {
        let tensor = self
            .tensors
            .tensor(name)
            .map_err(|_| format!("tensor {name:?} is missing, wanted shape {shape:?}"))?;
        if tensor.shape() != shape {
            return Err(format!(
                "tensor {name:?} has shape {:?}, wanted {shape:?}",
                tensor.shape()
            ));
        }
        let number = match tensor.dtype() {
            Dtype::F32 => Number::F32,
            Dtype::F16 => Number::F16,
            Dtype::I8 => Number::I8,
            other => return Err(format!("tensor {name:?} is {other}, wanted F32 or F16")),
        };
        let bytes = self.file.slice_ref(tensor.data());
        let stored = Stored { bytes, number };
        if stored.is_finite() {
            return Ok(stored);
        }
        let values = stored.values();
        let mut numbered = values.iter().enumerate();
        let (at, value) = numbered.find(|(_, v)| !v.is_finite()).expect("one is not");
        Err(format!("tensor {name:?} holds {value} at position {at}"))
    }

    /// BLAKE3 of all that decides an embedding: options, layers and their tensors.
    fn embedder_id(&self, model: &Model, tensors: &[String]) -> ModelId {
        let layers = |network: &Network| network.layers().to_vec();
        let parts = (
            &model.front_end,
            layers(&model.network),
            model.speech.as_ref().map(layers),
            // Whether the embedding ends in the seconds of speech.
            model.head.quality.is_some(),
        );
        // The number at the end goes up when the definition of what follows the network's output in an
        // embedding changes, such as the conditions.
        let context = "spkver 2026 what makes an embedding, 2";
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&serde_json::to_vec(&parts).expect("plain data"));
        for name in tensors.iter().filter(|name| !name.starts_with(OVERLAP)) {
            hasher.update(name.as_bytes());
            hasher.update(self.tensors.tensor(name).expect("read before").data());
        }
        ModelId::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// The bytes of a model file. The same model always gives the same bytes.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let size = model.head.voice_size();
    let conditions = model.head.size() - size;
    let quality = model.head.quality.as_ref();
    let cohort = quality.and_then(|quality| quality.cohort.as_ref());
    let speakers = cohort.map(|cohort| cohort.points.len() / size);
    let header = Header {
        format_version: FORMAT_VERSION,
        blake3: NO_CHECKSUM.into(),
        front_end: model.front_end.clone(),
        layers: model.network.layers().to_vec(),
        overlap: model.overlap.as_ref().map(|net| net.layers().to_vec()),
        overlap_term: model.has_overlap_term,
        speech: model.speech.as_ref().map(|net| net.layers().to_vec()),
        head: Head {
            size,
            conditions,
            groups: model.head.projection.groups,
            prior: model.head.prior,
            bias: model.head.bias,
            quality: quality.map(|quality| quality.weights),
            cohort_top: cohort.map(|cohort| cohort.top),
            lower_slope_below: model.head.lower_slope.map(|slope| slope.below),
        },
        limits: model.limits,
        rates: model.rates.clone(),
        sequential: model.sequential.clone(),
        card: model.card.clone(),
        rounded_from: model.rounded_from.map(|id| id.to_string()),
    };
    let mut shapes = vec![];
    let mut tensors = vec![];
    let networks = [
        (Some(&model.network), ""),
        (model.overlap.as_ref(), OVERLAP),
        (model.speech.as_ref(), SPEECH),
    ];
    for (network, prefix) in networks {
        let Some(network) = network else {
            continue;
        };
        let stored = |name: &str| network.stored(&name[prefix.len()..]);
        let is_int8 = |name: &str| stored(name).is_some_and(|t| t.number == Number::I8);
        let network_shapes = layer_shapes(network.layers(), prefix, is_int8);
        tensors.extend(
            network_shapes
                .iter()
                .map(|(name, _)| stored(name).expect("checked")),
        );
        shapes.extend(network_shapes);
    }
    let head = &model.head;
    let Projection { mean, whiten, .. } = &head.projection;
    let of_head = head_shapes([size, conditions], mean.len(), whiten.is_some(), speakers);
    let values = |name: &str| match name {
        MEAN => &mean[..],
        WHITEN => whiten.as_deref().unwrap_or_default(),
        WEIGHT => &head.weight,
        _ => cohort.map_or(&[][..], |cohort| &cohort.points),
    };
    tensors.extend(of_head.iter().map(|(name, _)| Stored::of(values(name))));
    shapes.extend(of_head);
    let views = shapes.iter().zip(&tensors).map(|((name, shape), stored)| {
        let dtype = match stored.number {
            Number::F32 => Dtype::F32,
            Number::F16 => Dtype::F16,
            Number::I8 => Dtype::I8,
        };
        let view = TensorView::new(dtype, shape.clone(), &stored.bytes);
        (name, view.expect("weights of a checked network"))
    });
    let text = serde_json::to_string(&header).expect("plain data");
    // There is a single key, because the order of several keys would vary.
    let metadata = [(KEY.to_string(), text)].into_iter().collect();
    let mut file = safetensors::serialize(views, Some(metadata)).expect("checked sizes");
    let at = find(&file, NO_CHECKSUM.as_bytes()).expect("just written");
    let digits = blake3::hash(&file).to_hex();
    file[at..at + NO_CHECKSUM.len()].copy_from_slice(digits.as_bytes());
    file
}

/// Writes a model file, completely or not at all. Returns the id of the file.
///
/// # Errors
/// [`Error::Io`].
#[cfg(feature = "save")]
pub fn save(path: &Path, model: &Model) -> Result<ModelId> {
    let bytes = to_bytes(model);
    super::write_whole(path, &bytes)?;
    Ok(ModelId::of(&bytes))
}

/// BLAKE3 hash of the file with the digits of the checksum set to zeros.
fn checksum(file: &[u8], header_end: usize, digits: &str) -> Option<String> {
    if digits.len() != NO_CHECKSUM.len() {
        return None;
    }
    let at = find(&file[..header_end], digits.as_bytes())?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file[..at]);
    hasher.update(NO_CHECKSUM.as_bytes());
    hasher.update(&file[at + digits.len()..]);
    Some(hasher.finalize().to_hex().to_string())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

/// Names and shapes of the layers' tensors. `is_int8` tells whether the weight of this name is I8.
fn layer_shapes(
    layers: &[Layer],
    prefix: &str,
    is_int8: impl Fn(&str) -> bool,
) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![];
    for (i, layer) in layers.iter().enumerate() {
        let full = |name: &str| format!("{prefix}{i}.{name}");
        let mut tensors = layer.tensors();
        if is_int8(&full("weight")) {
            tensors.extend(layer.int8_tensors());
        }
        shapes.extend(tensors.into_iter().map(|(name, shape)| (full(name), shape)));
    }
    shapes
}

fn head_shapes(
    [size, conditions]: [usize; 2],
    embedding_size: usize,
    is_whitening: bool,
    cohort_speakers: Option<usize>,
) -> Vec<(String, Vec<usize>)> {
    let whiten = is_whitening.then(|| (WHITEN.into(), vec![size, embedding_size]));
    let mut shapes = vec![(MEAN.into(), vec![embedding_size])];
    shapes.extend(whiten);
    shapes.push((WEIGHT.into(), vec![2 * (size + conditions)]));
    shapes.extend(cohort_speakers.map(|speakers| (COHORT.into(), vec![speakers, size])));
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_in_the_binary_is_intact() {
        from_bytes(EMBEDDED_FILE, Path::new(EMBEDDED)).unwrap();
    }
}
