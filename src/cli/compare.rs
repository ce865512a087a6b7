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
#[group(skip)]
pub struct Args {
    /// One recording
    file: PathBuf,
    /// The other recording
    other: PathBuf,
    #[command(flatten)]
    point: operating_point::Args,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    args.point.point(&verifier, None)?; // what is wrong with it is said before the work
    let output = global.output();
    let paths = [args.file.clone(), args.other.clone()];
    let both = args.recordings.embed(&paths, &verifier, output)?;
    let kind = match (&both[0].embedding, &both[1].embedding) {
        (Ok(a), Ok(b)) => Some(verifier.trial_kind(&[a], b)),
        _ => None,
    };
    let point = args.point.point(&verifier, kind)?;
    let verification = match (&both[0].embedding, &both[1].embedding) {
        (Ok(a), Ok(b)) => verifier.compare(a, b, &point)?,
        (Err(reason), _) | (_, Err(reason)) => Verification::unfit(*reason),
    };
    let trial = Trial {
        command: "compare",
        subject: &args.subject(),
        speaker: None,
        recordings: &both,
        kind,
    };
    trial.report(&verification, &point, &verifier, output)
}

impl Args {
    /// The names of both files; their paths where the names are the same.
    fn subject(&self) -> String {
        let names = [&self.file, &self.other].map(|path| label(path));
        match names[0] == names[1] {
            true => format!("{} ~ {}", self.file.display(), self.other.display()),
            false => names.join(" ~ "),
        }
    }
}
