//! The figures that measure scores: EER, minimum and actual detection cost, Cllr and its minimum, and
//! error rates at thresholds.
//!
//! Operating points: accept every score ≥ t, for every t that makes a difference, from accepting
//! all to rejecting all. Equal scores are accepted or rejected together. With P_miss the share of
//! targets rejected and P_fa the share of nontargets accepted:
//!
//! - EER: where P_miss = P_fa on the line that joins neighbouring points (no convex hull). Among equal
//!   scores, this line is what tossing a coin for each of their trials would give.
//! - DCF = c_miss·p·P_miss + c_fa·(1−p)·P_fa, divided by the cost of accepting all or of rejecting all,
//!   whichever costs less. The minimum DCF is over all points; the actual DCF is at the LLR threshold
//!   ln(c_fa(1−p)/(c_miss·p)).
//! - Cllr = ½ mean log2(1 + e^−LLR) over targets + ½ mean log2(1 + e^LLR) over nontargets, and its
//!   minimum over monotonic maps of the scores (pool adjacent violators; Brümmer & du Preez 2006).

/// What errors cost.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Costs {
    /// Prior of a target.
    pub p_target: f64,
    /// Cost of rejecting a target.
    pub c_miss: f64,
    /// Cost of accepting a nontarget.
    pub c_fa: f64,
}

impl Costs {
    /// One target in a hundred trials; both errors cost the same.
    pub const RARE: Costs = Costs {
        p_target: 0.01,
        c_miss: 1.0,
        c_fa: 1.0,
    };

    /// The LLR from which accepting costs less: ln(c_fa(1−p)/(c_miss·p)).
    pub fn threshold(&self) -> f64 {
        (self.c_fa * (1.0 - self.p_target) / (self.c_miss * self.p_target)).ln()
    }

    /// The detection cost of the error rates at one threshold.
    pub fn dcf(&self, rates: &ErrorRates) -> f64 {
        let reject_all = self.c_miss * self.p_target;
        let accept_all = self.c_fa * (1.0 - self.p_target);
        (reject_all * rates.miss + accept_all * rates.false_alarm) / reject_all.min(accept_all)
    }
}

/// Where to measure.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Points {
    /// Priors and costs to give the detection costs for.
    pub costs: Vec<Costs>,
    /// Thresholds to give the error rates at.
    pub thresholds: Vec<f64>,
}

/// The figures of one trial list, or (with `T` an interval) how sure each is.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Figures<T = f64> {
    /// Equal error rate, 0 to 1.
    pub eer: T,
    /// Cllr, in bits; 1 for a system that always answers LLR 0.
    pub cllr: T,
    /// Cllr after the best monotonic map: what calibration cannot repair.
    pub min_cllr: T,
    /// The detection costs at each of [`Points::costs`].
    pub dcf: Vec<Dcf<T>>,
    /// The error rates at each of [`Points::thresholds`].
    pub rates: Vec<ErrorRates<T>>,
}

/// Detection cost at one prior.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Dcf<T = f64> {
    /// The lowest cost over all thresholds; 1 for a system that always gives the same answer.
    pub min: T,
    /// The cost at the threshold that is best if the scores are LLRs.
    pub act: T,
}

/// Targets rejected and nontargets accepted at one threshold, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ErrorRates<T = f64> {
    /// P_miss, FNMR, or false reject rate.
    pub miss: T,
    /// P_fa, FMR, or false accept rate.
    pub false_alarm: T,
}

/// A rate in per cent, with two decimals.
pub fn percent(rate: f64) -> String {
    format!("{:.2}", rate * 100.0)
}

impl<T> Figures<T> {
    /// All of them in one order, for [`Self::with_values`].
    pub fn values(&self) -> impl Iterator<Item = &T> {
        let dcf = self.dcf.iter().flat_map(|d| [&d.min, &d.act]);
        let rates = self.rates.iter().flat_map(|r| [&r.miss, &r.false_alarm]);
        let first = [&self.eer, &self.cllr, &self.min_cllr];
        first.into_iter().chain(dcf).chain(rates)
    }

    /// The same figures with other values, in the order of [`Self::values`].
    pub fn with_values<U>(&self, mut value: impl FnMut() -> U) -> Figures<U> {
        Figures {
            eer: value(),
            cllr: value(),
            min_cllr: value(),
            dcf: self
                .dcf
                .iter()
                .map(|_| Dcf {
                    min: value(),
                    act: value(),
                })
                .collect(),
            rates: self
                .rates
                .iter()
                .map(|_| ErrorRates {
                    miss: value(),
                    false_alarm: value(),
                })
                .collect(),
        }
    }
}
