//! `spkver remove NAME`: erase a voiceprint.

use super::{Global, output::printable};
use serde_json::json;
use spkver::{Error, Result, verifier::SpeakerName};

/// Whom to forget.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let mut store = global.open_store()?.ok_or_else(|| Error::UnknownSpeaker {
        name: name.to_string(),
        store: global.store_path().unwrap_or_default(),
    })?;
    store.remove(&name)?;
    let line = format!("REMOVED  {}", printable(name.as_str()));
    let json = json!({ "command": "remove", "speaker": name.as_str() });
    global.output().done(&line, &json);
    Ok(0)
}
