//! `spkver compare FILE FILE`: are these two recordings of one speaker?

use super::{global::Global, operating_point, recordings, remedy, trial::Trial};
use spkver::{
    Error, Remedy, Result,
    answer::{Outcome, Recording, all_or_errors},
    storage::file_name,
};
use std::{path::PathBuf, slice};

/// The flag for the channel of the other recording.
const OTHER: &str = "--other-channel";

/// What to compare.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// One recording
    file: PathBuf,
    /// The other recording
    other: PathBuf,
    /// Channel of the other recording to use, counted from 1 [default: as --channel]
    #[arg(long, value_name = "N", help_heading = "Recordings")]
    other_channel: Option<usize>,
    #[command(flatten)]
    point: operating_point::Args,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let criterion = args.point.criterion();
    // Flags are checked before any work is done.
    criterion.point(&verifier, None)?;
    let output = global.output();
    let embed = |reading: &recordings::Args, path: &PathBuf, is_other: bool| {
        let embedded = reading.embed(slice::from_ref(path), &verifier, output);
        embedded.map_err(|error| args.remedied(error, is_other))
    };
    let of_other = args.recordings.with_channel(args.other_channel);
    let (one, other) = rayon::join(
        || embed(&args.recordings, &args.file, false),
        || embed(&of_other, &args.other, true),
    );
    let both = all_or_errors(vec![one, other])?;
    let both: Vec<Recording> = both.into_iter().flatten().collect();
    let trial = Trial {
        command: "compare",
        subject: &args.subject(),
        speaker: None,
        recordings: &both,
        outcome: Outcome::of_pair([&both[0], &both[1]], &criterion, &verifier)?,
        listened: None,
    };
    trial.report(&verifier, output)
}

impl Args {
    /// An error about a missing channel names the flag that chooses the channel of this recording.
    fn remedied(&self, mut error: Error, is_other: bool) -> Error {
        let Error::Audio { remedy, .. } = &mut error else {
            return error;
        };
        let Remedy::Channel(count) = *remedy else {
            return error;
        };
        let words = match (is_other, self.other_channel) {
            (false, None) => format!(
                "{}, and choose the channel of the other recording with `{OTHER}`",
                remedy::words(remedy)
            ),
            (true, None) => format!("choose its own channel with `{OTHER}`"),
            (true, Some(_)) => remedy::channel(OTHER, count),
            (false, Some(_)) => return error,
        };
        *remedy = words.into();
        error
    }

    /// The names of both files, or their paths if the names are the same.
    fn subject(&self) -> String {
        let names = [&self.file, &self.other].map(|path| file_name(path));
        match names[0] == names[1] {
            true => format!("{} ~ {}", self.file.display(), self.other.display()),
            false => names.join(" ~ "),
        }
    }
}
