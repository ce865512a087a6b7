//! Audio files in, [`Waveform`]s out: mono, finite, 16 kHz, non-empty, with quality facts.
//!
//! ```text
//! path ─► decode (WAV: wav + pcm; FLAC, MP3, Ogg, M4A: symphonia) ─► one channel ─► resample
//!      ─► DC removed ─► vad + quality ─► Waveform
//! ```

mod compressed;
mod decode;
mod pcm;
mod quality;
mod resample;
mod vad;
mod voicing;
mod wav;

pub use decode::{Decoded, RATES_HZ, decode};
pub use quality::{Content, Quality};
pub use resample::resample;
pub use vad::{num_frames, speech_frames};

use crate::Result;
use std::path::Path;

/// The one sample rate after the door, in Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// How to read a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which channel, from 1; `None` takes the mean of all.
    pub channel: Option<usize>,
}

/// A mono recording at 16 kHz: finite, non-empty, DC removed.
#[derive(Debug, Clone)]
pub struct Waveform {
    samples: Vec<f32>,
    speech: Vec<bool>,
    quality: Quality,
}

/// Reads an audio file: WAV, FLAC, MP3, Ogg Vorbis or M4A (AAC), told by its content.
///
/// # Errors
/// [`crate::Error::Io`] when the file cannot be opened or read, [`crate::Error::Audio`] when what
/// it holds cannot be used.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Waveform> {
    let decoded = decode(path)?;
    let mono = decoded.mono(options.channel, path)?;
    let mut clipped = quality::clipped_share(&mono);
    if options.channel.is_none() && decoded.num_channels > 1 {
        // The mean hides the clipping of one channel.
        for k in 1..=decoded.num_channels {
            clipped = clipped.max(quality::clipped_share(&decoded.mono(Some(k), path)?));
        }
    }
    Ok(Waveform::new(
        mono,
        decoded.rate_hz,
        clipped,
        decoded.warning,
    ))
}

impl Waveform {
    /// A recording that is in memory already: mono, nominally −1 to 1, at 8 to 192 kHz.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] when the samples are none, not finite or far beyond full scale, or
    /// the rate is not taken.
    pub fn from_samples(samples: Vec<f32>, sample_rate_hz: u32) -> Result<Self> {
        decode::check_rate(sample_rate_hz)
            .and_then(|()| decode::check_samples(&samples))
            .map_err(|refusal| refusal.of(Path::new("<samples>")))?;
        let clipped = quality::clipped_share(&samples);
        Ok(Waveform::new(samples, sample_rate_hz, clipped, None))
    }

    fn new(mono: Vec<f32>, rate_hz: u32, clipped: f32, warning: Option<String>) -> Self {
        let seconds = mono.len() as f32 / rate_hz as f32;
        let mut samples = match rate_hz {
            SAMPLE_RATE_HZ => mono,
            _ => resample(&mono, rate_hz, SAMPLE_RATE_HZ),
        };
        let dc = mean(&samples);
        samples.iter_mut().for_each(|x| *x -= dc);
        let speech = speech_frames(&samples);
        let quality = Quality {
            original_rate_hz: rate_hz,
            seconds,
            clipped,
            warning,
            ..quality::measure(&samples, &speech)
        };
        Waveform {
            samples,
            speech,
            quality,
        }
    }

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

/// In double precision, by blocks that the compiler can keep in lanes; the order is fixed.
fn mean(samples: &[f32]) -> f32 {
    let sum: f64 = samples
        .chunks(1024)
        .map(|block| {
            let mut lanes = [0.0f64; 8];
            for octet in block.chunks(8) {
                for (lane, x) in lanes.iter_mut().zip(octet) {
                    *lane += f64::from(*x);
                }
            }
            lanes.iter().sum::<f64>()
        })
        .sum();
    (sum / samples.len() as f64) as f32
}
