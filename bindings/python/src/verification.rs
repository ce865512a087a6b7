//! Operating points and decisions.

use crate::{
    embedding::Refusal,
    raised::{raised, usage},
    recording::Analysis,
};
use pyo3::prelude::*;
use spkver::{Decision, OperatingPoint, Verifier};

/// The answer to "is this the enrolled speaker?". It is true only if the speaker is accepted.
#[pyclass(frozen, module = "spkver", get_all)]
pub struct Verification {
    /// str: "accept", "reject" or "inconclusive".
    decision: String,
    /// float or None: natural-log likelihood ratio of "same speaker" to "different speakers".
    llr: Option<f32>,
    /// float or None: probability of "same speaker" at `p_target`. None too if the model was never
    /// calibrated.
    probability: Option<f64>,
    /// float: the smallest llr that is accepted.
    threshold: f32,
    /// float: the prior probability of "same speaker".
    p_target: f64,
    /// str or None: why it is inconclusive, as the `code` of a Refusal.
    reason: Option<String>,
    /// str or None: the fact behind the reason, for people, with the name of the file.
    reason_text: Option<String>,
    /// str or None: what the speaker can do about it.
    remedy: Option<String>,
}

#[pymethods]
impl Verification {
    /// bool: is the decision "accept"?
    #[getter]
    fn accepted(&self) -> bool {
        self.decision == Decision::Accept.code()
    }

    fn __bool__(&self) -> bool {
        self.accepted()
    }

    fn __repr__(&self) -> String {
        let why = match (&self.reason_text, self.llr) {
            (Some(text), _) => text.clone(),
            (None, Some(llr)) => format!("LLR {llr:+.2}, threshold {:+.2}", self.threshold),
            (None, None) => String::new(),
        };
        format!("Verification({:?}, {why})", self.decision)
    }
}

impl Verification {
    /// The answer of `verifier`, unless `test` was refused.
    ///
    /// # Errors
    /// What `answer` fails with.
    pub fn of<'a>(
        heard: impl IntoIterator<Item = &'a Analysis>,
        point: &OperatingPoint,
        verifier: &Verifier,
        answer: impl FnOnce(&[&spkver::Embedding]) -> spkver::Result<spkver::Verification>,
    ) -> PyResult<Self> {
        let mut embeddings = vec![];
        for heard in heard {
            match heard {
                Analysis::Embedded(embedding) => embeddings.push(&embedding.utterance.embedding),
                Analysis::Refused(refusal) => return Ok(Self::unfit(refusal.clone(), point)),
            }
        }
        let answer = answer(&embeddings).map_err(raised)?;
        let calibrated = !verifier.model().card.uncalibrated;
        Ok(match answer.decision.reason() {
            Some(reason) => Self::unfit(reason.into(), point),
            None => Verification {
                decision: answer.decision.code().into(),
                llr: answer.llr.map(spkver::Llr::value),
                probability: answer.probability.filter(|_| calibrated),
                ..Self::unanswered(point)
            },
        })
    }

    fn unfit(refusal: Refusal, point: &OperatingPoint) -> Self {
        Verification {
            reason_text: Some(refusal.fact()),
            reason: Some(refusal.code),
            remedy: Some(refusal.remedy),
            ..Self::unanswered(point)
        }
    }

    fn unanswered(point: &OperatingPoint) -> Self {
        Verification {
            decision: "inconclusive".into(),
            llr: None,
            probability: None,
            threshold: point.threshold().value(),
            p_target: point.p_target(),
            reason: None,
            reason_text: None,
            remedy: None,
        }
    }
}

/// When to accept, from keyword arguments.
pub struct Point {
    threshold: Option<f32>,
    p_target: f64,
    c_miss: f64,
    c_fa: f64,
}

impl Point {
    /// As the program's flags of these names.
    pub fn new(threshold: Option<f32>, p_target: f64, c_miss: f64, c_fa: f64) -> Self {
        Point {
            threshold,
            p_target,
            c_miss,
            c_fa,
        }
    }

    /// Checked.
    ///
    /// # Errors
    /// UsageError.
    pub fn checked(&self) -> PyResult<OperatingPoint> {
        let point = OperatingPoint::new(self.p_target, self.c_miss, self.c_fa).map_err(raised)?;
        match self.threshold {
            None => Ok(point),
            Some(_) if (self.c_miss, self.c_fa) != (1.0, 1.0) => {
                Err(usage("give either a threshold or costs"))
            }
            Some(threshold) => point.with_threshold(threshold).map_err(raised),
        }
    }
}
