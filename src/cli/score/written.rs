//! The file that `spkver score` writes, and the files that it must not overwrite.

use super::Args;
use crate::cli::outputs;
use spkver::{
    Result,
    batch::{kaldi_data::KaldiData, naming::Naming},
    storage::output::{OutputFile, Outputs},
};
use std::path::{Path, PathBuf};

impl Args {
    /// Checks that the output replaces none of the inputs that are known before the list is read.
    pub(super) fn spare_inputs(
        &self,
        trials: &Path,
        naming: &Naming,
        outputs: &Outputs,
    ) -> Result<()> {
        let cache = self.source.cache_file();
        let lists = naming.data.iter().flat_map(KaldiData::files_read);
        let flags = [
            &self.enrollments,
            &self.embeddings,
            &self.ids,
            &self.calibration,
            &cache,
        ];
        let flags = flags.into_iter().flatten().chain(lists);
        let mut read = flags.map(PathBuf::as_path).chain([trials]);
        read.try_for_each(|path| outputs.spare(path))
    }

    /// The output file, if there is one.
    pub(super) fn output_file(&self, outputs: &Outputs) -> Result<Option<OutputFile>> {
        let (path, form) = (self.output.as_deref(), self.format().form());
        let is_named = self.format.is_some() || self.jsonl;
        outputs::take(outputs, path, form, is_named)
    }
}
