//! Reads the lines of a text file of any length, one block at a time. Lines are numbered from 1 and
//! come without their line ends (`\n` or `\r\n`).

use crate::{Error, Result};
use memchr::memrchr;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use wide::u8x16;

/// Size of a block. It fits into the second-level cache, because a block is read several times.
const BLOCK_BYTES: usize = 1 << 18;
/// Longest line. A file with a longer line is no list of names.
const MAX_LINE_BYTES: usize = 1 << 20;
/// A mark that programs on Windows put before a text. It is not part of the text.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The lines of UTF-8 text, with or without a byte order mark.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    /// Path of the file, for errors.
    path: PathBuf,
    /// Whole lines, checked to be UTF-8.
    block: String,
    /// Where the block's [`is_mark`] bytes are.
    marks: Vec<u32>,
    /// Where the current line stands in the block, and where the next one begins.
    at: (usize, usize),
    next: usize,
    /// The same for `marks`.
    marks_at: (usize, usize),
    next_mark: usize,
    /// What was read past the block's last line end.
    rest: Vec<u8>,
    /// Number of the line, from 1.
    line: usize,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// Reads `source`. Errors name it `path`.
    pub fn new(source: R, path: &Path) -> Self {
        Lines {
            source,
            path: path.to_path_buf(),
            block: String::new(),
            marks: vec![],
            at: (0, 0),
            next: 0,
            marks_at: (0, 0),
            next_mark: 0,
            rest: vec![],
            line: 0,
            ended: false,
        }
    }

    /// Goes to the next line; false at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for text that is not UTF-8, or for a line that is too long.
    pub fn advance(&mut self) -> Result<bool> {
        if self.next >= self.block.len() && !self.read_block()? {
            return Ok(false);
        }
        let bytes = self.block.as_bytes();
        let marks = self.marks[self.next_mark..].iter();
        let inside = marks.take_while(|&&at| bytes[at as usize] != b'\n').count();
        self.marks_at = (self.next_mark, self.next_mark + inside);
        self.next_mark += inside + 1;
        let end = self.marks.get(self.marks_at.1);
        let end = end.map_or(bytes.len(), |&at| at as usize);
        self.at = (self.next, end);
        if end > self.next && bytes[end - 1] == b'\r' {
            self.at.1 -= 1;
            self.marks_at.1 -= 1;
        }
        self.next = end + 1;
        self.line += 1;
        Ok(true)
    }

    /// The line that [`Self::advance`] went to.
    pub fn text(&self) -> &str {
        &self.block[self.at.0..self.at.1]
    }

    /// The words of the line, if the line is `count` words (at most 4) with one blank between them.
    /// Nearly every list has such lines, and their words are found without looking at each byte
    /// again. Returns `None` if there may be more in the line, such as tabs, quotes or several
    /// blanks.
    pub fn words(&self, count: usize) -> Option<[&str; 4]> {
        let marks = &self.marks[self.marks_at.0..self.marks_at.1];
        if marks.len() + 1 != count {
            return None;
        }
        let mut words = [""; 4];
        let mut start = self.at.0;
        for (word, mark) in words.iter_mut().zip(marks.iter().map(|&at| at as usize)) {
            if self.block.as_bytes()[mark] != b' ' || mark == start {
                return None;
            }
            *word = &self.block[start..mark];
            start = mark + 1;
        }
        *words.get_mut(count - 1)? = &self.block[start..self.at.1];
        (start < self.at.1).then_some(words)
    }

    /// Number of the line, from 1.
    pub fn number(&self) -> usize {
        self.line
    }

    /// Fills the block with at least one line; false at the end.
    fn read_block(&mut self) -> Result<bool> {
        let is_first = self.line == 0;
        let mut bytes = std::mem::take(&mut self.block).into_bytes();
        bytes.clear();
        bytes.append(&mut self.rest);
        self.next = 0;
        let mut searched = 0;
        while !self.ended {
            let wanted = BLOCK_BYTES as u64;
            let read = (&mut self.source).take(wanted).read_to_end(&mut bytes);
            let read = read.map_err(|e| Error::io(&self.path, "read", e))?;
            self.ended = (read as u64) < wanted;
            if let Some(end) = memrchr(b'\n', &bytes[searched..]) {
                if !self.ended {
                    self.rest.extend_from_slice(&bytes[searched + end + 1..]);
                    bytes.truncate(searched + end + 1);
                }
                break;
            }
            searched = bytes.len();
            if searched >= MAX_LINE_BYTES {
                return Err(self.no_text(self.line + 1, "longer than 1 MiB"));
            }
        }
        self.block = String::from_utf8(bytes).map_err(|e| {
            let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let above = valid.iter().filter(|&&b| b == b'\n').count();
            self.no_text(self.line + 1 + above, "not UTF-8 text")
        })?;
        find_marks(self.block.as_bytes(), &mut self.marks);
        self.next_mark = 0;
        if is_first && self.block.starts_with(BYTE_ORDER_MARK) {
            self.next = BYTE_ORDER_MARK.len();
        }
        Ok(self.next < self.block.len())
    }

    /// An error about the line that [`Self::advance`] went to.
    pub fn refuse(&self, fact: impl Into<String>, remedy: &'static str) -> Error {
        Error::list(self.path.clone(), self.line, fact, remedy)
    }

    fn no_text(&self, line: usize, fact: &str) -> Error {
        Error::list(
            self.path.clone(),
            line,
            fact,
            "save the list as UTF-8 text, one entry per line",
        )
    }
}

/// Calls `take` with each line of a file that is not blank. If `take` returns a fact, it becomes an
/// error with the number of the line and `remedy`.
///
/// # Errors
/// As [`Lines::advance`], and the errors of `take`.
pub fn for_each_line(
    path: &Path,
    remedy: &'static str,
    take: impl FnMut(&str) -> std::result::Result<(), String>,
) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    each_of(Lines::new(file, path), remedy, take)
}

/// As [`for_each_line`], for a list that is kept in memory: it is read whole, unless it is longer than
/// `max_bytes`. The limit also ends the reading of files without an end, such as /dev/zero.
///
/// # Errors
/// As [`for_each_line`]; [`Error::Usage`] for a file that is too long, and [`Error::Io`] for one that is
/// not UTF-8.
pub fn for_each_line_within(
    max_bytes: u64,
    path: &Path,
    remedy: &'static str,
    take: impl FnMut(&str) -> std::result::Result<(), String>,
) -> Result<()> {
    let failed = |e| Error::io(path, "read", e);
    let mut text = String::new();
    // Reads up to one byte more than allowed: the size that the system reports may be wrong.
    let mut source = File::open(path).map_err(failed)?.take(max_bytes + 1);
    source.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > max_bytes {
        return Err(Error::Usage(format!(
            "{}: longer than {max_bytes} bytes; is this a list?",
            path.display()
        )));
    }
    each_of(Lines::new(text.as_bytes(), path), remedy, take)
}

fn each_of(
    mut lines: Lines<impl Read>,
    remedy: &'static str,
    mut take: impl FnMut(&str) -> std::result::Result<(), String>,
) -> Result<()> {
    while lines.advance()? {
        let text = lines.text();
        if text.trim_ascii().is_empty() {
            continue;
        }
        take(text).map_err(|fact| lines.refuse(fact, remedy))?;
    }
    Ok(())
}

/// Line ends, blanks, quotes, and bytes that no name contains. All are ASCII.
fn is_mark(byte: u8) -> bool {
    byte <= b'"'
}

fn find_marks(bytes: &[u8], marks: &mut Vec<u32>) {
    marks.clear();
    let (chunks, rest) = bytes.as_chunks::<64>();
    for (i, chunk) in chunks.iter().enumerate() {
        let mut bits = 0u64;
        for (quarter, bytes) in chunk.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            let are_marks = bytes.min(u8x16::splat(b'"')).simd_eq(bytes);
            bits |= u64::from(are_marks.to_bitmask()) << (16 * quarter);
        }
        while bits != 0 {
            marks.push(i as u32 * 64 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
    let first = bytes.len() - rest.len();
    let rest = rest.iter().enumerate().filter(|(_, byte)| is_mark(**byte));
    marks.extend(rest.map(|(i, _)| (first + i) as u32));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(usize, String)> {
        let mut lines = Lines::new(bytes, Path::new("list"));
        let mut all = vec![];
        while lines.advance().unwrap() {
            all.push((lines.number(), lines.text().to_string()));
        }
        all
    }

    #[test]
    fn lines_of_all_ends() {
        let expected = [(1, "a".to_string()), (2, String::new()), (3, "b".into())];
        for text in ["a\n\nb\n", "a\n\nb", "a\r\n\r\nb\r\n", "\u{feff}a\n\nb"] {
            assert_eq!(lines(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(lines(b""), []);
        assert_eq!(lines("\u{feff}".as_bytes()), []);
    }

    #[test]
    fn lines_over_the_blocks_border() {
        let text: String = (0..300_000).map(|i| format!("läne {i}\n")).collect();
        let all = lines(text.as_bytes());
        assert_eq!(all.len(), 300_000);
        for (i, (number, line)) in all.iter().enumerate() {
            assert_eq!((*number, line), (i + 1, &format!("läne {i}")));
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let refused = |bytes: &[u8]| {
            let mut lines = Lines::new(bytes, Path::new("list"));
            loop {
                match lines.advance() {
                    Ok(true) => {}
                    Ok(false) => panic!("read to the end"),
                    Err(error) => return error.to_string(),
                }
            }
        };
        assert!(refused(b"a\nb\xff\n").starts_with("list:2: not UTF-8"));
        assert!(refused(&vec![b'a'; 3 << 20]).starts_with("list:1: longer"));
    }
    #[test]
    fn a_list_without_end_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, "path,speaker\n").unwrap();
        let read = |max_bytes| for_each_line_within(max_bytes, &path, "", |_| Ok(()));
        read(13).unwrap();
        let refused = read(12).unwrap_err().to_string();
        assert!(refused.contains("longer than 12 bytes"), "{refused}");
    }
}
