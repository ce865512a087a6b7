//! `spkver list`: who is enrolled; `spkver list NAME`: the recordings of one speaker.

use super::{global::Global, output::printable, remedy};
use spkver::{
    Error, Result, answer::listing, storage::voiceprints::Listing, verifier::SpeakerName,
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
    let voiceprint = global.store_of(name)?.get(name)?;
    let verifier = global.verifier()?;
    let scores = listing::scores(&voiceprint, &verifier).unwrap_or_else(|other_model| {
        global.output().warning(&remedy::text(&other_model));
        vec![]
    });
    let lines = voiceprint.utterances.iter().enumerate();
    let lines = lines.map(|(index, utterance)| {
        let llr = scores.get(index).copied().flatten();
        let score = llr.map_or(String::new(), |llr| {
            format!(", LLR {llr:+.2} against the others")
        });
        format!(
            "{}  {}  {:.1} s of speech{score}",
            index + 1,
            printable(&utterance.file),
            utterance.speech_seconds,
        )
    });
    let lines: Vec<String> = lines.collect();
    let json = listing::of_voiceprint(&voiceprint, &scores);
    global.output().result(&lines.join("\n"), &json)
}

fn speakers(global: &Global) -> Result<u8> {
    let path = global.store_path()?;
    let listing = match global.open_store()? {
        Some(store) => store.list()?,
        None => Listing::default(),
    };
    let Listing { speakers, damaged } = &listing;
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
    let json = listing::of_store(&listing, &path);
    output.result(&lines.collect::<Vec<_>>().join("\n"), &json)?;
    for error in damaged {
        output.talk_of(error);
    }
    Ok(damaged.first().map_or(0, Error::exit_code))
}
