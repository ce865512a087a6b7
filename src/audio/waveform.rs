//! [`Waveform`], the form in which every recording is used, and the functions that read a file into it.

use super::decode;
use super::input::Input;
use super::mixdown::FlatTops;
use super::mono::{Facts, Mono};
use super::options::ReadOptions;
use super::quality::{self, Quality};
use super::resample::resample;
use super::sample_rate::{RATES_HZ, SAMPLE_RATE_HZ, check_rate};
use super::vad;
use crate::Result;
use crate::kernels::ROUND;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// A mono recording at 16 kHz: finite, non-empty, DC removed.
///
/// ```
/// use spkver::Recording;
///
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let samples = recording.samples().to_vec(); // (num_samples,) at 16 kHz
/// let again = Recording::from_samples(samples, 16_000)?;
/// assert_eq!(again.quality().speech_seconds, recording.quality().speech_seconds);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Clone)]
pub struct Waveform {
    samples: Vec<f32>,
    facts: Facts,
    /// Power of each frame.
    powers: Vec<f32>,
    /// Whether each frame is speech, judged by level.
    speech: Vec<bool>,
}

/// Reads an audio file of any supported format, which is recognised by its content.
///
/// # Errors
/// [`crate::Error::Io`] when the file cannot be opened or read, [`crate::Error::Audio`] when what
/// it holds cannot be used.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Waveform> {
    Input::open(path, options.max_bytes)
        .and_then(|input| Mono::read(input, options))
        .map(Waveform::new)
        .map_err(|refusal| refusal.of(path))
}

/// [`read`] for a stream, such as standard input; errors call it `name`.
///
/// # Errors
/// As [`read`].
pub fn read_from(stream: impl Read, name: &Path, options: &ReadOptions) -> Result<Waveform> {
    Input::drain(stream, options.max_bytes)
        .and_then(|input| Mono::read(input, options))
        .map(Waveform::new)
        .map_err(|refusal| refusal.of(name))
}

/// Reads all samples of a file for training: mono, at 16 kHz, no excerpt, DC not removed.
///
/// # Errors
/// As [`read`].
pub fn read_samples(path: &Path) -> Result<Vec<f32>> {
    let options = ReadOptions {
        all: true,
        ..ReadOptions::default()
    };
    Input::open(path, None)
        .and_then(|input| Mono::read(input, &options))
        .map(|mono| mono.samples)
        .map_err(|refusal| refusal.of(path))
}

/// Leaves out the samples, because there are many.
impl fmt::Debug for Waveform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waveform({} samples)", self.samples.len())
    }
}

impl Waveform {
    /// Opens an audio file: WAV, and with the feature `formats` also FLAC, MP3, Opus, Ogg
    /// Vorbis, M4A and more.
    ///
    /// ```
    /// use spkver::{ReadOptions, Recording};
    ///
    /// let recording = Recording::open("fixtures/voices/anna-1.wav", &ReadOptions::default())?;
    /// assert!(recording.seconds() > 2.0 && recording.quality().warning.is_none());
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`].
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        read(path.as_ref(), options)
    }

    /// A recording that is in memory already: mono, nominally −1 to 1, at 8 to 192 kHz.
    ///
    /// ```
    /// use spkver::Recording;
    ///
    /// let tone: Vec<f32> = (0..96_000).map(|i| 0.1 * (i as f32 * 0.05).sin()).collect();
    /// let recording = Recording::from_samples(tone, 48_000)?;
    /// assert_eq!((recording.seconds(), recording.samples().len()), (2.0, 32_000));
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::Audio`] when there are no samples, when they are not finite or far beyond full
    /// scale, or when the rate is not supported.
    pub fn from_samples(samples: Vec<f32>, sample_rate_hz: u32) -> Result<Self> {
        check_rate(sample_rate_hz, RATES_HZ)
            .and_then(|()| decode::check_samples(&samples))
            .map_err(|refusal| refusal.of(Path::new("<samples>")))?;
        let mut clipping = FlatTops::default();
        clipping.count(&samples);
        let num_in = samples.len();
        let samples = match sample_rate_hz {
            SAMPLE_RATE_HZ => samples,
            _ => resample(&samples, sample_rate_hz, SAMPLE_RATE_HZ),
        };
        Ok(Waveform::new(Mono {
            facts: Facts::new(sample_rate_hz, num_in, clipping.share()),
            samples,
        }))
    }

    pub(super) fn new(mono: Mono) -> Self {
        let mut samples = mono.samples;
        samples.iter_mut().for_each(|x| *x = to_16_bits(*x));
        let dc = mean(&samples);
        samples.iter_mut().for_each(|x| *x -= dc);
        let powers = vad::frame_powers(&samples);
        Waveform {
            facts: mono.facts,
            speech: vad::flags(&powers),
            powers,
            samples,
        }
    }

    /// Samples at 16 kHz, nominally −1 to 1.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }
    /// Speech or not, judged by level alone: one flag per 10 ms (25 ms frames that fit wholly, as
    /// Kaldi's `snip_edges`). A verifier whose model has a speech detector uses that instead.
    #[doc(hidden)]
    pub fn speech(&self) -> &[bool] {
        &self.speech
    }

    /// The quality facts, with speech judged by level.
    pub fn quality(&self) -> Quality {
        self.quality_of(&self.speech)
    }

    /// The quality facts, with speech as `speech` has it: a flag for each frame.
    #[doc(hidden)]
    pub fn quality_of(&self, speech: &[bool]) -> Quality {
        quality::measure(&self.samples, &self.powers, speech, self.facts.clone())
    }

    /// Length of the recording as it was, in seconds.
    pub fn seconds(&self) -> f32 {
        self.facts.seconds
    }
}

/// The sample, rounded to 16 bits, which adds a little noise at all frequencies. A telephone call at 8 kHz has
/// exact silence above 4 kHz, and MP3 has it above the band that the codec kept. The networks learned from files
/// of 16 bits, which are never that silent. Without the noise, a call got other scores at 8 kHz than after
/// another program had brought it to 16 kHz.
fn to_16_bits(sample: f32) -> f32 {
    ((sample * 32768.0 + ROUND) - ROUND) / 32768.0
}

/// The mean in double precision, by blocks that the compiler can keep in lanes; the order is fixed.
fn mean(samples: &[f32]) -> f32 {
    let sum: f64 = samples.chunks(SUMMED).map(block_sum).sum();
    (sum / samples.len() as f64) as f32
}

/// Samples whose sum is taken before it is added to the others'.
const SUMMED: usize = 1024;

fn block_sum(block: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    for octet in block.chunks(8) {
        for (lane, x) in lanes.iter_mut().zip(octet) {
            *lane += f64::from(*x);
        }
    }
    lanes.iter().sum()
}
