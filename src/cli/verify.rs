//! `spkver verify NAME FILE…`: is each of these recordings of the enrolled speaker?

mod live;

use super::{
    Global,
    listening::{self, End},
    operating_point::{self, shown},
    output::{Output, json_of, printable},
    recordings::{self, Files, Recording},
};
use live::Claim;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    scoring::{Decision, MeasuredPoint, OperatingPoint, TrialKind},
    verifier::{Embedding, SpeakerName, Verification, Verifier},
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
    let of_all = args.point.point(&verifier, None)?;
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
            verifier: Arc::new(verifier),
            voiceprint: Arc::new(voiceprint),
            output,
        };
        return claim.listen();
    }
    args.listening.check_unused(args.watch.is_some())?;
    let files = Files::named(&args.files)?;
    let mut tested = args.recordings.embed_each(&files.paths, &verifier, output);
    let enrolled: Vec<&Embedding> = voiceprint.utterances.iter().map(|u| &u.embedding).collect();
    let by_voiceprint = |recording: &Recording| match &recording.embedding {
        Ok(embedding) => {
            let kind = verifier.trial_kind(&enrolled, embedding);
            let point = args.point.point(&verifier, Some(kind))?;
            let verification = verifier.verify(&voiceprint, embedding, &point)?;
            Ok::<_, Error>((verification, point, Some(kind)))
        }
        Err(reason) => Ok((Verification::unfit(*reason), of_all, None)),
    };
    if files.is_one {
        let recording = tested.remove(0)?;
        let (verification, point, kind) = by_voiceprint(&recording)?;
        let trial = Trial {
            command: "verify",
            subject: voiceprint.name.as_str(),
            speaker: Some(voiceprint.name.as_str()),
            recordings: slice::from_ref(&recording),
            kind,
            expected: expected(&verifier, &point, kind),
            listened: None,
        };
        return trial.report(&verification, &point, &verifier, output);
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
        let (verification, point, kind) = by_voiceprint(&recording)?;
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
            kind,
            expected: expected(&verifier, &point, kind),
            listened: None,
        };
        lines.push(trial.line(&verification, &point, &verifier));
        let mut result = outcome(&verification, &verifier);
        result["kind"] = json!(kind);
        result["threshold"] = json_of(&point.threshold());
        result["expected"] = expected_json(trial.expected);
        result["path"] = json!(path);
        result["quality"] = json_of(&recording.quality);
        results.push(result);
        code = code.max(exit_code(&verification));
    }
    let mut json = terms(&of_all, &verifier);
    json["expected"] = expected_json(expected(&verifier, &of_all, None));
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
    /// Noise or a narrow band, which decide the error rates; none if a recording was refused.
    pub kind: Option<TrialKind>,
    /// The error rates to expect.
    pub expected: Option<MeasuredPoint>,
    /// After how many seconds listening ended, and why, if there was listening.
    pub listened: Option<(f32, End)>,
}

impl Trial<'_> {
    /// Prints the outcome; the exit code.
    pub fn report(
        &self,
        verification: &Verification,
        point: &OperatingPoint,
        verifier: &Verifier,
        output: &Output,
    ) -> Result<u8> {
        let mut json = terms(point, verifier);
        json["kind"] = json!(self.kind);
        json["expected"] = expected_json(self.expected);
        if let (Value::Object(json), Value::Object(outcome)) =
            (&mut json, outcome(verification, verifier))
        {
            json.extend(outcome);
        }
        json["command"] = json!(self.command);
        json["speaker"] = json!(self.speaker);
        json["files"] = self.recordings.iter().map(Recording::json).collect();
        if let Some((seconds, end)) = self.listened {
            json["listened"] = json!({ "seconds": json_of(&seconds), "end": end.code() });
        }
        output.result(&self.line(verification, point, verifier), &json)?;
        Ok(exit_code(verification))
    }

    fn line(
        &self,
        verification: &Verification,
        point: &OperatingPoint,
        verifier: &Verifier,
    ) -> String {
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
                self.expected.map_or(String::new(), |e| format!(
                    ": false accepts {}, false rejects {}{}",
                    shown(&e.false_accept),
                    shown(&e.false_reject),
                    match self.kind {
                        Some(kind) if kind != TrialKind::Clean => format!(" with {kind}"),
                        _ => String::new(),
                    },
                )),
                match self.listened {
                    Some((seconds, End::Clear)) => format!(" after {seconds:.1} s"),
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

/// For machines: what every decision of a command rests on.
fn terms(point: &OperatingPoint, verifier: &Verifier) -> Value {
    json!({
        "p_target": point.p_target(),
        "threshold": json_of(&point.threshold()),
        "calibrated": is_calibrated(verifier),
        "kind": null,
        "model": verifier.file_id().to_string(),
    })
}

fn expected_json(expected: Option<MeasuredPoint>) -> Value {
    json!(expected.map(|e| json!({
        "false_accept": e.false_accept,
        "false_reject": e.false_reject,
    })))
}

/// For machines: the decision on one recording or pair.
fn outcome(verification: &Verification, verifier: &Verifier) -> Value {
    let reason = verification.decision.reason();
    json!({
        "decision": verification.decision.code(),
        "reason": reason.map(|r| r.code()),
        "reason_text": reason.map(|r| r.to_string()),
        "llr": json_of(&verification.llr),
        "p": verification.probability.filter(|_| is_calibrated(verifier)),
    })
}

fn exit_code(verification: &Verification) -> u8 {
    match verification.decision {
        Decision::Accept => 0,
        Decision::Reject => 1,
        Decision::Inconclusive(_) => 3,
    }
}

/// Error rates at the threshold, as measured when the model was calibrated.
pub fn expected(
    verifier: &Verifier,
    point: &OperatingPoint,
    kind: Option<TrialKind>,
) -> Option<MeasuredPoint> {
    let all = verifier.model().rates.as_ref()?;
    let rates = kind.map_or(all, |kind| all.of(kind));
    Some(rates.at_threshold(f64::from(point.threshold().0)))
}

/// Whether the model's scores are log-likelihood ratios.
fn is_calibrated(verifier: &Verifier) -> bool {
    !verifier.model().card.uncalibrated
}

/// Three digits, and never a rounded-up certainty.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.999 => ">0.999".into(),
        p if p < 0.001 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}
