//! `spkver evaluate`: the place for it.

use super::Global;
use spkver::{Error, Result};

/// None yet.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args, _global: &Global) -> Result<u8> {
    Err(Error::Usage(
        "`spkver evaluate` is not in this version".into(),
    ))
}
