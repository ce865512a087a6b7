//! Reads audio files into [`Waveform`]s: mono, 16 kHz, all samples finite, never empty, with quality
//! facts.
//!
//! ```text
//! path ─► input ─► decode (plain samples: layout + pcm; else: symphonia) ─► blocks ─► one channel
//!      ─► excerpt (resampled) ─► samples ─► DC removed ─► Waveform ─► quality
//! ```
//!
//! A recording longer than three minutes is read as an excerpt that is spread over its length, unless
//! [`ReadOptions::all`] asks for the whole.

mod adpcm;
#[cfg(feature = "formats")]
mod codec;
#[cfg(feature = "formats")]
mod compressed;
#[cfg(not(feature = "formats"))]
#[path = "wav_only.rs"]
mod compressed;
mod decode;
mod end;
mod excerpt;
pub mod folder;
pub mod formats;
mod growing;
mod input;
mod layout;
mod live;
mod mixdown;
mod mono;
mod mp4;
mod options;
#[cfg(feature = "formats")]
mod opus;
#[cfg(feature = "formats")]
mod packet;
mod pcm;
mod quality;
mod raw;
mod refusal;
mod resample;
mod sample_rate;
mod vad;
mod voicing;
mod waveform;

pub use decode::{Decoded, decode};
pub use growing::Growing;
pub use live::Live;
pub use options::ReadOptions;
pub use quality::{Content, Quality};
pub use raw::RawFormat;
pub use resample::resample;
pub use sample_rate::SAMPLE_RATE_HZ;
pub use vad::{HOP as SPEECH_HOP, level_range_db, num_frames, speech_frames, speech_seconds};
pub use waveform::{Waveform, read, read_from, read_samples};
