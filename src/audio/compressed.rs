//! Decodes a file that is not plain samples (FLAC, MP3, Ogg, M4A, AIFF, CAF, Matroska) to blocks of
//! samples of all its channels. symphonia takes the file apart; [`super::codec`] decodes the packets.

use super::codec::Codec;
use super::end::End;
use super::input::Input;
use super::refusal::{CONVERT, Refusal, Refused};
use crate::contained::contained;
use crate::remedy::Remedy;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::{self, FormatOptions, FormatReader, TrackType, probe::Hint};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

/// Largest number of packets in a row that may give no audio. With more, the file is refused.
const MAX_BAD_IN_A_ROW: usize = 1000;

/// An audio track that is being decoded.
pub struct Track {
    /// Channels, 1 or more.
    pub num_channels: usize,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    format: Box<dyn FormatReader>,
    codec: Codec,
    track_id: u32,
    declared_frames: Option<u64>,
    /// Samples of the first packet, which is decoded early because it shows the channels and the rate.
    first: Option<Vec<f32>>,
    num_frames: u64,
    num_packets: usize,
    num_bad: usize,
    cut_short: bool,
    /// What follows in the file and is not read, in words for the user.
    left_out: Option<String>,
    /// Whether the next packet begins a further recording of the file (see `next_link`).
    begins_link: bool,
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
                // Covers and lyrics are not used.
                MetadataOptions::default()
                    .limit_visual_bytes(Limit::Maximum(0))
                    .limit_tag_bytes(Limit::Maximum(1 << 16)),
            )
            .map_err(|_| {
                Refusal::new(
                    "is not in an audio format that spkver reads",
                    Remedy::SampleFormat(CONVERT),
                )
            })?;
        let track = format
            .default_track(TrackType::Audio)
            .ok_or_else(|| Refusal::new("has no audio track that spkver reads", CONVERT))?;
        let codec = Codec::of(track)?;
        Ok(Track {
            num_channels: 0,
            rate_hz: 0,
            track_id: track.id,
            declared_frames: declared_frames(track),
            first: None,
            num_frames: 0,
            num_packets: 0,
            num_bad: 0,
            cut_short: false,
            left_out: None,
            begins_link: false,
            codec,
            format,
        })
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
                Err(Symphonia::ResetRequired) if self.next_link() => continue,
                Err(Symphonia::ResetRequired) => return Ok(false),
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
            let Some(decoded) = self.codec.decode(&packet, samples)? else {
                self.num_bad += 1;
                continue;
            };
            self.num_frames += decoded.num_frames;
            if samples.is_empty() {
                continue;
            }
            let shape = (decoded.num_channels, decoded.rate_hz);
            if self.rate_hz == 0 {
                (self.num_channels, self.rate_hz) = shape;
            }
            if (self.num_channels, self.rate_hz) != shape || shape.0 == 0 {
                if self.begins_link {
                    self.leave_out("another number of channels or another rate");
                    return Ok(false);
                }
                return Err(Refusal::new("changes its channels or rate midway", CONVERT));
            }
            self.begins_link = false;
            return Ok(true);
        }
        Err(nothing_decoded())
    }

    /// Goes on to the next recording of the file. An Ogg file can be a "chain" of several recordings;
    /// radio stations and recorders that pause write such files. Returns false if the next one is not
    /// read.
    fn next_link(&mut self) -> bool {
        let Some(track) = self.format.default_track(TrackType::Audio) else {
            self.leave_out("no audio that is read here");
            return false;
        };
        let Ok(codec) = Codec::of(track) else {
            self.leave_out("another codec");
            return false;
        };
        self.codec = codec;
        self.track_id = track.id;
        self.begins_link = true;
        let link_frames = declared_frames(track);
        self.declared_frames = self
            .declared_frames
            .and_then(|frames| frames.checked_add(link_frames?));
        true
    }

    fn leave_out(&mut self, what: &str) {
        self.left_out = Some(format!(
            "a further recording in the file has {what} and was left out"
        ));
    }

    /// The warnings of the whole file; call this when all is read.
    pub fn end(&self) -> Refused<End> {
        // Random bytes can look like a few frames of MP3.
        if self.num_bad * 2 > self.num_packets {
            return Err(nothing_decoded());
        }
        let declared = self.declared_frames.unwrap_or(0);
        let ends_early = self.cut_short || declared > self.num_frames;
        let mut warnings = vec![];
        if self.num_bad > 0 {
            warnings.push(format!(
                "{} of {} packets are damaged and were left out",
                self.num_bad, self.num_packets
            ));
        } else if ends_early {
            warnings.push(format!(
                "the file ends early; read the {} samples that are there",
                self.num_frames
            ));
        }
        warnings.extend(self.left_out.clone());
        let truncated = ends_early || self.left_out.is_some();
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        Ok(End { warning, truncated })
    }
}

/// Samples of each channel, if the header states them. Ogg counts them from the start of a stream. A
/// recording can begin in the middle of the stream, so the samples before it are subtracted.
fn declared_frames(track: &formats::Track) -> Option<u64> {
    let before = u64::try_from(track.start_ts.get()).unwrap_or(0);
    Some(track.num_frames?.saturating_sub(before))
}

fn nothing_decoded() -> Refusal {
    Refusal::new("holds no audio that can be decoded", CONVERT)
}

fn gave_up() -> Refusal {
    Refusal::new("is damaged: its decoder gave up", CONVERT)
}
