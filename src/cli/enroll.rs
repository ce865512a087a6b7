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
    /// Take recordings whose file ends before the recording did
    #[arg(long)]
    allow_truncated: bool,
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

    let mut recordings = args.recordings.embed(&args.files, &verifier, output)?;
    if !args.allow_truncated {
        recordings = all_or_errors(recordings.into_iter().map(Recording::whole).collect())?;
    }
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let mut all: Vec<Utterance> = enrolled.map_or_else(Vec::new, |v| v.utterances);
    let num_before = all.len();
    // What people know each of them by: the label in the store, the path on the command line.
    let mut paths: Vec<PathBuf> = all.iter().map(|u| PathBuf::from(&u.file)).collect();
    for (path, utterance) in args.files.iter().zip(utterances) {
        let same = all.iter().position(|u| u.embedding == utterance.embedding);
        let Some(same) = same else {
            all.push(utterance);
            paths.push(path.clone());
            continue;
        };
        // The same recording twice would count twice in the voiceprint.
        let (file, other) = (path.display(), paths[same].display());
        output.warning(&if same < num_before {
            format!("{file}: already enrolled, as {other}; left out")
        } else if *path == paths[same] {
            format!("{file}: given twice; left out the second time")
        } else {
            format!("{file}: the same recording as {other}; left out")
        });
    }
    if args.force {
        for odd in verifier.odd_ones_out(&all) {
            let (file, llr) = (paths[odd.index].display(), odd.llr.0);
            output.warning(&format!(
                "{file}: does not sound like the others (LLR {llr:+.2})"
            ));
        }
    } else {
        verifier.check_consistency(&name, &all, num_before, |index| paths[index].clone())?;
    }
    for one in verifier.doubtful(&all) {
        if one.index >= num_before {
            let (file, llr) = (paths[one.index].display(), one.llr.0);
            output.warning(&format!(
                "{file}: hardly sounds like the others (LLR {llr:+.2}), enrolled all the same; \
                 is it the same speaker?"
            ));
        }
    }

    let added = &all[num_before..];
    let mut store = Store::open_or_create(&store_path)?;
    if args.replace {
        store.replace(&name, verifier.id(), added)?;
    } else if !added.is_empty() {
        store.add(&name, verifier.id(), num_before, added)?;
    }
    // Whole hops of the VAD: 10 ms.
    let speech_seconds: f32 = all.iter().map(|u| u.speech_seconds).sum();
    let speech_seconds = (speech_seconds * 100.0).round() / 100.0;
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
