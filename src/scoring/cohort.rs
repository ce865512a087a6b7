//! The cohort: speakers that every recording is compared with, to see whether it sounds like many
//! people.

use super::products::weighted_dot;
use zeroize::Zeroizing;

/// Speakers that every recording is compared with. They occur in no trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// (K, V): a point for each speaker, projected and scaled, without conditions and quality term.
    pub points: Vec<f32>,
    /// N: number of highest scores that are averaged.
    pub top: usize,
}

impl Cohort {
    /// Largest number of speakers: each costs a sum over V numbers for every point.
    pub const MAX_SPEAKERS: usize = 10_000;

    /// Checks that the points have `voice_size` finite values each, and that there are at least
    /// [`Self::top`] of them. The error says what there is.
    pub(super) fn fits(&self, voice_size: usize) -> std::result::Result<(), String> {
        let speakers = self.points.len() / voice_size;
        let finite = self.points.iter().all(|v| v.is_finite());
        let sizes = self.points.len() == speakers * voice_size
            && (1..=Self::MAX_SPEAKERS).contains(&speakers)
            && (1..=speakers).contains(&self.top);
        if sizes && finite {
            return Ok(());
        }
        Err(format!(
            "cohort of {} numbers, {speakers} speakers, top {}, finite {finite}; wanted \
             {voice_size} finite numbers for each of 1 to {} speakers, and a top from 1 to the \
             number of speakers",
            self.points.len(),
            self.top,
            Self::MAX_SPEAKERS,
        ))
    }

    /// μ(a), as [`super::PairHead::cohort_mean`] defines it. `a` is a point without conditions and
    /// quality term; `weight` is the head's. `(V,) -> 1`
    // Compiled once: it is called in many places.
    #[inline(never)]
    pub(super) fn mean_of(&self, weight: &[f32], a: &[f32]) -> f32 {
        self.mean_without(None, weight, a)
    }

    /// What μ is for most voices: the mean over some speakers of the cohort, each compared with the others.
    pub(super) fn typical(&self, weight: &[f32], voice_size: usize) -> f32 {
        const SPEAKERS: usize = 16;
        let points: Vec<&[f32]> = self.points.chunks_exact(voice_size).collect();
        let others = |k: usize| (points.len() > 1).then_some(k);
        let every = points.len().div_ceil(SPEAKERS);
        let some = (0..points.len()).step_by(every);
        let means = some.map(|k| self.mean_without(others(k), weight, points[k]));
        let means: Vec<f32> = means.collect();
        means.iter().sum::<f32>() / means.len() as f32
    }

    /// μ(a), with one speaker of the cohort left out or none.
    fn mean_without(&self, left_out: Option<usize>, weight: &[f32], a: &[f32]) -> f32 {
        let (product, squares) = weight.split_at(weight.len() / 2);
        let squares = &squares[..a.len()];
        // Reveals as much about the voice as the embedding.
        let weighted: Vec<f32> = product.iter().zip(a).map(|(p, a)| p * a).collect();
        let weighted = Zeroizing::new(weighted);
        let speakers = self.points.chunks_exact(a.len()).enumerate();
        let mut scores = Zeroizing::new(Vec::with_capacity(speakers.len()));
        let others = speakers.filter(|(k, _)| Some(*k) != left_out);
        scores.extend(others.map(|(_, c)| score(&weighted, squares, c)));
        let top = self.top.min(scores.len());
        let rank = scores.len() - top;
        let (_, last, higher) = scores.select_nth_unstable_by(rank, f32::total_cmp);
        let highest = higher.iter().chain([&*last]);
        let sum: f64 = highest.map(|&score| f64::from(score)).sum();
        weighted_dot(squares, a, a) + (sum / top as f64) as f32
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
