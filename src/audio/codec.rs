//! Decodes the packets of one audio track to samples. A codec that has no decoder here is refused
//! by name.

use super::opus::Opus;
use super::packet::Decoded;
use super::refusal::{CONVERT, Refusal, Refused};
use symphonia::core::codecs::audio::well_known as known;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::Track;
use symphonia::core::packet::Packet;

/// What decodes the packets of a track.
pub enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// Samples of each channel in the longest packet of any codec read here (FLAC and ALAC).
const MAX_FRAMES: u64 = 1 << 16;

impl Codec {
    /// The decoder that the track needs.
    pub fn of(track: &Track) -> Refused<Self> {
        let params = track
            .codec_params
            .as_ref()
            .and_then(|params| params.audio())
            .ok_or_else(|| Refusal::new("has an audio track of an unknown codec", CONVERT))?;
        if params.codec == known::CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return Ok(Codec::Opus(Box::new(Opus::new(head)?)));
        }
        // A decoder sets this much memory aside before it sees the first packet.
        if params.max_frames_per_packet.is_some_and(|n| n > MAX_FRAMES) {
            return Err(Refusal::new(
                format!(
                    "is damaged: its header promises packets of more than {MAX_FRAMES} samples"
                ),
                CONVERT,
            ));
        }
        symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map(Codec::Symphonia)
            .map_err(|error| {
                let name = name(params).unwrap_or_else(|| format!("a codec ({error})"));
                Refusal::new(format!("has {name} inside, which is not read"), CONVERT)
            })
    }

    /// Puts the packet's samples, channels interleaved, into `samples`; `None` where it is damaged.
    pub fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Refused<Option<Decoded>> {
        let decoder = match self {
            Codec::Symphonia(decoder) => decoder,
            Codec::Opus(opus) => return Ok(opus.decode(packet, samples)),
        };
        let audio = match decoder.decode(packet) {
            Ok(audio) => audio,
            Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => return Ok(None),
            Err(e) => return Err(Refusal::new(format!("cannot be decoded ({e})"), CONVERT)),
        };
        samples.clear();
        if audio.frames() > 0 {
            audio.copy_to_vec_interleaved(samples);
        }
        Ok(Some(Decoded {
            num_channels: audio.spec().channels().count(),
            rate_hz: audio.spec().rate(),
            num_frames: audio.frames() as u64,
        }))
    }
}

/// The codec in words for the user.
fn name(params: &AudioCodecParameters) -> Option<String> {
    if params.codec == known::CODEC_ID_AAC {
        return Some(aac_name(params));
    }
    const NAMES: [(AudioCodecId, &str); 15] = [
        (known::CODEC_ID_SPEEX, "Speex"),
        (known::CODEC_ID_MP1, "MPEG audio layer 1 (MP1)"),
        (known::CODEC_ID_MP2, "MPEG audio layer 2 (MP2)"),
        (known::CODEC_ID_AC3, "AC-3"),
        (known::CODEC_ID_EAC3, "E-AC-3"),
        (known::CODEC_ID_AC4, "AC-4"),
        (known::CODEC_ID_DCA, "DTS"),
        (known::CODEC_ID_WMA, "Windows Media audio"),
        (known::CODEC_ID_TRUEHD, "TrueHD"),
        (known::CODEC_ID_TTA, "True Audio"),
        (known::CODEC_ID_WAVPACK, "WavPack"),
        (known::CODEC_ID_MUSEPACK, "Musepack"),
        (known::CODEC_ID_ADPCM_MS, "Microsoft ADPCM"),
        (known::CODEC_ID_ADPCM_IMA_WAV, "IMA ADPCM"),
        (known::CODEC_ID_ADPCM_IMA_QT, "IMA ADPCM (QuickTime)"),
    ];
    let named = NAMES.iter().find(|(id, _)| *id == params.codec)?;
    Some(named.1.to_string())
}

/// AAC is several codecs. Its AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) starts with 5 bits of
/// object type (31: six more bits follow), 4 bits of sample rate (15: 24 more bits), 4 of channels.
fn aac_name(params: &AudioCodecParameters) -> String {
    let declared = params.channels.as_ref().map_or(0, |c| c.count());
    let Some(config) = params.extra_data.as_ref().filter(|data| data.len() >= 2) else {
        return format!("AAC{}", layout_name(declared));
    };
    let mut bytes = [0; 8];
    let len = config.len().min(8);
    bytes[..len].copy_from_slice(&config[..len]);
    let bits = u64::from_be_bytes(bytes);
    let take = |at: u32, count: u32| (bits << at) >> (64 - count);
    let (object_type, at) = match take(0, 5) {
        31 => (32 + take(5, 6), 11),
        object_type => (object_type, 5),
    };
    let at = if take(at, 4) == 15 { at + 28 } else { at + 4 };
    let profile = match object_type {
        1 => "AAC Main",
        2 => "AAC-LC",
        3 => "AAC-SSR",
        4 => "AAC-LTP",
        5 => "HE-AAC",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => "AAC of an unknown kind",
    };
    let num_channels = match take(at, 4) {
        0 => declared,
        7 => 8,
        config => config as usize,
    };
    format!("{profile}{}", layout_name(num_channels))
}

fn layout_name(num_channels: usize) -> String {
    match num_channels {
        0..=2 => String::new(),
        6 => " with 5.1 channels".into(),
        8 => " with 7.1 channels".into(),
        n => format!(" with {n} channels"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(config: &[u8]) -> String {
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(known::CODEC_ID_AAC)
            .with_extra_data(Box::from(config));
        name(&params).unwrap()
    }

    #[test]
    fn aac_is_named_by_its_kind_and_channels() {
        // 5 bits of object type, 4 of rate (8 is 16 kHz), 4 of channels.
        assert_eq!(named(&[0x14, 0x30]), "AAC-LC with 5.1 channels");
        assert_eq!(named(&[0x2c, 0x08]), "HE-AAC");
        assert_eq!(named(&[0xbc, 0x08]), "AAC-LD");
        assert_eq!(named(&[0xf8, 0xf0, 0x20]), "AAC-ELD");
    }
}
