//! The options for reading a recording.

use super::raw::RawFormat;

/// Options for reading a file.
///
/// ```
/// use spkver::{ReadOptions, Recording};
///
/// // The second channel of a stereo call, all of it instead of an excerpt.
/// let options = ReadOptions {
///     channel: Some(2),
///     all: true,
///     ..ReadOptions::default()
/// };
/// assert!(Recording::open("fixtures/voices/anna-1.wav", &options).is_err()); // it is mono
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadOptions {
    /// Which channel, from 1; `None` takes the mean of all.
    pub channel: Option<usize>,
    /// Longest recording that is read, in seconds; `None` means 3 hours.
    pub max_seconds: Option<u32>,
    /// Largest file that is read, in bytes; `None` means 2 GiB, or 256 MiB for a pipe.
    pub max_bytes: Option<u64>,
    /// Every sample of a long recording, and the memory for them, instead of an excerpt.
    pub all: bool,
    /// The format of files without a header; `None` refuses such files. A file with a known header is
    /// read by its header.
    pub raw: Option<RawFormat>,
}
