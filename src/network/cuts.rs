//! Embeddings of parts of an utterance. Comparing them shows whether more than one person speaks.
//! The parts are what comes before and what comes after some positions, and short consecutive
//! pieces. Their embeddings cost little, because they are computed from the statistics that the
//! embedding of the utterance was pooled from.

use super::{
    operation::Pooling,
    pooling::RunningSums,
    run::{Operations, Pooled},
};
use std::ops::Range;

/// Embeddings of parts of an utterance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cuts {
    /// The utterance split in two at several positions.
    pub splits: Vec<Split>,
    /// The utterance cut into consecutive pieces.
    pub pieces: Vec<Piece>,
}

/// An utterance split in two.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Position of the split, 0 to 1.
    pub at: f32,
    /// Embedding of what comes before it, `(D,)`.
    pub before: Vec<f32>,
    /// Embedding of what comes after it, `(D,)`.
    pub behind: Vec<f32>,
}

/// A piece of an utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Start and end, 0 to 1.
    pub place: Range<f32>,
    /// Embedding, `(D,)`.
    pub values: Vec<f32>,
}

/// Largest number of splits.
const MAX_SPLITS: usize = 10;
/// Largest number of pieces: few enough to try every division into two groups.
const MAX_PIECES: usize = 12;

impl Operations {
    /// Splits and pieces of the utterance, cut where its parts end. None if there is only one part
    /// (its piece would be the whole utterance), or if the network flattens the utterance or weights
    /// its frames.
    pub fn cuts(&self, pooled: &Pooled) -> Cuts {
        let is_cut = !matches!(
            self.pooling,
            Pooling::Flatten { .. } | Pooling::AttentiveStats { .. }
        );
        if pooled.parts.len() == 1 || !is_cut {
            return Cuts::default();
        }
        let Pooled { parts, statistics } = pooled;
        let count = parts.len();
        let with_variances = !matches!(self.pooling, Pooling::Mean);
        let (splits, pieces): (Vec<usize>, Vec<Range<usize>>) =
            (splits(count).collect(), pieces(count).collect());
        let ends = splits
            .iter()
            .copied()
            .chain(pieces.iter().map(|piece| piece.end));
        let sums = RunningSums::new(statistics, parts, with_variances, &ends.collect());
        let place = |frame: usize| frame as f32 / parts[count - 1].end as f32;
        let frames = |span: &Range<usize>| parts[span.start].start..parts[span.end - 1].end;
        // What comes before and after each split, then the pieces.
        let sides = splits.iter().flat_map(|at| [0..*at, *at..count]);
        let all: Vec<Range<usize>> = sides.chain(pieces.iter().cloned()).collect();
        let pool = |span: &Range<usize>| {
            let num_frames = frames(span).len();
            let combined = sums.combined(span.clone(), num_frames);
            self.pooling.finished(combined, num_frames)
        };
        let pooled: Vec<Vec<f32>> = all.iter().map(pool).collect();
        let values = self.after.run(pooled.concat(), all.len()); // (N, D)
        let mut embeddings = values.chunks_exact(values.len() / all.len());
        let mut next = || embeddings.next().expect("one for each").to_vec();
        let splits = splits.iter().map(|at| Split {
            at: place(parts[*at].start),
            before: next(),
            behind: next(),
        });
        let splits = splits.collect();
        let pieces = pieces.iter().map(|piece| Piece {
            place: place(frames(piece).start)..place(frames(piece).end),
            values: next(),
        });
        Cuts {
            splits,
            pieces: pieces.collect(),
        }
    }
}

/// Parts to split before: evenly spaced if there are many.
fn splits(count: usize) -> impl Iterator<Item = usize> {
    let num_splits = (count - 1).min(MAX_SPLITS);
    (1..=num_splits).map(move |index| index * count / (num_splits + 1))
}

/// Divides `count` parts into pieces of two parts, or more if there are many: one part is too
/// short.
fn pieces(count: usize) -> impl Iterator<Item = Range<usize>> {
    let num_pieces = count.div_ceil(2).min(MAX_PIECES);
    let start = move |index: usize| index * count / num_pieces;
    (0..num_pieces).map(move |index| start(index)..start(index + 1))
}
