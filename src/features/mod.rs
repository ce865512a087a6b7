//! [`Waveform`] in, [`Features`] out: Kaldi's MFCC or log-mel, speech frames only, mean-normalised.

use crate::{Result, audio::Waveform};

/// Kaldi's MFCC options, by Kaldi's names; stored in the model file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfccConfig {
    /// Number of cepstra out, or 0 for log-mel (the DCT left off).
    pub num_ceps: usize,
    /// Number of mel bins.
    pub num_mel_bins: usize,
}

/// The extractor: tables made once from an [`MfccConfig`].
#[derive(Debug)]
pub struct Mfcc {
    config: MfccConfig,
}

/// `(T, C)` row-major, finite.
#[derive(Debug, Clone)]
pub struct Features {
    values: Vec<f32>,
    num_channels: usize,
}

impl Mfcc {
    /// Checks the options and makes the tables.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] naming the option.
    pub fn new(config: MfccConfig) -> Result<Self> {
        Ok(Mfcc { config })
    }
    /// The options.
    pub fn config(&self) -> &MfccConfig {
        &self.config
    }
    /// C of the features that leave.
    pub fn num_channels(&self) -> usize {
        self.config.num_ceps
    }
    /// Speech frames of `waveform`, mean-normalised over the utterance.
    pub fn extract(&self, waveform: &Waveform) -> Features {
        let _ = waveform;
        todo!("features")
    }
}

impl Features {
    /// T.
    pub fn num_frames(&self) -> usize {
        self.values.len() / self.num_channels
    }
    /// C.
    pub fn num_channels(&self) -> usize {
        self.num_channels
    }
    /// `(T, C)` row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
