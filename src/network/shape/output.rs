//! The shape of a layer's output.

use crate::network::frame_count::FrameCount;

/// Shape of the output of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `(T', C)`, with T' as a function of the number of frames of the utterance.
    Frames(usize, FrameCount),
    /// `(size,)`.
    Vector(usize),
}

impl Shape {
    /// Number of channels, or size of the vector.
    pub fn size(self) -> usize {
        match self {
            Shape::Frames(size, _) | Shape::Vector(size) => size,
        }
    }

    /// The same number of frames with `size` channels, or a vector of this size.
    pub fn with_size(self, size: usize) -> Self {
        match self {
            Shape::Frames(_, count) => Shape::Frames(size, count),
            Shape::Vector(_) => Shape::Vector(size),
        }
    }

    /// The shape of two outputs together: channels one after the other for a Concat, elementwise
    /// otherwise. An output with fewer frames holds for all frames of its segment. None where they
    /// do not fit.
    pub fn joined(self, other: Self, is_concat: bool) -> Option<Self> {
        let size = match is_concat {
            true => self.size().checked_add(other.size())?,
            false if self.size() == other.size() => self.size(),
            false => return None,
        };
        match (self, other) {
            (Shape::Frames(_, a), Shape::Frames(_, b)) => {
                let (finer, coarser) = if a.hop() <= b.hop() { (a, b) } else { (b, a) };
                finer.per_segment(coarser)?;
                Some(Shape::Frames(size, finer))
            }
            (Shape::Vector(_), frames_or_vector) => Some(frames_or_vector.with_size(size)),
            (frames, Shape::Vector(_)) => Some(frames.with_size(size)),
        }
    }

    /// Number of frames for T = `input_frames`; a vector is one row.
    pub fn num_frames(self, input_frames: usize) -> usize {
        match self {
            Shape::Frames(_, count) => count.at(input_frames),
            Shape::Vector(_) => 1,
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Shape::Frames(c, count) if count.hop() == 1 => write!(f, "(T, {c})"),
            Shape::Frames(c, count) => write!(f, "(T/{}, {c})", count.hop()),
            Shape::Vector(n) => write!(f, "({n})"),
        }
    }
}
