//! `spkver store …`: the store as a whole.

use super::{Global, test_recordings, vectors};
use spkver::Result;

/// What to do with the store.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write every voiceprint as a vector whose inner product with a query is the LLR
    Export(vectors::Export),
    /// Print recordings as queries for what `export` wrote
    Query(test_recordings::Args),
    /// Enrol embeddings from a NumPy file
    ImportVectors(vectors::Import),
}

/// Runs the command.
pub fn run(command: &Command, global: &Global) -> Result<u8> {
    match command {
        Command::Export(args) => vectors::export(args, global),
        Command::Query(args) => vectors::query(args, global),
        Command::ImportVectors(args) => vectors::import(args, global),
    }
}
