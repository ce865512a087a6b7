//! `spkver verify NAME FILE`: is this recording of the enrolled speaker?

use super::{
    Global,
    operating_point::{self, shown},
    output::{Output, json_of, printable},
    recordings::{self, Recording},
};
use serde_json::json;
use spkver::{
    Error, Result,
    scoring::{Decision, MeasuredPoint, OperatingPoint},
    verifier::{SpeakerName, Verification, Verifier},
};
use std::path::PathBuf;

/// What to verify.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
    /// Recording to test
    file: PathBuf,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    point: operating_point::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let point = args.point.point(&verifier)?;
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
    let tested = args
        .recordings
        .embed(std::slice::from_ref(&args.file), &verifier, output)?;
    let verification = match &tested[0].embedding {
        Ok(embedding) => verifier.verify(&voiceprint, embedding, &point)?,
        Err(reason) => Verification::unfit(*reason),
    };
    let trial = Trial {
        command: "verify",
        subject: voiceprint.name.as_str(),
        speaker: Some(voiceprint.name.as_str()),
        recordings: &tested,
    };
    trial.report(&verification, &point, &verifier, output)
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
}

impl Trial<'_> {
    /// Tells the outcome; the exit code.
    pub fn report(
        &self,
        verification: &Verification,
        point: &OperatingPoint,
        verifier: &Verifier,
        output: &Output,
    ) -> Result<u8> {
        let reason = verification.decision.reason();
        let json = json!({
            "command": self.command,
            "decision": verification.decision.code(),
            "reason": reason.map(|r| r.code()),
            "reason_text": reason.map(|r| r.to_string()),
            "speaker": self.speaker,
            "llr": json_of(&verification.llr),
            "p": verification.probability,
            "p_target": point.p_target(),
            "threshold": json_of(&point.threshold()),
            "expected": expected(verifier, point).map(|e| json!({
                "false_accept": e.false_accept,
                "false_reject": e.false_reject,
            })),
            "model": verifier.file_id().to_string(),
            "files": self.recordings.iter().map(Recording::json).collect::<Vec<_>>(),
        });
        output.result(&self.line(verification, point, verifier), &json)?;
        Ok(match verification.decision {
            Decision::Accept => 0,
            Decision::Reject => 1,
            Decision::Inconclusive(_) => 3,
        })
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
            (Some(llr), Some(p)) if verification.decision.reason().is_none() => format!(
                "LLR {:+.2} (p {} at prior {:?}, threshold {:+.2}{})",
                llr.0,
                probability(p),
                point.p_target(),
                point.threshold().0,
                expected(verifier, point).map_or(String::new(), |e| format!(
                    ": false accepts {}, false rejects {}",
                    shown(&e.false_accept),
                    shown(&e.false_reject)
                )),
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

/// Error rates at the threshold, as measured when the model was calibrated.
fn expected(verifier: &Verifier, point: &OperatingPoint) -> Option<MeasuredPoint> {
    let rates = verifier.model().rates.as_ref()?;
    Some(rates.at_threshold(f64::from(point.threshold().0)))
}

/// Three digits, and never a rounded-up certainty.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.999 => ">0.999".into(),
        p if p < 0.001 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}
