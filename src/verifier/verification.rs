//! The result of a trial: the decision, the score, and the probability of one speaker.

use crate::scoring::{Decision, Llr, OperatingPoint, Reason};

/// The result of a trial.
///
/// ```
/// use spkver::{Decision, OperatingPoint, Recording, Verifier};
///
/// let verifier = Verifier::embedded()?;
/// let embed = |path| -> spkver::Result<_> {
///     Ok(verifier.embed(&Recording::open(path, &Default::default())?)?)
/// };
/// let (anna, chloe) = (embed("fixtures/voices/anna-1.wav")?, embed("fixtures/voices/chloe-1.wav")?);
/// let result = verifier.compare(&anna, &chloe, &OperatingPoint::default())?;
/// assert_eq!(result.decision, Decision::Reject);
/// assert!(result.llr.unwrap().value() < 0.0 && result.probability.unwrap() < 0.5);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    /// Accept, reject, or the reason why neither.
    pub decision: Decision,
    /// The score; none if a recording was refused, or if the score is not a finite number.
    pub llr: Option<Llr>,
    /// Posterior probability of "same speaker" at the operating point's prior; none without a score.
    pub probability: Option<f64>,
}

impl Verification {
    /// The result of a trial with a refused recording.
    #[doc(hidden)]
    pub fn unfit(reason: Reason) -> Self {
        Verification {
            decision: Decision::Inconclusive(reason),
            llr: None,
            probability: None,
        }
    }

    /// The result of a trial with this score at an operating point. Inconclusive without a score.
    #[doc(hidden)]
    pub fn of(llr: Option<Llr>, point: &OperatingPoint) -> Self {
        let Some(llr) = llr else {
            return Verification::unfit(Reason::ScoreNotFinite);
        };
        Verification {
            decision: point.decide(llr),
            llr: Some(llr),
            probability: Some(point.probability(llr)),
        }
    }
}
