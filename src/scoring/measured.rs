//! Error rates of a model measured on its calibration trials, for each threshold. Finds the
//! threshold for a requested false-accept rate, and the rates to expect at a threshold.
//!
//! Between two measured thresholds, rates are interpolated linearly in their logarithms. With N
//! nontarget trials, a rate below 3/N cannot be distinguished from zero with 95 % confidence (rule
//! of three: (1 − 3/N)^N ≈ e^−3 = 0.05), so such a rate is refused.

use super::TrialKind;
use crate::{Error, Result, remedy::Remedy};
use std::collections::BTreeMap;

/// A rate and its 95 % confidence interval, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The measured rate.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Error rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredPoint {
    /// Smallest LLR that is accepted.
    pub threshold: f64,
    /// Share of nontarget trials accepted.
    pub false_accept: Rate,
    /// Share of target trials rejected.
    pub false_reject: Rate,
}

/// Error rates for each threshold, and the trials that they were measured on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredRates {
    /// Number of target trials.
    pub targets: usize,
    /// Number of nontarget trials.
    pub nontargets: usize,
    /// Number of speakers in the trials.
    pub speakers: usize,
    /// Number of lists. Each has the same weight, whatever its number of trials.
    pub lists: usize,
    /// BLAKE3 hash of the lists.
    pub blake3: String,
    /// In order of increasing threshold.
    pub points: Vec<MeasuredPoint>,
    /// The same for the trials of each kind, if there are enough trials of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_kind: BTreeMap<TrialKind, MeasuredRates>,
}

impl MeasuredRates {
    /// Checks values read from a file.
    ///
    /// # Errors
    /// [`Error::Usage`] for rates that cannot be right, such as a rate above 1.
    pub fn check(&self) -> Result<()> {
        let share = |r: &Rate| {
            [r.rate, r.low, r.high]
                .iter()
                .all(|v| (0.0..=1.0).contains(v))
        };
        let sound = self
            .points
            .iter()
            .all(|p| p.threshold.is_finite() && share(&p.false_accept) && share(&p.false_reject));
        let rising = self
            .points
            .windows(2)
            .all(|w| w[0].threshold < w[1].threshold);
        let falling = self
            .points
            .windows(2)
            .all(|w| w[0].false_accept.rate >= w[1].false_accept.rate);
        let is_curve = rising && falling && sound;
        if self.points.is_empty() || !is_curve || self.nontargets == 0 || self.targets == 0 {
            return Err(Error::Usage(
                "measured error rates: thresholds must rise, false accepts must fall, and rates \
                 must lie within 0 to 1"
                    .into(),
            ));
        }
        self.by_kind.values().try_for_each(Self::check)
    }

    /// The rates of a kind of trial, or those of all trials if this kind has no rates of its own.
    pub fn of(&self, kind: TrialKind) -> &Self {
        self.by_kind.get(&kind).unwrap_or(self)
    }

    /// The smallest false-accept rate that can be asked for: 3/N, the least that N nontarget trials
    /// can measure, or the lowest rate that was measured, whichever is higher.
    pub fn smallest_false_accept_rate(&self) -> f64 {
        let last = self.points[self.points.len() - 1].false_accept.rate;
        last.max(3.0 / self.nontargets as f64)
    }

    /// The smallest false-reject rate that can be asked for: 3/N, the least that N target trials
    /// can measure, or the lowest rate that was measured, whichever is higher.
    pub fn smallest_false_reject_rate(&self) -> f64 {
        let first = self.points[0].false_reject.rate;
        first.max(3.0 / self.targets as f64)
    }

    /// The highest threshold with this false-reject rate, and the rates there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rate outside (0, 1), or below what the trials support
    /// ([`Self::smallest_false_reject_rate`]).
    pub fn at_false_reject_rate(&self, wanted: f64) -> Result<MeasuredPoint> {
        let smallest = self.smallest_false_reject_rate();
        self.check_wanted("false-reject", wanted, smallest, self.targets, "target")?;
        let after = self
            .points
            .partition_point(|p| p.false_reject.rate <= wanted);
        Ok(match (after, self.points.get(after)) {
            (0, _) => self.points[0],
            (_, None) => self.points[after - 1],
            (_, Some(b)) => {
                let a = &self.points[after - 1];
                let (from, to) = (log(a.false_reject.rate), log(b.false_reject.rate));
                between(a, b, (log(wanted) - from) / (to - from))
            }
        })
    }

    /// Refuses a rate that is too small to be measured on the trials.
    fn check_wanted(
        &self,
        name: &str,
        wanted: f64,
        smallest: f64,
        num_trials: usize,
        kind: &str,
    ) -> Result<()> {
        if !(wanted > 0.0 && wanted < 1.0) {
            return Err(Error::Usage(format!(
                "a {name} rate of {wanted}; give one above 0 and below 1, e.g. 0.01 or 1%"
            )));
        }
        // If the smallest rate was typed as it was shown, it may be lower by a rounding error.
        if wanted < smallest * (1.0 - 1e-9) {
            return Err(Error::refused(
                format!(
                    "a {name} rate of {}: the model was calibrated on {num_trials} {kind} trials, on \
                     which only rates of {} and more can be measured (rule of three)",
                    asked(wanted),
                    percent_or_more(smallest),
                ),
                Remedy::Command(&[
                    "ask for a higher rate, or calibrate on more trials of your own",
                    "calibrate",
                    "",
                ]),
            ));
        }
        Ok(())
    }

    /// The threshold with this false-accept rate, and the rates there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rate outside (0, 1), or below what the trials support
    /// ([`Self::smallest_false_accept_rate`]).
    pub fn at_false_accept_rate(&self, wanted: f64) -> Result<MeasuredPoint> {
        let smallest = self.smallest_false_accept_rate();
        self.check_wanted(
            "false-accept",
            wanted,
            smallest,
            self.nontargets,
            "nontarget",
        )?;
        let after = self
            .points
            .iter()
            .position(|p| p.false_accept.rate <= wanted);
        Ok(match after {
            None | Some(0) => self.points[0],
            Some(index) => {
                let (a, b) = (&self.points[index - 1], &self.points[index]);
                let (from, to) = (log(a.false_accept.rate), log(b.false_accept.rate));
                between(a, b, (log(wanted) - from) / (to - from))
            }
        })
    }

    /// The rates to expect at a threshold. Outside the measured range, these are the rates of the
    /// nearest threshold.
    pub fn at_threshold(&self, threshold: f64) -> MeasuredPoint {
        let index = self.points.partition_point(|p| p.threshold <= threshold);
        if index == 0 {
            return self.points[0];
        }
        let a = &self.points[index - 1];
        match self.points.get(index) {
            None => *a,
            Some(b) => between(
                a,
                b,
                (threshold - a.threshold) / (b.threshold - a.threshold),
            ),
        }
    }
}

/// Interpolates `share` of the way from `a` to `b`.
fn between(a: &MeasuredPoint, b: &MeasuredPoint, share: f64) -> MeasuredPoint {
    let line = |a: f64, b: f64| a + (b - a) * share;
    let figure = |a: f64, b: f64| {
        if a == b {
            a
        } else {
            line(log(a), log(b)).exp()
        }
    };
    let rate = |a: &Rate, b: &Rate| Rate {
        rate: figure(a.rate, b.rate),
        low: figure(a.low, b.low),
        high: figure(a.high, b.high),
    };
    MeasuredPoint {
        threshold: line(a.threshold, b.threshold),
        false_accept: rate(&a.false_accept, &b.false_accept),
        false_reject: rate(&a.false_reject, &b.false_reject),
    }
}

/// ln of a rate that may be zero: rates below 1e-8 count as zero.
fn log(rate: f64) -> f64 {
    rate.max(1e-8).ln()
}

/// In percent, with about two significant digits: `0.10 %`.
pub fn percent(rate: f64) -> String {
    match 100.0 * rate {
        p if p >= 10.0 => format!("{p:.0} %"),
        p if p >= 0.95 => format!("{p:.1} %"),
        p => format!("{p:.2} %"),
    }
}

/// In percent, with all digits that were typed: `0.0001 %`.
fn asked(rate: f64) -> String {
    format!("{} %", (100.0 * rate * 1e9).round() / 1e9)
}

/// As [`percent`], rounded up, so that the rate that is shown can be asked for.
pub fn percent_or_more(rate: f64) -> String {
    let percents = 100.0 * rate;
    let digits = match percents {
        p if p >= 10.0 => 1.0,
        p if p >= 0.95 => 10.0,
        _ => 100.0,
    };
    percent((percents * digits - 1e-9).ceil() / digits / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(threshold: f64, accept: f64, reject: f64) -> MeasuredPoint {
        let rate = |rate: f64| Rate {
            rate,
            low: rate / 2.0,
            high: (2.0 * rate).min(1.0),
        };
        MeasuredPoint {
            threshold,
            false_accept: rate(accept),
            false_reject: rate(reject),
        }
    }

    fn rates() -> MeasuredRates {
        MeasuredRates {
            targets: 1000,
            nontargets: 3000,
            speakers: 40,
            lists: 2,
            blake3: String::new(),
            points: vec![
                point(-2.0, 0.5, 0.01),
                point(0.0, 0.1, 0.04),
                point(4.0, 0.001, 0.2),
            ],
            by_kind: BTreeMap::new(),
        }
    }

    #[test]
    fn noise_has_rates_of_its_own() {
        let noisy = MeasuredRates {
            points: vec![point(0.0, 0.3, 0.2)],
            ..rates()
        };
        let mut all = rates();
        all.by_kind.insert(TrialKind::Noise, noisy.clone());
        assert_eq!(all.of(TrialKind::Noise), &noisy);
        // Too few trials of that kind: those of all.
        assert_eq!(all.of(TrialKind::Line), &all);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<MeasuredRates>(&text).unwrap(), all);
        all.by_kind
            .get_mut(&TrialKind::Noise)
            .unwrap()
            .points
            .clear();
        assert!(all.check().is_err());
    }

    #[test]
    fn a_wanted_rate_finds_its_threshold() {
        let rates = rates();
        rates.check().unwrap();
        let at_a_point = rates.at_false_accept_rate(0.1).unwrap();
        assert!((at_a_point.threshold - 0.0).abs() < 1e-9);
        assert!((at_a_point.false_reject.rate - 0.04).abs() < 1e-12);
        // Half-way between 0.1 and 0.001 on a logarithmic scale.
        let found = rates.at_false_accept_rate(0.01).unwrap();
        assert!((found.threshold - 2.0).abs() < 1e-9);
        assert!((found.false_accept.rate - 0.01).abs() < 1e-12);
        let again = rates.at_threshold(found.threshold);
        assert!((again.false_reject.rate - found.false_reject.rate).abs() < 1e-12);
    }

    #[test]
    fn a_wanted_rate_of_false_rejects_finds_its_threshold() {
        let rates = rates();
        let found = rates.at_false_reject_rate(0.04).unwrap();
        assert!((found.threshold - 0.0).abs() < 1e-9);
        // Half-way between 0.01 and 0.04 on a logarithmic scale.
        let found = rates.at_false_reject_rate(0.02).unwrap();
        assert!((found.threshold + 1.0).abs() < 1e-9);
        assert!((found.false_reject.rate - 0.02).abs() < 1e-12);
        assert_eq!(rates.at_false_reject_rate(0.9).unwrap().threshold, 4.0);
        let text = rates.at_false_reject_rate(0.001).unwrap_err().to_string();
        assert!(text.contains("1000 target trials"), "{text}");
    }

    #[test]
    fn at_a_measured_point_it_is_that_point() {
        let mut rates = rates();
        // Two thresholds accept the same share; the lower one rejects fewer targets.
        let last = rates.points.pop().unwrap();
        rates.points.push(point(1.0, 0.1, 0.06));
        rates.points.push(last);
        rates.points.push(point(9.0, 0.0, 0.4));
        rates.check().unwrap();
        assert_eq!(rates.at_false_accept_rate(0.1).unwrap().threshold, 0.0);
        assert_eq!(rates.at_threshold(9.0), rates.points[4]);
    }

    #[test]
    fn what_the_trials_cannot_support_is_refused() {
        for wanted in [0.0, -0.1, 1.0, f64::NAN, 0.000_9] {
            assert!(rates().at_false_accept_rate(wanted).is_err(), "{wanted}");
        }
        let text = rates().at_false_accept_rate(1e-5).unwrap_err().to_string();
        assert!(text.contains("3000") && text.contains("0.10 %"), "{text}");
        // The curve reaches lower than the 3/1000 that these trials support.
        let few = MeasuredRates {
            nontargets: 1000,
            ..rates()
        };
        assert!(few.at_false_accept_rate(0.002_9).is_err());
        assert!(few.at_false_accept_rate(0.003).is_ok());
        let text = few.at_false_accept_rate(0.0).unwrap_err().to_string();
        assert!(text.contains("above 0"), "{text}");
    }

    #[test]
    fn the_smallest_rate_can_be_asked_for_as_it_is_told() {
        let told = [0.000_234, 0.0095, 0.013_4, 0.001].map(percent_or_more);
        assert_eq!(told, ["0.03 %", "1.0 %", "1.4 %", "0.10 %"]);
        let few = MeasuredRates {
            nontargets: 1290,
            ..rates()
        };
        let text = few.at_false_accept_rate(0.002).unwrap_err().to_string();
        assert!(text.contains("0.24 %"), "{text}");
        assert!(few.at_false_accept_rate(0.24 * 0.01).is_ok());
    }

    #[test]
    fn rates_at_a_threshold_are_those_that_lead_to_it() {
        let rates = rates();
        for wanted in [0.4, 0.2, 0.05, 0.002] {
            let found = rates.at_false_accept_rate(wanted).unwrap();
            let again = rates.at_threshold(found.threshold);
            assert!((again.false_accept.rate - wanted).abs() < 1e-12, "{wanted}");
        }
        // Nothing was measured outside this range.
        assert_eq!(rates.at_threshold(-9.0).threshold, -2.0);
        assert_eq!(rates.at_threshold(9.0).threshold, 4.0);
    }

    #[test]
    fn rates_are_told_with_the_digits_that_matter() {
        let told = [0.3, 0.1, 0.099, 0.0095, 0.0094, 0.000_2].map(percent);
        assert_eq!(told, ["30 %", "10 %", "9.9 %", "0.9 %", "0.94 %", "0.02 %"]);
    }

    #[test]
    fn senseless_tables_are_refused() {
        let changes: [fn(&mut MeasuredRates); 8] = [
            |r| r.points.reverse(),
            |r| r.points.clear(),
            |r| r.nontargets = 0,
            |r| r.points[0].false_accept.high = 1.5,
            |r| r.points[1].false_reject.low = -0.1,
            |r| r.points[1].threshold = f64::NAN,
            |r| r.points[1].threshold = r.points[0].threshold,
            |r| r.points[1].false_accept.rate = 0.6,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut rates = rates();
            change(&mut rates);
            assert!(rates.check().is_err(), "change {i}");
        }
    }
}
