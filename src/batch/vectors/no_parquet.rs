//! Takes the place of `parquet.rs` without the feature `parquet`: refuses to read or write vectors
//! as Parquet.

use super::{
    refusal::{Refusal, Take},
    row::{About, Rows},
};
use crate::{Result, batch::parquet_rows::refusal};
use std::{io::Write, path::Path};

pub(super) fn write(_: &mut (dyn Write + Send), _: &About, _: &mut Rows, _: &Path) -> Result<()> {
    Err(refusal())
}

pub(super) fn read(_: &Path, _: &mut Take) -> std::result::Result<(), Refusal> {
    Err("Parquet, which this program was built without (feature `parquet`)".into())
}
