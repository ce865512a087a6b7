//! `spkver list`: who is enrolled.

use super::{Global, output::printable};
use serde_json::json;
use spkver::{Error, Result, storage::voiceprints::Listing};

/// Runs the command.
pub fn run(global: &Global) -> Result<u8> {
    let path = global.store_path()?;
    let Listing { speakers, damaged } = match global.open_store()? {
        Some(store) => store.list()?,
        None => Listing::default(),
    };
    let output = global.output();
    if speakers.is_empty() && damaged.is_empty() {
        output.warning(&format!("nobody is enrolled in {}", path.display()));
    }
    let lines = speakers.iter().map(|speaker| {
        format!(
            "{}  {} recording{}, {:.1} s of speech, model {:.12}",
            printable(&speaker.name),
            speaker.num_utterances,
            if speaker.num_utterances == 1 { "" } else { "s" },
            speaker.speech_seconds,
            speaker.model,
        )
    });
    let json = json!({
        "command": "list",
        "store": path.to_string_lossy(),
        "speakers": speakers,
        "damaged": damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    output.result(&lines.collect::<Vec<_>>().join("\n"), &json)?;
    for error in &damaged {
        output.talk_of(error);
    }
    Ok(damaged.first().map_or(0, Error::exit_code))
}
