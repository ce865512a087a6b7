//! `spkver compare FILE FILE`: are these two recordings of one speaker?

use super::{
    Global, operating_point,
    recordings::{self, label},
    verify::Trial,
};
use spkver::{Result, verifier::Verification};
use std::path::PathBuf;

/// What to compare.
#[derive(clap::Args)]
pub struct Args {
    /// The two recordings
    #[arg(num_args = 2, required = true, value_names = ["FILE", "FILE"])]
    files: Vec<PathBuf>,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    point: operating_point::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let point = args.point.point()?;
    let verifier = global.verifier()?;
    let output = global.output();
    let both = args.recordings.embed(&args.files, &verifier, output)?;
    let verification = match (&both[0].embedding, &both[1].embedding) {
        (Ok(a), Ok(b)) => verifier.compare(a, b, &point)?,
        (Err(reason), _) | (_, Err(reason)) => Verification::unfit(*reason),
    };
    let trial = Trial {
        command: "compare",
        subject: &format!("{} ~ {}", label(&args.files[0]), label(&args.files[1])),
        speaker: None,
        recordings: &both,
    };
    trial.report(&verification, &point, &verifier, output)
}
