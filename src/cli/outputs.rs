//! The files that a command writes: the flags `--force` and `--format`, and the files that no command
//! may overwrite.

use super::global::Global;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use spkver::{
    Result,
    storage::output::{Form, OutputFile, Outputs},
};
use std::path::{Path, PathBuf};

/// What may be replaced.
#[derive(Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Args {
    /// Replace an existing output file, whatever it holds, but never a file that the command reads
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

/// Reads the name of a format.
pub fn format<F: Copy + Send + Sync>(
    named: &'static [(&'static str, F)],
) -> impl TypedValueParser<Value = F> {
    let names = named.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).map(|text| {
        let mut formats = named.iter().filter(|(name, _)| *name == text);
        formats.next().expect("a name of the list").1
    })
}

/// The output at `path`, where there is one. Its ending must suit the form, unless a flag names the form.
pub fn take(
    outputs: &Outputs,
    path: Option<&Path>,
    form: &Form,
    is_form_named: bool,
) -> Result<Option<OutputFile>> {
    let take = |path| match is_form_named {
        true => outputs.take_of_any_ending(path, form),
        false => outputs.take(path, form),
    };
    path.map(take).transpose()
}
