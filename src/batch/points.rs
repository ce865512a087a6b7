//! Scores trials, each given as two points.
//!
//! A point is the projection of a recording or a speaker, computed once; the score of a trial is
//! then one dot product. The score depends only on the two points, not on block, shard or thread.
//! It has the same bits as in `verify` and `compare`.

use crate::scoring::{PairHead, Projection};
use rustc_hash::FxHashMap;

/// How the score of two points is computed.
#[derive(Debug, Clone, Copy)]
pub enum Scorer<'a> {
    /// The model's log-likelihood ratio.
    Head(&'a PairHead),
    /// scale·cosine + offset. The vector of a speaker is the mean of the unit vectors.
    Cosine {
        /// 1 for the plain cosine.
        scale: f32,
        /// 0 for the plain cosine.
        offset: f32,
    },
}

/// Numbered points. A point that could not be computed has a reason in its place.
#[derive(Debug)]
pub struct Points<'a> {
    scorer: Scorer<'a>,
    /// L
    size: usize,
    /// (N, L)
    values: Vec<f32>,
    /// (N,): the term that each point adds to all of its scores; NaN if there is no point.
    squares: Vec<f32>,
    faults: FxHashMap<u32, String>,
    /// Weights of 1, for the products of the cosine.
    ones: PairHead,
}

impl<'a> Points<'a> {
    /// No points yet; `embedding_size` is D.
    pub fn new(scorer: Scorer<'a>, embedding_size: usize) -> Self {
        let size = match scorer {
            Scorer::Head(head) => head.point_size(),
            Scorer::Cosine { .. } => embedding_size,
        };
        Points {
            scorer,
            size,
            values: vec![],
            squares: vec![],
            faults: FxHashMap::default(),
            ones: PairHead::new(
                Projection::identity(size, 1),
                [vec![1.0; size], vec![0.0; size]].concat(),
            ),
        }
    }

    /// Adds the point of a speaker or recording with these embeddings `(N, D)`. Returns its number.
    pub fn push<'e>(&mut self, embeddings: impl Iterator<Item = &'e [f32]>) -> u32 {
        let point = match self.scorer {
            Scorer::Head(head) => head.project_enrollment(embeddings),
            Scorer::Cosine { .. } => unit_mean(embeddings, self.size),
        };
        self.squares.push(match self.scorer {
            Scorer::Head(head) => head.single_term(&point),
            Scorer::Cosine { .. } => 0.0,
        });
        self.values.extend(point);
        self.squares.len() as u32 - 1
    }

    /// Adds a recording without a point. Returns its number.
    pub fn push_fault(&mut self, reason: String) -> u32 {
        let number = self.squares.len() as u32;
        self.values.resize(self.values.len() + self.size, 0.0);
        self.squares.push(f32::NAN);
        self.faults.insert(number, reason);
        number
    }

    /// The scores of pairs of points, in order. A score that does not exist is not finite.
    pub fn scores(&self, pairs: &[(u32, u32)], scores: &mut Vec<f32>) {
        scores.clear();
        scores.extend(pairs.iter().map(|&(a, b)| self.score(a, b)));
    }

    #[inline(always)]
    fn score(&self, a: u32, b: u32) -> f32 {
        let (x, y) = (self.point(a), self.point(b));
        let (s, t) = (self.squares[a as usize], self.squares[b as usize]);
        match self.scorer {
            Scorer::Head(head) => head.llr_of(head.product(x, y), s, t),
            Scorer::Cosine { scale, offset } => scale * self.ones.product(x, y) + offset + (s + t),
        }
    }

    /// The score of two points if it is finite, else the reason why there is no score.
    pub fn checked(&self, score: f32, (a, b): (u32, u32)) -> std::result::Result<f32, &str> {
        if score.is_finite() {
            return Ok(score);
        }
        let fault = self.faults.get(&a).or_else(|| self.faults.get(&b));
        Err(fault.map_or("the score is not a finite number", String::as_str))
    }

    #[inline(always)]
    fn point(&self, number: u32) -> &[f32] {
        &self.values[number as usize * self.size..][..self.size]
    }
}

/// Mean of the vectors, each scaled to length 1; the mean is scaled to length 1 too. `(N, D) ->
/// (D,)`
fn unit_mean<'e>(embeddings: impl Iterator<Item = &'e [f32]>, size: usize) -> Vec<f32> {
    let mut sum = vec![0.0; size];
    for embedding in embeddings {
        for (s, x) in sum.iter_mut().zip(unit(&embedding[..size])) {
            *s += x;
        }
    }
    unit(&sum)
}

/// Scales a vector to length 1. Computed in double precision, because the vector may have any
/// scale.
fn unit(v: &[f32]) -> Vec<f32> {
    let squares: f64 = v.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let length = squares.sqrt();
    v.iter().map(|&x| (f64::from(x) / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_of_any_scale() {
        let cosine = Scorer::Cosine {
            scale: 1.0,
            offset: 0.0,
        };
        let mut points = Points::new(cosine, 2);
        let score = |points: &Points, a, b| {
            let mut scores = vec![];
            points.scores(&[(a, b)], &mut scores);
            let checked = points.checked(scores[0], (a, b));
            checked.map_err(str::to_string)
        };
        let x = points.push([&[3e30f32, 0.0][..]].into_iter());
        let diagonal = points.push([&[1e-30f32, 1e-30][..]].into_iter());
        let model = points.push([&[9.0f32, 0.0][..], &[0.0, 0.1]].into_iter());
        let fault = points.push_fault("no speech".into());
        assert_eq!(score(&points, x, x), Ok(1.0));
        for (a, b, cosine) in [(x, diagonal, 0.5f32.sqrt()), (diagonal, model, 1.0)] {
            assert!((score(&points, a, b).unwrap() - cosine).abs() < 1e-6);
            assert_eq!(score(&points, a, b), score(&points, b, a));
        }
        assert_eq!(score(&points, x, fault), Err("no speech".into()));
        let zero = points.push([&[0.0f32, 0.0][..]].into_iter());
        assert!(
            score(&points, x, zero)
                .unwrap_err()
                .contains("not a finite")
        );
    }
}
