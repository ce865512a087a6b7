//! Reads the body of a `fmt ` chunk into a [`Format`]: WAVEFORMAT, WAVEFORMATEX and
//! WAVE_FORMAT_EXTENSIBLE, for the codecs that are supported.

use crate::audio::adpcm::{Adpcm, Variant};
use crate::audio::layout::{Coding, MAX_CHANNELS};
use crate::audio::pcm::{ByteOrder, Encoding};
use crate::audio::refusal::{Refusal, Refused};

const TAG_PCM: u16 = 1;
const TAG_MS_ADPCM: u16 = 2;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
const TAG_IMA_ADPCM: u16 = 0x11;
const TAG_EXTENSIBLE: u16 = 0xFFFE;
/// What follows the tag in the GUID of a WAVE_FORMAT_EXTENSIBLE sub-format.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// The same for ambisonic B-format, whose first channel is an ordinary microphone's.
const GUID_TAIL_AMBISONIC: [u8; 14] = [
    0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0,
];

/// What the `fmt ` chunk says.
pub struct Format {
    pub coding: Coding,
    pub num_channels: usize,
    pub rate_hz: u32,
    /// Where the header states a wrong frame size, in words for the user.
    pub warning: Option<String>,
}

impl Format {
    pub fn parse(body: &[u8], order: ByteOrder) -> Refused<Self> {
        if body.len() < 16 {
            let len = body.len();
            return Err(Refusal::damaged(format!(
                "has a format header of {len} bytes, not 16 or more"
            )));
        }
        let mut tag = order.u16(&body[0..2]);
        let num_channels = usize::from(order.u16(&body[2..4]));
        let rate_hz = order.u32(&body[4..8]);
        let block_align = usize::from(order.u16(&body[12..14]));
        let bits = order.u16(&body[14..16]);
        let extensible = tag == TAG_EXTENSIBLE;
        if extensible {
            tag = sub_format(body, order, bits)?;
        }
        if num_channels == 0 || num_channels > MAX_CHANNELS {
            return Err(Refusal::damaged(format!("claims {num_channels} channels")));
        }
        let encoding = match (tag, bits) {
            // If a sample has fewer bits than its slot, they are the upper bits. (A sample of 1 bit
            // would have no sign.)
            (TAG_PCM, 2..=8) => Encoding::U8,
            (TAG_PCM, 9..=16) => Encoding::I16,
            (TAG_PCM, 17..=24) => Encoding::I24,
            (TAG_PCM, 25..=32) => Encoding::I32,
            (TAG_FLOAT, 32) => Encoding::F32,
            (TAG_FLOAT, 64) => Encoding::F64,
            // A sample is one byte, although some writers state 16 bits, the size after decoding.
            (TAG_ALAW, _) => Encoding::Alaw,
            (TAG_MULAW, _) => Encoding::Mulaw,
            (TAG_PCM | TAG_FLOAT, _) => {
                return Err(Refusal::damaged(format!("claims {bits} bits per sample")));
            }
            (TAG_MS_ADPCM | TAG_IMA_ADPCM, _) if !extensible => {
                let variant = match tag {
                    TAG_MS_ADPCM => Variant::Microsoft,
                    _ => Variant::Ima,
                };
                // After the 16 bytes: the extension's length, and the samples of a block.
                let claimed = body.get(18..20).map(|b| usize::from(order.u16(b)));
                let adpcm = Adpcm::new(variant, num_channels, block_align, bits, claimed)?;
                return Ok(Format {
                    coding: Coding::Blocks(adpcm),
                    num_channels,
                    rate_hz,
                    warning: None,
                });
            }
            _ => {
                return Err(Refusal::not_read(format!(
                    "is a WAV file with {} inside, which is not read",
                    codec_name(tag)
                )));
            }
        };
        let (encoding, warning) = match block_align == num_channels * encoding.bytes() {
            true => (encoding, None),
            false => mismatched(encoding, num_channels, block_align)?,
        };
        Ok(Format {
            coding: Coding::Samples(encoding),
            num_channels,
            rate_hz,
            warning,
        })
    }
}

/// Handles a header that claims another frame size than its samples have. If samples of 24 bits
/// have 4 bytes each, they are the upper 24 bits. Any other size that is too large is a mistake of
/// the writer: the samples lie side by side, and libsndfile and ffmpeg read them so. A size that is
/// too small is refused, because it could mean fewer channels.
fn mismatched(
    encoding: Encoding,
    num_channels: usize,
    block_align: usize,
) -> Refused<(Encoding, Option<String>)> {
    let frame_bytes = num_channels * encoding.bytes();
    let claim = format!("the header claims {block_align} bytes per frame");
    if block_align < frame_bytes {
        return Err(Refusal::damaged(format!(
            "{claim}, but a frame of {num_channels} × {} bytes has {frame_bytes}",
            encoding.bytes()
        )));
    }
    Ok(match encoding {
        Encoding::I24 if block_align == 4 * num_channels => {
            let warning = format!("{claim}: read 24-bit samples in 4 bytes each");
            (Encoding::I32, Some(warning))
        }
        _ => {
            let warning = format!("{claim}: read the {frame_bytes} that its samples need");
            (encoding, Some(warning))
        }
    })
}

/// The tag that the GUID of a WAVE_FORMAT_EXTENSIBLE header stands for.
fn sub_format(body: &[u8], order: ByteOrder, bits: u16) -> Refused<u16> {
    let Some(extension) = body.get(16..40) else {
        return Err(Refusal::damaged(
            "has an EXTENSIBLE format header that is cut short",
        ));
    };
    let valid_bits = order.u16(&extension[2..4]);
    if valid_bits > bits {
        return Err(Refusal::damaged(format!(
            "claims {valid_bits} valid bits in samples of {bits} bits"
        )));
    }
    // A GUID is stored field by field, its first fields in the file's byte order.
    let mut guid: [u8; 16] = extension[8..].try_into().expect("24 bytes less 8");
    if order == ByteOrder::Big {
        guid[..4].reverse();
        // Some writers of RIFX swap the bytes of these two fields, others do not.
        for tail in [GUID_TAIL, GUID_TAIL_AMBISONIC] {
            if guid[4..6] == [tail[3], tail[2]] || guid[6..8] == [tail[5], tail[4]] {
                guid[4..6].reverse();
                guid[6..8].reverse();
            }
        }
    }
    if guid[2..] != GUID_TAIL && guid[2..] != GUID_TAIL_AMBISONIC {
        return Err(Refusal::not_read(
            "is a WAV file with an unknown EXTENSIBLE sub-format inside, which is not read",
        ));
    }
    Ok(ByteOrder::Little.u16(&guid[..2]))
}

fn codec_name(tag: u16) -> &'static str {
    match tag {
        0x02 | 0x10..=0x17 | 0x200 => "ADPCM of a kind",
        0x22 => "DSP Group TrueSpeech",
        0x31 | 0x32 => "GSM 6.10",
        0x40 | 0x45 | 0x64 | 0x65 => "G.721 or G.726",
        0x42 | 0x111 => "G.723",
        0x50 | 0x55 => "MPEG audio",
        0xFF | 0x1600..=0x1610 => "AAC",
        0x160..=0x163 => "Windows Media audio",
        0x2000 => "AC-3",
        0x674F..=0x6751 | 0x676F..=0x6771 | 0x566F => "Vorbis",
        0xF1AC => "FLAC",
        _ => "an unknown codec",
    }
}
