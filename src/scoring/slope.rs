//! The lower slope: below a given LLR, scores fall more slowly than the linear calibration says.
//!
//! One linear calibration has to fit both the trials close to the threshold and a few targets that
//! score far lower, because the speaker was in another mood or used another telephone line. Without
//! the lower slope, these few would make the calibration too flat for all other trials.

/// The lower slope. It changes the LLRs below `below`, and keeps their order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowerSlope {
    /// An LLR, in natural-log units.
    pub below: f32,
}

impl LowerSlope {
    /// The slope: the distance of an LLR from the limit, [`Self::below`], is multiplied by this. Of
    /// 0.1, 0.25 and 0.4, it has the lowest Cllr on development lists that were left out of the fit
    /// (docs/experiments.md).
    pub const SLOPE: f64 = 0.25;

    /// Turns an LLR of the linear calibration into one with the lower slope. An LLR of [`Self::below`]
    /// or more stays the same.
    #[inline(always)]
    pub fn apply(self, line: f64) -> f64 {
        line.max(Self::SLOPE * line + (1.0 - Self::SLOPE) * f64::from(self.below))
    }
}

#[cfg(test)]
mod tests {
    use super::LowerSlope;
    use crate::scoring::{PairHead, Projection};

    #[test]
    fn a_lower_slope_flattens_what_is_below_and_nothing_above() {
        let mut line = PairHead::new(Projection::identity(2, 1), vec![3.0, 3.0, 0.0, 0.0]);
        line.bias = -1.0;
        let with_slope = |below: f32| PairHead {
            lower_slope: Some(LowerSlope { below }),
            ..line.clone()
        };
        let bent = with_slope(-2.0);
        assert!(bent.check(2).is_ok());
        let llrs = |cosine: f32| {
            let b = [cosine, (1.0 - cosine * cosine).sqrt()];
            let [a, b] = [[1.0, 0.0], b].map(|e| line.project(&e));
            [line.llr(&a, &b), bent.llr(&a, &b)]
        };
        let mut last = f32::NEG_INFINITY;
        for step in -50..=50 {
            let [line, bent] = llrs(step as f32 / 50.0);
            assert!(bent > last, "the order stays: {line} {bent}");
            last = bent;
            match line < -2.0 {
                true => assert!((bent - (-2.0 + (line + 2.0) / 4.0)).abs() < 1e-5),
                false => assert_eq!(line, bent),
            }
        }
        assert!(bent.llr(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
        for below in [f32::NAN, f32::NEG_INFINITY] {
            assert!(with_slope(below).check(2).is_err());
        }
    }
}
