//! A recording at 16 kHz and its speech flags in, [`Quality`] out: what a verification may hang on.

use super::{SAMPLE_RATE_HZ, vad};

/// What a recording holds, as far as level and voicing tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A voice, perhaps.
    Speech,
    /// Nothing, or next to it.
    Silence,
    /// Sound, but no voice: noise, a tone, clicks.
    NoSpeech,
}

/// Facts about a recording, computed once when it is read.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Sample rate of the file, in Hz.
    pub original_rate_hz: u32,
    /// Length, in seconds.
    pub seconds: f32,
    /// Net speech, in seconds, by the energy VAD relative to the file's own level.
    pub speech_seconds: f32,
    /// Whether there is a voice at all.
    pub content: Content,
    /// Highest frequency with speech energy, in Hz.
    pub bandwidth_hz: f32,
    /// Share of samples in flat tops at either extreme, 0 to 1.
    pub clipped: f32,
    /// Estimated signal-to-noise ratio, in dB.
    pub snr_db: f32,
    /// The file's header promised more than the file holds (or some such lie).
    pub warning: Option<String>,
}

/// Below this peak (−70 dB of full scale) a recording is silence.
const SILENCE_PEAK: f32 = 3.16e-4;

/// Everything that follows from the samples at 16 kHz; the rest is for the caller to fill in.
pub(super) fn measure(samples: &[f32], speech: &[bool]) -> Quality {
    let powers = vad::frame_powers(samples);
    let peak = samples.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    let content = if peak < SILENCE_PEAK {
        Content::Silence
    } else {
        Content::Speech
    };
    Quality {
        original_rate_hz: SAMPLE_RATE_HZ,
        seconds: samples.len() as f32 / SAMPLE_RATE_HZ as f32,
        speech_seconds: speech.iter().filter(|s| **s).count() as f32 * 0.01,
        content,
        bandwidth_hz: 8_000.0,
        clipped: 0.0,
        snr_db: snr_db(&powers, speech),
        warning: None,
    }
}

/// Mean power of speech frames, less the noise in them, over mean power of the others.
fn snr_db(powers: &[f32], speech: &[bool]) -> f32 {
    let mean_where = |wanted: bool| {
        let (sum, count) = powers
            .iter()
            .zip(speech)
            .filter(|(_, s)| **s == wanted)
            .fold((0.0f64, 0u32), |(sum, count), (p, _)| {
                (sum + f64::from(*p), count + 1)
            });
        (count > 0).then(|| sum / f64::from(count))
    };
    // Half a bit of 16-bit audio: no recording is cleaner than that.
    let floor = 1e-10;
    let noise = mean_where(false).unwrap_or(floor).max(floor);
    let signal = mean_where(true).unwrap_or(0.0) - noise;
    (10.0 * (signal.max(floor) / noise).log10()).clamp(-20.0, 80.0) as f32
}

/// Share of samples that lie in flat tops: three or more in a row within 0.1 % of the highest or
/// lowest sample. A wave that only touches full scale leaves its peak at once.
pub(super) fn clipped_share(samples: &[f32]) -> f32 {
    const MIN_RUN: usize = 3;
    /// Below this the steps of 16-bit audio make flat tops by themselves.
    const MIN_PEAK: f32 = 0.05;
    let (low, high) = samples.iter().fold((0.0f32, 0.0f32), |(low, high), &x| {
        (low.min(x), high.max(x))
    });
    let flat_in = |at_top: &dyn Fn(f32) -> bool| -> usize {
        samples
            .chunk_by(|a, b| at_top(*a) == at_top(*b))
            .filter(|run| run.len() >= MIN_RUN && at_top(run[0]))
            .map(<[f32]>::len)
            .sum()
    };
    let mut flat = 0;
    if high > MIN_PEAK {
        flat += flat_in(&|x| x >= high * 0.999);
    }
    if low < -MIN_PEAK {
        flat += flat_in(&|x| x <= low * 0.999);
    }
    flat as f32 / samples.len() as f32
}
