//! Reads names, one per line: line 1 names the first thing, line 2 the second.

use super::lines::Lines;
use crate::{Error, Result};
use std::{fs::File, path::Path};

/// All names, without the blanks around each.
///
/// # Errors
/// [`Error::Io`]; [`Error::List`] for a file that is not text.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    let mut lines = Lines::new(file, path);
    let mut names = vec![];
    while lines.advance()? {
        names.push(lines.text().trim().to_string());
    }
    Ok(names)
}
