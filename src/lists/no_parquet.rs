//! Takes the place of `parquet_trials.rs` without the feature `parquet`: refuses Parquet files.

use super::trial::Trial;
use crate::{Error, Result};
use std::path::Path;

/// Refuses the file.
///
/// # Errors
/// [`Error::Usage`].
pub fn read(path: &Path, _: &mut dyn FnMut(Trial) -> Result<()>) -> Result<bool> {
    Err(Error::Usage(format!(
        "{}: is a Parquet file, and this program was built to read none; write the list as CSV, or \
         build spkver with the feature `parquet`",
        path.display()
    )))
}
