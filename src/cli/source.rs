//! The flags that `score` and `embed` share: where the recordings of a list are, and how they are read.

use super::recordings;
use spkver::{
    Result,
    batch::{kaldi_data::KaldiData, naming::Naming},
};
use std::path::PathBuf;

/// Where recordings are, and how they are read.
#[derive(clap::Args)]
#[command(next_help_heading = "Recordings")]
pub struct Source {
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    #[arg(hide_default_value = true)]
    pub root: PathBuf,
    /// Add this to each name of the list, e.g. `.wav`
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[arg(hide_default_value = true)]
    pub suffix: String,
    /// Kaldi data folder (wav.scp, segments, spk2utt or utt2spk); may be given several times
    #[arg(long, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// Keep embeddings for later runs in this file, or in a file in this folder
    #[arg(long, value_name = "FILE|DIR")]
    pub cache: Option<PathBuf>,
    #[command(flatten)]
    pub recordings: recordings::Args,
}

impl Source {
    /// How names become recordings.
    pub fn naming(&self) -> Result<Naming> {
        let data = match self.data.as_slice() {
            [] => None,
            folders => Some(KaldiData::read(folders)?),
        };
        Ok(Naming {
            root: self.root.clone(),
            suffix: self.suffix.clone(),
            reading: self.recordings.options(),
            data,
        })
    }

    /// The file of the cache.
    pub fn cache_file(&self) -> Option<PathBuf> {
        let cache = self.cache.as_ref()?;
        match cache.is_dir() {
            true => Some(cache.join("embeddings.sqlite")),
            false => Some(cache.clone()),
        }
    }
}
