//! `spkver enroll NAME FILE…`: recordings of one speaker into the store, all or none.

use super::{
    Global,
    output::{json_of, printable},
    recordings::{self, Recording, all_or_errors},
};
use serde_json::json;
use spkver::{
    Result,
    verifier::{SpeakerName, Utterance, Verifier, Voiceprint},
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
    let verifier = global.verifier()?;
    let output = global.output();
    let store_path = global.store_path()?;
    let mut store = global.open_store()?;
    let mut enrolled = match &store {
        Some(store) if !args.replace => store.find(&name)?,
        _ => None,
    };
    // Before the work, not after it.
    enrolled
        .as_ref()
        .map_or(Ok(()), |v| verifier.check_model(v))?;

    let mut recordings = args.recordings.embed(&args.files, &verifier, output)?;
    if !args.allow_truncated {
        recordings = all_or_errors(recordings.into_iter().map(Recording::whole).collect())?;
    }
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let joined = loop {
        let joined = Joined::new(enrolled, &utterances, &args.files);
        let warnings = joined.check(&name, &verifier, args.force)?;
        let store = match &mut store {
            Some(store) => store,
            none => none.insert(global.open_or_create_store()?),
        };
        let added = &joined.all[joined.num_before..];
        let stored = if args.replace {
            store.replace(&name, verifier.id(), added)?;
            true
        } else {
            store.add(&name, verifier.id(), joined.num_before, added)?
        };
        if stored {
            warnings.iter().for_each(|warning| output.warning(warning));
            break joined;
        }
        // Another command changed the voiceprint meanwhile: these must be consistent with it, too.
        enrolled = store.find(&name)?;
    };
    let (all, added) = (&joined.all, &joined.all[joined.num_before..]);
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
    output.done(&line, &json);
    Ok(0)
}

/// What is enrolled and what is new, together.
struct Joined {
    /// The enrolled ones first.
    all: Vec<Utterance>,
    num_before: usize,
    /// What people know each of them by: the label in the store, the path on the command line.
    paths: Vec<PathBuf>,
    /// What was left out, and why.
    doubles: Vec<String>,
}

impl Joined {
    /// Leaves out the same recording twice: it would count twice in the voiceprint.
    fn new(enrolled: Option<Voiceprint>, utterances: &[Utterance], files: &[PathBuf]) -> Self {
        let all = enrolled.map_or_else(Vec::new, |v| v.utterances);
        let num_before = all.len();
        let mut joined = Joined {
            paths: all.iter().map(|u| PathBuf::from(&u.file)).collect(),
            all,
            num_before,
            doubles: vec![],
        };
        for (path, utterance) in files.iter().zip(utterances) {
            let mut all = joined.all.iter();
            let Some(same) = all.position(|u| u.embedding == utterance.embedding) else {
                joined.all.push(utterance.clone());
                joined.paths.push(path.clone());
                continue;
            };
            let (file, other) = (path.display(), joined.paths[same].display());
            joined.doubles.push(if same < num_before {
                format!("{file}: already enrolled, as {other}; left out")
            } else if *path == joined.paths[same] {
                format!("{file}: given twice; left out the second time")
            } else {
                format!("{file}: the same recording as {other}; left out")
            });
        }
        joined
    }

    /// Do they sound like one speaker? What to warn of, if so or if `force` insists.
    fn check(&self, name: &SpeakerName, verifier: &Verifier, force: bool) -> Result<Vec<String>> {
        let mut warnings = self.doubles.clone();
        let path_of = |index: usize| self.paths[index].display();
        if force {
            warnings.extend(verifier.odd_ones_out(&self.all).iter().map(|odd| {
                let (file, llr) = (path_of(odd.index), odd.llr.0);
                format!("{file}: does not sound like the others (LLR {llr:+.2})")
            }));
        } else {
            let path_of = |index: usize| self.paths[index].clone();
            verifier.check_consistency(name, &self.all, self.num_before, path_of)?;
        }
        for one in verifier.doubtful(&self.all) {
            if one.index >= self.num_before {
                let (file, llr) = (path_of(one.index), one.llr.0);
                warnings.push(format!(
                    "{file}: hardly sounds like the others (LLR {llr:+.2}), enrolled all the same; \
                     is it the same speaker?"
                ));
            }
        }
        Ok(warnings)
    }
}
