//! The decision flags, and the [`Criterion`] that they state.

use spkver::{
    answer::Criterion,
    scoring::{Rate, percent},
};

/// When to accept.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Decision")]
pub struct Args {
    /// Accept at most this share of impostors, as measured when the model was calibrated, e.g. 0.1%
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["threshold", "c_miss", "c_fa"])]
    far: Option<f64>,
    /// Accept at this log-likelihood ratio or a higher one
    #[arg(long, value_name = "LLR", allow_negative_numbers = true, conflicts_with_all = ["c_miss", "c_fa"])]
    threshold: Option<f32>,
    /// Prior probability that the recording is of the enrolled speaker
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    #[arg(default_value_t = 0.5)]
    p_target: f64,
    /// Cost of rejecting the enrolled speaker
    #[arg(long, value_name = "COST", allow_negative_numbers = true)]
    #[arg(default_value_t = 1.0)]
    c_miss: f64,
    /// Cost of accepting somebody else
    #[arg(long, value_name = "COST", allow_negative_numbers = true)]
    #[arg(default_value_t = 1.0)]
    c_fa: f64,
}

impl Args {
    /// The criterion that the flags state.
    pub fn criterion(&self) -> Criterion {
        Criterion {
            far: self.far,
            threshold: self.threshold,
            p_target: self.p_target,
            c_miss: self.c_miss,
            c_fa: self.c_fa,
        }
    }
}

/// Parses `0.1%` or `0.001`. Whether the model supports the rate is checked later.
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
