//! Decodes Opus (RFC 6716), which phones and browsers record. The samples come at 48 kHz, the rate of
//! Opus' clock, whatever the rate of the microphone was.
//!
//! The decoder is the crate `ropus`, a port of libopus' fixed-point decoder to Rust.

use super::packet::Decoded;
use super::refusal::{CONVERT, Refusal, Refused};
use ropus::{Channels, DecodeMode, Decoder};
use symphonia::core::packet::Packet;

const RATE_HZ: u32 = 48_000;
/// Samples of each channel in the longest packet, 120 ms.
const MAX_FRAMES: usize = 5760;

/// A stream of one or two channels.
pub struct Opus {
    decoder: Decoder,
    num_channels: usize,
    /// Samples of each channel at the start that are not part of the recording: the decoder needs
    /// them to settle.
    num_skipped: usize,
    /// The header may ask for a louder or softer output.
    gain: f32,
}

/// The identification header (RFC 7845, section 5.1).
struct Head {
    num_channels: u8,
    pre_skip: u16,
    /// In steps of 1/256 dB.
    gain: i16,
    /// How channels are spread over the streams in a packet: 0 for mono or stereo in one stream.
    mapping_family: u8,
    num_streams: u8,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let fields = bytes.strip_prefix(b"OpusHead")?;
        let fixed = fields.first_chunk::<11>()?;
        let number = |at: usize| {
            let bytes = [fixed[at], fixed[at + 1]];
            // MP4 has version 0, and the most significant byte first.
            match fixed[0] {
                0 => u16::from_be_bytes(bytes),
                _ => u16::from_le_bytes(bytes),
            }
        };
        // Bytes 4 to 7 hold the rate of the microphone.
        let mapping_family = fixed[10];
        Some(Head {
            num_channels: fixed[1],
            pre_skip: number(2),
            gain: number(8).cast_signed(),
            mapping_family,
            num_streams: match mapping_family {
                0 => 1,
                _ => *fields.get(11)?,
            },
        })
    }
}

impl Opus {
    /// `head` is the stream's identification header.
    pub fn new(head: &[u8]) -> Refused<Self> {
        let head = Head::read(head)
            .ok_or_else(|| Refusal::damaged("has Opus inside without its header"))?;
        let channels = match (head.num_channels, head.num_streams) {
            (1, 1) => Channels::Mono,
            (2, 1) => Channels::Stereo,
            (channels, streams) => {
                let fact = format!(
                    "has Opus with {channels} channels in {streams} streams (mapping family {}); \
                     mono and stereo in one stream are read",
                    head.mapping_family
                );
                return Err(Refusal::new(fact, CONVERT));
            }
        };
        let decoder = Decoder::new(RATE_HZ, channels)
            .map_err(|e| Refusal::damaged(format!("has Opus that cannot be decoded ({e})")))?;
        Ok(Opus {
            decoder,
            num_channels: head.num_channels.into(),
            num_skipped: head.pre_skip.into(),
            gain: 10f32.powf(f32::from(head.gain) / 256.0 / 20.0),
        })
    }

    /// As [`super::codec::Codec::decode`].
    pub fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Option<Decoded> {
        // The decoder would make up 120 ms of sound for a packet without a byte.
        if packet.data.is_empty() {
            return None;
        }
        let channels = self.num_channels;
        samples.clear();
        samples.resize(MAX_FRAMES * channels, 0.0);
        let num_frames = self
            .decoder
            .decode_float(&packet.data, samples, DecodeMode::Normal)
            .ok()?;
        // Ogg tells where the recording ends within its last packets.
        let trimmed = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
        samples.truncate(num_frames.saturating_sub(trimmed) * channels);
        let skipped = self.num_skipped.min(samples.len() / channels);
        self.num_skipped -= skipped;
        samples.drain(..skipped * channels);
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|x| *x *= self.gain);
        }
        Some(Decoded {
            num_channels: channels,
            rate_hz: RATE_HZ,
            num_frames: num_frames as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u8, channels: u8, rest: &[u8]) -> Vec<u8> {
        let order: fn(u16) -> [u8; 2] = match version {
            0 => u16::to_be_bytes,
            _ => u16::to_le_bytes,
        };
        let [skip, gain] = [312, 256].map(order);
        [
            b"OpusHead".as_slice(),
            &[version, channels],
            &skip,
            &[0; 4],
            &gain,
            rest,
        ]
        .concat()
    }

    #[test]
    fn headers_of_ogg_and_of_mp4_say_the_same() {
        for version in [0, 1] {
            let opus = Opus::new(&head(version, 2, &[0])).unwrap();
            assert_eq!((opus.num_channels, opus.num_skipped), (2, 312));
            let one_db = 10f32.powf(0.05);
            assert!((opus.gain - one_db).abs() < 1e-6, "{}", opus.gain);
        }
    }

    #[test]
    fn surround_is_refused_with_its_number_of_channels() {
        let surround = head(1, 6, &[1, 4, 2, 0, 4, 1, 2, 3, 5]);
        let Err(Refusal::Unfit { fact, .. }) = Opus::new(&surround) else {
            panic!("it is not read");
        };
        assert!(fact.contains("Opus with 6 channels in 4 streams"), "{fact}");
        // Only a single stream is read, whatever channel mapping family the header states.
        assert!(Opus::new(&head(1, 2, &[1, 1, 1, 0, 1])).is_ok());
    }

    #[test]
    fn a_header_that_is_cut_off_is_damaged() {
        let whole = head(1, 1, &[0]);
        assert!(Opus::new(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(Opus::new(&whole[..length]).is_err(), "{length}");
        }
        assert!(Opus::new(&head(1, 0, &[0])).is_err());
        assert!(Opus::new(&head(1, 1, &[1])).is_err());
    }
}
