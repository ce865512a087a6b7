//! `spkver enroll NAME FILE…`: recordings of one speaker into the store, all or none.

use super::{
    Global,
    output::{json_of, printable},
    recordings::{self, Recording, all_or_errors},
};
use serde_json::json;
use spkver::{
    Result,
    storage::voiceprints::Store,
    verifier::{SpeakerName, Utterance},
};
use std::path::PathBuf;

/// Whom to enrol, from what.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the speaker: any text of one line
    name: String,
    /// Recordings of the speaker
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Store recordings although they do not sound like one speaker
    #[arg(long)]
    force: bool,
    /// Begin the voiceprint anew, in the place of adding to it
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let store_path = global.store_path()?;
    let verifier = global.verifier()?;
    let output = global.output();
    let enrolled = match Store::open(&store_path)? {
        Some(store) if !args.replace => store.find(&name)?,
        _ => None,
    };
    if let Some(voiceprint) = &enrolled {
        verifier.check_model(voiceprint)?;
    }

    let recordings = args.recordings.embed(&args.files, &verifier, output)?;
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let mut all: Vec<Utterance> = enrolled.map_or_else(Vec::new, |v| v.utterances);
    let num_before = all.len();
    for utterance in utterances {
        // The same recording twice would count twice in the voiceprint.
        if let Some(same) = all.iter().find(|u| u.embedding == utterance.embedding) {
            let (file, same) = (&utterance.file, &same.file);
            output.warning(&format!("{file}: the same recording as {same}; left out"));
        } else {
            all.push(utterance);
        }
    }
    if args.force {
        for odd in verifier.odd_ones_out(&all) {
            let file = &all[odd.index].file;
            let llr = odd.llr.0;
            output.warning(&format!(
                "{file}: does not sound like the others (LLR {llr:+.2})"
            ));
        }
    } else {
        verifier.check_consistency(&name, &all)?;
    }

    let added = &all[num_before..];
    let mut store = Store::open_or_create(&store_path)?;
    if args.replace {
        store.replace(&name, verifier.id(), added)?;
    } else if !added.is_empty() {
        store.add(&name, verifier.id(), num_before, added)?;
    }
    let speech_seconds: f32 = all.iter().map(|u| u.speech_seconds).sum();
    let line = format!(
        "ENROLLED  {}  {} added, {} in all, {speech_seconds:.1} s of speech",
        printable(name.as_str()),
        added.len(),
        all.len(),
    );
    let json = json!({
        "command": "enroll",
        "speaker": name.as_str(),
        "num_added": added.len(),
        "num_utterances": all.len(),
        "speech_seconds": json_of(&speech_seconds),
        "model": verifier.id().to_string(),
        "store": store_path.to_string_lossy(),
        "files": added
            .iter()
            .map(|u| json!({ "file": u.file, "quality": u.quality }))
            .collect::<Vec<_>>(),
    });
    output.result(&line, &json)?;
    Ok(0)
}
