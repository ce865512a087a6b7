//! Audio files in, [`Waveform`]s out: mono, finite, 16 kHz, non-empty, with quality facts.

mod vad;

pub use vad::{num_frames, speech_frames};

/// The one sample rate after the door, in Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Facts about a recording, computed once when it is read.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Sample rate of the file, in Hz.
    pub original_rate_hz: u32,
    /// Length, in seconds.
    pub seconds: f32,
    /// Net speech, in seconds, by the energy VAD relative to the file's own level.
    pub speech_seconds: f32,
    /// Highest frequency with speech energy, in Hz.
    pub bandwidth_hz: f32,
    /// Share of samples at or beyond full scale, 0 to 1.
    pub clipped: f32,
    /// Estimated signal-to-noise ratio, in dB.
    pub snr_db: f32,
    /// The file's header promised more than the file holds (or some such lie).
    pub warning: Option<String>,
}

/// A mono recording at 16 kHz: finite, non-empty, DC removed.
#[derive(Debug, Clone)]
pub struct Waveform {
    samples: Vec<f32>,
    speech: Vec<bool>,
    quality: Quality,
}

impl Waveform {
    /// Samples at 16 kHz, nominally −1 to 1.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }
    /// Speech or not, one flag per 10 ms (25 ms frames that fit wholly, as Kaldi's `snip_edges`).
    pub fn speech(&self) -> &[bool] {
        &self.speech
    }
    /// The quality facts.
    pub fn quality(&self) -> &Quality {
        &self.quality
    }
}
