//! Quality terms of a score: what the length of a recording, its noise and bandwidth, its distance from
//! the average voice and its similarity to a cohort add to the logit of each of its trials.
//!
//! The first two are ln t (t seconds of speech) and ln|u|, the length of the whitened embedding
//! before scaling: a long recording, and one far from the average, scores higher with everybody
//! (Mandasari et al. 2013, "Quality measure functions for calibration"). The third is how far the
//! signal-to-noise ratio is below that of a clean recording, and how much of the band is missing at its
//! upper and its lower end, as on a telephone line: on one side these lower a score. The same noise or
//! line on both sides raises it, so the head also has weights for the products of these numbers, the
//! [`conditions`]. The last is μ(a), the
//! mean of the N highest scores of a against a cohort of K speakers, computed without quality
//! terms: if a recording sounds like many people, its scores mean less. With weight −w this gives s
//! − w·(μ(a) + μ(b)), which is the shift of adaptive S-norm (Karam et al. 2011; Matějka et al.
//! 2017) without its scale. The score then stays a product plus one term per recording.

use super::products::weighted_dot;
use zeroize::Zeroizing;

/// Weights of the quality terms. A recording adds `seconds·ln t + length·ln|u| + noise·n +
/// high·h + low·l + cohort·μ` to the logit of each of its trials.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityWeights {
    /// Weight of ln t, with t in seconds of speech.
    pub seconds: f32,
    /// Weight of ln|u|, averaged over groups.
    pub length: f32,
    /// Weight of n, see [`conditions`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f32,
    /// Weight of h, see [`conditions`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub high: f32,
    /// Weight of l, see [`conditions`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub low: f32,
    /// Weight of μ, the mean of the highest scores against the cohort; 0 without a cohort.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cohort: f32,
}

/// Speakers that every recording is compared with. They occur in no trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// (K, L): a point for each speaker, projected and scaled, without conditions and quality term.
    pub points: Vec<f32>,
    /// N: number of highest scores that are averaged.
    pub top: usize,
}

impl QualityWeights {
    pub(super) fn is_finite(&self) -> bool {
        let Self {
            seconds,
            length,
            noise,
            high,
            low,
            cohort,
        } = self;
        [seconds, length, noise, high, low, cohort]
            .iter()
            .all(|w| w.is_finite())
    }
}

/// How many numbers [`conditions`] gives.
pub const CONDITIONS: usize = 3;

/// The noise of a recording and what its band lacks at the upper and the lower end, `[n, h, l]`. n is 0 at
/// a signal-to-noise ratio of 20 dB or more, and 1 more for every 10 dB below, at most 2. h is 0 at a
/// bandwidth of 5.5 kHz or more, and 1 more for every 2 kHz below, at most 1.5. l is 0 where the voice
/// below 250 Hz is at most 17 dB softer than above ([`Quality::low_band_db`](crate::audio::Quality)), and
/// 1 where it is softer by 23 dB or more.
///
/// Clean recordings have 0 and telephone lines 1, with little between. Numbers that vary among
/// recordings of one kind would move their scores, and so put trials of that kind in a worse order.
pub fn conditions(snr_db: f32, bandwidth_hz: f32, low_band_db: f32) -> [f32; CONDITIONS] {
    [
        ((20.0 - snr_db) / 10.0).clamp(0.0, 2.0),
        ((5500.0 - bandwidth_hz) / 2000.0).clamp(0.0, 1.5),
        ((-17.0 - low_band_db) / 6.0).clamp(0.0, 1.0),
    ]
}

impl Cohort {
    /// Largest number of speakers: each costs L multiplications for every point.
    pub const MAX_SPEAKERS: usize = 10_000;

    /// μ(a) of the whitened part `a` of a point, with the `weight` of a head. `(V,) -> 1`
    // Compiled once: it is called in many places.
    #[inline(never)]
    pub(super) fn mean_of(&self, weight: &[f32], a: &[f32]) -> f32 {
        let (product, squares) = weight.split_at(weight.len() / 2);
        let squares = &squares[..a.len()];
        // Reveals as much about the voice as the embedding.
        let weighted: Vec<f32> = product.iter().zip(a).map(|(p, a)| p * a).collect();
        let weighted = Zeroizing::new(weighted);
        let speakers = self.points.chunks_exact(a.len());
        let mut scores = Zeroizing::new(Vec::with_capacity(speakers.len()));
        scores.extend(speakers.map(|c| score(&weighted, squares, c)));
        let rank = scores.len() - self.top;
        let (_, last, higher) = scores.select_nth_unstable_by(rank, f32::total_cmp);
        let highest = higher.iter().chain([&*last]);
        let sum: f64 = highest.map(|&score| f64::from(score)).sum();
        weighted_dot(squares, a, a) + (sum / self.top as f64) as f32
    }
}

/// Σ c·(v + q·c) in sixteen sums, in the same order on every CPU.
fn score(v: &[f32], q: &[f32], c: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (v, rest_v) = v.as_chunks::<16>();
    let (q, rest_q) = q.as_chunks::<16>();
    let (c, rest_c) = c.as_chunks::<16>();
    for ((v, q), c) in v.iter().zip(q).zip(c) {
        for lane in 0..16 {
            sums[lane] += c[lane] * (v[lane] + q[lane] * c[lane]);
        }
    }
    let rest = rest_v.iter().zip(rest_q).zip(rest_c);
    let rest: f32 = rest.map(|((v, q), c)| c * (v + q * c)).sum();
    sums.iter().sum::<f32>() + rest
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
    use crate::scoring::PairHead;

    #[test]
    fn what_a_recording_is_like_adds_to_every_score_of_it() {
        let plain = PairHead {
            mean: vec![1.0; 2],
            whiten: None,
            weight: vec![3.0, 5.0, -0.5, -0.25],
            groups: 1,
            bias: 0.75,
            prior: 0.5,
            quality: None,
            cohort: None,
            knee: None,
        };
        let head = PairHead {
            quality: Some(QualityWeights {
                seconds: -0.5,
                length: 2.0,
                noise: 1.5,
                high: 0.5,
                low: 0.0,
                cohort: 0.0,
            }),
            ..plain.clone()
        };
        assert_eq!((head.embedding_size(), head.point_size()), (6, 3));
        assert!(head.check(2).is_ok());
        let point = |head: &PairHead, e: &[&[f32]]| head.project_enrolment(e.iter().copied());
        // |u| is 5 and 1; the recordings have 4 s and 1 s of speech. The second one has 10 dB and comes
        // from a telephone.
        let (a, b) = (
            [4.0, 5.0, 4.0f32.ln(), 0.0, 0.0, 0.0],
            [2.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        );
        assert_eq!(conditions(10.0, 3500.0, 5.0), [1.0, 1.0, 0.0]);
        assert_eq!(conditions(20.0, 5500.0, -17.0), [0.0; 3]);
        assert_eq!(conditions(-40.0, 1000.0, -40.0), [2.0, 1.5, 1.0]);
        let own = |seconds: f32, ln_length: f32, noise: f32, band: f32| {
            -0.5 * seconds.ln() + 2.0 * ln_length + 1.5 * noise + 0.5 * band
        };
        let [x, y] = [&a, &b].map(|e| point(&plain, &[&e[..2]]));
        let expected =
            plain.llr(&x, &y) + own(4.0, 5.0f32.ln(), 0.0, 0.0) + own(1.0, 0.0, 1.0, 1.0);
        let [x, y] = [&a, &b].map(|e| point(&head, &[e]));
        assert!((head.llr(&x, &y) - expected).abs() < 1e-5);
        assert_eq!(head.llr(&x, &y), head.llr(&y, &x));
        // Enrolled together: five seconds, and the means of ln|u| and of the conditions.
        let both = point(&head, &[&a, &b]);
        assert!((both[2] - own(5.0, 0.5 * 5.0f32.ln(), 0.5, 0.5)).abs() < 1e-5);
        // A speaker enrolled with one recording keeps exactly its length.
        assert_eq!(
            point(&head, &[&a])[2],
            -0.5 * a[2] + 2.0 * head.ln_length(&a)
        );
        let spoilt = PairHead {
            quality: Some(QualityWeights {
                seconds: f32::NAN,
                length: 0.0,
                noise: 0.0,
                high: 0.0,
                low: 0.0,
                cohort: 0.0,
            }),
            ..plain
        };
        assert!(spoilt.check(2).is_err());
    }

    #[test]
    fn the_same_noise_on_both_sides_makes_nobody_the_same_speaker() {
        let head = PairHead {
            mean: vec![1.0; 2],
            whiten: None,
            // Noise on both sides counts against, a narrow band on both as well.
            weight: [[3.0, 5.0, -2.0, -0.5, -0.25], [-0.5, -0.25, 0.0, 0.0, 0.0]].concat(),
            groups: 1,
            bias: 0.75,
            prior: 0.5,
            quality: Some(QualityWeights::default()),
            cohort: None,
            knee: None,
        };
        assert!(head.check(2).is_ok());
        assert_eq!(
            (head.size(), head.voice_size(), head.point_size()),
            (5, 2, 6)
        );
        let point = |e: &[f32]| head.project_enrolment(std::iter::once(e));
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
        let found: f32 = super::super::gallery::vector(&head, &a)
            .zip(head.probe(&b).vector())
            .map(|(x, y)| x * y)
            .sum();
        assert!((found - both).abs() < 1e-4, "{found} {both}");
        // Without them the head is what it was before.
        assert_eq!(head.uncalibrated().weight, [3.0, 5.0, -0.5, -0.25]);
    }

    /// L = 4 in two groups; three speakers, of which the best two count.
    fn with_cohort() -> PairHead {
        let speakers = [
            [1.0, 0.0, 0.5, 0.5],
            [0.0, 1.0, -1.0, 0.0],
            [0.6, -0.8, 0.0, 1.0],
        ];
        PairHead {
            mean: vec![0.25; 4],
            whiten: None,
            weight: vec![3.0, 5.0, 1.5, 2.0, -0.5, -0.25, -0.125, -1.0],
            groups: 2,
            bias: 0.75,
            prior: 0.2,
            quality: Some(QualityWeights {
                seconds: -0.5,
                length: 2.0,
                noise: 1.5,
                high: 0.0,
                low: 0.0,
                cohort: -0.3,
            }),
            cohort: Some(Cohort {
                points: speakers.concat(),
                top: 2,
            }),
            knee: None,
        }
    }

    #[test]
    fn likeness_to_the_cohort_is_the_mean_of_the_highest_scores() {
        let head = with_cohort();
        assert!(head.check(4).is_ok());
        let plain = PairHead {
            quality: None,
            cohort: None,
            ..head.clone()
        };
        let cohort = head.cohort.as_ref().unwrap();
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
        let own = |e: &[f32]| -0.5 * e[4] + 2.0 * head.ln_length(e) - 0.3 * mean(&plain.project(e));
        let point = |head: &PairHead, e: &[&[f32]]| head.project_enrolment(e.iter().copied());
        let [x, y] = [&a, &b].map(|e| point(&plain, &[&e[..4]]));
        let wanted = plain.llr(&x, &y) + own(&a) + own(&b);
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
        type Spoil = fn(&mut PairHead, &mut Cohort);
        let spoils: [Spoil; 8] = [
            |_, cohort| cohort.top = 0,
            |_, cohort| cohort.top = 4,
            |_, cohort| cohort.points.truncate(11),
            |_, cohort| cohort.points.clear(),
            |_, cohort| cohort.points[5] = f32::NAN,
            |_, cohort| cohort.points = vec![0.5; 4 * (Cohort::MAX_SPEAKERS + 1)],
            |head, _| head.quality = None,
            |head, _| head.quality.as_mut().unwrap().cohort = f32::INFINITY,
        ];
        for (i, spoil) in spoils.iter().enumerate() {
            let mut head = with_cohort();
            let mut cohort = head.cohort.take().unwrap();
            assert!(head.check(4).is_err(), "a weight for nobody");
            spoil(&mut head, &mut cohort);
            head.cohort = Some(cohort);
            assert!(head.check(4).is_err(), "{i}");
        }
    }
}
