//! The sequential test decides when to stop listening: it accepts or rejects as soon as the score
//! is clear enough (Wald 1945, "Sequential Tests of Statistical Hypotheses").
//!
//! Wald's thresholds hold for independent observations. The scores of a growing recording are not
//! independent, and a calibrated score is not perfect, so the thresholds are measured instead. In
//! each calibration trial, the test recording is scored at every look, that is, whenever it has
//! grown by some time. A nontarget trial counts with its highest score, a target trial with its
//! lowest. [`MeasuredRates`] of these scores gives the threshold for each error rate, however often
//! one looks.

use super::{Decision, Llr, MeasuredPoint, MeasuredRates, OperatingPoint, Reason, TrialKind};
use crate::Result;
use std::collections::BTreeMap;

/// The rates of false accepts and of false rejects that a test has unless others are asked for.
const CLEAR_ENOUGH: f64 = 0.01;

/// The thresholds of a sequential test, for each kind of trial: when a [`Listener`](crate::Listener)
/// has heard enough to decide.
///
/// ```
/// use spkver::{Listener, Recording, SpeakerName, Utterance, Verifier};
///
/// let verifier = Verifier::embedded()?;
/// let open = |name| Recording::open(format!("fixtures/voices/{name}.wav"), &Default::default());
/// let enrolled = open("anna-1")?;
/// let utterance = Utterance::new("anna-1", verifier.embed(&enrolled)?, &enrolled.quality());
/// let anna = verifier.enroll(SpeakerName::new("anna")?, vec![utterance])?;
/// let test = verifier.sequential_test(None, None)?; // 1 % false accepts, 1 % false rejects
/// let mut listener = Listener::new(verifier.into(), 16_000)?.against(anna.into(), test)?;
/// for block in open("anna-2")?.samples().chunks(1600) {
///     if let Some(decision) = listener.push(block)?.decision {
///         println!("{} after {} s", decision.code(), listener.state().seconds);
///         break;
///     }
/// }
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialTest {
    of_all: Bounds,
    by_kind: BTreeMap<TrialKind, Bounds>,
}

/// The two thresholds, and the error rates that were measured there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Accepts scores from this threshold up.
    pub accept: MeasuredPoint,
    /// Rejects scores below this threshold.
    pub reject: MeasuredPoint,
}

impl SequentialTest {
    /// The test with these rates of false accepts and false rejects. If the trials of a kind are
    /// too few to measure a rate, the thresholds for this kind are those of all trials.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] if all trials together are too few to measure a rate.
    #[doc(hidden)]
    pub fn new(rates: &MeasuredRates, false_accept: f64, false_reject: f64) -> Result<Self> {
        let bounds = |rates: &MeasuredRates| -> Result<Bounds> {
            Ok(Bounds {
                accept: rates.at_false_accept_rate(false_accept)?,
                reject: rates.at_false_reject_rate(false_reject)?,
            })
        };
        let of_kind =
            |(kind, rates): (&TrialKind, &MeasuredRates)| Some((*kind, bounds(rates).ok()?));
        Ok(SequentialTest {
            of_all: bounds(rates)?,
            by_kind: rates.by_kind.iter().filter_map(of_kind).collect(),
        })
    }

    /// The test with the rates that are given. A rate that is not given is 1 %, or if that is
    /// higher, the smallest rate that the trials can measure.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[doc(hidden)]
    pub fn with_rates(
        rates: &MeasuredRates,
        false_accept: Option<f64>,
        false_reject: Option<f64>,
    ) -> Result<Self> {
        let least_accept = rates.smallest_false_accept_rate().max(CLEAR_ENOUGH);
        let least_reject = rates.smallest_false_reject_rate().max(CLEAR_ENOUGH);
        Self::new(
            rates,
            false_accept.unwrap_or(least_accept),
            false_reject.unwrap_or(least_reject),
        )
    }

    /// The thresholds for a kind of trial.
    #[doc(hidden)]
    pub fn bounds(&self, kind: TrialKind) -> &Bounds {
        self.by_kind.get(&kind).unwrap_or(&self.of_all)
    }

    /// Decides at the end of the recording: as [`Self::decide`], but a score that is not clear
    /// enough is inconclusive. Also returns the threshold that decided, and the error rates of the
    /// test.
    #[doc(hidden)]
    pub fn judge(&self, llr: Llr, kind: TrialKind) -> (Decision, MeasuredPoint) {
        let Bounds { accept, reject } = self.bounds(kind);
        let undecided = || {
            Decision::Inconclusive(Reason::Undecided {
                llr: llr.value(),
                reject_below: reject.threshold as f32,
                accept_from: accept.threshold as f32,
            })
        };
        let decision = self.decide(llr, kind).unwrap_or_else(undecided);
        let point = MeasuredPoint {
            threshold: match decision {
                Decision::Reject => reject.threshold,
                _ => accept.threshold,
            },
            false_accept: accept.false_accept,
            false_reject: reject.false_reject,
        };
        (decision, point)
    }

    /// As [`Self::judge`], for the best of N candidates. Each of them is one more chance to be wrong, so the
    /// thresholds rise by ln N.
    #[doc(hidden)]
    pub fn judge_best(&self, best: Llr, kind: TrialKind, n: usize) -> (Decision, MeasuredPoint) {
        let risen = (n as f32).ln();
        let lowered = Llr::new(best.value() - risen).unwrap_or(best);
        let (mut decision, mut point) = self.judge(lowered, kind);
        point.threshold += f64::from(risen);
        if let Decision::Inconclusive(Reason::Undecided {
            llr,
            reject_below,
            accept_from,
        }) = &mut decision
        {
            *llr = best.value();
            *reject_below += risen;
            *accept_from += risen;
        }
        (decision, point)
    }

    /// Accept or reject; None as long as the score is not clear enough.
    #[doc(hidden)]
    pub fn decide(&self, llr: Llr, kind: TrialKind) -> Option<Decision> {
        let bounds = self.bounds(kind);
        let at = |point: &MeasuredPoint| {
            let point = OperatingPoint::default().with_threshold(point.threshold as f32);
            Some(point.ok()?.decide(llr))
        };
        match (at(&bounds.accept)?, at(&bounds.reject)?) {
            (accept @ Decision::Accept, _) => Some(accept),
            (_, reject @ Decision::Reject) => Some(reject),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::Rate;

    fn rates(points: &[(f64, f64, f64)]) -> MeasuredRates {
        let rate = |rate: f64| Rate {
            rate,
            low: rate / 2.0,
            high: (2.0 * rate).min(1.0),
        };
        let point = |&(threshold, accept, reject): &(f64, f64, f64)| MeasuredPoint {
            threshold,
            false_accept: rate(accept),
            false_reject: rate(reject),
        };
        MeasuredRates {
            targets: 1000,
            nontargets: 1000,
            speakers: 40,
            lists: 2,
            blake3: String::new(),
            points: points.iter().map(point).collect(),
            by_kind: BTreeMap::new(),
        }
    }

    #[test]
    fn a_score_between_the_thresholds_decides_nothing() {
        let rates = rates(&[(-3.0, 0.6, 0.01), (0.0, 0.1, 0.1), (4.0, 0.01, 0.6)]);
        let test = SequentialTest::new(&rates, 0.01, 0.01).unwrap();
        let decide = |llr| test.decide(Llr::new(llr).unwrap(), TrialKind::Clean);
        assert_eq!(decide(4.0), Some(Decision::Accept));
        assert_eq!(decide(3.9), None);
        assert_eq!(decide(-3.0), None);
        assert_eq!(decide(-3.1), Some(Decision::Reject));
        // Three of a thousand is the least that the trials support.
        assert!(SequentialTest::new(&rates, 0.001, 0.01).is_err());
        assert!(SequentialTest::new(&rates, 0.01, 0.001).is_err());
    }

    #[test]
    fn the_best_of_many_needs_a_higher_score() {
        let rates = rates(&[(-3.0, 0.6, 0.01), (0.0, 0.1, 0.1), (4.0, 0.01, 0.6)]);
        let test = SequentialTest::new(&rates, 0.01, 0.01).unwrap();
        let judge = |llr, n| test.judge_best(Llr::new(llr).unwrap(), TrialKind::Clean, n);
        assert_eq!(judge(4.0, 1).0, Decision::Accept);
        let risen = 20f32.ln(); // 3.0
        let (decision, point) = judge(6.0, 20);
        let expected = Reason::Undecided {
            llr: 6.0,
            reject_below: risen - 3.0,
            accept_from: risen + 4.0,
        };
        assert_eq!(decision, Decision::Inconclusive(expected));
        assert!((point.threshold - f64::from(risen) - 4.0).abs() < 1e-6);
        assert_eq!(judge(7.1, 20).0, Decision::Accept);
        assert_eq!(judge(-0.1, 20).0, Decision::Reject);
    }

    #[test]
    fn noise_needs_a_clearer_score_where_that_was_measured() {
        let clean = rates(&[(-3.0, 0.6, 0.01), (4.0, 0.01, 0.6)]);
        let noisy = rates(&[(-6.0, 0.6, 0.01), (9.0, 0.01, 0.6)]);
        // Too few trials over a line for these rates.
        let few = rates(&[(0.0, 0.3, 0.2)]);
        let by_kind = [(TrialKind::Noise, noisy), (TrialKind::Line, few)];
        let all = MeasuredRates {
            by_kind: by_kind.into(),
            ..clean
        };
        let test = SequentialTest::new(&all, 0.01, 0.01).unwrap();
        let threshold = |kind| test.bounds(kind).accept.threshold;
        assert_eq!(TrialKind::ALL.map(threshold), [4.0, 9.0, 4.0]);
        let llr = Llr::new(-4.0).unwrap();
        assert_eq!(test.decide(llr, TrialKind::Noise), None);
    }
}
