//! A recording in, its speaker's [`Embedding`] out, or the [`Reason`] why it has none.

use super::{Embedding, Limits, Verifier};
use crate::{
    Result,
    audio::{Content, Quality, Recording, Waveform},
    features::LongFeatures,
    network::Cuts,
    scoring::Reason,
};
use zeroize::Zeroizing;

/// What the networks say of a fit recording.
pub(super) struct Heard {
    /// `(D,)`
    pub values: Vec<f32>,
    pub cuts: Cuts,
    /// Logit of two voices at once, by a model that has a detector.
    pub overlap: Option<f32>,
}

impl Verifier {
    /// The speaker's embedding, or why this recording has none. `(num_samples,) -> (E,)`
    ///
    /// # Errors
    /// The [`Reason`] that a user can act on.
    pub fn embed(&self, waveform: &Waveform) -> std::result::Result<Embedding, Reason> {
        let heard = self.hear(waveform)?;
        self.check_one_voice(heard.cuts, waveform.speech(), heard.overlap)?;
        self.embedding(heard.values, waveform.quality().speech_seconds)
    }

    /// [`Self::embed`] of a recording of any length, with the same bits.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Audio`] where its file cannot be read again.
    pub fn embed_recording(
        &self,
        recording: &mut Recording,
    ) -> Result<std::result::Result<Embedding, Reason>> {
        let recording = match recording {
            Recording::Held(waveform) => return Ok(self.embed(waveform)),
            Recording::Long(recording) => recording,
        };
        if let Some(reason) = unfit(recording.quality(), &self.model.limits) {
            return Ok(Err(reason));
        }
        let quality = recording.quality().clone();
        let mut features = LongFeatures::new(&self.mfcc, recording)?;
        let (num_frames, width) = (features.num_frames(), features.num_channels());
        if let Err(reason) = self.check_num_frames(num_frames, &quality) {
            return Ok(Err(reason));
        }
        let mut frames = |range| features.frames(range).map(<[f32]>::to_vec);
        let mut overlap = None;
        if let Some(detector) = &self.model.overlap {
            let (logit, _) = detector.embed_by_pieces(num_frames, width, &mut frames)?;
            match self.check_overlap(logit[0]) {
                Ok(logit) => overlap = Some(logit),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let network = &self.model.network;
        let (values, cuts) = network.embed_by_pieces(num_frames, width, frames)?;
        let speech = recording.speech();
        Ok(self
            .check_one_voice(cuts, speech, overlap)
            .and_then(|()| self.embedding(values, quality.speech_seconds)))
    }

    /// What the networks say of a fit recording.
    pub(super) fn hear(&self, waveform: &Waveform) -> std::result::Result<Heard, Reason> {
        if let Some(reason) = unfit(waveform.quality(), &self.model.limits) {
            return Err(reason);
        }
        let features = self.mfcc.extract(waveform);
        self.check_num_frames(features.num_frames(), waveform.quality())?;
        let overlap = match &self.model.overlap {
            Some(detector) => Some(self.check_overlap(detector.embed(&features)[0])?),
            None => None,
        };
        let (values, cuts) = self.model.network.embed_cut(&features);
        Ok(Heard {
            values,
            cuts,
            overlap,
        })
    }

    fn check_overlap(&self, logit: f32) -> std::result::Result<f32, Reason> {
        if !logit.is_finite() {
            Err(Reason::ScoreNotFinite)
        } else if logit > self.model.limits.max_overlap {
            Err(Reason::OverlappedSpeech { logit })
        } else {
            Ok(logit)
        }
    }

    /// `(D,) -> (E,)`: what the network says, and ln t where the head asks for it.
    pub(super) fn embedding(
        &self,
        values: Vec<f32>,
        speech_seconds: f32,
    ) -> std::result::Result<Embedding, Reason> {
        if self.model.head.quality.is_none() {
            return Embedding::new(values, self.id);
        }
        // Not pushed: a vector that grows leaves what it held in freed memory. Limits may allow no
        // speech.
        let values = Zeroizing::new(values);
        let extended = [&values[..], &[speech_seconds.max(0.01).ln()]].concat();
        Embedding::new(extended, self.id)
    }

    fn check_num_frames(
        &self,
        num_frames: usize,
        quality: &Quality,
    ) -> std::result::Result<(), Reason> {
        if num_frames >= self.model.network.receptive_field() {
            return Ok(());
        }
        Err(Reason::TooLittleSpeech {
            seconds: quality.speech_seconds,
            wanted: self.wanted_speech_seconds(),
        })
    }

    fn wanted_speech_seconds(&self) -> f32 {
        // The network's own need, at the VAD's hop of 10 ms.
        let receptive_field = self.model.network.receptive_field() as f32 * 0.01;
        self.model.limits.min_speech_seconds.max(receptive_field)
    }
}

/// Speech is counted in frames of 10 ms, and 40 of them are a little less than 0.4 s as f32.
const ROUNDING_SECONDS: f32 = 1e-4;

/// The one place where quality facts become reasons.
pub fn unfit(quality: &Quality, limits: &Limits) -> Option<Reason> {
    if quality.content == Content::Silence {
        Some(Reason::Silence)
    } else if quality.clipped > limits.max_clipped {
        // Before the voice is looked for: a voice that is clipped hard does not look like one.
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
