//! The output flags that `spkver model import` and `spkver model int8` share.

use crate::cli::{global::Global, outputs};
use spkver::{
    Result,
    storage::output::{Form, OutputFile},
};
use std::path::PathBuf;

/// Where the new model is written.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Output")]
pub struct NewModel {
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    replacing: outputs::Args,
}

impl NewModel {
    /// Checks that the file may be written by a command that reads the files `read`.
    pub fn open(&self, read: &[PathBuf], global: &Global) -> Result<OutputFile> {
        let outputs = self.replacing.open(vec![self.out.clone()], global)?;
        read.iter().try_for_each(|path| outputs.spare(path))?;
        outputs.take(&self.out, &Form::MODEL)
    }
}
