//! `spkver remove NAME`: erases a voiceprint, or one recording of it.

use super::{global::Global, output::printable};
use spkver::{Result, answer::removal, verifier::SpeakerName};
use std::num::NonZeroU32;

/// Whom to remove.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
    /// Erase only this recording, by its number in `spkver list NAME`
    #[arg(long, value_name = "N", help_heading = "Voiceprint", value_parser = clap::value_parser!(u32).range(1..))]
    recording: Option<u32>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let mut store = global.store_of(&name)?;
    let number = args.recording.and_then(NonZeroU32::new);
    let left = removal::remove(&mut store, &name, number)?;
    let shown = printable(name.as_str());
    let line = match number {
        Some(number) => format!("REMOVED  recording {number} of {shown}, {left} left"),
        None => format!("REMOVED  {shown}"),
    };
    let json = removal::answer(&name, number, left);
    Ok(global.output().done(&line, &json))
}
