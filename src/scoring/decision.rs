//! The decision: compares a log-likelihood ratio with the threshold of an operating point.
//!
//! This is the Bayes decision, where p is the prior of "same speaker": accept if the expected cost
//! of accepting is lower than that of rejecting, LLR ≥ ln(c_fa·(1−p) / (c_miss·p)) (Brümmer & du
//! Preez 2006). A score that is not finite is not an [`Llr`], so it cannot be accepted.

use super::Reason;
use crate::{Error, Result};

/// Natural logarithm of the likelihood ratio of "same speaker" to "different speakers"; always finite.
///
/// ```
/// use spkver::{Decision, Llr, OperatingPoint};
///
/// // An LLR of 3 says that "same speaker" explains the recordings e³ = 20 times better.
/// let llr = Llr::new(3.0).unwrap();
/// assert_eq!(OperatingPoint::default().decide(llr), Decision::Accept);
/// // What is not a number cannot be accepted, because it cannot be an LLR.
/// assert_eq!(Llr::new(f32::NAN), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, serde::Serialize)]
pub struct Llr(f32);

/// When to accept: from the prior of a target trial and the costs of both errors, or from a
/// threshold.
///
/// ```
/// use spkver::{Llr, OperatingPoint};
///
/// // One claim in ten is a lie, and a false accept costs five times a miss.
/// let point = OperatingPoint::new(0.9, 1.0, 5.0)?;
/// assert!((point.threshold().value() - (5.0f32 / 9.0).ln()).abs() < 1e-6);
/// // Before the recordings are compared, the probability is the prior.
/// assert!((point.probability(Llr::new(0.0).unwrap()) - 0.9).abs() < 1e-6);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    p_target: f64,
    threshold: Llr,
}

/// The answer to "is this the enrolled speaker?".
///
/// ```
/// use spkver::{Decision, Reason};
///
/// let answer = Decision::Inconclusive(Reason::Silence);
/// match answer {
///     Decision::Accept => println!("welcome"),
///     Decision::Reject => println!("somebody else"),
///     Decision::Inconclusive(reason) => println!("{reason}: {}", reason.remedy()),
///     other => println!("no decision: {}", other.code()),
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Same speaker.
    Accept,
    /// Different speakers.
    Reject,
    /// The recording does not allow a decision.
    Inconclusive(Reason),
}

impl Llr {
    /// The LLR with this value; none for a value that is not finite.
    pub const fn new(value: f32) -> Option<Self> {
        match value.is_finite() {
            true => Some(Llr(value)),
            false => None,
        }
    }

    /// The value, in nats.
    pub const fn value(self) -> f32 {
        self.0
    }
}

impl OperatingPoint {
    /// From the prior of a target trial and the costs of a miss and of a false accept.
    ///
    /// # Errors
    /// [`Error::Usage`] unless 0 < `p_target` < 1 and both costs are positive and finite.
    pub fn new(p_target: f64, c_miss: f64, c_fa: f64) -> Result<Self> {
        if !(p_target > 0.0 && p_target < 1.0) {
            return Err(Error::Usage(format!(
                "p_target is {p_target:?}; give a probability above 0 and below 1"
            )));
        }
        for (name, cost) in [("c_miss", c_miss), ("c_fa", c_fa)] {
            if !(cost > 0.0 && cost.is_finite()) {
                return Err(Error::Usage(format!(
                    "{name} is {cost:?}; give a positive, finite cost"
                )));
            }
        }
        // A difference of logarithms, because the ratio itself could overflow.
        let threshold = (c_fa.ln() - c_miss.ln()) - log_odds(p_target);
        Ok(OperatingPoint {
            p_target,
            threshold: Llr(threshold as f32),
        })
    }

    /// Accepts from this LLR on. The prior is kept for the probability.
    ///
    /// # Errors
    /// [`Error::Usage`] for a threshold that is not finite.
    pub fn with_threshold(self, threshold: f32) -> Result<Self> {
        if !threshold.is_finite() {
            return Err(Error::Usage(format!(
                "threshold is {threshold}; give a finite log-likelihood ratio"
            )));
        }
        Ok(OperatingPoint {
            threshold: Llr(threshold),
            ..self
        })
    }

    /// The operating point for each of `num_speakers` candidates. The prior that one of them speaks
    /// is divided among them: the odds by N, so the threshold rises by ln N. This keeps the rate of
    /// strangers accepted constant, however many speakers are enrolled.
    #[doc(hidden)]
    pub fn among(self, num_speakers: usize) -> Self {
        let n = num_speakers.max(1) as f64;
        let p = self.p_target;
        OperatingPoint {
            // odds' = p/(1−p) / N
            p_target: p / (p + n * (1.0 - p)),
            threshold: Llr((f64::from(self.threshold.0) + n.ln()) as f32),
        }
    }

    /// p, the prior of "same speaker".
    pub fn p_target(&self) -> f64 {
        self.p_target
    }

    /// Smallest LLR that is accepted.
    pub fn threshold(&self) -> Llr {
        self.threshold
    }

    /// Accepts at or above the threshold, else rejects.
    pub fn decide(&self, llr: Llr) -> Decision {
        if llr >= self.threshold {
            Decision::Accept
        } else {
            Decision::Reject
        }
    }

    /// Posterior probability of "same speaker": 1/(1 + e^−(LLR + ln(p/(1−p)))).
    pub fn probability(&self, llr: Llr) -> f64 {
        1.0 / (1.0 + (-(f64::from(llr.0) + log_odds(self.p_target))).exp())
    }
}

impl Default for OperatingPoint {
    /// Equal priors and costs: threshold 0.
    fn default() -> Self {
        OperatingPoint {
            p_target: 0.5,
            threshold: Llr(0.0),
        }
    }
}

impl Decision {
    /// Stable name for machine-readable output.
    pub fn code(&self) -> &'static str {
        match self {
            Decision::Accept => "accept",
            Decision::Reject => "reject",
            Decision::Inconclusive(_) => "inconclusive",
        }
    }

    /// Why the decision is inconclusive, if it is.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Decision::Inconclusive(reason) => Some(*reason),
            Decision::Accept | Decision::Reject => None,
        }
    }
}

/// ln(p/(1−p)).
pub fn log_odds(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_priors_and_costs_put_the_threshold_at_zero() {
        let point = OperatingPoint::new(0.5, 1.0, 1.0).unwrap();
        assert_eq!(point, OperatingPoint::default());
        assert_eq!(point.decide(Llr(0.0)), Decision::Accept);
        assert_eq!(point.decide(Llr(-f32::MIN_POSITIVE)), Decision::Reject);
        assert_eq!(point.probability(Llr(0.0)), 0.5);
    }

    #[test]
    fn threshold_is_bayes() {
        let point = OperatingPoint::new(0.01, 1.0, 10.0).unwrap();
        // ln(10·0.99/0.01) = ln 990
        assert!((point.threshold().0 - 990.0_f32.ln()).abs() < 1e-6);
        let only_prior = OperatingPoint::new(0.01, 1.0, 1.0).unwrap();
        assert!((only_prior.probability(only_prior.threshold()) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn what_is_not_finite_is_neither_a_score_nor_a_threshold() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Llr::new(value), None);
        }
        for value in [f32::MIN, -0.0, f32::MAX] {
            assert_eq!(Llr::new(value).unwrap().value().to_bits(), value.to_bits());
        }
        assert!(OperatingPoint::default().with_threshold(f32::NAN).is_err());
    }

    #[test]
    fn among_many_the_odds_are_divided() {
        let one = OperatingPoint::new(0.2, 1.0, 3.0).unwrap();
        assert_eq!(one.among(1), one);
        let many = one.among(1000);
        let risen = many.threshold().0 - one.threshold().0;
        assert!((risen - 1000.0_f32.ln()).abs() < 1e-5, "{risen}");
        let even = OperatingPoint::default().among(1000);
        assert!((even.probability(even.threshold()) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn extreme_priors_and_costs_stay_finite() {
        let extreme = OperatingPoint::new(f64::MIN_POSITIVE, 1e-300, 1e300).unwrap();
        assert!(extreme.threshold().0.is_finite());
    }

    #[test]
    fn the_probability_is_the_posterior() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        for p in [0.01, 0.3, 0.5, 0.999] {
            let point = OperatingPoint::new(p, 1.0, 1.0).unwrap();
            assert_eq!(point.p_target(), p);
            for llr in [-20.0_f32, -1.5, 0.0, 2.25, 30.0] {
                // Bayes' rule, with likelihoods instead of their logarithms.
                let odds = f64::from(llr).exp() * p / (1.0 - p);
                assert!(close(point.probability(Llr(llr)), odds / (1.0 + odds)));
            }
        }
        let moved = OperatingPoint::new(0.3, 1.0, 1.0).unwrap();
        let moved = moved.with_threshold(5.0).unwrap();
        assert_eq!((moved.threshold(), moved.p_target()), (Llr(5.0), 0.3));
    }

    #[test]
    fn a_miss_that_costs_more_lowers_the_threshold() {
        let threshold = |c_miss, c_fa| OperatingPoint::new(0.5, c_miss, c_fa).unwrap().threshold();
        assert!((threshold(10.0, 1.0).0 + 10.0_f32.ln()).abs() < 1e-6);
        assert!((threshold(1.0, 10.0).0 - 10.0_f32.ln()).abs() < 1e-6);
        assert_eq!(threshold(7.0, 7.0), Llr(0.0));
    }

    #[test]
    fn each_outcome_has_its_code_and_its_reason() {
        assert_eq!(Decision::Accept.code(), "accept");
        assert_eq!(Decision::Reject.code(), "reject");
        assert_eq!(Decision::Accept.reason(), None);
        assert_eq!(Decision::Reject.reason(), None);
        let too_little = Reason::TooLittleSpeech {
            seconds: 0.1,
            wanted: 0.4,
        };
        for (reason, code, text, remedy) in [
            (
                Reason::Silence,
                "silence",
                "the recording is silent",
                "microphone",
            ),
            (Reason::NoSpeech, "no_speech", "no speech found", "speaking"),
            (
                too_little,
                "too_little_speech",
                "0.10 s of speech, 0.40 s needed",
                "longer",
            ),
            (
                Reason::Clipping { share: 0.25 },
                "clipping",
                "25 % of the samples are clipped",
                "lower level",
            ),
            (
                Reason::BandLimited {
                    bandwidth_hz: 1500.0,
                    wanted_hz: 2500.0,
                },
                "band_limited",
                "no speech above 1500 Hz, 2500 Hz needed",
                "8 kHz",
            ),
            (
                Reason::Noisy {
                    snr_db: 1.0,
                    wanted_db: 3.0,
                },
                "noisy",
                "a signal-to-noise ratio of 1 dB, 3 dB needed",
                "quieter",
            ),
            (
                Reason::SeveralSpeakers { llr: -5.25 },
                "several_voices",
                "several speakers: one part does not sound like the rest (LLR -5.2)",
                "one speaker",
            ),
            (
                Reason::OverlappedSpeech { logit: 4.5 },
                "several_voices",
                "several speakers: two people speak at the same time (logit +4.5)",
                "one speaker alone",
            ),
            (
                Reason::NearlySeveralSpeakers {
                    llr: 0.5,
                    logit: 1.25,
                },
                "several_voices",
                "several speakers: one part hardly sounds like the rest (LLR +0.5), and two \
                 people may speak at the same time (logit +1.2)",
                "one speaker alone",
            ),
            (
                Reason::ScoreNotFinite,
                "score_not_finite",
                "the score is not a finite number",
                "another recording",
            ),
        ] {
            assert_eq!(reason.code(), code);
            assert_eq!(reason.to_string(), text);
            assert!(reason.remedy().to_string().contains(remedy));
            let decision = Decision::Inconclusive(reason);
            assert_eq!(decision.code(), "inconclusive");
            assert_eq!(decision.reason(), Some(reason));
        }
    }
}
