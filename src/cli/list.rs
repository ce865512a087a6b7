//! `spkver list`: who is enrolled; `spkver list NAME`: the recordings of one speaker.

use super::{
    Global,
    output::{json_of, printable},
};
use serde_json::json;
use spkver::{
    Error, Result,
    storage::voiceprints::Listing,
    verifier::{OddOneOut, SpeakerName},
};

/// What to list.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of an enrolled speaker: list the recordings, and how each scores against the others
    name: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    match &args.name {
        Some(name) => recordings(&SpeakerName::new(name)?, global),
        None => speakers(global),
    }
}

fn recordings(name: &SpeakerName, global: &Global) -> Result<u8> {
    let store = global.open_store()?.ok_or_else(|| Error::UnknownSpeaker {
        name: name.to_string(),
        store: global.store_path().unwrap_or_default(),
    })?;
    let voiceprint = store.get(name)?;
    let verifier = global.verifier()?;
    let scores: Vec<OddOneOut> = match verifier.check_model(&voiceprint) {
        Ok(()) => verifier.each_against_the_others(&voiceprint.utterances),
        Err(other_model) => {
            global.output().warning(&other_model.to_string());
            vec![]
        }
    };
    let (mut lines, mut rows) = (vec![], vec![]);
    for (index, utterance) in voiceprint.utterances.iter().enumerate() {
        // One recording alone has nobody to be compared with.
        let llr = scores
            .get(index)
            .map(|one| one.llr.0)
            .filter(|llr| llr.is_finite());
        let score = llr.map_or(String::new(), |llr| {
            format!(", LLR {llr:+.2} against the others")
        });
        lines.push(format!(
            "{}  {}  {:.1} s of speech{score}",
            index + 1,
            printable(&utterance.file),
            utterance.speech_seconds,
        ));
        rows.push(json!({
            "recording": index + 1,
            "file": utterance.file,
            "speech_seconds": json_of(&utterance.speech_seconds),
            "llr_against_the_others": llr.map(|llr| json_of(&llr)),
        }));
    }
    let json = json!({
        "command": "list",
        "speaker": voiceprint.name.as_str(),
        "model": voiceprint.model.to_string(),
        "recordings": rows,
    });
    global.output().result(&lines.join("\n"), &json)?;
    Ok(0)
}

fn speakers(global: &Global) -> Result<u8> {
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
