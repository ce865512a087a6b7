//! Samples without any header, as telephone systems and `sox -t raw` leave them: the user says what
//! they are, as in `s16le:16000:1`.

use super::layout::{Coding, Layout, MAX_CHANNELS};
use super::pcm::{ByteOrder, Encoding};
use super::refusal::Refused;
use super::sample_rate::{RATES_HZ, check_rate};
use std::{path::Path, str::FromStr};

/// What the samples of a file without a header are.
///
/// ```
/// use spkver::{RawFormat, ReadOptions};
///
/// // Signed 16-bit samples at 8 kHz, one channel.
/// let format: RawFormat = "s16le:8000:1".parse()?;
/// let options = ReadOptions { raw: Some(format), ..ReadOptions::default() };
/// # assert!(options.raw.is_some());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawFormat {
    encoding: Encoding,
    order: ByteOrder,
    rate_hz: u32,
    num_channels: usize,
}

/// Names of the formats of samples, which are those of ffmpeg.
const ENCODINGS: [(&str, Encoding, ByteOrder); 14] = [
    ("s16le", Encoding::I16, ByteOrder::Little),
    ("s16be", Encoding::I16, ByteOrder::Big),
    ("s24le", Encoding::I24, ByteOrder::Little),
    ("s24be", Encoding::I24, ByteOrder::Big),
    ("s32le", Encoding::I32, ByteOrder::Little),
    ("s32be", Encoding::I32, ByteOrder::Big),
    ("f32le", Encoding::F32, ByteOrder::Little),
    ("f32be", Encoding::F32, ByteOrder::Big),
    ("f64le", Encoding::F64, ByteOrder::Little),
    ("f64be", Encoding::F64, ByteOrder::Big),
    ("u8", Encoding::U8, ByteOrder::Little),
    ("s8", Encoding::I8, ByteOrder::Little),
    ("mulaw", Encoding::Mulaw, ByteOrder::Little),
    ("alaw", Encoding::Alaw, ByteOrder::Little),
];

impl FromStr for RawFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let (Some(name), Some(rate), Some(channels), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("must be ENCODING:RATE:CHANNELS, such as s16le:16000:1".into());
        };
        let Some((_, encoding, order)) = ENCODINGS.iter().find(|(known, ..)| *known == name) else {
            let names = ENCODINGS.map(|(name, ..)| name).join(", ");
            return Err(format!("{name:?} is not an encoding; known are {names}"));
        };
        let rate_hz = rate.parse().ok().filter(|rate| RATES_HZ.contains(rate));
        let num_channels = channels.parse().ok();
        let num_channels = num_channels.filter(|n| (1..=MAX_CHANNELS).contains(n));
        let (from, to) = RATES_HZ.into_inner();
        Ok(RawFormat {
            encoding: *encoding,
            order: *order,
            rate_hz: rate_hz.ok_or_else(|| format!("the rate must be {from} to {to} Hz"))?,
            num_channels: num_channels
                .ok_or_else(|| format!("the channels must be 1 to {}", MAX_CHANNELS))?,
        })
    }
}

impl RawFormat {
    /// Samples of 16 bits, little endian, one channel.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] for a rate that is not supported.
    #[doc(hidden)]
    pub fn s16le(rate_hz: u32) -> crate::Result<Self> {
        check_rate(rate_hz, RATES_HZ).map_err(|refusal| refusal.of(Path::new("<samples>")))?;
        Ok(RawFormat {
            encoding: Encoding::I16,
            order: ByteOrder::Little,
            rate_hz,
            num_channels: 1,
        })
    }

    /// The layout of a file that holds nothing but samples.
    pub(super) fn layout(self, file_len: u64) -> Refused<Layout> {
        let layout = Layout {
            coding: Coding::Samples(self.encoding),
            order: self.order,
            num_channels: self.num_channels,
            rate_hz: self.rate_hz,
            data: 0..file_len,
            warning: None,
            truncated: false,
        };
        layout.fit(file_len)
    }
}
