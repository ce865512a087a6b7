//! A FLAC, MP3, Ogg Vorbis or M4A/AAC file in, every channel out, through symphonia.

use super::decode::End;
use super::input::Input;
use super::refusal::{Refusal, Refused};
use crate::contained::contained;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType, probe::Hint};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

const REMEDY: &str = "convert it to WAV, FLAC, MP3, Ogg Vorbis or M4A (AAC)";

/// Packets in a row that may give no audio: what is damaged so thoroughly is something else.
const MAX_BAD_IN_A_ROW: usize = 1000;

/// An audio track that is being decoded.
pub struct Track {
    /// Channels, 1 or more.
    pub num_channels: usize,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    declared_frames: Option<u64>,
    /// The first packet's samples, which told the channels and the rate.
    first: Option<Vec<f32>>,
    num_frames: u64,
    num_packets: usize,
    num_bad: usize,
    cut_short: bool,
}

impl Track {
    /// Finds the default audio track and decodes its first packet.
    pub fn open(input: Input) -> Refused<Self> {
        let source = input.into_media()?;
        contained(
            || {
                let mut track = Track::find(source)?;
                let mut samples = vec![];
                if !track.decode_packet(&mut samples)? {
                    return Err(nothing_decoded());
                }
                track.first = Some(samples);
                Ok(track)
            },
            gave_up,
        )
    }

    fn find(source: Box<dyn MediaSource>) -> Refused<Self> {
        let format = symphonia::default::get_probe()
            .probe(
                &Hint::new(),
                MediaSourceStream::new(source, Default::default()),
                FormatOptions::default(),
                // Nobody looks at covers and lyrics.
                MetadataOptions::default()
                    .limit_visual_bytes(Limit::Maximum(0))
                    .limit_tag_bytes(Limit::Maximum(1 << 16)),
            )
            .map_err(|_| Refusal::new("is no audio format that is read here", REMEDY))?;
        let track = format
            .default_track(TrackType::Audio)
            .ok_or_else(|| Refusal::new("has no audio track", REMEDY))?;
        let decoder = track
            .codec_params
            .as_ref()
            .and_then(|params| params.audio())
            .ok_or_else(|| Refusal::new("has an audio track without a description", REMEDY))
            .and_then(|params| {
                symphonia::default::get_codecs()
                    .make_audio_decoder(params, &AudioDecoderOptions::default())
                    .map_err(|e| {
                        Refusal::new(format!("has a codec that is not read ({e})"), REMEDY)
                    })
            })?;
        Ok(Track {
            num_channels: 0,
            rate_hz: 0,
            track_id: track.id,
            declared_frames: track.num_frames,
            first: None,
            num_frames: 0,
            num_packets: 0,
            num_bad: 0,
            cut_short: false,
            decoder,
            format,
        })
    }

    /// Samples of all channels, if the header says.
    pub fn declared_samples(&self) -> Option<usize> {
        let frames = usize::try_from(self.declared_frames?).ok()?;
        frames.checked_mul(self.num_channels)
    }

    /// The next packet's samples; false at the end.
    pub fn next(&mut self, samples: &mut Vec<f32>) -> Refused<bool> {
        if let Some(first) = self.first.take() {
            *samples = first;
            return Ok(true);
        }
        contained(|| self.decode_packet(samples), gave_up)
    }

    fn decode_packet(&mut self, samples: &mut Vec<f32>) -> Refused<bool> {
        let mut num_idle = 0;
        while num_idle < MAX_BAD_IN_A_ROW {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(_) => {
                    self.cut_short = true;
                    return Ok(false);
                }
            };
            if packet.track_id != self.track_id {
                continue;
            }
            self.num_packets += 1;
            num_idle += 1;
            let audio = match self.decoder.decode(&packet) {
                Ok(audio) => audio,
                Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => {
                    self.num_bad += 1;
                    continue;
                }
                Err(e) => return Err(Refusal::new(format!("cannot be decoded ({e})"), REMEDY)),
            };
            if audio.frames() == 0 {
                continue;
            }
            let shape = (audio.spec().channels().count(), audio.spec().rate());
            if self.num_frames == 0 {
                (self.num_channels, self.rate_hz) = shape;
            }
            if (self.num_channels, self.rate_hz) != shape || shape.0 == 0 {
                return Err(Refusal::new("changes its channels or rate midway", REMEDY));
            }
            self.num_frames += audio.frames() as u64;
            audio.copy_to_vec_interleaved(samples);
            return Ok(true);
        }
        Err(nothing_decoded())
    }

    /// What is to be said when all is read.
    pub fn end(&self) -> Refused<End> {
        // Random bytes can look like a few frames of MP3.
        if self.num_bad * 2 > self.num_packets {
            return Err(nothing_decoded());
        }
        let declared = self.declared_frames.unwrap_or(0);
        let truncated = self.cut_short || declared > self.num_frames;
        let warning = if self.num_bad > 0 {
            Some(format!(
                "{} of {} packets are damaged and were left out",
                self.num_bad, self.num_packets
            ))
        } else if truncated {
            Some(format!(
                "the file ends early; read the {} samples that are there",
                self.num_frames
            ))
        } else {
            None
        };
        Ok(End { warning, truncated })
    }
}

fn nothing_decoded() -> Refusal {
    Refusal::new("holds no audio that can be decoded", REMEDY)
}

fn gave_up() -> Refusal {
    Refusal::new("is damaged: its decoder gave up", REMEDY)
}
