//! The formats of audio files that are read here: how each is recognised, and which code reads it.

use super::{au, input::Input, kind, layout::Layout, refusal::Refused, sphere, wav};
use std::ffi::OsStr;

/// A format.
struct Format {
    /// Positions in a file, and the bytes there. A file that has the bytes at one of these positions is
    /// of this format.
    magics: &'static [(usize, &'static [u8])],
    /// Endings by which files in a folder are taken for recordings. A file that the user names may have
    /// any ending.
    endings: &'static [&'static str],
    /// Whether a recording can be read from start to end, without its end being needed first.
    streams: bool,
    /// Where plain samples lie, if the file is of this format. Without it, the file goes to
    /// [`super::compressed`].
    layout: Option<FindLayout>,
}

type FindLayout = fn(&mut Input) -> Refused<Option<Layout>>;

const FORMATS: [Format; 13] = [
    Format {
        magics: &[(0, b"RIFF"), (0, b"RIFX"), (0, b"RF64"), (0, b"BW64")],
        endings: &["wav", "wave"],
        streams: true,
        // Reads Wave64 as well.
        layout: Some(wav::layout),
    },
    Format {
        endings: &["w64"],
        ..compressed(&[(0, b"riff")])
    },
    Format {
        endings: &["flac"],
        streams: true,
        ..compressed(&[(0, b"fLaC")])
    },
    Format {
        endings: &["mp3"],
        streams: true,
        ..compressed(&[(0, b"ID3")])
    },
    Format {
        endings: &["ogg", "oga", "opus"],
        streams: true,
        ..compressed(&[(0, b"OggS")])
    },
    Format {
        endings: &["m4a", "mp4"],
        ..compressed(&[(4, b"ftyp")])
    },
    Format {
        endings: &["aac"],
        ..compressed(&[])
    },
    Format {
        endings: &["webm", "mkv", "mka"],
        streams: true,
        ..compressed(&[(0, b"\x1A\x45\xDF\xA3")])
    },
    Format {
        endings: &["aif", "aiff"],
        ..compressed(&[(0, b"FORM")])
    },
    Format {
        magics: &[(0, b".snd")],
        endings: &["au"],
        streams: true,
        layout: Some(au::layout),
    },
    Format {
        endings: &["caf"],
        ..compressed(&[(0, b"caff")])
    },
    Format {
        magics: &[(0, b"NIST_1A")],
        endings: &["sph"],
        streams: false,
        layout: Some(sphere::layout),
    },
    Format {
        endings: &["3gp"],
        ..compressed(&[(4, b"ftyp")])
    },
];

const fn compressed(magics: &'static [(usize, &'static [u8])]) -> Format {
    Format {
        magics,
        endings: &[],
        streams: false,
        layout: None,
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
    for layout in FORMATS.iter().filter_map(|format| format.layout) {
        if let Some(layout) = layout(input)? {
            return Ok(Some(layout));
        }
    }
    Ok(None)
}

/// Whether these first bytes are a known header, so that the file is not raw samples.
pub(super) fn has_header(opening: &[u8]) -> bool {
    FORMATS.iter().any(|format| format.has_magic(opening)) || kind::is_foreign(opening)
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
    fn has_magic(&self, opening: &[u8]) -> bool {
        let mut magics = self.magics.iter();
        magics.any(|(at, magic)| kind::is_at(opening, *at, magic))
    }
}
