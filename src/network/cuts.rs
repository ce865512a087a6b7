//! The pooled parts of an utterance in, embeddings of some of it out: of what comes before and behind
//! a place, and of pieces.

use super::{
    operation::{Operations, Pooling},
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
const MAX_SPLITS: usize = 15;
/// Most pieces of an utterance: few enough to be put into two groups in every way.
const MAX_PIECES: usize = 12;

impl Operations {
    /// The utterance cut at the ends of its parts; nothing where there is one (its piece would be the
    /// utterance itself), or where a network wants it whole.
    pub fn cuts(&self, pooled: &Pooled) -> Cuts {
        if pooled.parts.len() == 1 || matches!(self.pooling, Pooling::Flatten { .. }) {
            return Cuts::default();
        }
        Cuts {
            splits: self.splits(pooled),
            pieces: self.pieces(pooled),
        }
    }

    /// In two, at places evenly apart if the parts are many.
    fn splits(&self, pooled: &Pooled) -> Vec<Split> {
        let Pooled { parts, statistics } = pooled;
        let count = (parts.len() - 1).min(MAX_SPLITS);
        let num_frames = parts[parts.len() - 1].end as f32;
        let split = |index: usize| {
            let part = index * parts.len() / (count + 1);
            Split {
                at: parts[part].start as f32 / num_frames,
                before: self.after_pooling(&statistics[..part], &parts[..part]),
                behind: self.after_pooling(&statistics[part..], &parts[part..]),
            }
        };
        (1..=count).map(split).collect()
    }

    /// Into pieces of one part, or of some neighbours if the parts are many.
    fn pieces(&self, pooled: &Pooled) -> Vec<Piece> {
        let Pooled { parts, statistics } = pooled;
        let count = parts.len().min(MAX_PIECES);
        let num_frames = parts[parts.len() - 1].end as f32;
        let piece = |index: usize| {
            let own = index * parts.len() / count..(index + 1) * parts.len() / count;
            let place = parts[own.start].start as f32..parts[own.end - 1].end as f32;
            Piece {
                place: place.start / num_frames..place.end / num_frames,
                values: self.after_pooling(&statistics[own.clone()], &parts[own]),
            }
        };
        (0..count).map(piece).collect()
    }
}
