//! Bytes of a WAV file in, a [`Layout`] out: what the samples are and where they lie. Nothing in
//! the header is believed: sizes are held against the bytes that are there, and a lie that leaves
//! the samples readable becomes a warning.
//!
//! RIFF, RIFX (big-endian), RF64 and BW64 (EBU Tech 3306: 64-bit sizes in `ds64`) and Sony Wave64
//! (GUIDs in place of four-letter names) are the same list of chunks in four spellings. One walk
//! reads them all, rather than hound first and a second reader for its refusals: of the files in
//! our corpus that must be read hound 3.5 refuses eight (padded odd chunks, sizes of a pipe, float64,
//! a wrong byte rate...), and it takes one whose two format headers contradict each other.

use super::decode::{Refusal, Refused};
use super::pcm::{ByteOrder, Encoding};
use std::ops::Range;

/// Where the samples lie in the file, and what they are.
#[derive(Debug)]
pub struct Layout {
    pub encoding: Encoding,
    pub order: ByteOrder,
    pub num_channels: usize,
    pub rate_hz: u32,
    /// Whole sample frames only.
    pub data: Range<usize>,
    /// What the header says and the file does not keep.
    pub warning: Option<String>,
}

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xFFFE;
/// What follows the tag in the GUID of a WAVE_FORMAT_EXTENSIBLE sub-format.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// What follows `riff` in the GUID that opens a Wave64 file.
const W64_RIFF_TAIL: [u8; 12] = [
    0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0,
];
/// A count that says "look elsewhere" or "not known when this was written".
const SIZE_UNKNOWN: u64 = 0xFFFF_FFFF;
/// More channels than any array microphone has: a damaged header.
const MAX_CHANNELS: usize = 64;

/// One chunk: its name, the size it claims, and where its content starts.
struct Chunk {
    id: [u8; 4],
    size: u64,
    body: usize,
}

/// Whether `bytes` open as one of the four spellings.
pub fn is_wav(bytes: &[u8]) -> bool {
    Spelling::of(bytes).is_some()
}

#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    Riff,
    Rifx,
    Rf64,
    Wave64,
}

impl Spelling {
    fn of(bytes: &[u8]) -> Option<Self> {
        let form = bytes.get(8..12);
        match bytes.get(..4)? {
            b"RIFF" if form == Some(b"WAVE") => Some(Spelling::Riff),
            b"RIFX" if form == Some(b"WAVE") => Some(Spelling::Rifx),
            b"RF64" | b"BW64" if form == Some(b"WAVE") => Some(Spelling::Rf64),
            b"riff" if bytes.get(4..16) == Some(&W64_RIFF_TAIL) => Some(Spelling::Wave64),
            _ => None,
        }
    }

    fn order(self) -> ByteOrder {
        match self {
            Spelling::Rifx => ByteOrder::Big,
            _ => ByteOrder::Little,
        }
    }

    fn first_chunk(self) -> usize {
        match self {
            Spelling::Wave64 => 40,
            _ => 12,
        }
    }

    fn chunk_at(self, bytes: &[u8], at: usize) -> Option<Chunk> {
        let head = bytes.get(at..)?;
        let id = head.get(..4)?.try_into().ok()?;
        Some(if self == Spelling::Wave64 {
            let size = u64::from_le_bytes(head.get(16..24)?.try_into().ok()?);
            // Wave64 counts the chunk's own head of 24 bytes.
            let size = size.saturating_sub(24);
            Chunk {
                id,
                size,
                body: at + 24,
            }
        } else {
            let size = u64::from(self.order().u32(head.get(4..8)?));
            Chunk {
                id,
                size,
                body: at + 8,
            }
        })
    }

    /// Where the next chunk starts: RIFF pads to 2 bytes, Wave64 to 8.
    fn after(self, bytes: &[u8], chunk: &Chunk) -> Option<usize> {
        let end = chunk.body.checked_add(usize::try_from(chunk.size).ok()?)?;
        if self == Spelling::Wave64 {
            return end.checked_next_multiple_of(8);
        }
        if end % 2 == 0 {
            return Some(end);
        }
        // Some writers forget the pad byte; a name that starts here gives them away.
        let unpadded = bytes.get(end..end + 4).is_some_and(is_chunk_id);
        Some(if unpadded { end } else { end + 1 })
    }
}

fn is_chunk_id(id: &[u8]) -> bool {
    id.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ')
}

/// Reads the header of a WAV file.
pub fn layout(bytes: &[u8]) -> Refused<Layout> {
    let Some(spelling) = Spelling::of(bytes) else {
        return Err(Refusal::new("is not a WAV file", "convert it to WAV"));
    };
    let order = spelling.order();
    let mut format: Option<(&[u8], Format)> = None;
    let mut data: Option<Chunk> = None;
    let mut data_size_64 = None;
    let mut at = spelling.first_chunk();
    while format.is_none() || data.is_none() {
        let Some(chunk) = spelling.chunk_at(bytes, at) else {
            break;
        };
        let body = bytes
            .get(chunk.body..)
            .and_then(|rest| rest.get(..usize::try_from(chunk.size).ok()?));
        match (&chunk.id, body) {
            (b"data", _) => {
                let next = spelling.after(bytes, &chunk);
                if data.is_none() && (chunk.size > 0 || streams_on(spelling, bytes, chunk.body)) {
                    data = Some(chunk);
                }
                let Some(next) = next else { break };
                at = next;
                continue;
            }
            (_, None) => {
                let name = String::from_utf8_lossy(&chunk.id).into_owned();
                return Err(damaged(format!(
                    "the header's chunk {name:?} claims {} bytes, the file ends before that",
                    chunk.size
                )));
            }
            (b"fmt ", Some(body)) => {
                if format.as_ref().is_some_and(|(first, _)| *first != body) {
                    return Err(damaged("holds two contradictory format headers".into()));
                }
                format = Some((body, Format::parse(body, order)?));
            }
            (b"ds64", Some(body)) if spelling == Spelling::Rf64 => {
                data_size_64 = body
                    .get(8..16)
                    .map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")));
            }
            _ => {}
        }
        let Some(next) = spelling.after(bytes, &chunk) else {
            break;
        };
        at = next;
    }
    let Some((_, format)) = format else {
        return Err(damaged("has no format header (`fmt ` chunk)".into()));
    };
    let Some(data) = data else {
        return Err(Refusal::new("holds no audio", "record it again"));
    };
    let declared = match data_size_64 {
        Some(size) if data.size == SIZE_UNKNOWN => size,
        _ => data.size,
    };
    place(bytes.len(), format, order, &data, declared)
}

/// A recorder that was cut off leaves a size of 0 and audio behind it; an empty file has nothing
/// there, or another chunk.
fn streams_on(spelling: Spelling, bytes: &[u8], body: usize) -> bool {
    let another_chunk = spelling
        .chunk_at(bytes, body)
        .is_some_and(|c| is_chunk_id(&c.id) && c.size <= (bytes.len() - c.body) as u64);
    bytes.len() > body && !another_chunk
}

/// Holds the size that the header claims against the file.
fn place(
    file_len: usize,
    format: Format,
    order: ByteOrder,
    data: &Chunk,
    declared: u64,
) -> Refused<Layout> {
    let there = file_len.saturating_sub(data.body);
    let frame_bytes = format.num_channels * format.encoding.bytes();
    let held = if declared == 0 {
        there
    } else {
        usize::try_from(declared).unwrap_or(usize::MAX).min(there)
    };
    let whole = held - held % frame_bytes;
    if whole == 0 {
        return Err(Refusal::new("holds no audio", "record it again"));
    }
    let warning = if declared == 0 || declared > there as u64 {
        Some(format!(
            "the header promises {declared} bytes of audio, the file holds {there}; \
             read what is there"
        ))
    } else if whole != held {
        Some("the audio ends in the middle of a sample; the rest of it was left out".into())
    } else {
        None
    };
    Ok(Layout {
        encoding: format.encoding,
        order,
        num_channels: format.num_channels,
        rate_hz: format.rate_hz,
        data: data.body..data.body + whole,
        warning,
    })
}

/// What the `fmt ` chunk says.
struct Format {
    encoding: Encoding,
    num_channels: usize,
    rate_hz: u32,
}

impl Format {
    fn parse(body: &[u8], order: ByteOrder) -> Refused<Self> {
        if body.len() < 16 {
            let len = body.len();
            return Err(damaged(format!(
                "has a format header of {len} bytes, not 16 or more"
            )));
        }
        let mut tag = order.u16(&body[0..2]);
        let num_channels = usize::from(order.u16(&body[2..4]));
        let rate_hz = order.u32(&body[4..8]);
        let block_align = usize::from(order.u16(&body[12..14]));
        let bits = order.u16(&body[14..16]);
        if tag == TAG_EXTENSIBLE {
            let Some(extension) = body.get(16..40) else {
                return Err(damaged(
                    "has an EXTENSIBLE format header that is cut short".into(),
                ));
            };
            let valid_bits = order.u16(&extension[2..4]);
            if valid_bits > bits {
                return Err(damaged(format!(
                    "claims {valid_bits} valid bits in samples of {bits} bits"
                )));
            }
            // A GUID is stored field by field, its first field in the file's byte order.
            let guid = &extension[8..];
            let (first, tail_ok) = match order {
                ByteOrder::Little => (&guid[0..2], guid[2..] == GUID_TAIL),
                ByteOrder::Big => (&guid[2..4], guid[4..] == GUID_TAIL[2..]),
            };
            if !tail_ok {
                return Err(unsupported("an unknown EXTENSIBLE sub-format"));
            }
            tag = order.u16(first);
        }
        if num_channels == 0 || num_channels > MAX_CHANNELS {
            return Err(damaged(format!("claims {num_channels} channels")));
        }
        let encoding = match (tag, bits) {
            (TAG_PCM, 8) => Encoding::U8,
            // Fewer bits than the slot has are the upper ones.
            (TAG_PCM, 9..=16) => Encoding::I16,
            (TAG_PCM, 17..=24) => Encoding::I24,
            (TAG_PCM, 25..=32) => Encoding::I32,
            (TAG_FLOAT, 32) => Encoding::F32,
            (TAG_FLOAT, 64) => Encoding::F64,
            (TAG_ALAW, 8) => Encoding::Alaw,
            (TAG_MULAW, 8) => Encoding::Mulaw,
            (TAG_PCM | TAG_FLOAT | TAG_ALAW | TAG_MULAW, _) => {
                return Err(damaged(format!("claims {bits} bits per sample")));
            }
            _ => return Err(unsupported(codec_name(tag))),
        };
        let frame_bytes = num_channels * encoding.bytes();
        if block_align != frame_bytes {
            return Err(damaged(format!(
                "claims {block_align} bytes per frame, {num_channels} × {bits} bits are {frame_bytes}"
            )));
        }
        Ok(Format {
            encoding,
            num_channels,
            rate_hz,
        })
    }
}

fn codec_name(tag: u16) -> &'static str {
    match tag {
        0x02 | 0x11 => "ADPCM",
        0x31 => "GSM",
        0x50 | 0x55 => "MPEG audio",
        _ => "an unknown codec",
    }
}

fn damaged(fact: String) -> Refusal {
    Refusal::new(fact, "export the recording again as 16-bit WAV or FLAC")
}

fn unsupported(what: &str) -> Refusal {
    Refusal::new(
        format!("is a WAV file with {what} inside, which is not read"),
        "convert it to 16-bit WAV or FLAC",
    )
}
