//! A path in, [`Decoded`] out: every channel of an audio file at its own rate. The format is told
//! by the first bytes, never by the name; what is no audio is refused by what it is.

use super::{compressed, wav};
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::ops::RangeInclusive;
use std::path::Path;

/// Sample rates that are taken, in Hz. Below, speech is not; above, the number is damaged.
pub const RATES_HZ: RangeInclusive<u32> = 8_000..=192_000;

/// Largest file that is read, in bytes, and most samples that are decoded: 2 GiB of each, more
/// than three hours of 48 kHz. Somebody's voice fits into less.
const MAX_FILE_BYTES: u64 = 1 << 31;
pub(super) const MAX_SAMPLES: usize = 1 << 29;

/// Floats beyond this are no audio: their squares sum to infinity.
const MAX_LEVEL: f32 = 1e4;

/// A decoded file: all its channels at its own sample rate.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Channels interleaved, finite, nominally −1 to 1, at least one of each channel.
    pub samples: Vec<f32>,
    /// Channels, 1 or more.
    pub num_channels: usize,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    /// Where header and content disagree, in words for the user.
    pub warning: Option<String>,
}

/// A fact and a remedy, before the file's name is put to them.
#[derive(Debug)]
pub(super) struct Refusal {
    fact: String,
    remedy: &'static str,
}

/// The result of what knows no file name.
pub(super) type Refused<T> = std::result::Result<T, Refusal>;

impl Refusal {
    pub fn new(fact: impl Into<String>, remedy: &'static str) -> Self {
        Refusal {
            fact: fact.into(),
            remedy,
        }
    }

    pub fn of(self, path: &Path) -> Error {
        Error::Audio {
            path: path.to_path_buf(),
            fact: self.fact,
            remedy: self.remedy.into(),
        }
    }
}

impl Decoded {
    /// One channel: the `channel`th, from 1, or the mean of all.
    ///
    /// # Errors
    /// `path` has fewer channels.
    pub fn mono(&self, channel: Option<usize>, path: &Path) -> Result<Vec<f32>> {
        let n = self.num_channels;
        match channel {
            Some(k) if k == 0 || k > n => Err(Error::Audio {
                path: path.to_path_buf(),
                fact: format!(
                    "has {n} channel{}, not a channel {k}",
                    if n == 1 { "" } else { "s" }
                ),
                remedy: if n == 1 {
                    "leave `--channel` off".into()
                } else {
                    format!("choose `--channel` 1 to {n}")
                },
            }),
            _ if n == 1 => Ok(self.samples.clone()),
            Some(k) => Ok(self
                .samples
                .iter()
                .skip(k - 1)
                .step_by(n)
                .copied()
                .collect()),
            None => Ok(self
                .samples
                .chunks_exact(n)
                .map(|frame| frame.iter().sum::<f32>() / n as f32)
                .collect()),
        }
    }
}

/// Reads a file with all its channels.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened or read, [`Error::Audio`] when what it holds
/// cannot be used.
pub fn decode(path: &Path) -> Result<Decoded> {
    let cannot_read = |source| Error::io(path, "read", source);
    let metadata = fs::metadata(path).map_err(cannot_read)?;
    let refuse = |fact: &str, remedy| Err(Refusal::new(fact, remedy).of(path));
    if metadata.is_dir() {
        return refuse("is a directory", "name an audio file in it");
    }
    if !metadata.is_file() {
        return refuse(
            "is a device or a pipe",
            "save the recording to a file first",
        );
    }
    if metadata.len() == 0 {
        return refuse("is empty", "record it again");
    }
    if metadata.len() > MAX_FILE_BYTES {
        return refuse("is larger than 2 GiB", "cut out the part with the speaker");
    }
    let mut file = File::open(path).map_err(cannot_read)?;
    let mut opening = Vec::with_capacity(512);
    (&mut file)
        .take(512)
        .read_to_end(&mut opening)
        .map_err(cannot_read)?;

    let decoded = if wav::is_wav(&opening) {
        let mut bytes = opening;
        bytes.reserve(metadata.len() as usize);
        file.take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(cannot_read)?;
        decode_wav(&bytes)
    } else if let Some(kind) = foreign_kind(&opening) {
        Err(Refusal::new(
            format!("is {kind}, not audio that is read here"),
            "convert it to WAV, FLAC, MP3, Ogg Vorbis or M4A",
        ))
    } else {
        file.rewind().map_err(cannot_read)?;
        compressed::decode(file)
    };
    decoded
        .and_then(checked)
        .map_err(|refusal| refusal.of(path))
}

fn decode_wav(bytes: &[u8]) -> Refused<Decoded> {
    let layout = wav::layout(bytes)?;
    // Before the samples are converted: a damaged rate is the cheaper answer.
    check_rate(layout.rate_hz)?;
    let data = &bytes[layout.data];
    if data.len() / layout.encoding.bytes() > MAX_SAMPLES {
        return Err(too_long());
    }
    Ok(Decoded {
        samples: layout.encoding.to_f32(data, layout.order),
        num_channels: layout.num_channels,
        rate_hz: layout.rate_hz,
        warning: layout.warning,
    })
}

/// What holds for the samples of every format.
fn checked(decoded: Decoded) -> Refused<Decoded> {
    check_rate(decoded.rate_hz)?;
    check_samples(&decoded.samples)?;
    Ok(decoded)
}

pub(super) fn too_long() -> Refusal {
    Refusal::new(
        "is longer than is read here",
        "cut out the part with the speaker",
    )
}

pub(super) fn check_rate(rate_hz: u32) -> Refused<()> {
    if RATES_HZ.contains(&rate_hz) {
        return Ok(());
    }
    Err(Refusal::new(
        format!("claims a sample rate of {rate_hz} Hz, 8000 to 192000 are taken"),
        "record at 16000 Hz, or correct the header",
    ))
}

/// Non-empty, finite, of sane magnitude.
pub(super) fn check_samples(samples: &[f32]) -> Refused<()> {
    if samples.is_empty() {
        return Err(Refusal::new("holds no audio", "record it again"));
    }
    // One pass without branches: NaN and infinity have the largest exponents of all.
    let peak_bits = samples
        .iter()
        .fold(0, |peak, x| peak.max(x.abs().to_bits()));
    let peak = f32::from_bits(peak_bits);
    let remedy = "export the recording again as 16-bit WAV or FLAC";
    if !peak.is_finite() {
        Err(Refusal::new(
            "holds samples that are not finite (NaN or infinite)",
            remedy,
        ))
    } else if peak > MAX_LEVEL {
        Err(Refusal::new(
            format!("holds samples out of range (up to {peak:e}, full scale is 1)"),
            remedy,
        ))
    } else if peak > 0.0 && peak < f32::MIN_POSITIVE {
        Err(Refusal::new(
            "holds silence only (subnormal floats)",
            "record it again",
        ))
    } else {
        Ok(())
    }
}

/// What a file is that is not read, by its first bytes.
fn foreign_kind(opening: &[u8]) -> Option<&'static str> {
    const KINDS: [(usize, &[u8], &str); 20] = [
        (0, b"\x89PNG", "a PNG image"),
        (0, b"\xFF\xD8\xFF", "a JPEG image"),
        (0, b"GIF8", "a GIF image"),
        (0, b"%PDF", "a PDF document"),
        (0, b"PK\x03\x04", "a ZIP archive"),
        (0, b"\x1F\x8B", "a gzip archive"),
        (0, b"BZh", "a bzip2 archive"),
        (0, b"\xFD7zXZ", "an xz archive"),
        (0, b"7z\xBC\xAF", "a 7-Zip archive"),
        (0, b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
        (0, b"\x7FELF", "a program"),
        (0, b"SQLite format", "an SQLite database"),
        (0, b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
        (0, b"RIFF", "a RIFF file of another kind than WAVE"),
        (0, b"FORM", "AIFF"),
        (0, b"caff", "CAF"),
        (0, b".snd", "AU"),
        (0, b"#!AMR", "AMR"),
        (28, b"OpusHead", "Ogg Opus"),
        (28, b"Speex", "Ogg Speex"),
    ];
    let magic = KINDS
        .iter()
        .find(|(at, magic, _)| opening.get(*at..).is_some_and(|o| o.starts_with(magic)));
    if let Some((_, _, kind)) = magic {
        return Some(kind);
    }
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..);
    if opening.iter().all(|&b| b == 0) {
        Some("all zeros at its start")
    } else if opening.len() >= 16 && opening.iter().take(128).all(is_text) && opening[0] < 0x80 {
        Some("text")
    } else {
        None
    }
}
