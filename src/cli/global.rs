//! The flags that every command takes, and the model and the store that they name.

use super::{key, output::Output};
use spkver::{
    Error, Result, kernels,
    storage::{self, voiceprints::Store},
    verifier::{SpeakerName, Verifier},
};
use std::path::PathBuf;

/// Flags that every command takes.
#[derive(clap::Args)]
pub struct Global {
    /// Model file [default: the one inside the program]
    #[arg(long, global = true, value_name = "FILE", env = "SPKVER_MODEL")]
    #[arg(hide_env_values = true, help_heading = "Model")]
    pub(super) model: Option<PathBuf>,
    /// Arithmetic of the network: f32, or int8, which changes scores a little. int8 is two to three
    /// times as fast on a CPU with VNNI instructions, and no faster on others (try `spkver bench`)
    #[arg(long, global = true, value_enum, default_value_t = Precision::F32)]
    #[arg(hide_possible_values = true, help_heading = "Model")]
    precision: Precision,
    /// Threads to use [default: one per core]; the result is the same with any number
    #[arg(long, global = true, value_name = "N", help_heading = "Processor")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Instruction set for the innermost loops [default: the fastest that the CPU has]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Processor")]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(kernels::NAMES))]
    pub(super) kernel: Option<String>,
    /// Store of voiceprints [default: in your data folder]
    #[arg(long, global = true, value_name = "FILE", env = "SPKVER_STORE")]
    #[arg(hide_env_values = true, help_heading = "Store")]
    store: Option<PathBuf>,
    #[command(flatten)]
    pub(super) key: key::Args,
    #[command(flatten)]
    output: Output,
}

/// The numbers that the network computes with.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub(super) enum Precision {
    /// 32-bit floats
    F32,
    /// 8-bit whole numbers
    Int8,
}

impl Global {
    /// The model that the flags name, or the embedded one, in the precision that they name.
    pub fn verifier(&self) -> Result<Verifier> {
        self.verifier_in(self.precision)
    }

    /// The model that the flags name, in the precision of its file.
    pub(super) fn verifier_as_made(&self) -> Result<Verifier> {
        match &self.model {
            Some(path) => storage::model::load(path),
            None => storage::model::embedded(),
        }
    }

    /// The model that the flags name, in this precision.
    pub(super) fn verifier_in(&self, precision: Precision) -> Result<Verifier> {
        let mut verifier = self.verifier_as_made()?;
        if precision == Precision::Int8 {
            verifier.quantise()?;
        }
        Ok(verifier)
    }

    /// The store that the flags name, or the one in the data folder.
    pub fn store_path(&self) -> Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => storage::voiceprints::default_path(),
        }
    }

    /// The store, opened with the given secret; none if the file does not exist.
    pub fn open_store(&self) -> Result<Option<Store>> {
        let path = self.store_path()?;
        Store::open(&path, self.key.secret_for(&path)?.as_ref())
    }

    /// The store, opened with the given secret.
    ///
    /// # Errors
    /// [`Error::Store`] if the file does not exist.
    pub fn existing_store(&self) -> Result<Store> {
        let path = self.store_path()?;
        self.open_store()?.ok_or_else(|| {
            Error::store(
                path,
                "there is no such file",
                "enroll with `spkver enroll`, or give another file with --store",
            )
        })
    }

    /// The store in which `name` should be enrolled, opened with the given secret.
    pub fn store_of(&self, name: &SpeakerName) -> Result<Store> {
        let path = self.store_path()?;
        self.open_store()?
            .ok_or_else(|| Error::unknown_speaker(name.as_str(), &path))
    }

    /// The store, opened with the given secret, and created if it does not exist.
    pub fn open_or_create_store(&self) -> Result<Store> {
        let path = self.store_path()?;
        Store::open_or_create(&path, self.key.secret_for(&path)?.as_ref())
    }

    /// How to print results and messages.
    pub fn output(&self) -> &Output {
        &self.output
    }
}
