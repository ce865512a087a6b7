//! The decision flags, and the [`OperatingPoint`] that they describe.

use spkver::{
    Error, Result,
    scoring::{MeasuredRates, OperatingPoint, Rate, SequentialTest, TrialKind, percent},
    verifier::Verifier,
};

/// When to accept.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Decision")]
pub struct Args {
    /// Accept at most this share of impostors, as measured when the model was calibrated, e.g. 0.1%
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["threshold", "c_miss", "c_fa"])]
    far: Option<f64>,
    /// Accept log-likelihood ratios from this one up
    #[arg(long, value_name = "LLR", allow_negative_numbers = true, conflicts_with_all = ["c_miss", "c_fa"])]
    threshold: Option<f32>,
    /// Prior probability that the recording is of the enrolled speaker
    #[arg(
        long,
        value_name = "P",
        allow_negative_numbers = true,
        default_value_t = 0.5
    )]
    p_target: f64,
    /// Cost of rejecting the enrolled speaker
    #[arg(
        long,
        value_name = "COST",
        allow_negative_numbers = true,
        default_value_t = 1.0
    )]
    c_miss: f64,
    /// Cost of accepting somebody else
    #[arg(
        long,
        value_name = "COST",
        allow_negative_numbers = true,
        default_value_t = 1.0
    )]
    c_fa: f64,
}

impl Args {
    /// The operating point for a kind of trial, or for all, checked. The model knows which threshold gives
    /// a false-accept rate.
    pub fn point(&self, verifier: &Verifier, kind: Option<TrialKind>) -> Result<OperatingPoint> {
        let point = OperatingPoint::new(self.p_target, self.c_miss, self.c_fa)?;
        let threshold = match (self.threshold, self.far) {
            (Some(threshold), _) => threshold,
            (None, Some(far)) => {
                let all = measured(verifier)?;
                // Where there are too few trials of this kind for the rate, those of all kinds decide.
                let own = kind.map(|kind| all.of(kind));
                let own = own.filter(|own| far >= own.smallest_false_accept_rate());
                own.unwrap_or(all).at_false_accept_rate(far)?.threshold as f32
            }
            (None, None) => return Ok(point),
        };
        point.with_threshold(threshold)
    }
}

impl Args {
    /// When to stop listening: at the false-accept rate of `--far`, or at 1 %, or at the least rate that
    /// the model's calibration supports. None where the user sets the threshold by other means: then
    /// the whole recording decides.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rate that the calibration does not support.
    pub fn sequential_test(&self, verifier: &Verifier) -> Result<Option<SequentialTest>> {
        let Some(rates) = &verifier.model().sequential else {
            return Ok(None);
        };
        let is_default = (self.p_target, self.c_miss, self.c_fa) == (0.5, 1.0, 1.0);
        if self.threshold.is_some() || !is_default {
            return Ok(None);
        }
        SequentialTest::with_rates(rates, self.far, None).map(Some)
    }
}

fn measured(verifier: &Verifier) -> Result<&MeasuredRates> {
    verifier.model().rates.as_ref().ok_or_else(|| {
        Error::Usage(
            "--far: the model was never calibrated, so nobody knows its false-accept rates; \
             calibrate it with `spkver calibrate`, or use --threshold"
                .into(),
        )
    })
}

/// `0.1%` or `0.001`. Whether the model supports the rate is checked later.
fn rate(text: &str) -> std::result::Result<f64, String> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim(), 0.01),
        None => (text.trim(), 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "give a rate above 0 and below 1, e.g. 0.1% or 0.001")?;
    Ok(number * unit)
}

/// A measured rate with its 95 % interval, in per cent.
pub fn shown(rate: &Rate) -> String {
    let [low, high] = [rate.low, rate.high].map(|end| percent(end).replace(" %", ""));
    format!("{} [{low}, {high}]", percent(rate.rate))
}
