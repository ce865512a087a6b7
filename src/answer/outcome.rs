//! The outcome of a trial, for `verify` and `compare`: the decision, and what it is based on.

use super::{Criterion, Recording, json_of};
use crate::{
    Result,
    scoring::{Decision, MeasuredPoint, OperatingPoint, Reason, SequentialTest, TrialKind},
    verifier::{Embedding, Verification, Verifier, Voiceprint},
};
use serde_json::{Value, json};

/// The outcome of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Decision, score and probability.
    pub verification: Verification,
    /// The operating point that decided.
    pub point: OperatingPoint,
    /// The kind of trial (noise, narrow band), on which the error rates depend; none if a recording
    /// was refused.
    pub kind: Option<TrialKind>,
    /// Error rates at the threshold, as measured when the model was calibrated.
    pub expected: Option<MeasuredPoint>,
}

impl Outcome {
    /// Decides whether the recording is of the voiceprint's speaker.
    ///
    /// # Errors
    /// As [`Criterion::point`] and [`Verifier::verify`].
    pub fn of_voiceprint(
        voiceprint: &Voiceprint,
        embedding: &std::result::Result<Embedding, Reason>,
        criterion: &Criterion,
        verifier: &Verifier,
    ) -> Result<Self> {
        let test = match embedding {
            Ok(test) => test,
            Err(reason) => return Outcome::unfit(*reason, criterion, verifier),
        };
        let kind = verifier.trial_kind(&voiceprint.embeddings(), test);
        let point = criterion.point(verifier, Some(kind))?;
        let verification = verifier.verify(voiceprint, test, &point)?;
        Ok(Outcome::scored(verification, point, kind, verifier))
    }

    /// Decides whether both recordings are of one speaker.
    ///
    /// # Errors
    /// As [`Criterion::point`] and [`Verifier::compare`].
    pub fn of_pair(
        [a, b]: [&Recording; 2],
        criterion: &Criterion,
        verifier: &Verifier,
    ) -> Result<Self> {
        match (&a.embedding, &b.embedding) {
            (Ok(a), Ok(b)) => {
                let kind = verifier.trial_kind(&[a], b);
                let point = criterion.point(verifier, Some(kind))?;
                let verification = verifier.compare(a, b, &point)?;
                Ok(Outcome::scored(verification, point, kind, verifier))
            }
            (Err(reason), _) | (_, Err(reason)) => Outcome::unfit(*reason, criterion, verifier),
        }
    }

    /// Decides whether the speech heard so far is of the voiceprint's speaker, by the thresholds of
    /// a sequential test.
    ///
    /// # Errors
    /// As [`OperatingPoint::with_threshold`].
    pub fn by_test(
        voiceprint: &Voiceprint,
        embedding: &Embedding,
        test: &SequentialTest,
        verifier: &Verifier,
    ) -> Result<Self> {
        let enrolled = voiceprint.embeddings();
        let llr = verifier.llr(&enrolled, embedding);
        let kind = verifier.trial_kind(&enrolled, embedding);
        let Some(score) = llr else {
            let point = OperatingPoint::default();
            let unscored = Verification::of(None, &point);
            return Ok(Outcome::scored(unscored, point, kind, verifier));
        };
        let (decision, expected) = test.judge(score, kind);
        let point = OperatingPoint::default().with_threshold(expected.threshold as f32)?;
        Ok(Outcome {
            verification: Verification {
                decision,
                ..Verification::of(llr, &point)
            },
            expected: Some(expected),
            point,
            kind: Some(kind),
        })
    }

    fn scored(
        verification: Verification,
        point: OperatingPoint,
        kind: TrialKind,
        verifier: &Verifier,
    ) -> Self {
        Outcome {
            verification,
            expected: verifier.model().expected(&point, Some(kind)),
            point,
            kind: Some(kind),
        }
    }

    fn unfit(reason: Reason, criterion: &Criterion, verifier: &Verifier) -> Result<Self> {
        let point = criterion.point(verifier, None)?;
        Ok(Outcome {
            verification: Verification::unfit(reason),
            expected: verifier.model().expected(&point, None),
            point,
            kind: None,
        })
    }

    /// 0 accept, 1 reject, 3 inconclusive.
    pub fn exit_code(&self) -> u8 {
        exit_code(&self.verification.decision)
    }

    /// The decision on one of several recordings, and what it is based on.
    pub fn json(&self, verifier: &Verifier) -> Value {
        let mut json = self.decision(verifier);
        json["kind"] = json!(self.kind);
        json["threshold"] = json_of(&self.point.threshold());
        json["expected"] = expected_json(self.expected);
        json
    }

    /// The whole answer of `verify` on one recording, or of `compare`.
    pub fn answer(
        &self,
        command: &str,
        speaker: Option<&str>,
        recordings: &[Recording],
        verifier: &Verifier,
    ) -> Value {
        let mut json = terms(&self.point, self.kind, self.expected, verifier);
        if let (Value::Object(json), Value::Object(decision)) = (&mut json, self.decision(verifier))
        {
            json.extend(decision);
        }
        json["command"] = json!(command);
        json["speaker"] = json!(speaker);
        json["files"] = recordings.iter().map(Recording::json).collect();
        json
    }

    fn decision(&self, verifier: &Verifier) -> Value {
        let reason = self.verification.decision.reason();
        let probability = self.verification.probability;
        json!({
            "decision": self.verification.decision.code(),
            "reason": reason.map(|r| r.code()),
            "reason_text": reason.map(|r| r.to_string()),
            "llr": json_of(&self.verification.llr),
            "p": probability.filter(|_| is_calibrated(verifier)),
        })
    }
}

/// What the decisions of a command on several recordings are based on.
pub fn terms_of_all(point: &OperatingPoint, verifier: &Verifier) -> Value {
    terms(
        point,
        None,
        verifier.model().expected(point, None),
        verifier,
    )
}

/// Whether the model's scores are log-likelihood ratios.
pub fn is_calibrated(verifier: &Verifier) -> bool {
    !verifier.model().card.uncalibrated
}

fn terms(
    point: &OperatingPoint,
    kind: Option<TrialKind>,
    expected: Option<MeasuredPoint>,
    verifier: &Verifier,
) -> Value {
    json!({
        "p_target": point.p_target(),
        "threshold": json_of(&point.threshold()),
        "calibrated": is_calibrated(verifier),
        "kind": kind,
        "expected": expected_json(expected),
        "model": verifier.file_id().to_string(),
    })
}

fn expected_json(expected: Option<MeasuredPoint>) -> Value {
    json!(expected.map(|e| json!({
        "false_accept": e.false_accept,
        "false_reject": e.false_reject,
    })))
}

/// 0 accept, 1 reject, 3 inconclusive.
pub fn exit_code(decision: &Decision) -> u8 {
    match decision {
        Decision::Accept => 0,
        Decision::Reject => 1,
        Decision::Inconclusive(_) => 3,
    }
}
