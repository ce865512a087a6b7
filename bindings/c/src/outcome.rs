//! Operating points and decisions, as plain structs that C reads and writes.

use crate::status::Failure;
use spkver_core::{Decision, Llr, OperatingPoint, Reason, State, Verification, Verifier};

/// What a listener knows after a block of samples.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SpkverState {
    /// Seconds of audio so far.
    pub seconds: f32,
    /// Seconds of speech, at the last look.
    pub speech_seconds: f32,
    /// Log-likelihood ratio against the claimed speaker, at the last look; NaN without one.
    pub llr: f32,
    /// ACCEPT or REJECT once the score is clear enough, and then it does not change any more;
    /// INCONCLUSIVE until then.
    pub decision: SpkverDecision,
    /// Whether this block made the listener take a look.
    pub is_new: bool,
}

/// When to accept.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SpkverOperatingPoint {
    /// Prior probability that the recording is of the enrolled speaker, between 0 and 1.
    pub p_target: f64,
    /// Smallest log-likelihood ratio that is accepted.
    pub threshold: f32,
}

/// The answer to "is this the enrolled speaker?". Only ACCEPT is a yes. INCONCLUSIVE is 0, so memory
/// that was never written is no yes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub enum SpkverDecision {
    /// There is no answer.
    Inconclusive = 0,
    /// Another speaker.
    Reject = 1,
    /// The enrolled speaker.
    Accept = 2,
}

/// The result of a trial.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SpkverVerification {
    /// The decision.
    pub decision: SpkverDecision,
    /// Natural-log likelihood ratio of "same speaker" to "different speakers"; NaN if inconclusive.
    pub llr: f32,
    /// Probability of "same speaker" at the prior of the operating point; NaN if inconclusive, or if the
    /// model was never calibrated.
    pub probability: f64,
}

impl SpkverOperatingPoint {
    /// Checked.
    pub fn checked(&self) -> Result<OperatingPoint, Failure> {
        let point = OperatingPoint::new(self.p_target, 1.0, 1.0)?;
        Ok(point.with_threshold(self.threshold)?)
    }
}

impl From<OperatingPoint> for SpkverOperatingPoint {
    fn from(point: OperatingPoint) -> Self {
        SpkverOperatingPoint {
            p_target: point.p_target(),
            threshold: point.threshold().value(),
        }
    }
}

impl SpkverState {
    /// Before there is one, and after a failure.
    pub const NONE: Self = SpkverState {
        seconds: 0.0,
        speech_seconds: 0.0,
        llr: f32::NAN,
        decision: SpkverDecision::Inconclusive,
        is_new: false,
    };
}

impl From<State> for SpkverState {
    fn from(state: State) -> Self {
        SpkverState {
            seconds: state.seconds,
            speech_seconds: state.speech_seconds,
            llr: state.llr.map_or(f32::NAN, Llr::value),
            decision: match state.decision {
                Some(Decision::Accept) => SpkverDecision::Accept,
                Some(Decision::Reject) => SpkverDecision::Reject,
                _ => SpkverDecision::Inconclusive,
            },
            is_new: state.is_new,
        }
    }
}

impl SpkverVerification {
    /// Before there is an answer, and after a failure.
    pub const NONE: Self = SpkverVerification {
        decision: SpkverDecision::Inconclusive,
        llr: f32::NAN,
        probability: f64::NAN,
    };

    /// The answer of `verifier`.
    ///
    /// # Errors
    /// The reason why the trial is inconclusive.
    pub fn of(answer: &Verification, verifier: &Verifier) -> Result<Self, Failure> {
        let decision = match answer.decision {
            Decision::Accept => SpkverDecision::Accept,
            Decision::Reject => SpkverDecision::Reject,
            other => return Err(other.reason().unwrap_or(Reason::ScoreNotFinite).into()),
        };
        let calibrated = !verifier.model().card.uncalibrated;
        Ok(SpkverVerification {
            decision,
            llr: answer.llr.map_or(f32::NAN, Llr::value),
            probability: answer
                .probability
                .filter(|_| calibrated)
                .unwrap_or(f64::NAN),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_zeros_is_no_accept() {
        assert_eq!(SpkverDecision::Inconclusive as i32, 0);
        assert!(SpkverVerification::NONE.decision != SpkverDecision::Accept);
    }
}
