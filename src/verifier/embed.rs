//! From a recording to its speaker's [`Embedding`], or to the [`Reason`] why it has none.

use super::{Embedding, Limits, Verifier};
use crate::{
    audio::{Content, Quality, Waveform as Recording},
    features::Features,
    network::Cuts,
    scoring::{CONDITIONS, Reason, conditions},
};
use zeroize::Zeroizing;

/// A recording's embedding, or the reason why it has none, and its quality facts.
///
/// ```
/// use spkver::{Reason, Recording, Verifier};
///
/// let silence = Recording::from_samples(vec![0.0; 48_000], 16_000)?;
/// let analysis = Verifier::embedded()?.analyze(&silence);
/// assert_eq!(analysis.embedding.unwrap_err(), Reason::Silence);
/// assert_eq!(analysis.quality.seconds, 3.0);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug)]
pub struct Analysis {
    /// The speaker's embedding.
    pub embedding: std::result::Result<Embedding, Reason>,
    /// Facts about the recording.
    pub quality: Quality,
}

/// The networks' outputs for a recording.
pub(super) struct Outputs {
    /// `(D,)`, then the overlap term if the model has one.
    pub values: Vec<f32>,
    pub cuts: Cuts,
    /// Logit of overlapped speech, if the model has a detector for it.
    pub overlap: Option<f32>,
    /// Seconds of speech.
    pub seconds: f32,
    /// What the networks were given.
    pub frames: Frames,
}

/// The frames of a recording that the networks are given.
pub(super) struct Frames {
    /// Whether each frame is speech.
    pub speech: Vec<bool>,
    /// [`conditions`] of the recording.
    pub conditions: [f32; CONDITIONS],
}

impl Verifier {
    /// The speaker's embedding, or why this recording has none. `(num_samples,) -> (E,)`
    ///
    /// ```
    /// use spkver::{Reason, Recording, Verifier};
    ///
    /// let verifier = Verifier::embedded()?;
    /// let anna = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
    /// println!("{} numbers", verifier.embed(&anna)?.values().len());
    /// let start = Recording::from_samples(anna.samples()[..8_000].to_vec(), 16_000)?;
    /// let refused = verifier.embed(&start).unwrap_err();
    /// assert!(matches!(refused, Reason::TooLittleSpeech { .. }));
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The [`Reason`] that a user can act on.
    pub fn embed(&self, recording: &Recording) -> std::result::Result<Embedding, Reason> {
        self.analyze(recording).embedding
    }

    /// [`Self::embed`] with the quality facts.
    pub fn analyze(&self, recording: &Recording) -> Analysis {
        let (outputs, quality) = self.outputs(recording);
        Analysis {
            embedding: outputs.and_then(|outputs| self.of_one_voice(outputs)),
            quality,
        }
    }

    fn of_one_voice(&self, outputs: Outputs) -> std::result::Result<Embedding, Reason> {
        self.check_overlap(outputs.overlap)?;
        self.check_one_voice(outputs.cuts, &outputs.frames, outputs.overlap)?;
        self.embedding(outputs.values, outputs.seconds, outputs.frames.conditions)
    }

    /// The networks' outputs for a recording, and its quality facts.
    pub(super) fn outputs(
        &self,
        recording: &Recording,
    ) -> (std::result::Result<Outputs, Reason>, Quality) {
        let (frames, speech, quality) = self.frames(recording);
        let outputs = match unfit(&quality, &self.model.limits) {
            Some(reason) => Err(reason),
            None => self.outputs_of(&frames, speech, &quality),
        };
        (outputs, quality)
    }

    /// The features that the networks are given, `(T', C')`, and the quality facts.
    #[doc(hidden)]
    pub fn features(&self, recording: &Recording) -> (Features, Quality) {
        let (frames, speech, quality) = self.frames(recording);
        (self.mfcc.select(&frames, &speech), quality)
    }

    /// All frames of a recording `(T, C)`, which of them are speech `(T,)`, and the quality facts.
    fn frames(&self, recording: &Recording) -> (Vec<f32>, Vec<bool>, Quality) {
        let frames = self.mfcc.frames(recording.samples()); // (num_samples,) -> (T, C)
        let speech = self.speech(&frames, recording.speech()); // (T, C) -> (T,)
        let quality = recording.quality_of(&speech);
        (frames, speech, quality)
    }

    fn outputs_of(
        &self,
        frames: &[f32],
        speech: Vec<bool>,
        quality: &Quality,
    ) -> std::result::Result<Outputs, Reason> {
        let features = self.mfcc.select(frames, &speech); // (T, C) -> (T', C')
        self.check_num_frames(features.num_frames(), quality)?;
        let (values, cuts) = self.model.network.embed_cut(&features); // (T', C') -> (D,)
        let overlap = self.model.overlap.as_ref().map(|detector| {
            let all = self.mfcc.with_pauses(frames); // (T, C) -> (T, C')
            detector.embed(&all)[0] + self.model.overlap_term_of(&values)
        });
        Ok(Outputs {
            values,
            cuts,
            overlap,
            seconds: quality.speech_seconds,
            frames: Frames {
                speech: self.speech_of_features(speech),
                conditions: conditions(quality),
            },
        })
    }

    /// For each frame that the networks are given, whether it is speech. If the networks are given
    /// no pauses, all of them are.
    fn speech_of_features(&self, speech: Vec<bool>) -> Vec<bool> {
        match self.mfcc.config().speech_only {
            true => speech.into_iter().filter(|is_speech| *is_speech).collect(),
            false => speech,
        }
    }

    fn check_overlap(&self, logit: Option<f32>) -> std::result::Result<(), Reason> {
        match logit {
            Some(logit) if !logit.is_finite() => Err(Reason::ScoreNotFinite),
            Some(logit) if logit > self.model.limits.max_overlap => {
                Err(Reason::OverlappedSpeech { logit })
            }
            _ => Ok(()),
        }
    }

    /// Makes the embedding of the network's outputs: leaves out the overlap term and, if the head
    /// has quality terms, appends ln t (t seconds of speech) and the conditions. `(D,) -> (E,)`
    pub(super) fn embedding(
        &self,
        mut values: Vec<f32>,
        speech_seconds: f32,
        conditions: [f32; CONDITIONS],
    ) -> std::result::Result<Embedding, Reason> {
        values.truncate(self.model.embedding_size());
        if self.model.head.quality.is_none() {
            return Embedding::new(values, self.id);
        }
        // Copied instead of pushed, because a vector that grows leaves its old contents in freed memory.
        // At least 0.01 s, because a model's limits may allow a recording without speech.
        let values = Zeroizing::new(values);
        let ln_seconds = [speech_seconds.max(0.01).ln()];
        let extended = [&values[..], &ln_seconds, &conditions].concat();
        Embedding::new(extended, self.id)
    }

    fn check_num_frames(
        &self,
        num_frames: usize,
        quality: &Quality,
    ) -> std::result::Result<(), Reason> {
        if num_frames >= self.model.fewest_frames() {
            return Ok(());
        }
        Err(Reason::TooLittleSpeech {
            seconds: quality.speech_seconds,
            wanted: self.wanted_speech_seconds(),
        })
    }

    fn wanted_speech_seconds(&self) -> f32 {
        // What the networks need, at a hop of 10 ms.
        let needed = self.model.fewest_frames() as f32 * 0.01;
        self.model.limits.min_speech_seconds.max(needed)
    }
}

/// Tolerance for rounding: 40 frames of 10 ms are a little less than 0.4 s in f32.
const ROUNDING_SECONDS: f32 = 1e-4;

/// The reason to refuse a recording with these quality facts, if there is one. All limits on quality
/// facts are checked here.
pub fn unfit(quality: &Quality, limits: &Limits) -> Option<Reason> {
    if quality.content == Content::Silence {
        Some(Reason::Silence)
    } else if quality.clipped > limits.max_clipped {
        // Checked before the search for a voice: a voice that is clipped hard does not look like one.
        Some(Reason::Clipping {
            share: quality.clipped,
        })
    } else if quality.content == Content::NoSpeech {
        Some(Reason::NoSpeech)
    } else if quality.speech_seconds < limits.min_speech_seconds - ROUNDING_SECONDS {
        Some(Reason::TooLittleSpeech {
            seconds: quality.speech_seconds,
            wanted: limits.min_speech_seconds,
        })
    } else if quality.bandwidth_hz < limits.min_bandwidth_hz {
        Some(Reason::BandLimited {
            bandwidth_hz: quality.bandwidth_hz,
            wanted_hz: limits.min_bandwidth_hz,
        })
    } else if quality.snr_db < limits.min_snr_db {
        Some(Reason::Noisy {
            snr_db: quality.snr_db,
            wanted_db: limits.min_snr_db,
        })
    } else {
        None
    }
}
