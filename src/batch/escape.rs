//! Escapes names from outside, so that they cannot act on a terminal or break a line.
//!
//! A character that acts on a terminal or cannot be seen becomes, for example, `\u{1b}`. A byte
//! that is not UTF-8 becomes, for example, `\u{dcff}`, a number that no character has. Two
//! different names stay different.

use crate::verifier::is_unseen;
use std::{borrow::Cow, fmt::Write, path::Path};

/// The start of every escape. A name that already contains this text is escaped as well, so that
/// two names never look alike.
const OPENING: &str = "\\u{";

/// Added to a byte that is not UTF-8; the sum is the number in its escape.
const LONE_BYTE: u32 = 0xdc00;

/// A name as text on one line.
pub fn name(text: &str) -> Cow<'_, str> {
    let is_seen = is_plain(text) || !text.contains(is_unseen);
    if is_seen && !text.contains(OPENING) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    push(text, &mut escaped);
    Cow::Owned(escaped)
}

/// Whether all characters are printable ASCII, as in nearly all names: a fast test.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// A path as text on one line.
pub fn path(path: &Path) -> Cow<'_, str> {
    let text = path.as_os_str();
    if let Some(text) = text.to_str() {
        return name(text);
    }
    let mut escaped = String::new();
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        push(chunk.valid(), &mut escaped);
        for byte in chunk.invalid() {
            let _ = write!(escaped, "{OPENING}{:x}}}", LONE_BYTE + u32::from(*byte));
        }
    }
    Cow::Owned(escaped)
}

fn push(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => to.push_str("\\\\"),
            c if is_unseen(c) => to.extend(c.escape_unicode()),
            c => to.push(c),
        }
    }
}

/// JSON text with these characters as `\u001b`, which every JSON reader understands.
pub fn json(text: &str) -> Cow<'_, str> {
    if is_plain(text) || !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unseen(c) {
            true => push_utf16(c, &mut escaped),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Appends a character as `\u001b`: one or two units of UTF-16.
pub fn push_utf16(c: char, to: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(to, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_stay_different() {
        let names = [
            "a\u{1b}",
            "a\\u{1b}",
            "a\\\\u{1b}",
            "a",
            "a\\b",
            "a\n",
            "a\u{202e}",
        ];
        let mut seen: Vec<String> = names.iter().map(|n| name(n).into_owned()).collect();
        assert_eq!(seen[0], "a\\u{1b}");
        assert_eq!(seen[4], "a\\b", "a path of Windows stays as it is");
        assert!(seen.iter().all(|shown| !shown.contains(is_unseen)));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), names.len());
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf_8_stay_different() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let shown = |bytes: &[u8]| path(Path::new(OsStr::from_bytes(bytes))).into_owned();
        assert_eq!(shown(b"a\xff.wav"), "a\\u{dcff}.wav");
        assert_eq!(shown(b"a\xfe.wav"), "a\\u{dcfe}.wav");
        assert_ne!(shown(b"a\xff.wav"), shown(b"a\\u{dcff}.wav"));
    }

    #[test]
    fn json_is_undone_by_its_readers() {
        let text = serde_json::to_string("a\u{7f}\u{e0001}").unwrap();
        let escaped = json(&text);
        assert_eq!(escaped, "\"a\\u007f\\udb40\\udc01\"");
        let back: String = serde_json::from_str(&escaped).unwrap();
        assert_eq!(back, "a\u{7f}\u{e0001}");
    }
}
