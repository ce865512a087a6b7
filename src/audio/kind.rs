//! Recognises files of other kinds by their first bytes, so that a refusal can say what the file is.

/// The position of the bytes, the bytes, and the kind of file that has them.
type Magic = (usize, &'static [u8], &'static str);

const FOREIGN: [Magic; 31] = [
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xFF\xD8\xFF", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1F\x8B", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xFD7zXZ", "an xz archive"),
    (0, b"7z\xBC\xAF", "a 7-Zip archive"),
    (0, b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
    (0, b"\x7FELF", "a program"),
    (0, b"SQLite format", "an SQLite database"),
    (0, b"RIFF", "a RIFF file of another kind than WAVE"),
    (0, b"#!AMR-WB", "AMR-WB"),
    (0, b"#!AMR", "AMR"),
    (0, b"#!SILK_V3", "SILK (Skype, WeChat)"),
    (0, b"\x02#!SILK_V3", "SILK (Skype, WeChat)"),
    (
        0,
        b"\x30\x26\xB2\x75\x8E\x66\xCF\x11",
        "Windows Media (WMA)",
    ),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"ajkg", "Shorten"),
    (0, b"Creative Voice File", "VOC"),
    (0, b".ra\xFD", "RealAudio"),
    (0, b".RMF", "RealMedia"),
    (0, b"DSD ", "DSD"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"MThd", "MIDI"),
    (0, b"\x00\x00\x01\xBA", "an MPEG video"),
    (0, b"ADIF", "AAC in ADIF"),
    (28, b"Speex", "Ogg Speex"),
];

/// The kind of a file that begins with these bytes, in words for the user, if it is not read here.
pub(super) fn foreign_kind(opening: &[u8]) -> Option<&'static str> {
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..);
    if let Some((_, _, kind)) = foreign_magic(opening) {
        Some(kind)
    } else if opening.iter().all(|&b| b == 0) {
        Some("all zeros at its start")
    } else if opening.len() >= 16 && opening.iter().take(128).all(is_text) && opening[0] < 0x80 {
        Some("text")
    } else {
        None
    }
}

/// Whether a file that begins with these bytes is of a known kind that is not read here.
pub(super) fn is_foreign(opening: &[u8]) -> bool {
    foreign_magic(opening).is_some()
}

fn foreign_magic(opening: &[u8]) -> Option<&'static Magic> {
    FOREIGN
        .iter()
        .find(|(at, magic, _)| is_at(opening, *at, magic))
}

/// Whether a file that begins with `opening` has these bytes at this position.
pub(super) fn is_at(opening: &[u8], at: usize, magic: &[u8]) -> bool {
    opening.get(at..).is_some_and(|o| o.starts_with(magic))
}
