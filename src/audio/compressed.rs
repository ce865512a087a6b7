//! A FLAC, MP3, Ogg Vorbis or M4A/AAC file in, every channel out, through symphonia.

use super::decode::{Decoded, MAX_SAMPLES, Refusal, Refused, too_long};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::{FormatOptions, TrackType, probe::Hint};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

const REMEDY: &str = "convert it to WAV, FLAC, MP3, Ogg Vorbis or M4A (AAC)";

/// Decodes the default audio track. The decoders are other people's and read what strangers
/// wrote: a panic in there is a damaged file, not the end of this process.
pub fn decode(file: File) -> Refused<Decoded> {
    catch_unwind(AssertUnwindSafe(|| decode_track(file)))
        .unwrap_or_else(|_| Err(Refusal::new("is damaged: its decoder gave up", REMEDY)))
}

fn decode_track(file: File) -> Refused<Decoded> {
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|_| Refusal::new("is no audio format that is read here", REMEDY))?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| Refusal::new("has no audio track", REMEDY))?;
    let track_id = track.id;
    let declared_frames = track.num_frames;
    let mut decoder = track
        .codec_params
        .as_ref()
        .and_then(|params| params.audio())
        .ok_or_else(|| Refusal::new("has an audio track without a description", REMEDY))
        .and_then(|params| {
            symphonia::default::get_codecs()
                .make_audio_decoder(params, &AudioDecoderOptions::default())
                .map_err(|e| Refusal::new(format!("has a codec that is not read ({e})"), REMEDY))
        })?;

    let mut samples: Vec<f32> = Vec::new();
    let mut packet_samples: Vec<f32> = Vec::new();
    let mut shape: Option<(usize, u32)> = None;
    let mut num_packets = 0usize;
    let mut num_bad = 0usize;
    let mut cut_short = false;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(_) => {
                cut_short = true;
                break;
            }
        };
        if packet.track_id != track_id {
            continue;
        }
        num_packets += 1;
        let audio = match decoder.decode(&packet) {
            Ok(audio) => audio,
            Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => {
                num_bad += 1;
                continue;
            }
            Err(e) => return Err(Refusal::new(format!("cannot be decoded ({e})"), REMEDY)),
        };
        let this = (audio.spec().channels().count(), audio.spec().rate());
        if *shape.get_or_insert(this) != this {
            return Err(Refusal::new("changes its channels or rate midway", REMEDY));
        }
        audio.copy_to_vec_interleaved(&mut packet_samples);
        if samples.len() + packet_samples.len() > MAX_SAMPLES {
            return Err(too_long());
        }
        samples.extend_from_slice(&packet_samples);
    }
    let (num_channels, rate_hz) = match shape {
        // Random bytes can look like a few frames of MP3.
        Some(shape) if shape.0 > 0 && num_bad * 2 <= num_packets => shape,
        _ => return Err(Refusal::new("holds no audio that can be decoded", REMEDY)),
    };
    let num_frames = (samples.len() / num_channels) as u64;
    let warning = if num_bad > 0 {
        Some(format!(
            "{num_bad} of {num_packets} packets are damaged and were left out"
        ))
    } else if cut_short || declared_frames.is_some_and(|declared| declared > num_frames) {
        Some(format!(
            "the file ends early; read the {num_frames} samples that are there"
        ))
    } else {
        None
    };
    Ok(Decoded {
        samples,
        num_channels,
        rate_hz,
        warning,
    })
}
