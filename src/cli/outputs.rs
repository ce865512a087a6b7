//! The files that a command writes: the flag that such commands share, and the files that none of
//! them may overwrite.

use super::global::Global;
use spkver::{Result, storage::output::Outputs};
use std::path::PathBuf;

/// What may be replaced.
#[derive(Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Args {
    /// Replace an existing output file, whatever it holds (never a file that is read)
    #[arg(long)]
    force: bool,
}

impl Args {
    /// Prepares these outputs of the command. This already checks them against the model, the store
    /// and its key. The command adds what else it reads.
    pub fn open(&self, paths: Vec<PathBuf>, global: &Global) -> Result<Outputs> {
        let outputs = Outputs::new(paths, self.force)?;
        let mut read = global.model.iter().chain(global.key.files());
        read.try_for_each(|path| outputs.spare(path))?;
        // If there is no home folder, there is no store to protect.
        if let Ok(store) = global.store_path() {
            outputs.spare_store(&store)?;
        }
        Ok(outputs)
    }
}
