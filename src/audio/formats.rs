//! The formats of audio files: how each is recognised, and which code reads it. Files of other kinds
//! have rows as well, so that a refusal can say what a file is.

mod au;
mod sphere;
mod wav;

use super::{input::Input, layout::Layout, refusal::Refused};
use std::ffi::OsStr;

/// A format, or another kind of file.
struct Format {
    /// Positions in a file, and the bytes there. A file that has the bytes at one of these positions is
    /// of this format.
    magics: &'static [Magic],
    /// Endings by which files in a folder are taken for recordings. A file that the user names may have
    /// any ending.
    endings: &'static [&'static str],
    /// Whether a recording can be read from start to end, without its end being needed first.
    streams: bool,
    reader: Reader,
}

type Magic = (usize, &'static [u8]);

/// Who reads a format.
enum Reader {
    /// A function that finds the plain samples; `None` if the file is of another format.
    Plain(fn(&mut Input) -> Refused<Option<Layout>>),
    /// [`super::compressed`].
    Compressed,
    /// Nobody. The text names the kind of file to the user.
    Nobody(&'static str),
}

const RIFF: [Magic; 4] = [(0, b"RIFF"), (0, b"RIFX"), (0, b"RF64"), (0, b"BW64")];

/// Of two rows that fit a file, the first one counts.
const FORMATS: [Format; 44] = [
    // Reads Wave64 as well.
    plain(&RIFF, &["wav", "wave"], wav::layout).streaming(),
    compressed(&[(0, b"riff")], &["w64"]),
    compressed(&[(0, b"fLaC")], &["flac"]).streaming(),
    compressed(&[(0, b"ID3")], &["mp3"]).streaming(),
    compressed(&[(0, b"OggS")], &["ogg", "oga", "opus"]).streaming(),
    compressed(&[(4, b"ftyp")], &["m4a", "mp4"]),
    compressed(&[], &["aac"]),
    compressed(&[(0, b"\x1A\x45\xDF\xA3")], &["webm", "mkv", "mka"]).streaming(),
    compressed(&[(0, b"FORM")], &["aif", "aiff"]),
    plain(&[(0, b".snd")], &["au"], au::layout).streaming(),
    compressed(&[(0, b"caff")], &["caf"]),
    plain(&[(0, b"NIST_1A")], &["sph"], sphere::layout),
    compressed(&[(4, b"ftyp")], &["3gp"]),
    not_read(&[(0, b"\x89PNG")], "a PNG image"),
    not_read(&[(0, b"\xFF\xD8\xFF")], "a JPEG image"),
    not_read(&[(0, b"GIF8")], "a GIF image"),
    not_read(&[(0, b"%PDF")], "a PDF document"),
    not_read(&[(0, b"PK\x03\x04")], "a ZIP archive"),
    not_read(&[(0, b"\x1F\x8B")], "a gzip archive"),
    not_read(&[(0, b"BZh")], "a bzip2 archive"),
    not_read(&[(0, b"\xFD7zXZ")], "an xz archive"),
    not_read(&[(0, b"7z\xBC\xAF")], "a 7-Zip archive"),
    not_read(&[(0, b"\x28\xB5\x2F\xFD")], "a Zstandard archive"),
    not_read(&[(0, b"\x7FELF")], "a program"),
    not_read(&[(0, b"SQLite format")], "an SQLite database"),
    not_read(&[(0, b"RIFF")], "a RIFF file of another kind than WAVE"),
    not_read(&[(0, b"#!AMR-WB")], "AMR-WB"),
    not_read(&[(0, b"#!AMR")], "AMR"),
    not_read(&[(0, b"#!SILK_V3")], "SILK (Skype, WeChat)"),
    not_read(&[(0, b"\x02#!SILK_V3")], "SILK (Skype, WeChat)"),
    not_read(&[(0, b"0&\xB2u\x8Ef\xCF\x11")], "Windows Media (WMA)"),
    not_read(&[(0, b"wvpk")], "WavPack"),
    not_read(&[(0, b"MAC ")], "Monkey's Audio"),
    not_read(&[(0, b"TTA1")], "True Audio"),
    not_read(&[(0, b"ajkg")], "Shorten"),
    not_read(&[(0, b"Creative Voice File")], "VOC"),
    not_read(&[(0, b".ra\xFD")], "RealAudio"),
    not_read(&[(0, b".RMF")], "RealMedia"),
    not_read(&[(0, b"DSD ")], "DSD"),
    not_read(&[(0, b"FLV\x01")], "Flash video"),
    not_read(&[(0, b"MThd")], "MIDI"),
    not_read(&[(0, b"\x00\x00\x01\xBA")], "an MPEG video"),
    not_read(&[(0, b"ADIF")], "AAC in ADIF"),
    not_read(&[(28, b"Speex")], "Ogg Speex"),
];

/// A format of plain samples, which `layout` finds.
const fn plain(
    magics: &'static [Magic],
    endings: &'static [&'static str],
    layout: fn(&mut Input) -> Refused<Option<Layout>>,
) -> Format {
    Format {
        reader: Reader::Plain(layout),
        ..compressed(magics, endings)
    }
}

const fn compressed(magics: &'static [Magic], endings: &'static [&'static str]) -> Format {
    Format {
        magics,
        endings,
        streams: false,
        reader: Reader::Compressed,
    }
}

/// Files of a kind that is not read.
const fn not_read(magics: &'static [Magic], kind: &'static str) -> Format {
    Format {
        reader: Reader::Nobody(kind),
        ..compressed(magics, &[])
    }
}

/// Whether files with this ending are taken for recordings.
pub fn is_ending(ending: &OsStr) -> bool {
    let mut known = FORMATS.iter().flat_map(|format| format.endings);
    known.any(|known| ending.eq_ignore_ascii_case(known))
}

/// Endings of all formats, for messages.
pub fn endings() -> Vec<&'static str> {
    FORMATS
        .iter()
        .flat_map(|format| format.endings)
        .copied()
        .collect()
}

/// Where the plain samples of a file lie; `None` if its format has no plain samples.
pub(super) fn layout(input: &mut Input) -> Refused<Option<Layout>> {
    for format in &FORMATS {
        if let Reader::Plain(find) = format.reader
            && let Some(layout) = find(input)?
        {
            return Ok(Some(layout));
        }
    }
    Ok(None)
}

/// Endings of the formats that are read without the feature `formats`.
#[cfg(not(feature = "formats"))]
pub(super) fn endings_of_plain_samples() -> String {
    let plain = |format: &&Format| matches!(format.reader, Reader::Plain(_));
    let endings = FORMATS.iter().filter(plain).flat_map(|f| f.endings);
    endings.copied().collect::<Vec<_>>().join(", ")
}

/// The kind of a file that begins with these bytes, in words for the user, if it is not read here.
pub(super) fn foreign_kind(opening: &[u8]) -> Option<&'static str> {
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..);
    for format in &FORMATS {
        if let Reader::Nobody(kind) = format.reader
            && format.has_magic(opening)
        {
            return Some(kind);
        }
    }
    if opening.iter().all(|&b| b == 0) {
        Some("all zeros at its start")
    } else if opening.len() >= 16 && opening.iter().take(128).all(is_text) && opening[0] < 0x80 {
        Some("text")
    } else {
        None
    }
}

/// Whether these first bytes are a known header, so that the file is not raw samples.
pub(super) fn has_header(opening: &[u8]) -> bool {
    FORMATS.iter().any(|format| format.has_magic(opening))
}

/// Whether a recording that begins with these bytes can be read from start to end, without its end being
/// needed first.
pub(super) fn can_stream(opening: &[u8]) -> bool {
    // MP3 and AAC without a tag begin with a frame.
    let is_mpeg_frame = matches!(opening, [0xFF, second, ..] if second & 0xE0 == 0xE0);
    let mut streaming = FORMATS.iter().filter(|format| format.streams);
    is_mpeg_frame || streaming.any(|format| format.has_magic(opening))
}

impl Format {
    const fn streaming(mut self) -> Self {
        self.streams = true;
        self
    }

    fn has_magic(&self, opening: &[u8]) -> bool {
        let is_at = |at: usize, magic| opening.get(at..).is_some_and(|o| o.starts_with(magic));
        self.magics.iter().any(|(at, magic)| is_at(*at, magic))
    }
}
