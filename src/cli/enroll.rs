//! `spkver enroll NAME FILE…`: stores recordings of one speaker, all or none.

use super::{
    Global,
    listening::{self, Input, Look},
    output::{Output, json_of, printable},
    recordings::{self, Files, Recording, all_or_errors},
};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    verifier::{Listener, OddOneOut, SpeakerName, Utterance, Verifier, Voiceprint},
};
use std::{path::PathBuf, sync::Arc};

/// A voiceprint of less speech misses more targets, in seconds.
const GOOD_SECONDS: f32 = 5.0;

/// Whom to enroll, from what.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the speaker: any text of one line
    name: String,
    /// Recordings of the speaker, or folders of them; - listens to standard input until there is enough
    /// speech
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Enroll recordings even if they do not sound like one speaker
    #[arg(long, help_heading = "Enrollment")]
    force: bool,
    /// Refuse recordings that hardly sound like the others, instead of warning of them
    #[arg(long, conflicts_with = "force", help_heading = "Enrollment")]
    strict: bool,
    /// Replace the voiceprint instead of adding to it
    #[arg(long, help_heading = "Enrollment")]
    replace: bool,
    /// Accept files that were cut off before the recording's end
    #[arg(long, help_heading = "Enrollment")]
    allow_truncated: bool,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    listening: listening::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let verifier = Arc::new(global.verifier()?);
    let output = global.output();
    let store_path = global.store_path()?;
    let mut store = global.open_store()?;
    let mut enrolled = match &store {
        Some(store) if !args.replace => store.find(&name)?,
        _ => None,
    };
    // Before the work is done, not after it.
    enrolled
        .as_ref()
        .map_or(Ok(()), |v| verifier.check_model(v))?;

    let files = Files::named(&args.files)?.paths;
    let mut recordings = match listening::is_asked(&args.files) {
        true => vec![listen(args, enrolled.as_ref(), &verifier, output)?],
        false => {
            args.listening.check_unused(false)?;
            args.recordings.embed(&files, &verifier, output)?
        }
    };
    if !args.allow_truncated {
        recordings = all_or_errors(recordings.into_iter().map(Recording::whole).collect())?;
    }
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let (joined, findings) = loop {
        let joined = Joined::new(enrolled, &utterances, &files);
        let findings = joined.check(&name, &verifier, args)?;
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
            let warnings = findings.iter().map(|finding| finding.line(&joined.paths));
            warnings.for_each(|warning| output.warning(&warning));
            break (joined, findings);
        }
        // Another command has changed the voiceprint: these recordings must be consistent with it, too.
        enrolled = store.find(&name)?;
    };
    let (all, added) = (&joined.all, &joined.all[joined.num_before..]);
    // Whole hops of the VAD: 10 ms.
    let speech_seconds: f32 = all.iter().map(|u| u.speech_seconds).sum();
    let speech_seconds = (speech_seconds * 100.0).round() / 100.0;
    let missing_seconds = (GOOD_SECONDS - speech_seconds).max(0.0);
    let mut line = format!(
        "ENROLLED  {}  {} added, {} in all, {speech_seconds:.1} s of speech",
        printable(name.as_str()),
        added.len(),
        all.len(),
    );
    if missing_seconds > 0.0 {
        line += &format!("; enroll {missing_seconds:.1} s more for a good voiceprint");
    }
    let json = json!({
        "command": "enroll",
        "speaker": name.as_str(),
        "num_added": added.len(),
        "num_utterances": all.len(),
        "speech_seconds": json_of(&speech_seconds),
        "missing_seconds": json_of(&((missing_seconds * 100.0).round() / 100.0)),
        "findings": findings.iter().map(|f| f.json(&joined.paths)).collect::<Vec<_>>(),
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

/// Least speech of a recording that is added to others, in seconds, where listening ends by itself.
const MIN_ADDED_SECONDS: f32 = 2.0;

/// Listens until there is enough speech for a good voiceprint, to the limit or to the end.
fn listen(
    args: &Args,
    enrolled: Option<&Voiceprint>,
    verifier: &Arc<Verifier>,
    output: &Output,
) -> Result<Recording> {
    let input = Input::open(&args.listening, &args.recordings, output)?;
    let utterances = enrolled.map_or(&[][..], |v| &v.utterances);
    let before: f32 = utterances.iter().map(|u| u.speech_seconds).sum();
    let wanted = (GOOD_SECONDS - before).max(MIN_ADDED_SECONDS);
    let listener = Listener::new(Arc::clone(verifier), input.rate_hz())?;
    let listened = input.listen(listener, &mut |listener, state| {
        let missing = wanted - state.speech_seconds;
        let embedding = listener.heard().map(|heard| &heard.embedding);
        let is_fit = matches!(embedding, Some(Ok(_)));
        Ok(Look {
            note: match embedding {
                Some(Err(reason)) => format!(": {reason}"),
                _ if missing > 0.0 => format!(", {missing:.1} s more wanted"),
                _ => String::new(),
            },
            is_clear: !args.listening.to_end && missing <= 0.0 && is_fit,
        })
    })?;
    Ok(listened.recording)
}

/// What is enrolled and what is new, together.
struct Joined {
    /// The enrolled ones first.
    all: Vec<Utterance>,
    num_before: usize,
    /// How people know each of them: the label in the store, the path on the command line.
    paths: Vec<PathBuf>,
    /// Recordings that were left out.
    doubles: Vec<Finding>,
}

/// What is noteworthy about a recording that was enrolled or left out.
#[derive(Clone)]
enum Finding {
    /// Left out: the same as another one.
    Double {
        path: PathBuf,
        of: usize,
        code: &'static str,
    },
    /// Enrolled although it does not sound like the others.
    Odd(OddOneOut),
    /// Enrolled although it hardly sounds like the others.
    Doubtful(OddOneOut),
}

impl Finding {
    fn line(&self, paths: &[PathBuf]) -> String {
        match self {
            Finding::Double { path, of, code } => {
                let (file, other) = (path.display(), paths[*of].display());
                match *code {
                    "already-enrolled" => {
                        format!("{file}: already enrolled, as {other}; left out")
                    }
                    "given-twice" => format!("{file}: given twice; left out the second time"),
                    _ => format!("{file}: the same recording as {other}; left out"),
                }
            }
            Finding::Odd(odd) => {
                let (file, llr) = (paths[odd.index].display(), odd.llr.0);
                format!("{file}: does not sound like the others (LLR {llr:+.2})")
            }
            Finding::Doubtful(one) => {
                let (file, llr) = (paths[one.index].display(), one.llr.0);
                format!(
                    "{file}: hardly sounds like the others (LLR {llr:+.2}), enrolled all the same; \
                     is it the same speaker?"
                )
            }
        }
    }

    fn json(&self, paths: &[PathBuf]) -> Value {
        let of_score = |code: &str, one: &OddOneOut| {
            let path = paths[one.index].to_string_lossy();
            json!({ "code": code, "path": path, "llr": json_of(&one.llr.0) })
        };
        match self {
            Finding::Double { path, of, code } => json!({
                "code": code,
                "path": path.to_string_lossy(),
                "same_as": paths[*of].to_string_lossy(),
            }),
            Finding::Odd(odd) => of_score("odd", odd),
            Finding::Doubtful(one) => of_score("doubtful", one),
        }
    }
}

impl Joined {
    /// Leaves out a recording that is there already: it would count twice in the voiceprint.
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
            let Some(of) = all.position(|u| u.embedding == utterance.embedding) else {
                joined.all.push(utterance.clone());
                joined.paths.push(path.clone());
                continue;
            };
            let code = match () {
                () if of < num_before => "already-enrolled",
                () if *path == joined.paths[of] => "given-twice",
                () => "same-recording",
            };
            let path = path.clone();
            joined.doubles.push(Finding::Double { path, of, code });
        }
        joined
    }

    /// Checks that they sound like one speaker (unless `--force` is given); what is noteworthy about
    /// them.
    fn check(&self, name: &SpeakerName, verifier: &Verifier, args: &Args) -> Result<Vec<Finding>> {
        let path_of = |index: usize| self.paths[index].clone();
        let mut findings: Vec<Finding> = self.doubles.clone();
        if args.force {
            let odd = verifier.odd_ones_out(&self.all).into_iter();
            findings.extend(odd.map(Finding::Odd));
        } else {
            verifier.check_consistency(name, &self.all, self.num_before, path_of)?;
        }
        let mut doubtful = verifier.doubtful(&self.all);
        doubtful.retain(|one| one.index >= self.num_before);
        if args.strict && !doubtful.is_empty() {
            let refused = doubtful.iter().map(|one| Error::Audio {
                path: path_of(one.index),
                fact: format!(
                    "hardly sounds like the other recordings of {:?} (LLR {:+.2})",
                    name.as_str(),
                    one.llr.0
                ),
                remedy: "leave it out, or enroll without --strict".into(),
            });
            return Err(Error::Several(refused.collect()));
        }
        findings.extend(doubtful.into_iter().map(Finding::Doubtful));
        Ok(findings)
    }
}
