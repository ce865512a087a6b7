//! Quality terms of a score: what the length of a recording, its noise and bandwidth, its distance from
//! the average voice and its similarity to a cohort add to the logit of each of its trials.
//!
//! The first two are ln t (t seconds of speech) and ln|u|, the length of the whitened embedding
//! before scaling: a long recording, and one far from the average, scores higher with everybody
//! (Mandasari et al. 2013, "Quality measure functions for calibration"). Then come its [`conditions`].
//! Noise or a telephone line on one side lowers a score; the same on both sides raises it, so the head
//! also has weights for the products of the conditions. The last is μ(a), the mean of the N highest
//! scores of a against a cohort of K speakers, computed without quality terms: if a recording sounds
//! like many people, its scores mean less. With weight −w this gives s − w·(μ(a) + μ(b)), which is the
//! shift of adaptive S-norm (Karam et al. 2011; Matějka et al. 2017) without its scale. The score then
//! stays a product plus one term per recording.
//!
//! [`conditions`]: super::conditions()

use super::{CONDITIONS, Cohort};
use crate::{Error, Result};

/// The quality terms of a head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QualityTerms {
    /// Their weights.
    pub weights: QualityWeights,
    /// Speakers whose similarity to a recording is one of the terms.
    pub cohort: Option<Cohort>,
}

/// Weights of the quality terms. A recording adds `seconds·ln t + length·ln|u| + noise·n +
/// high·h + low·l + cohort·μ` to the logit of each of its trials.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityWeights {
    /// Weight of ln t, with t in seconds of speech.
    pub seconds: f32,
    /// Weight of ln|u|, averaged over groups.
    pub length: f32,
    /// Weight of n, see [`conditions`](super::conditions()).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f32,
    /// Weight of h.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub high: f32,
    /// Weight of l.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub low: f32,
    /// Weight of μ, the mean of the highest scores against the cohort; 0 without a cohort.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cohort: f32,
}

impl QualityTerms {
    /// Checks that the numbers are finite and that the cohort fits points of `voice_size` values. There
    /// must be one if it has a weight.
    pub(super) fn check(&self, voice_size: usize) -> Result<()> {
        let weights = &self.weights;
        let refuse = |fact: String| Err(Error::Usage(format!("pair head: {fact}")));
        if !weights.is_finite() {
            return refuse(format!("quality terms {weights:?}; all must be finite"));
        }
        let Some(cohort) = &self.cohort else {
            return match weights.cohort {
                0.0 => Ok(()),
                weight => refuse(format!(
                    "a weight of {weight} for a cohort that is not there"
                )),
            };
        };
        cohort.fits(voice_size).or_else(refuse)
    }
}

impl QualityWeights {
    /// The quality term of a recording, without the part for the cohort.
    pub(super) fn term(
        &self,
        ln_seconds: f32,
        ln_length: f32,
        conditions: [f32; CONDITIONS],
    ) -> f32 {
        let term = self.seconds * ln_seconds + self.length * ln_length;
        let of_conditions = self.of_conditions().into_iter().zip(conditions);
        of_conditions.fold(term, |sum, (weight, value)| sum + weight * value)
    }

    /// The weights of the [`conditions`](super::conditions()).
    pub fn of_conditions(&self) -> [f32; CONDITIONS] {
        [self.noise, self.high, self.low]
    }

    /// The same weights, but with these weights of the conditions.
    pub fn with_conditions(self, [noise, high, low]: [f32; CONDITIONS]) -> Self {
        QualityWeights {
            noise,
            high,
            low,
            ..self
        }
    }

    fn is_finite(&self) -> bool {
        let others = [self.seconds, self.length, self.cohort];
        others
            .into_iter()
            .chain(self.of_conditions())
            .all(f32::is_finite)
    }
}

fn is_zero(weight: &f32) -> bool {
    *weight == 0.0
}

/// ln(eᵃ + eᵇ); exactly the other value if one is −∞.
pub(super) fn ln_sum_exp(a: f32, b: f32) -> f32 {
    let (low, high) = (a.min(b), a.max(b));
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::{PairHead, Projection, gallery::vector};

    #[test]
    fn what_a_recording_is_like_adds_to_every_score_of_it() {
        let centred = Projection::new(vec![1.0; 2], None);
        let mut plain = PairHead::new(centred, vec![3.0, 5.0, -0.5, -0.25]);
        plain.bias = 0.75;
        let with_weights = |weights: QualityWeights| PairHead {
            quality: Some(QualityTerms {
                weights,
                cohort: None,
            }),
            ..plain.clone()
        };
        let head = with_weights(QualityWeights {
            seconds: -0.5,
            length: 2.0,
            noise: 1.5,
            high: 0.5,
            ..QualityWeights::default()
        });
        assert_eq!((head.embedding_size(), head.point_size()), (6, 3));
        assert!(head.check(2).is_ok());
        let point = |head: &PairHead, e: &[&[f32]]| head.project_enrollment(e.iter().copied());
        // |u| is 5 and 1; the recordings have 4 s and 1 s of speech. The second one has 10 dB and comes
        // from a telephone.
        let (a, b) = (
            [4.0, 5.0, 4.0f32.ln(), 0.0, 0.0, 0.0],
            [2.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        );
        let term = |seconds: f32, ln_length: f32, noise: f32, band: f32| {
            -0.5 * seconds.ln() + 2.0 * ln_length + 1.5 * noise + 0.5 * band
        };
        let [x, y] = [&a, &b].map(|e| point(&plain, &[&e[..2]]));
        let expected =
            plain.llr(&x, &y) + term(4.0, 5.0f32.ln(), 0.0, 0.0) + term(1.0, 0.0, 1.0, 1.0);
        let [x, y] = [&a, &b].map(|e| point(&head, &[e]));
        assert!((head.llr(&x, &y) - expected).abs() < 1e-5);
        assert_eq!(head.llr(&x, &y), head.llr(&y, &x));
        // Enrolled together: five seconds, and the means of ln|u| and of the conditions.
        let both = point(&head, &[&a, &b]);
        assert!((both[2] - term(5.0, 0.5 * 5.0f32.ln(), 0.5, 0.5)).abs() < 1e-5);
        // A speaker enrolled with one recording keeps exactly its length.
        assert_eq!(
            point(&head, &[&a])[2],
            -0.5 * a[2] + 2.0 * head.ln_length(&a)
        );
        let spoilt = with_weights(QualityWeights {
            seconds: f32::NAN,
            ..QualityWeights::default()
        });
        assert!(spoilt.check(2).is_err());
    }

    #[test]
    fn the_same_noise_on_both_sides_makes_nobody_the_same_speaker() {
        let centred = Projection::new(vec![1.0; 2], None);
        // Noise on both sides counts against, a narrow band on both as well.
        let weight = [[3.0, 5.0, -2.0, -0.5, -0.25], [-0.5, -0.25, 0.0, 0.0, 0.0]].concat();
        let mut head = PairHead::new(centred, weight);
        (head.bias, head.quality) = (0.75, Some(QualityTerms::default()));
        assert!(head.check(2).is_ok());
        assert_eq!(
            (head.size(), head.voice_size(), head.point_size()),
            (5, 2, 6)
        );
        let point = |e: &[f32]| head.project_enrollment(std::iter::once(e));
        let [clean_a, clean_b] = [[4.0, 5.0], [2.0, 1.0]].map(|e| [e[0], e[1], 0.0, 0.0, 0.0, 0.0]);
        let noisy = |e: [f32; 6]| [e[0], e[1], e[2], 1.5, 1.0, 2.0];
        let llr = |a: [f32; 6], b: [f32; 6]| head.llr(&point(&a), &point(&b));
        let clean = llr(clean_a, clean_b);
        assert_eq!(llr(noisy(clean_a), clean_b), clean);
        let both = llr(noisy(clean_a), noisy(clean_b));
        assert!(
            (both - (clean - 2.0 * 2.25 - 0.5 - 1.0)).abs() < 1e-5,
            "{both} {clean}"
        );
        // A search among many says the same.
        let (a, b) = (point(&noisy(clean_a)), point(&noisy(clean_b)));
        let found: f32 = vector(&head, &a)
            .zip(head.probe(&b).vector())
            .map(|(x, y)| x * y)
            .sum();
        assert!((found - both).abs() < 1e-4, "{found} {both}");
        // Without them the head is what it was before.
        assert_eq!(head.uncalibrated().weight, [3.0, 5.0, -0.5, -0.25]);
        // A newer head also has a weight for noise of any level: here there is some on both sides.
        head.weight = [
            [3.0, 5.0, -2.0, -0.5, -0.25, -1.5],
            [-0.5, -0.25, 0.0, 0.0, 0.0, 0.0],
        ]
        .concat();
        assert!(head.check(2).is_ok());
        let point = |e: &[f32]| head.project_enrollment(std::iter::once(e));
        let slightly = |e: [f32; 6]| [e[0], e[1], e[2], 0.125, 0.0, 0.0];
        let llr = |a: [f32; 6], b: [f32; 6]| head.llr(&point(&a), &point(&b));
        assert_eq!(llr(slightly(clean_a), clean_b), clean);
        let both = llr(slightly(clean_a), slightly(clean_b));
        assert!(
            (both - (clean - 2.0 / 64.0 - 1.5)).abs() < 1e-5,
            "{both} {clean}"
        );
    }

    /// L = 4 in two groups; three speakers, of which the best two count.
    fn with_cohort() -> PairHead {
        let speakers = [
            [1.0, 0.0, 0.5, 0.5],
            [0.0, 1.0, -1.0, 0.0],
            [0.6, -0.8, 0.0, 1.0],
        ];
        let mut projection = Projection::new(vec![0.25; 4], None);
        projection.groups = 2;
        let weight = vec![3.0, 5.0, 1.5, 2.0, -0.5, -0.25, -0.125, -1.0];
        let mut head = PairHead::new(projection, weight);
        (head.bias, head.prior) = (0.75, 0.2);
        head.quality = Some(QualityTerms {
            weights: QualityWeights {
                seconds: -0.5,
                length: 2.0,
                noise: 1.5,
                cohort: -0.3,
                ..QualityWeights::default()
            },
            cohort: Some(Cohort {
                points: speakers.concat(),
                top: 2,
            }),
        });
        head
    }

    #[test]
    fn parts_of_a_recording_count_as_typical_voices_whatever_the_cohort() {
        let mut head = with_cohort();
        let plain = PairHead {
            quality: None,
            bias: 0.0,
            prior: 0.5,
            ..head.clone()
        };
        let cohort = head.quality.as_mut().unwrap().cohort.as_mut().unwrap();
        // Each speaker counts against the other two, that is against all others.
        let [p, q, r] = std::array::from_fn(|k| cohort.points[4 * k..4 * k + 4].to_vec());
        let pairs = [(&p, &q), (&p, &r), (&q, &r)];
        let typical = pairs.map(|(a, b)| plain.llr(a, b)).iter().sum::<f32>() / 3.0;
        let of_parts = head.of_parts();
        assert!(of_parts.check(4).is_ok());
        assert!(of_parts.quality.unwrap().cohort.is_none());
        assert!((of_parts.bias - (head.bias - 0.6 * typical)).abs() < 1e-5);
    }

    #[test]
    fn likeness_to_the_cohort_is_the_mean_of_the_highest_scores() {
        let head = with_cohort();
        assert!(head.check(4).is_ok());
        let plain = PairHead {
            quality: None,
            ..head.clone()
        };
        let cohort = head.quality.as_ref().unwrap().cohort.as_ref().unwrap();
        // LLR of a head without quality terms, minus its constant.
        let constant = plain.bias + 4.0f32.ln();
        let mean = |point: &[f32]| {
            let scores = cohort.points.chunks_exact(4);
            let mut scores: Vec<f32> = scores.map(|c| plain.llr(point, c) - constant).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            (scores[0] + scores[1]) / 2.0
        };
        let (a, b) = (
            [1.0, -2.0, 0.5, 3.0, 1.0, 0.0, 0.0, 0.0],
            [0.5, 1.0, 2.0, -1.0, 0.5, 0.0, 0.0, 0.0],
        );
        let term =
            |e: &[f32]| -0.5 * e[4] + 2.0 * head.ln_length(e) - 0.3 * mean(&plain.project(e));
        let point = |head: &PairHead, e: &[&[f32]]| head.project_enrollment(e.iter().copied());
        let [x, y] = [&a, &b].map(|e| point(&plain, &[&e[..4]]));
        let wanted = plain.llr(&x, &y) + term(&a) + term(&b);
        let [x, y] = [&a, &b].map(|e| point(&head, &[e]));
        assert_eq!(x.len(), head.point_size());
        assert!((head.llr(&x, &y) - wanted).abs() < 1e-4);
        assert_eq!(head.llr(&x, &y), head.llr(&y, &x));
        // A speaker with several recordings has the similarity of their common point.
        let both = point(&head, &[&a, &b]);
        let seconds = ln_sum_exp(a[4], b[4]);
        let lengths = head.ln_length(&a) + head.ln_length(&b);
        let wanted = -0.5 * seconds + lengths - 0.3 * mean(&both[..4]);
        assert!((both[4] - wanted).abs() < 1e-4);
        // A zero vector has no direction and no score.
        let nowhere = point(&head, &[&[0.25, 0.25, 0.25, 0.25, 1.0, 0.0, 0.0, 0.0]]);
        assert!(head.llr(&x, &nowhere).is_nan());
    }

    #[test]
    fn a_cohort_fits_its_head_or_is_refused() {
        type Spoil = fn(&mut QualityWeights, &mut Cohort);
        let spoils: [Spoil; 7] = [
            |_, cohort| cohort.top = 0,
            |_, cohort| cohort.top = 4,
            |_, cohort| cohort.points.truncate(11),
            |_, cohort| cohort.points.clear(),
            |_, cohort| cohort.points[5] = f32::NAN,
            |_, cohort| cohort.points = vec![0.5; 4 * (Cohort::MAX_SPEAKERS + 1)],
            |weights, _| weights.cohort = f32::INFINITY,
        ];
        for (i, spoil) in spoils.iter().enumerate() {
            let mut head = with_cohort();
            let QualityTerms { weights, cohort } = head.quality.as_mut().unwrap();
            let mut valid = cohort.take().unwrap();
            spoil(weights, &mut valid);
            *cohort = Some(valid);
            assert!(head.check(4).is_err(), "{i}");
        }
        let mut head = with_cohort();
        head.quality.as_mut().unwrap().cohort = None;
        assert!(head.check(4).is_err(), "a weight for nobody");
    }
}
