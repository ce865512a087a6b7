//! The first bytes of a file in, what it is out, where it is nothing that is read here.

pub(super) fn foreign_kind(opening: &[u8]) -> Option<&'static str> {
    const KINDS: [(usize, &[u8], &str); 20] = [
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
        (0, b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
        (0, b"RIFF", "a RIFF file of another kind than WAVE"),
        (0, b"FORM", "AIFF"),
        (0, b"caff", "CAF"),
        (0, b".snd", "AU"),
        (0, b"#!AMR", "AMR"),
        (28, b"OpusHead", "Ogg Opus"),
        (28, b"Speex", "Ogg Speex"),
    ];
    let magic = KINDS
        .iter()
        .find(|(at, magic, _)| opening.get(*at..).is_some_and(|o| o.starts_with(magic)));
    if let Some((_, _, kind)) = magic {
        return Some(kind);
    }
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..);
    if opening.iter().all(|&b| b == 0) {
        Some("all zeros at its start")
    } else if opening.len() >= 16 && opening.iter().take(128).all(is_text) && opening[0] < 0x80 {
        Some("text")
    } else {
        None
    }
}
