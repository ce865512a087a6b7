//! In the place of `parquet_scores.rs` where the feature `parquet` is off: Parquet files are refused.

use super::rows::Row;
use crate::{Error, Result};
use std::path::Path;

/// What every Parquet file begins with.
pub const MAGIC: &[u8] = b"PAR1";

/// Refuses the file.
///
/// # Errors
/// [`Error::Usage`].
pub fn read(path: &Path, _: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
    Err(Error::Usage(format!(
        "{}: is a Parquet file, and this program was built to read none; write the list as CSV, or build spkver with \
         the feature `parquet`",
        path.display()
    )))
}
