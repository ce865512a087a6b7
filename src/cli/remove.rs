//! `spkver remove NAME`: erase a voiceprint.

use super::{Global, output::printable};
use serde_json::json;
use spkver::{Error, Result, storage::voiceprints::Store, verifier::SpeakerName};

/// Whom to forget.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let path = global.store_path()?;
    match Store::open(&path)? {
        Some(mut store) => store.remove(&name)?,
        None => {
            return Err(Error::UnknownSpeaker {
                name: name.to_string(),
                store: path,
            });
        }
    }
    let line = format!("REMOVED  {}", printable(name.as_str()));
    let json = json!({ "command": "remove", "speaker": name.as_str() });
    global.output().result(&line, &json)?;
    Ok(0)
}
