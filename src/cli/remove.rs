//! `spkver remove NAME`: erases a voiceprint, or one recording of it.

use super::{Global, output::printable};
use serde_json::json;
use spkver::{Error, Result, verifier::SpeakerName};

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
    let mut store = global.open_store()?.ok_or_else(|| Error::UnknownSpeaker {
        name: name.to_string(),
        store: global.store_path().unwrap_or_default(),
    })?;
    let left = match args.recording {
        Some(number) => {
            let voiceprint = store.remove_utterance(&name, number as usize - 1)?;
            Some(voiceprint.utterances.len())
        }
        None => {
            store.remove(&name)?;
            None
        }
    };
    let shown = printable(name.as_str());
    let line = match (args.recording, left) {
        (Some(number), Some(left)) => {
            format!("REMOVED  recording {number} of {shown}, {left} left")
        }
        _ => format!("REMOVED  {shown}"),
    };
    let json = json!({
        "command": "remove",
        "speaker": name.as_str(),
        "recording": args.recording,
        "num_utterances": left.unwrap_or(0),
    });
    global.output().done(&line, &json);
    Ok(0)
}
