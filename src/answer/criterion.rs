//! When to accept, as the user states it: a prior and costs, a threshold, or a false-accept rate.
//! Together with the model and the kind of trial this gives an [`OperatingPoint`].

use crate::{
    Error, Result,
    remedy::Remedy,
    scoring::{MeasuredRates, OperatingPoint, SequentialTest, TrialKind},
    verifier::Verifier,
};

/// When to accept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criterion {
    /// Highest rate of false accepts, as measured when the model was calibrated.
    pub far: Option<f64>,
    /// Smallest LLR to accept.
    pub threshold: Option<f32>,
    /// Prior probability of a target trial.
    pub p_target: f64,
    /// Cost of a miss.
    pub c_miss: f64,
    /// Cost of a false accept.
    pub c_fa: f64,
}

impl Criterion {
    /// The operating point for one kind of trial, or for all kinds, after checking the numbers. The
    /// model knows which threshold gives a false-accept rate.
    ///
    /// # Errors
    /// [`Error::Usage`] for numbers out of range, and for a rate that is too low for the model's
    /// trials.
    pub fn point(&self, verifier: &Verifier, kind: Option<TrialKind>) -> Result<OperatingPoint> {
        let point = OperatingPoint::new(self.p_target, self.c_miss, self.c_fa)?;
        let threshold = match (self.threshold, self.far) {
            (Some(threshold), _) => threshold,
            (None, Some(far)) => {
                let all = measured(verifier)?;
                // If there are too few trials of this kind for the rate, the trials of all kinds
                // decide.
                let of_kind = kind.map(|kind| all.of(kind));
                let of_kind = of_kind.filter(|rates| far >= rates.smallest_false_accept_rate());
                of_kind.unwrap_or(all).at_false_accept_rate(far)?.threshold as f32
            }
            (None, None) => return Ok(point),
        };
        point.with_threshold(threshold)
    }

    /// When to stop listening: at the false-accept rate of [`Self::far`], or at 1 %, or at the
    /// lowest rate that the model's calibration supports. Returns `None` with `to_end`, and if the
    /// user sets the threshold by other means. Then the whole recording decides.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rate that the calibration does not support.
    pub fn sequential_test(
        &self,
        verifier: &Verifier,
        to_end: bool,
    ) -> Result<Option<SequentialTest>> {
        let is_default = (self.p_target, self.c_miss, self.c_fa) == (0.5, 1.0, 1.0);
        if to_end || self.threshold.is_some() || !is_default {
            return Ok(None);
        }
        verifier.sequential_test(self.far, None)
    }
}

fn measured(verifier: &Verifier) -> Result<&MeasuredRates> {
    verifier.model().rates.as_ref().ok_or_else(|| {
        let fact = "the model was never calibrated, so nobody knows its false-accept rates";
        Error::option("far", "", fact).with_remedy(Remedy::Calibrate)
    })
}
