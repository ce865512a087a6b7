//! Prints the outcome of a trial, for `verify` and `compare`.

use super::{
    listening,
    operating_point::shown,
    output::{Output, printable},
    remedy,
};
use spkver::{
    Result,
    answer::{Outcome, Recording, listened::Listened, outcome::is_calibrated},
    scoring::TrialKind,
    verifier::{Verifier, Voiceprint},
};
use std::slice;

/// A trial of `verify` or `compare`: what was compared, and the outcome.
pub struct Trial<'a> {
    /// The sub-command.
    pub command: &'static str,
    /// Name of the trial in the line for people.
    pub subject: &'a str,
    /// The enrolled speaker, if there is one.
    pub speaker: Option<&'a str>,
    /// The recordings that were read for the trial.
    pub recordings: &'a [Recording],
    /// The decision, and what it is based on.
    pub outcome: Outcome,
    /// What was heard, if the command listened.
    pub listened: Option<&'a Listened>,
}

impl<'a> Trial<'a> {
    /// The claim that a recording is of an enrolled speaker.
    pub fn of_claim(
        voiceprint: &'a Voiceprint,
        subject: &'a str,
        recording: &'a Recording,
        outcome: Outcome,
    ) -> Self {
        Trial {
            command: "verify",
            subject,
            speaker: Some(voiceprint.name.as_str()),
            recordings: slice::from_ref(recording),
            outcome,
            listened: None,
        }
    }

    /// Prints the outcome, and returns the exit code.
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

    /// The line for people.
    pub fn line(&self, verifier: &Verifier) -> String {
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
                    "score {:+.2}, threshold {:+.2} (uncalibrated: not a log-likelihood ratio; run \
                     `spkver calibrate` on trials of your own)",
                    score.value(),
                    point.threshold().value(),
                )
            }
            (Some(llr), Some(p)) if verification.decision.reason().is_none() => format!(
                "LLR {:+.2} (p {} at prior {:?}, threshold {:+.2}{}){}",
                llr.value(),
                probability(p),
                point.p_target(),
                point.threshold().value(),
                expected.map_or(String::new(), |e| format!(
                    ": false accepts {}, false rejects {}{}",
                    shown(&e.false_accept),
                    shown(&e.false_reject),
                    match kind {
                        Some(kind) if kind != TrialKind::Clean => format!(" with {kind}"),
                        _ => String::new(),
                    },
                )),
                self.listened.map_or(String::new(), listening::after)
            ),
            _ => {
                let unfit = self.recordings.iter().filter_map(|recording| {
                    let reason = recording.embedding.as_ref().err()?;
                    let file = printable(&recording.path.to_string_lossy());
                    Some(format!(
                        "{file}: {reason}; {}",
                        remedy::words(&reason.remedy())
                    ))
                });
                let unfit: Vec<String> = unfit.collect();
                match verification.decision.reason() {
                    Some(reason) if unfit.is_empty() => {
                        format!("{reason}; {}", remedy::words(&reason.remedy()))
                    }
                    _ => unfit.join("; "),
                }
            }
        };
        format!("{decision}  {subject}  {why}")
    }
}

/// Three digits, but never rounded up to certainty.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.999 => ">0.999".into(),
        p if p < 0.001 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}
