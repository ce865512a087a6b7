//! `spkver verify NAME FILE…`: is each of these recordings of the enrolled speaker?

mod live;

use super::{
    Global, listening,
    operating_point::{self, shown},
    output::{Output, printable},
    recordings::{self, Files},
};
use live::Claim;
use serde_json::json;
use spkver::{
    Error, Result,
    answer::{
        Outcome, Recording, json_of,
        listened::{End, Listened},
        outcome::{is_calibrated, terms_of_all},
    },
    scoring::TrialKind,
    verifier::{SpeakerName, Verifier},
};
use std::{path::PathBuf, slice, sync::Arc};

/// What to verify.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
    /// Recordings to test, or folders of them: each gets an answer of its own; - listens to standard
    /// input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    point: operating_point::Args,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    listening: listening::Args,
    /// Is it still the same speaker? Listen to the end, and print a line of JSON each second, with the
    /// decision on this many last seconds
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..=180),
        conflicts_with = "to_end",
        help_heading = "Listening (with - for standard input)"
    )]
    watch: Option<u32>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let criterion = args.point.criterion();
    let of_all = criterion.point(&verifier, None)?;
    let name = SpeakerName::new(&args.name)?;
    let voiceprint = match global.open_store()? {
        Some(store) => store.get(&name)?,
        None => {
            return Err(Error::UnknownSpeaker {
                name: name.to_string(),
                store: global.store_path()?,
            });
        }
    };
    verifier.check_model(&voiceprint)?;
    let output = global.output();
    if listening::is_asked(&args.files) {
        let claim = Claim {
            args,
            criterion,
            verifier: Arc::new(verifier),
            voiceprint: Arc::new(voiceprint),
            output,
        };
        return claim.listen();
    }
    args.listening.check_unused(args.watch.is_some())?;
    let files = Files::named(&args.files)?;
    let mut tested = args.recordings.embed_each(&files.paths, &verifier, output);
    let outcome_of = |recording: &Recording| {
        Outcome::of_voiceprint(&voiceprint, &recording.embedding, &criterion, &verifier)
    };
    if files.is_one {
        let recording = tested.remove(0)?;
        let trial = Trial {
            command: "verify",
            subject: voiceprint.name.as_str(),
            speaker: Some(voiceprint.name.as_str()),
            recordings: slice::from_ref(&recording),
            outcome: outcome_of(&recording)?,
            listened: None,
        };
        return trial.report(&verifier, output);
    }
    let (mut lines, mut results, mut code) = (vec![], vec![], 0);
    for (path, tested) in files.paths.iter().zip(tested) {
        let path = path.to_string_lossy();
        let recording = match tested {
            Ok(recording) => recording,
            Err(error) => {
                lines.push(format!("ERROR  {}", printable(&error.to_string())));
                results.push(json!({
                    "decision": "error",
                    "error": error.to_string(),
                    "code": error.code(),
                    "path": path,
                }));
                code = code.max(error.exit_code());
                continue;
            }
        };
        // Where there is no score, the reason names the file.
        let subject = match recording.embedding {
            Ok(_) => format!("{}  {path}", voiceprint.name.as_str()),
            Err(_) => voiceprint.name.to_string(),
        };
        let trial = Trial {
            command: "verify",
            subject: &subject,
            speaker: Some(voiceprint.name.as_str()),
            recordings: slice::from_ref(&recording),
            outcome: outcome_of(&recording)?,
            listened: None,
        };
        lines.push(trial.line(&verifier));
        let mut result = trial.outcome.json(&verifier);
        result["path"] = json!(path);
        result["quality"] = json_of(&recording.quality);
        results.push(result);
        code = code.max(trial.outcome.exit_code());
    }
    let mut json = terms_of_all(&of_all, &verifier);
    json["command"] = json!("verify");
    json["speaker"] = json!(voiceprint.name.as_str());
    json["results"] = json!(results);
    output.result(&lines.join("\n"), &json)?;
    Ok(code)
}

/// What a decision is about, for `verify` and `compare`.
pub struct Trial<'a> {
    /// The sub-command.
    pub command: &'static str,
    /// What the line for people calls it.
    pub subject: &'a str,
    /// The enrolled speaker, if there is one.
    pub speaker: Option<&'a str>,
    /// The recordings that were read for it.
    pub recordings: &'a [Recording],
    /// The decision, and what it rests on.
    pub outcome: Outcome,
    /// What was heard, if there was listening.
    pub listened: Option<&'a Listened>,
}

impl Trial<'_> {
    /// Prints the outcome; the exit code.
    pub fn report(&self, verifier: &Verifier, output: &Output) -> Result<u8> {
        let mut json = self
            .outcome
            .answer(self.command, self.speaker, self.recordings, verifier);
        if let Some(listened) = self.listened {
            json["listened"] = listened.json();
        }
        output.result(&self.line(verifier), &json)?;
        Ok(self.outcome.exit_code())
    }

    fn line(&self, verifier: &Verifier) -> String {
        let Outcome {
            verification,
            point,
            kind,
            expected,
        } = self.outcome;
        let decision = verification.decision.code().to_uppercase();
        let subject = printable(self.subject);
        let why = match (verification.llr, verification.probability) {
            (Some(score), _)
                if verification.decision.reason().is_none() && !is_calibrated(verifier) =>
            {
                format!(
                    "score {:+.2}, threshold {:+.2} (uncalibrated: no log-likelihood ratio; run \
                     `spkver calibrate` on trials of your own)",
                    score.0,
                    point.threshold().0,
                )
            }
            (Some(llr), Some(p)) if verification.decision.reason().is_none() => format!(
                "LLR {:+.2} (p {} at prior {:?}, threshold {:+.2}{}){}",
                llr.0,
                probability(p),
                point.p_target(),
                point.threshold().0,
                expected.map_or(String::new(), |e| format!(
                    ": false accepts {}, false rejects {}{}",
                    shown(&e.false_accept),
                    shown(&e.false_reject),
                    match kind {
                        Some(kind) if kind != TrialKind::Clean => format!(" with {kind}"),
                        _ => String::new(),
                    },
                )),
                match self.listened {
                    Some(listened) if listened.end == End::Clear => {
                        format!(" after {:.1} s", listened.seconds())
                    }
                    _ => String::new(),
                }
            ),
            _ => {
                let unfit = self.recordings.iter().filter_map(|recording| {
                    let reason = recording.embedding.as_ref().err()?;
                    let file = printable(&recording.path.to_string_lossy());
                    Some(format!("{file}: {reason}; {}", reason.remedy()))
                });
                let unfit: Vec<String> = unfit.collect();
                match verification.decision.reason() {
                    Some(reason) if unfit.is_empty() => format!("{reason}; {}", reason.remedy()),
                    _ => unfit.join("; "),
                }
            }
        };
        format!("{decision}  {subject}  {why}")
    }
}

/// Three digits, and never a rounded-up certainty.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.999 => ">0.999".into(),
        p if p < 0.001 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}
