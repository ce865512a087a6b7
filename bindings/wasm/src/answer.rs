//! The answer to a trial, and the terms that it is decided on.

use serde_json::{Value, json};
use spkver::{OperatingPoint, Reason, Verification, scoring::TrialKind};

/// When to accept. `types.ts` describes the fields.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    p_target: Option<f64>,
    c_miss: Option<f64>,
    c_fa: Option<f64>,
    threshold: Option<f32>,
}

impl Terms {
    /// The operating point of these terms.
    ///
    /// # Errors
    /// [`spkver::Error::Usage`] for a probability or cost that is none.
    pub fn point(&self) -> spkver::Result<OperatingPoint> {
        let of = |value: Option<f64>, default| value.unwrap_or(default);
        let point = OperatingPoint::new(
            of(self.p_target, 0.5),
            of(self.c_miss, 1.0),
            of(self.c_fa, 1.0),
        )?;
        match self.threshold {
            Some(threshold) => point.with_threshold(threshold),
            None => Ok(point),
        }
    }
}

/// An `Answer` of `types.ts`; `kind` is none if a recording was refused.
pub fn answer_json(
    verification: &Verification,
    point: &OperatingPoint,
    kind: Option<TrialKind>,
    verifier: &spkver::Verifier,
) -> Value {
    let expected = verifier.model().expected(point, kind).map(|expected| {
        json!({ "false_accept": expected.false_accept, "false_reject": expected.false_reject })
    });
    json!({
        "decision": verification.decision.code(),
        "reason": verification.decision.reason().map(reason_json),
        "llr": verification.llr,
        "p": verification.probability,
        "p_target": point.p_target(),
        "threshold": point.threshold(),
        "kind": kind,
        "expected": expected,
        "live": false,
    })
}

/// A `Reason` of `types.ts`.
pub fn reason_json(reason: Reason) -> Value {
    json!({ "code": reason.code(), "text": reason.to_string() })
}
