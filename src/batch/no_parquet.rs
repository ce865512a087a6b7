//! Takes the place of `parquet_rows.rs` without the feature `parquet`: refuses to write Parquet.

use super::{ledger::Block, scored_trial::ScoredTrial};
use crate::{Error, Result};
use std::{fs::File, io::Write, path::Path};

pub(super) fn encode(_: &[ScoredTrial]) -> Result<Vec<u8>> {
    Err(refusal())
}

pub(super) fn join(
    _: &mut File,
    _: &[Block],
    _: &[(&str, &str)],
    _: impl Write + Send,
    _: &Path,
) -> Result<()> {
    Err(refusal())
}

/// The refusal.
pub(super) fn refusal() -> Error {
    Error::Usage(
        "this program was built to write no Parquet; choose another format, or build spkver with the feature `parquet`"
            .into(),
    )
}
