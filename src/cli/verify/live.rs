//! `spkver verify NAME -`: answers while the speaker talks.

use super::{Args, Trial, exit_code, expected, expected_json, outcome};
use crate::cli::{
    listening::{End, Input, Listened, Look},
    output::{Output, json_of},
};
use serde_json::{Value, json};
use spkver::{
    Result,
    scoring::{Decision, MeasuredPoint, OperatingPoint, Reason, SequentialTest, TrialKind},
    verifier::{Embedding, Heard, Listener, Verification, Verifier, Voiceprint},
};
use std::{slice, sync::Arc};

/// A claim to be verified on standard input.
pub(super) struct Claim<'a> {
    pub args: &'a Args,
    pub verifier: Arc<Verifier>,
    pub voiceprint: Arc<Voiceprint>,
    pub output: &'a Output,
}

/// A decision, and what it rests on.
struct Judged {
    verification: Verification,
    point: OperatingPoint,
    kind: Option<TrialKind>,
    expected: Option<MeasuredPoint>,
}

impl Claim<'_> {
    /// Listens until the answer is clear, to the limit or to the end; the exit code.
    pub fn listen(&self) -> Result<u8> {
        let Claim { args, output, .. } = self;
        let input = Input::open(&args.listening, &args.recordings, output)?;
        if let Some(window_seconds) = args.watch {
            return self.watch(input, window_seconds);
        }
        let test = match args.listening.to_end {
            true => None,
            false => args.point.sequential_test(&self.verifier)?,
        };
        let listener = Listener::new(Arc::clone(&self.verifier), input.rate_hz())?;
        let listener = listener.against(Arc::clone(&self.voiceprint), test.clone())?;
        let listened = input.listen(listener, &mut |listener, state| {
            Ok(Look {
                note: note(listener.heard(), state.llr.map(|llr| llr.0)),
                is_clear: state.decision.is_some(),
            })
        })?;
        let Listened {
            recording,
            end,
            seconds,
        } = &listened;
        let judged = match (&recording.embedding, test) {
            (Ok(embedding), Some(test)) if *end != End::Input => self.by_test(embedding, &test)?,
            (Ok(embedding), _) => self.by_threshold(embedding)?,
            (Err(reason), _) => self.unfit(*reason)?,
        };
        let trial = Trial {
            command: "verify",
            subject: self.voiceprint.name.as_str(),
            speaker: Some(self.voiceprint.name.as_str()),
            recordings: slice::from_ref(recording),
            kind: judged.kind,
            expected: judged.expected,
            listened: Some((*seconds, *end)),
        };
        trial.report(&judged.verification, &judged.point, &self.verifier, output)
    }

    /// Prints a line of JSON each second: is it still the same speaker?
    fn watch(&self, input: Input, window_seconds: u32) -> Result<u8> {
        let mut code = 3; // Less than a second of input answers nothing.
        input.watch(&self.verifier, window_seconds, &mut |seconds, heard| {
            let judged = match &heard.embedding {
                Ok(embedding) => self.by_threshold(embedding)?,
                Err(reason) => self.unfit(*reason)?,
            };
            code = exit_code(&judged.verification);
            self.output
                .line_of_json(&self.second(seconds, heard, &judged))
        })?;
        Ok(code)
    }

    fn second(&self, seconds: usize, heard: &Heard, judged: &Judged) -> Value {
        let mut json = outcome(&judged.verification, &self.verifier);
        json["command"] = json!("verify");
        json["speaker"] = json!(self.voiceprint.name.as_str());
        json["seconds"] = json!(seconds);
        json["speech_seconds"] = json_of(&heard.quality.speech_seconds);
        json["kind"] = json!(judged.kind);
        json["threshold"] = json_of(&judged.point.threshold());
        json["expected"] = expected_json(judged.expected);
        json
    }

    /// By the threshold for a whole recording.
    fn by_threshold(&self, embedding: &Embedding) -> Result<Judged> {
        let enrolled = self.enrolled();
        let kind = Some(self.verifier.trial_kind(&enrolled, embedding));
        let point = self.args.point.point(&self.verifier, kind)?;
        Ok(Judged {
            verification: self.verifier.verify(&self.voiceprint, embedding, &point)?,
            expected: expected(&self.verifier, &point, kind),
            point,
            kind,
        })
    }

    /// By the thresholds of a sequential test.
    fn by_test(&self, embedding: &Embedding, test: &SequentialTest) -> Result<Judged> {
        let enrolled = self.enrolled();
        let llr = self.verifier.llr(&enrolled, embedding);
        let kind = self.verifier.trial_kind(&enrolled, embedding);
        let bounds = test.bounds(kind);
        let (accept_from, reject_below) = (bounds.accept.threshold, bounds.reject.threshold);
        let undecided = || {
            Decision::Inconclusive(Reason::Undecided {
                llr: llr.0,
                reject_below: reject_below as f32,
                accept_from: accept_from as f32,
            })
        };
        let decision = test.decide(llr, kind).unwrap_or_else(undecided);
        let threshold = match decision {
            Decision::Reject => reject_below,
            _ => accept_from,
        };
        let point = OperatingPoint::default().with_threshold(threshold as f32)?;
        Ok(Judged {
            verification: Verification {
                decision,
                ..Verification::of(llr, &point)
            },
            expected: Some(MeasuredPoint {
                threshold,
                false_accept: bounds.accept.false_accept,
                false_reject: bounds.reject.false_reject,
            }),
            point,
            kind: Some(kind),
        })
    }

    fn unfit(&self, reason: Reason) -> Result<Judged> {
        let point = self.args.point.point(&self.verifier, None)?;
        Ok(Judged {
            verification: Verification::unfit(reason),
            expected: expected(&self.verifier, &point, None),
            point,
            kind: None,
        })
    }

    fn enrolled(&self) -> Vec<&Embedding> {
        let utterances = self.voiceprint.utterances.iter();
        utterances.map(|u| &u.embedding).collect()
    }
}

/// What follows the seconds on the line for people.
fn note(heard: Option<&Heard>, llr: Option<f32>) -> String {
    match (heard.map(|heard| &heard.embedding), llr) {
        (Some(Err(reason)), _) => format!(": {reason}"),
        (_, Some(llr)) => format!(", LLR {llr:+.2}"),
        _ => String::new(),
    }
}
