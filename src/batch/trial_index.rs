//! Reads a trial list of any length into distinct names and pairs of their numbers. Names stay in
//! memory; if there are many pairs, they move to a temporary file.

use crate::{
    Error, Result,
    lists::{trial::Expected, trials::for_each_trial},
};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use std::{
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
};
use tempfile::SpooledTempFile;

/// Most bytes of trials in memory: 256 MiB, 33 million trials.
const MAX_IN_MEMORY: usize = 256 << 20;
const PAIR_BYTES: usize = 8;
/// The number of a test shares 32 bits with the label.
const LABEL_SHIFT: u32 = 30;
const MAX_NAMES: usize = 1 << LABEL_SHIFT;
/// Most trials: 8 GiB of a temporary file, so that an endless list cannot fill the disk.
const MAX_TRIALS: u64 = 1 << 30;

/// Distinct names, numbered in the order of their first use. Lists have up to 20 million lines, so each
/// name is stored once.
pub type Names = IndexSet<Box<str>, FxBuildHasher>;

/// One trial, given by the numbers of its names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Number of the enrolled recording or model.
    pub enroll: u32,
    /// Number of the test recording.
    pub test: u32,
    /// The label, if the list has labels.
    pub is_target: Option<bool>,
}

/// A list that was read completely.
#[derive(Debug)]
pub struct TrialIndex {
    /// The names of the list.
    pub names: Names,
    /// Number of trials.
    pub count: u64,
    /// Whether the list names channels, as NIST's lists do.
    pub has_sides: bool,
    /// Hash of the list's bytes.
    pub hash: blake3::Hash,
    pairs: SpooledTempFile,
}

impl TrialIndex {
    /// Reads the whole list. Temporary files are created in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::List`] with the line.
    pub fn read(source: impl Read, path: &Path, folder: &Path) -> Result<Self> {
        Self::read_at_most(MAX_TRIALS, source, path, folder)
    }

    fn read_at_most(
        max_trials: u64,
        source: impl Read,
        path: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let full = |e| Error::io(folder, "write a temporary file in", e);
        let mut hasher = blake3::Hasher::new();
        let source = Hashing(source, &mut hasher);
        let mut names = Names::default();
        let spool = tempfile::spooled_tempfile_in(MAX_IN_MEMORY, folder);
        let mut pairs = BufWriter::with_capacity(1 << 20, spool);
        let mut count = 0;
        let has_sides = for_each_trial(source, path, Expected::Pairs, |trial| {
            let mut number = |name: &str| {
                let index = names.get_index_of(name);
                index.unwrap_or_else(|| names.insert_full(name.into()).0) as u32
            };
            let (enroll, test) = (number(&trial.enroll), number(&trial.test));
            let label = match trial.is_target {
                None => 0,
                Some(false) => 1,
                Some(true) => 2,
            };
            let too_many = |items: &str| {
                Error::list(
                    path,
                    trial.line,
                    format!("more than a billion {items}"),
                    "divide the list",
                )
            };
            if names.len() > MAX_NAMES {
                return Err(too_many("names"));
            }
            if count == max_trials {
                return Err(too_many("trials"));
            }
            let pair = u64::from(enroll) << 32 | u64::from(label << LABEL_SHIFT | test);
            pairs.write_all(&pair.to_le_bytes()).map_err(full)?;
            count += 1;
            Ok(())
        })?;
        if count == 0 {
            return Err(Error::list(
                path,
                1,
                "no trials",
                "write one trial per line: `1 enroll test`, `enroll test target` or \
                 `enroll test`",
            ));
        }
        let pairs = pairs.into_inner().map_err(|e| full(e.into_error()))?;
        Ok(TrialIndex {
            names,
            pairs,
            count,
            has_sides,
            hash: hasher.finalize(),
        })
    }

    /// Calls `take` with the trials of `range`, at most `size` at a time.
    ///
    /// # Errors
    /// [`Error::Io`] of the temporary file.
    pub fn for_each_block(
        &mut self,
        range: Range<u64>,
        size: usize,
        mut take: impl FnMut(&[Pair]),
    ) -> Result<()> {
        let failed = |e| Error::io(&std::env::temp_dir(), "read a temporary file in", e);
        let start = SeekFrom::Start(range.start * PAIR_BYTES as u64);
        self.pairs.seek(start).map_err(failed)?;
        let mut left = (range.end - range.start) as usize;
        let mut bytes = vec![0; left.min(size) * PAIR_BYTES];
        let mut pairs = Vec::with_capacity(left.min(size));
        while left > 0 {
            let bytes = &mut bytes[..left.min(size) * PAIR_BYTES];
            self.pairs.read_exact(bytes).map_err(failed)?;
            let (numbers, _) = bytes.as_chunks::<PAIR_BYTES>();
            pairs.clear();
            pairs.extend(
                numbers
                    .iter()
                    .map(|&n| Pair::from_bits(u64::from_le_bytes(n))),
            );
            take(&pairs);
            left -= pairs.len();
        }
        Ok(())
    }
}

impl Pair {
    fn from_bits(bits: u64) -> Self {
        let low = bits as u32;
        Pair {
            enroll: (bits >> 32) as u32,
            test: low & (MAX_NAMES as u32 - 1),
            is_target: match low >> LABEL_SHIFT {
                0 => None,
                label => Some(label == 2),
            },
        }
    }
}

/// Hashes the bytes that pass through it.
struct Hashing<'h, R>(R, &'h mut blake3::Hasher);

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_an_end_is_refused() {
        let list = "1 a b\n".repeat(5);
        let read = |max| {
            let folder = std::env::temp_dir();
            TrialIndex::read_at_most(max, list.as_bytes(), Path::new("list"), &folder)
        };
        assert_eq!(read(5).unwrap().count, 5);
        let told = read(4).unwrap_err().to_string();
        assert!(
            told.starts_with("list:5: more than a billion trials; "),
            "{told}"
        );
    }
}
