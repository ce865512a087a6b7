//! A text file of any length in, its lines out, numbered from 1, without their line ends (`\n` or
//! `\r\n`): one block of the file is in memory at a time.

use crate::{Error, Result};
use memchr::{memchr, memrchr};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

const BLOCK_BYTES: usize = 1 << 20;
/// A longer line is no list of names: the file is something else.
const MAX_LINE_BYTES: usize = 1 << 20;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The lines of UTF-8 text, with or without a byte order mark.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    /// For the errors.
    path: PathBuf,
    /// Whole lines, checked to be UTF-8.
    block: String,
    /// Where the line stands in the block, and where the next one begins.
    at: (usize, usize),
    next: usize,
    /// What was read past the block's last line end.
    rest: Vec<u8>,
    /// Number of the line, from 1.
    line: usize,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// Reads `source`; `path` is for the errors.
    pub fn new(source: R, path: &Path) -> Self {
        Lines {
            source,
            path: path.to_path_buf(),
            block: String::new(),
            at: (0, 0),
            next: 0,
            rest: vec![],
            line: 0,
            ended: false,
        }
    }

    /// Goes to the next line; false at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for text that is not UTF-8 or has a line without end.
    pub fn advance(&mut self) -> Result<bool> {
        if self.next >= self.block.len() && !self.read_block()? {
            return Ok(false);
        }
        let rest = &self.block.as_bytes()[self.next..];
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = (self.next, self.next + length);
        self.next += length + 1;
        self.line += 1;
        Ok(true)
    }

    /// The line that [`Self::advance`] went to.
    pub fn text(&self) -> &str {
        let line = &self.block[self.at.0..self.at.1];
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.line
    }

    /// The file as it was given.
    pub fn path(&self) -> &Path {
        &self.path
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
            if searched > MAX_LINE_BYTES {
                return Err(self.refuse(self.line + 1, "longer than 1 MiB"));
            }
        }
        self.block = String::from_utf8(bytes).map_err(|e| {
            let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let above = valid.iter().filter(|&&b| b == b'\n').count();
            self.refuse(self.line + 1 + above, "not UTF-8 text")
        })?;
        if is_first && self.block.starts_with(BYTE_ORDER_MARK) {
            self.next = BYTE_ORDER_MARK.len();
        }
        Ok(self.next < self.block.len())
    }

    fn refuse(&self, line: usize, fact: &str) -> Error {
        Error::List {
            path: self.path.clone(),
            line,
            fact: fact.into(),
            remedy: "save the list as UTF-8 text, one entry a line".into(),
        }
    }
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
}
