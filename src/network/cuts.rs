//! The pooled parts of an utterance in, embeddings of some of it out: of what comes before and behind
//! a place, and of pieces.

use super::{
    operation::{Operations, Pooling},
    pooling::RunningSums,
    run::Pooled,
};
use std::ops::Range;

/// What the network says of some of an utterance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cuts {
    /// What comes before and behind some places.
    pub splits: Vec<Split>,
    /// All of it, piece by piece.
    pub pieces: Vec<Piece>,
}

/// An utterance cut in two.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Where, 0 to 1.
    pub at: f32,
    /// What comes before, `(D,)`.
    pub before: Vec<f32>,
    /// What comes behind, `(D,)`.
    pub behind: Vec<f32>,
}

/// A piece of an utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// From where to where, 0 to 1.
    pub place: Range<f32>,
    /// `(D,)`
    pub values: Vec<f32>,
}

/// Most places where an utterance is cut in two.
const MAX_SPLITS: usize = 10;
/// Most pieces of an utterance: few enough to be put into two groups in every way.
const MAX_PIECES: usize = 12;

impl Operations {
    /// The utterance cut at the ends of its parts; nothing where there is one (its piece would be the
    /// utterance itself), or where a network wants it whole.
    pub fn cuts(&self, pooled: &Pooled) -> Cuts {
        if pooled.parts.len() == 1 || matches!(self.pooling, Pooling::Flatten { .. }) {
            return Cuts::default();
        }
        let Pooled { parts, statistics } = pooled;
        let count = parts.len();
        let with_variances = !matches!(self.pooling, Pooling::Mean);
        let ends = splits(count).chain(pieces(count).map(|own| own.end));
        let sums = RunningSums::new(statistics, parts, with_variances, &ends.collect());
        let place = |frame: usize| frame as f32 / parts[count - 1].end as f32;
        let frames = |own: &Range<usize>| parts[own.start].start..parts[own.end - 1].end;
        let of = |own: Range<usize>| {
            let num_frames = frames(&own).len();
            self.after_combining(sums.combined(own, num_frames), num_frames)
        };
        let split = |at: usize| Split {
            at: place(parts[at].start),
            before: of(0..at),
            behind: of(at..count),
        };
        let piece = |own: Range<usize>| Piece {
            place: place(frames(&own).start)..place(frames(&own).end),
            values: of(own),
        };
        Cuts {
            splits: splits(count).map(split).collect(),
            pieces: pieces(count).map(piece).collect(),
        }
    }
}

/// Where so many parts are cut in two: evenly, if they are many.
fn splits(count: usize) -> impl Iterator<Item = usize> {
    let num_splits = (count - 1).min(MAX_SPLITS);
    (1..=num_splits).map(move |index| index * count / (num_splits + 1))
}

/// So many parts as pieces of two, or of some neighbours more if they are many: one says too little.
fn pieces(count: usize) -> impl Iterator<Item = Range<usize>> {
    let num_pieces = count.div_ceil(2).min(MAX_PIECES);
    let start = move |index: usize| index * count / num_pieces;
    (0..num_pieces).map(move |index| start(index)..start(index + 1))
}
