//! The [`Quality`] of a recording: facts that decide whether a verification can be trusted.

use super::mono::Facts;
use super::sample_rate::SAMPLE_RATE_HZ;
use super::vad::speech_seconds;
use super::voicing::{self, BIN_HZ, NUM_BINS, VoiceFrames};

/// What a recording holds, as far as level and voicing tell.
///
/// ```
/// use spkver::{Content, Recording};
///
/// let silence = Recording::from_samples(vec![0.0; 16_000], 16_000)?;
/// assert_eq!(silence.quality().content, Content::Silence);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Perhaps a voice: level and voicing do not speak against it.
    Speech,
    /// Nothing, or nearly nothing.
    Silence,
    /// Sound, but no voice: noise, a tone, clicks.
    NoSpeech,
}

/// Facts about a recording, computed once when it is read.
///
/// ```
/// let recording = spkver::Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let quality = recording.quality();
/// assert!(quality.speech_seconds <= quality.seconds && quality.snr_db > 20.0);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Sample rate of the file, in Hz.
    pub original_rate_hz: u32,
    /// Length, in seconds.
    pub seconds: f32,
    /// Seconds that were used: all of them or, for a long recording, the seconds of the excerpt.
    pub used_seconds: f32,
    /// Net speech, in seconds: by the speech detector where the model has one, else by the energy VAD
    /// relative to the file's own level.
    #[serde(serialize_with = "hundredths")]
    pub speech_seconds: f32,
    /// Whether there is a voice at all.
    pub content: Content,
    /// Highest frequency with speech energy, in Hz.
    pub bandwidth_hz: f32,
    /// Level of the voice from 80 to 250 Hz relative to its level from 300 to 3400 Hz, in dB. A
    /// telephone line passes nothing below 300 Hz: over a quiet line this is −20 or less, in clean
    /// recordings rarely below −17.
    pub low_band_db: f32,
    /// Share of samples in flat tops at either extreme, 0 to 1.
    pub clipped: f32,
    /// Estimated signal-to-noise ratio, in dB.
    pub snr_db: f32,
    /// What is wrong with the file, for example a header that promises more than the file holds.
    pub warning: Option<String>,
    /// Whether the recording was longer than what was read: the file is cut off, or part of it was left
    /// out.
    pub truncated: bool,
}

/// Rounds to hundredths of a second, in which speech is counted. An f32 cannot hold them exactly, and
/// would be written as 1.8499999 instead of 1.85.
fn hundredths<S: serde::Serializer>(seconds: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f32((f64::from(*seconds) * 100.0).round() as f32 / 100.0)
}

/// Below this peak (−70 dB of full scale) a recording is silence.
const SILENCE_PEAK: f32 = 3.16e-4;

/// With fewer frames, a voice cannot be told from other sounds, and the frames are believed to be
/// speech.
const MIN_FRAMES: usize = 20;

/// All quality facts of a recording, from its samples at 16 kHz, and for each frame its power and whether
/// it is speech.
pub(super) fn measure(samples: &[f32], powers: &[f32], speech: &[bool], facts: Facts) -> Quality {
    let voice_frames = VoiceFrames::new(samples, speech);
    Quality {
        original_rate_hz: facts.original_rate_hz,
        seconds: facts.seconds,
        used_seconds: samples.len() as f32 / SAMPLE_RATE_HZ as f32,
        speech_seconds: speech_seconds(speech),
        content: content(samples, speech.len(), &voice_frames),
        bandwidth_hz: bandwidth_hz(voice_frames.spectra()),
        low_band_db: low_band_db(voice_frames.spectra()),
        clipped: facts.clipped,
        snr_db: snr_db(powers, speech),
        warning: facts.end.warning,
        truncated: facts.end.truncated,
    }
}

/// `num_frames` counts all frames; `voice_frames` are some of those that are speech.
fn content(samples: &[f32], num_frames: usize, voice_frames: &VoiceFrames) -> Content {
    if samples.iter().all(|x| x.abs() < SILENCE_PEAK) {
        return Content::Silence;
    }
    let num_speech = voice_frames.num_frames();
    let voice = if num_speech < MIN_FRAMES {
        num_speech > 0 || num_frames < MIN_FRAMES
    } else {
        voice_frames.evidence().of_a_voice()
    };
    if voice {
        Content::Speech
    } else {
        Content::NoSpeech
    }
}

/// The upper edge of the highest band of 125 Hz that carries speech in its loudest frames: within
/// 55 dB of the strongest band. `(F, NUM_BINS) -> Hz`
fn bandwidth_hz(spectra: &[f32]) -> f32 {
    const BINS: usize = 8;
    const BELOW_PEAK: f32 = 3.2e-6;
    let bands: Vec<f32> = (0..NUM_BINS / BINS)
        .map(|band| {
            let mut levels: Vec<f32> = spectra
                .chunks_exact(NUM_BINS)
                .map(|s| s[band * BINS..(band + 1) * BINS].iter().sum())
                .collect();
            voicing::quantile(&mut levels, 0.95)
        })
        .collect();
    let peak = bands.iter().copied().fold(0.0, f32::max);
    let highest = bands.iter().rposition(|&level| level > peak * BELOW_PEAK);
    highest.map_or(0.0, |band| ((band + 1) * BINS) as f32 * BIN_HZ)
}

/// Ratio of the power from 80 to 250 Hz to the power from 300 to 3400 Hz, in dB; 0 without voice.
/// `(F, NUM_BINS) -> 1`
fn low_band_db(spectra: &[f32]) -> f32 {
    let power = |from_hz: f32, to_hz: f32| -> f64 {
        let bins = (from_hz / BIN_HZ) as usize..(to_hz / BIN_HZ) as usize;
        let frames = spectra.chunks_exact(NUM_BINS);
        let sums = frames.map(|s| s[bins.clone()].iter().map(|p| f64::from(*p)).sum::<f64>());
        sums.sum()
    };
    let (low, middle) = (power(80.0, 250.0), power(300.0, 3400.0));
    if middle <= 0.0 {
        return 0.0;
    }
    (10.0 * (low / middle).log10()).clamp(-60.0, 60.0) as f32
}

/// Mean power of the speech frames minus that of the noise in them, divided by the mean power of the
/// other frames.
fn snr_db(powers: &[f32], speech: &[bool]) -> f32 {
    /// Fewer frames of background than this say little about it.
    const MIN_BACKGROUND: usize = 10;
    let powers_where = |wanted: bool| {
        let chosen = powers
            .iter()
            .zip(speech)
            .filter(move |(_, s)| **s == wanted);
        chosen.map(|(p, _)| f64::from(*p))
    };
    let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
    // Half a bit of 16-bit audio: no recording is cleaner than that.
    let floor = 1e-10;
    let num_background = powers_where(false).count();
    let noise = if num_background < MIN_BACKGROUND {
        f64::from(voicing::quantile(&mut powers.to_vec(), 0.05))
    } else {
        mean(powers_where(false).sum(), num_background)
    };
    let noise = noise.max(floor);
    let signal = (mean(powers_where(true).sum(), powers_where(true).count()) - noise).max(floor);
    (10.0 * (signal / noise).log10()).clamp(-20.0, 80.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_line_passes_nothing_below_300_hz() {
        // Equal power in each bin of two frames: 11 bins from 80 to 250 Hz, 198 from 300 to 3400.
        let full = vec![1.0; 2 * NUM_BINS];
        let expected = 10.0 * (11.0f32 / 198.0).log10();
        assert!(
            (low_band_db(&full) - expected).abs() < 0.2,
            "{}",
            low_band_db(&full)
        );
        let mut line = full;
        for frame in line.chunks_exact_mut(NUM_BINS) {
            frame[..(300.0 / BIN_HZ) as usize].fill(0.01);
        }
        assert!((low_band_db(&line) - (expected - 20.0)).abs() < 0.2);
        assert_eq!(low_band_db(&[]), 0.0);
        assert_eq!(low_band_db(&vec![0.0; NUM_BINS]), 0.0);
    }
}
