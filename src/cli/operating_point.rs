//! The decision flags in, an [`OperatingPoint`] out.

use spkver::{Result, scoring::OperatingPoint};

/// When to accept.
#[derive(clap::Args)]
#[command(next_help_heading = "Decision")]
pub struct Args {
    /// Accept from this log-likelihood ratio on
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
    /// The operating point, checked.
    pub fn point(&self) -> Result<OperatingPoint> {
        let point = OperatingPoint::new(self.p_target, self.c_miss, self.c_fa)?;
        match self.threshold {
            Some(threshold) => point.with_threshold(threshold),
            None => Ok(point),
        }
    }
}
