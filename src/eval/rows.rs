//! Lines of trial lists and score files in, one [`Row`] each out, in constant memory.
//!
//! Told apart by the first line:
//!
//! | kind | line |
//! | --- | --- |
//! | VoxCeleb list | `1 enrol test` |
//! | Kaldi list | `enrol test target` or `nontarget` |
//! | scores | `enrol test score` |
//! | scores with labels | `enrol test score label`, `enrol test target score`, `1 enrol test score` |
//! | with a header | columns by name, between commas, semicolons, tabs or blanks (NIST's as well) |
//! | JSON lines | `{"enrol":…,"test":…,"score":…,"label":…}` |
//!
//! Fields are separated by blanks, or by tabs where a line has one; paths with spaces need tabs or
//! quotes; Parquet has columns of these names. What follows a `#` behind a score is a comment. NIST's
//! side b is the name with `:b`. A score of `nan`, an empty one or `null` says that a recording was
//! refused.

use super::{
    parquet_scores,
    row_format::{Format, split},
};
use crate::{Error, Result};
use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// The enrolled recording.
    pub enrol: &'a str,
    /// The recording under test.
    pub test: Cow<'a, str>,
    /// Same speaker, where the file tells.
    pub is_target: Option<bool>,
    /// Where the file tells; `Some(None)` for a refused recording.
    pub score: Option<Option<f64>>,
}

/// Which kind of file three fields without a label word are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// A trial list: the first field is the label.
    Trials,
    /// Scores: the third field is the score.
    Scores,
}

/// Longer lines are no list: a file without line ends must not fill the memory.
const MAX_LINE: usize = 1 << 16;

/// Calls `on_row` with each line's number (from 1) and content.
///
/// # Errors
/// [`Error::Io`], [`Error::List`] for a line that is none of the known ones, and what `on_row` says.
pub fn read(
    path: &Path,
    expected: Expected,
    on_row: &mut dyn FnMut(usize, Row) -> Result<()>,
) -> Result<()> {
    let refuse = |line: usize, fact: String, remedy: String| Error::List {
        path: path.to_path_buf(),
        line,
        fact,
        remedy,
    };
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    let mut file = BufReader::with_capacity(1 << 18, file);
    let start = file.fill_buf().map_err(|e| Error::io(path, "read", e))?;
    if start.starts_with(parquet_scores::MAGIC) {
        return parquet_scores::read(path, on_row);
    }
    let mut bytes = vec![];
    let mut format: Option<Format> = None;
    for number in 1.. {
        bytes.clear();
        let limited = &mut std::io::Read::take(&mut file, MAX_LINE as u64);
        let read = limited.read_until(b'\n', &mut bytes);
        if read.map_err(|e| Error::io(path, "read", e))? == 0 {
            break;
        }
        if bytes.len() == MAX_LINE && bytes.last() != Some(&b'\n') {
            return Err(refuse(
                number,
                format!("longer than {MAX_LINE} bytes"),
                "is this a list, one trial a line?".into(),
            ));
        }
        let line = std::str::from_utf8(&bytes).map_err(|_| {
            refuse(
                number,
                "not UTF-8 text".into(),
                "save the list as UTF-8".into(),
            )
        })?;
        let line = if number == 1 {
            line.trim_start_matches('\u{feff}')
        } else {
            line
        };
        let line = line.trim_matches(['\r', '\n', ' ']);
        if line.trim().is_empty() {
            continue;
        }
        let format = match &mut format {
            Some(format) => format,
            none => {
                let found = Format::of_first_line(line, expected)
                    .map_err(|(fact, remedy)| refuse(number, fact, remedy))?;
                let found = none.insert(found);
                if found.has_header() {
                    continue;
                }
                found
            }
        };
        let failed = |(fact, remedy)| refuse(number, fact, remedy);
        match format {
            Format::JsonLines => {
                let json = super::row_format::JsonRow::parse(line).map_err(failed)?;
                on_row(number, json.row().map_err(failed)?)?;
            }
            Format::Columns(columns) => {
                let fields = split(line, columns.separator).map_err(failed)?;
                on_row(number, columns.row(&fields).map_err(failed)?)?;
            }
        }
    }
    Ok(())
}
