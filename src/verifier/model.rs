//! The contents of a model file, checked: front-end, networks, head, limits and card.

use crate::{
    Error, Result,
    features::MfccConfig,
    network::Network,
    scoring::{MeasuredPoint, MeasuredRates, OperatingPoint, PairHead, TrialKind},
};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Everything that training and calibration decided. What the caller decides is the
/// [`OperatingPoint`](crate::scoring::OperatingPoint).
#[derive(Debug)]
pub struct Model {
    /// How recordings become features.
    pub front_end: MfccConfig,
    /// How features become an embedding.
    pub network: Network,
    /// The speech detector: one logit for each frame, before any mean is subtracted. Without it,
    /// the level of a frame decides whether it is speech.
    pub speech: Option<Network>,
    /// The detector of overlapped speech: one logit for the features of a recording. Not every model
    /// has it.
    pub overlap: Option<Network>,
    /// Whether the last output of `network` is the overlap term. It does not belong to the
    /// embedding. It is added to the logit of the detector `overlap`, if there is one, because the
    /// network's statistics also change when a second person speaks.
    pub has_overlap_term: bool,
    /// How two embeddings become a score.
    pub head: PairHead,
    /// Which recordings are refused.
    pub limits: Limits,
    /// Error rates on the calibration trials, if the model was calibrated.
    pub rates: Option<MeasuredRates>,
    /// The same for a recording that is scored again and again while it grows, see
    /// [`SequentialTest`](crate::scoring::SequentialTest).
    pub sequential: Option<MeasuredRates>,
    /// What people should know about the model.
    pub card: ModelCard,
    /// If its weights were rounded to int8: the id of the model that had them in f32. Voiceprints of
    /// that model are valid for this one too.
    pub rounded_from: Option<ModelId>,
}

impl Model {
    /// A copy with the networks as they were read or built: if they were switched to int8 since,
    /// the copy is in f32. See [`Network::as_made`].
    pub fn as_made(&self) -> Self {
        let copied = |network: &Option<Network>| network.as_ref().map(Network::as_made);
        Model {
            front_end: self.front_end.clone(),
            network: self.network.as_made(),
            speech: copied(&self.speech),
            overlap: copied(&self.overlap),
            has_overlap_term: self.has_overlap_term,
            head: self.head.clone(),
            limits: self.limits,
            rates: self.rates.clone(),
            sequential: self.sequential.clone(),
            card: self.card.clone(),
            rounded_from: self.rounded_from,
        }
    }

    /// D, the size of the embedding that the network makes.
    pub fn embedding_size(&self) -> usize {
        self.network.embedding_size() - usize::from(self.has_overlap_term)
    }

    /// What the network's outputs add to the logit of overlapped speech.
    pub(super) fn overlap_term_of(&self, outputs: &[f32]) -> f32 {
        match self.has_overlap_term {
            true => outputs[outputs.len() - 1],
            false => 0.0,
        }
    }

    /// The model with another network and head, to be calibrated: what depends on scores or embeddings is
    /// left out.
    pub fn with_network(self, network: Network, head: PairHead) -> Self {
        Model {
            network,
            has_overlap_term: false,
            head,
            limits: Limits {
                ln_length: None,
                ..self.limits.without_scores()
            },
            rates: None,
            sequential: None,
            rounded_from: None,
            ..self
        }
    }
}

/// Limits outside which a recording is refused, because its scores would mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Least net speech, in seconds.
    pub min_speech_seconds: f32,
    /// Largest share of samples at full scale, 0 to 1.
    pub max_clipped: f32,
    /// Lowest bandwidth (highest frequency with speech energy), in Hz.
    pub min_bandwidth_hz: f32,
    /// Lowest estimated signal-to-noise ratio, in dB.
    pub min_snr_db: f32,
    /// Lowest LLR between parts of a recording, scaled to two seconds of speech each; below it the
    /// recording has several speakers. None to skip this check.
    #[serde(alias = "min_steadiness", skip_serializing_if = "Option::is_none")]
    pub min_parts_llr: Option<f32>,
    /// A calibration can change the scale of the scores. This is the scale now, where the constants
    /// of `verifier/parts.rs` were chosen at 1.
    #[serde(alias = "steadiness_unit", skip_serializing_if = "is_one")]
    pub parts_scale: f32,
    /// What is added to the LLR between parts for each 10 dB by which the SNR is below 20 dB: some networks
    /// find the parts of a noisy recording less alike.
    #[serde(skip_serializing_if = "is_zero")]
    pub parts_noise: f32,
    /// Highest logit of [`Model::overlap`]; above it two speakers talk at the same time.
    pub max_overlap: f32,
    /// Smallest and largest ln|u| of the embeddings that the model makes, where u is the centred and
    /// whitened embedding. An imported vector outside this range was scaled by another program. None if
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ln_length: Option<(f32, f32)>,
}

/// What users should know about a model before they trust it.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelCard {
    /// Short name.
    pub name: String,
    /// What it is good for and what it is not good for.
    pub description: String,
    /// Training speech: corpora, speakers, hours.
    pub training_data: String,
    /// How it was trained: options, seed, version.
    pub recipe: String,
    /// Terms of use.
    pub license: String,
    /// How and on which trials it was calibrated.
    pub calibration: String,
    /// Its scores are no log-likelihood ratios yet: an imported network before its calibration.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncalibrated: bool,
    /// Error rates on speakers outside the training speech, by trial list.
    pub measured: BTreeMap<String, Measurement>,
}

/// Error rates on one trial list.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Equal error rate, 0 to 1.
    pub eer: f64,
    /// Target trials.
    pub num_targets: usize,
    /// Nontarget trials.
    pub num_nontargets: usize,
}

/// BLAKE3 hash of a model file, or of the parts that make its embeddings. The same id gives the same
/// bits. Its text is 64 hexadecimal digits.
///
/// ```
/// use spkver::{ModelId, Verifier};
///
/// let id = Verifier::embedded()?.id();
/// let text = id.to_string(); // to be kept beside an embedding
/// assert_eq!(text.parse::<ModelId>().unwrap(), id);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId([u8; 32]);

/// Default of [`Limits::max_overlap`], for a detector alone: odds of e^2.5, 12 to 1.
const MAX_OVERLAP: f32 = 2.5;

impl Model {
    /// Checks that the overlap detector gives one logit for every recording that has an embedding.
    ///
    /// # Errors
    /// [`Error::Usage`] that says what is wrong.
    pub(super) fn check_overlap(&self) -> Result<()> {
        let Some(overlap) = &self.overlap else {
            return Ok(());
        };
        let outputs = overlap.embedding_size();
        if outputs != 1 {
            return Err(Error::Usage(format!(
                "the detector of overlapped speech has {outputs} outputs; it must have 1"
            )));
        }
        Ok(())
    }

    /// Fewest frames of speech that the network and the detector of overlapped speech can take.
    pub(super) fn fewest_frames(&self) -> usize {
        let of_overlap = self.overlap.as_ref().map(Network::receptive_field);
        self.network.receptive_field().max(of_overlap.unwrap_or(0))
    }

    /// The error rates to expect at an operating point, as measured when the model was calibrated; for a
    /// kind of trial, or for all kinds together.
    pub fn expected(
        &self,
        point: &OperatingPoint,
        kind: Option<TrialKind>,
    ) -> Option<MeasuredPoint> {
        let all = self.rates.as_ref()?;
        let rates = kind.map_or(all, |kind| all.of(kind));
        Some(rates.at_threshold(f64::from(point.threshold().value())))
    }

    /// Checks that the speech detector gives one logit for each frame of 25 ms every 10 ms.
    ///
    /// # Errors
    /// [`Error::Usage`] that says what is wrong.
    pub(super) fn check_speech(&self) -> Result<()> {
        let Some(speech) = &self.speech else {
            return Ok(());
        };
        let front_end = &self.front_end;
        let grid = (front_end.frame_length_ms, front_end.frame_shift_ms);
        if grid != (25.0, 10.0) || !front_end.snip_edges {
            return Err(Error::Usage(
                "a model with a speech detector needs frames of 25 ms every 10 ms, with snip_edges"
                    .into(),
            ));
        }
        let (outputs, frames) = (speech.embedding_size(), speech.receptive_field());
        if outputs != 1 || frames % 2 == 0 {
            return Err(Error::Usage(format!(
                "the speech detector has {outputs} outputs and sees {frames} frames at once; 1 output \
                 and an odd number of frames are needed"
            )));
        }
        Ok(())
    }
}

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Limits {
    /// The same without the limits on scores, which hold for one head and its calibration.
    pub fn without_scores(self) -> Self {
        Limits {
            min_parts_llr: None,
            parts_scale: 1.0,
            parts_noise: 0.0,
            ..self
        }
    }

    /// # Errors
    /// [`Error::Usage`] that names the limit that makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        if !(self.min_speech_seconds >= 0.0 && self.min_speech_seconds.is_finite()) {
            return Err(Error::Usage(format!(
                "limits: min_speech_seconds is {}; it must be 0 or more",
                self.min_speech_seconds
            )));
        }
        if !(self.max_clipped > 0.0 && self.max_clipped <= 1.0) {
            return Err(Error::Usage(format!(
                "limits: max_clipped is {}; it must be above 0 and at most 1",
                self.max_clipped
            )));
        }
        if !(self.parts_scale > 0.0 && self.parts_scale.is_finite()) {
            return Err(Error::Usage(format!(
                "limits: parts_scale is {}; it must be above 0",
                self.parts_scale
            )));
        }
        for (name, value) in [
            ("min_bandwidth_hz", self.min_bandwidth_hz),
            ("min_snr_db", self.min_snr_db),
            ("min_parts_llr", self.min_parts_llr.unwrap_or(0.0)),
            ("parts_noise", self.parts_noise),
            ("max_overlap", self.max_overlap),
            (
                "ln_length",
                self.ln_length.map_or(0.0, |(low, high)| low + high),
            ),
        ] {
            if !value.is_finite() {
                return Err(Error::Usage(format!(
                    "limits: {name} is {value}; it must be finite"
                )));
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    /// - At least 0.4 s of speech.
    /// - At most a tenth of the samples clipped; even loud music on records stays below that.
    /// - A bandwidth of at least 2.7 kHz. None of 610 development recordings, and of 463 at 8 kHz, is
    ///   below 2.75 kHz; recordings that were once sampled at 5 kHz have at most 2.5.
    /// - A signal-to-noise ratio of at least −3 dB. In white noise at 10 dB the estimate is 3 dB or less
    ///   for one recording in four, and −6 dB for the lowest.
    fn default() -> Self {
        Limits {
            min_speech_seconds: 0.4,
            max_clipped: 0.1,
            min_bandwidth_hz: 2700.0,
            min_snr_db: -3.0,
            min_parts_llr: None,
            parts_scale: 1.0,
            parts_noise: 0.0,
            max_overlap: MAX_OVERLAP,
            ln_length: None,
        }
    }
}

impl ModelId {
    /// The id of a model file with these bytes.
    #[doc(hidden)]
    pub fn of(file: &[u8]) -> Self {
        ModelId(*blake3::hash(file).as_bytes())
    }

    /// The 32 bytes of the hash.
    #[doc(hidden)]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The id with these 32 bytes.
    #[doc(hidden)]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        ModelId(bytes)
    }

    /// The first 12 hexadecimal digits, to be shown to users.
    #[doc(hidden)]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_string()
    }
}

/// All 64 hexadecimal digits.
impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({})", self.short())
    }
}

impl FromStr for ModelId {
    type Err = blake3::HexError;

    fn from_str(hex: &str) -> std::result::Result<Self, Self::Err> {
        Ok(ModelId(*blake3::Hash::from_hex(hex)?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_that_make_sense() {
        type Edit = fn(&mut Limits);
        let check = |edit: Edit| {
            let mut limits = Limits::default();
            edit(&mut limits);
            limits.check()
        };
        let sensible: [Edit; 4] = [
            |_| {},
            |limits| limits.min_speech_seconds = 0.0,
            |limits| limits.max_clipped = 1.0,
            |limits| limits.min_parts_llr = Some(-4.0),
        ];
        let absurd: [(&str, Edit); 14] = [
            ("min_speech_seconds", |l| l.min_speech_seconds = -0.1),
            ("min_speech_seconds", |l| l.min_speech_seconds = f32::NAN),
            ("min_speech_seconds", |l| {
                l.min_speech_seconds = f32::INFINITY;
            }),
            ("max_clipped", |l| l.max_clipped = 0.0),
            ("max_clipped", |l| l.max_clipped = 1.0f32.next_up()),
            ("max_clipped", |l| l.max_clipped = f32::NAN),
            ("min_bandwidth_hz", |l| l.min_bandwidth_hz = f32::NAN),
            ("min_bandwidth_hz", |l| l.min_bandwidth_hz = f32::INFINITY),
            ("min_snr_db", |l| l.min_snr_db = f32::NEG_INFINITY),
            ("min_snr_db", |l| l.min_snr_db = f32::NAN),
            ("min_parts_llr", |l| l.min_parts_llr = Some(f32::NAN)),
            ("parts_scale", |l| l.parts_scale = 0.0),
            ("parts_scale", |l| l.parts_scale = f32::INFINITY),
            ("parts_scale", |l| l.parts_scale = f32::NAN),
        ];
        for edit in sensible {
            check(edit).unwrap();
        }
        for (name, edit) in absurd {
            let told = check(edit).unwrap_err().to_string();
            assert!(told.contains(name), "{told}");
        }
    }

    #[test]
    fn an_id_is_shown_as_its_digits() {
        let id = ModelId::of(b"");
        let digits = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(id.to_string(), digits);
        assert_eq!(id.short(), digits[..12]);
        assert_eq!(format!("{id:?}"), "ModelId(af1349b9f5f9)");
        assert_eq!(digits.parse::<ModelId>().unwrap(), id);
        assert_eq!(ModelId::from_bytes(id.bytes()), id);
        assert_eq!(id.bytes()[..2], [0xaf, 0x13]);
        assert!(digits[1..].parse::<ModelId>().is_err());
    }
}
