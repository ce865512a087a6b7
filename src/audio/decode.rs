//! Decodes an audio file to blocks of samples: every channel, at the file's own rate. The format is
//! recognised by the first bytes, never by the name. A file that is not audio is refused with a
//! message that says what it is.

use super::compressed::Track;
use super::end::End;
use super::input::Input;
use super::layout::{Coding, Layout};
use super::raw::RawFormat;
use super::refusal::{self, Refusal, Refused};
use super::sample_rate::check_rate;
use super::{formats, mp4};
use crate::Result;
use std::ops::RangeInclusive;
use std::path::Path;

/// Sample rates of files that can be decoded, in Hz. Reading a recording allows fewer (`RATES_HZ`).
const DECODED_RATES_HZ: RangeInclusive<u32> = 1_000..=768_000;

/// Bytes of uncompressed samples that are converted at once, about.
const BLOCK_BYTES: usize = 64 << 10;

/// Floats beyond this are no audio: sums of their squares come near infinity. (Some programs write
/// floats at the scale of 16- or 32-bit integers.)
const MAX_LEVEL: f32 = 1e10;

/// A decoded file: all its channels at its own sample rate.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Channels interleaved, finite, nominally −1 to 1, at least one of each channel.
    pub samples: Vec<f32>,
    /// Channels, 1 or more.
    pub num_channels: usize,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    /// What the header states differently from the content, in words for the user.
    pub warning: Option<String>,
    /// Whether the recording was longer than what was read: the file is cut off, or part of it was left
    /// out.
    pub truncated: bool,
}

/// Reads a whole file with all its channels. The tests compare this with other decoders.
///
/// # Errors
/// [`crate::Error::Io`] when the file cannot be opened or read, [`crate::Error::Audio`] when what
/// it holds cannot be used.
pub fn decode(path: &Path) -> Result<Decoded> {
    let decode = || -> Refused<Decoded> {
        let mut blocks = Blocks::of(Input::open(path, None)?, None)?;
        let mut samples = vec![];
        while let Some(block) = blocks.next()? {
            samples.extend_from_slice(block);
        }
        let (num_channels, rate_hz) = (blocks.num_channels, blocks.rate_hz);
        let end = blocks.end()?;
        Ok(Decoded {
            samples,
            num_channels,
            rate_hz,
            warning: end.warning,
            truncated: end.truncated,
        })
    };
    decode().map_err(|refusal| refusal.of(path))
}

/// An audio file that is being decoded, block by block.
pub(super) struct Blocks {
    /// Channels, 1 or more.
    pub num_channels: usize,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    source: Source,
    samples: Vec<f32>,
    /// The bits of the largest sample so far. NaN and infinity have the largest bits of all.
    peak_bits: u32,
}

enum Source {
    Uncompressed {
        input: Input,
        layout: Layout,
        /// Where the next block starts.
        at: u64,
        /// Whether the length of the recording was unknown when its header was read.
        is_stream: bool,
    },
    Compressed(Box<Track>),
}

/// Where the samples of an uncompressed recording lie.
fn uncompressed(input: &mut Input, raw: Option<RawFormat>) -> Refused<Option<Layout>> {
    if let Some(layout) = formats::layout(input)? {
        return Ok(Some(layout));
    }
    match raw {
        Some(raw) if !formats::has_header(input.get(0, 512)?) => raw.layout(input.len()).map(Some),
        _ => Ok(None),
    }
}

impl Blocks {
    /// Reads the header. A file without one is read as `raw` says, if that is given.
    pub fn of(mut input: Input, raw: Option<RawFormat>) -> Refused<Self> {
        let (num_channels, rate_hz, source) = if let Some(layout) = uncompressed(&mut input, raw)? {
            let (channels, rate_hz) = (layout.num_channels, layout.rate_hz);
            let source = Source::Uncompressed {
                at: layout.data.start,
                is_stream: input.is_open(),
                input,
                layout,
            };
            (channels, rate_hz, source)
        } else if let Some(kind) = formats::foreign_kind(input.get(0, 512)?) {
            return Err(Refusal::new(
                format!("is {kind}, not audio that is read here"),
                refusal::CONVERT,
            ));
        } else {
            mp4::check(&mut input)?;
            let track = Box::new(Track::open(input)?);
            let (channels, rate_hz) = (track.num_channels, track.rate_hz);
            (channels, rate_hz, Source::Compressed(track))
        };
        check_rate(rate_hz, DECODED_RATES_HZ)?;
        Ok(Blocks {
            num_channels,
            rate_hz,
            source,
            samples: vec![],
            peak_bits: 0,
        })
    }

    /// Samples of each channel, if they can be counted before they are decoded.
    pub fn num_counted(&self) -> Option<usize> {
        let Source::Uncompressed {
            layout,
            is_stream: false,
            ..
        } = &self.source
        else {
            return None;
        };
        let bytes = (layout.data.end - layout.data.start) as usize;
        let units = bytes / layout.coding.unit_bytes(layout.num_channels);
        Some(match layout.coding {
            Coding::Samples(_) => units,
            Coding::Blocks(adpcm) => units * adpcm.block_frames,
        })
    }

    /// The next samples, channels interleaved, finite and of sane magnitude; `None` at the end.
    pub fn next(&mut self) -> Refused<Option<&[f32]>> {
        match &mut self.source {
            Source::Uncompressed {
                input,
                layout,
                at,
                is_stream,
            } => {
                let unit = layout.coding.unit_bytes(layout.num_channels);
                let left = ((layout.data.end - *at) / unit as u64) as usize;
                let most = BLOCK_BYTES.div_ceil(unit).min(left);
                if most == 0 {
                    return Ok(None);
                }
                let bytes = input.read_on(*at, unit, most)?;
                let whole = bytes.len() - bytes.len() % unit;
                if *is_stream && whole == 0 {
                    *layout = layout.clone().fit(input.len())?;
                    return Ok(None);
                }
                if !*is_stream && bytes.len() < most * unit {
                    layout.truncated = true;
                    layout.warning = Some("the file became shorter while it was read".into());
                    layout.data.end = *at;
                }
                let bytes = &bytes[..whole];
                *at += whole as u64;
                self.samples = match layout.coding {
                    Coding::Samples(encoding) => encoding.to_f32(bytes, layout.order),
                    Coding::Blocks(adpcm) => adpcm.to_f32(bytes),
                };
            }
            Source::Compressed(track) => {
                if !track.next(&mut self.samples)? {
                    self.samples.clear();
                }
            }
        }
        if self.samples.is_empty() {
            return Ok(None);
        }
        self.peak_bits = self.peak_bits.max(checked_peak_bits(&self.samples)?);
        Ok(Some(&self.samples))
    }

    /// The warnings of the whole file; call this when all is read.
    pub fn end(self) -> Refused<End> {
        check_silence(self.peak_bits)?;
        match self.source {
            Source::Uncompressed { layout, .. } => Ok(End {
                warning: layout.warning,
                truncated: layout.truncated,
            }),
            Source::Compressed(track) => track.end(),
        }
    }
}

/// Checks that there are samples, finite, of sane magnitude, and more than rounding errors.
pub(super) fn check_samples(samples: &[f32]) -> Refused<()> {
    if samples.is_empty() {
        return Err(Refusal::no_audio());
    }
    check_silence(checked_peak_bits(samples)?)
}

/// Checks that the samples are finite and of sane magnitude. Returns the bits of the largest, without
/// its sign.
pub(super) fn checked_peak_bits(samples: &[f32]) -> Refused<u32> {
    // One pass without branches: NaN and infinity have the largest exponents of all.
    let peak_bits = samples
        .iter()
        .fold(0, |peak, x| peak.max(x.abs().to_bits()));
    let peak = f32::from_bits(peak_bits);
    let fact = if !peak.is_finite() {
        "holds samples that are not finite (NaN or infinite)".into()
    } else if peak > MAX_LEVEL {
        format!("holds samples out of range (up to {peak:e}, full scale is 1)")
    } else {
        return Ok(peak_bits);
    };
    Err(Refusal::damaged(fact))
}

pub(super) fn check_silence(peak_bits: u32) -> Refused<()> {
    let peak = f32::from_bits(peak_bits);
    if peak > 0.0 && peak < f32::MIN_POSITIVE {
        return Err(Refusal::new(
            "holds nothing but silence (every sample is below 1.2e-38)",
            "record it again",
        ));
    }
    Ok(())
}
