//! The knee: below a given LLR, scores fall more slowly than the linear calibration says.
//!
//! One linear calibration has to fit both the trials close to the threshold and the few targets
//! that score far lower, spoken in another mood or over another telephone line. These would make it
//! too flat for the others.

/// Slope of the scores below the knee. Of 0.1, 0.25 and 0.4, this has the lowest Cllr on
/// development lists that were left out of the fit (models/README.md).
pub const KNEE_SLOPE: f64 = 0.25;

/// Applies the knee to a linearly calibrated LLR: flattens the part below `knee`, keeps the order,
/// and leaves the part above unchanged.
#[inline(always)]
pub fn bend(line: f64, knee: f64) -> f64 {
    line.max(KNEE_SLOPE * line + (1.0 - KNEE_SLOPE) * knee)
}

#[cfg(test)]
mod tests {
    use crate::scoring::PairHead;

    #[test]
    fn a_knee_flattens_what_is_below_and_nothing_above() {
        let line = PairHead {
            mean: vec![0.0; 2],
            whiten: None,
            weight: vec![3.0, 3.0, 0.0, 0.0],
            groups: 1,
            bias: -1.0,
            prior: 0.5,
            quality: None,
            cohort: None,
            knee: None,
        };
        let bent = PairHead {
            knee: Some(-2.0),
            ..line.clone()
        };
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
        for knee in [f32::NAN, f32::NEG_INFINITY] {
            let knee = Some(knee);
            assert!(
                PairHead {
                    knee,
                    ..line.clone()
                }
                .check(2)
                .is_err()
            );
        }
    }
}
