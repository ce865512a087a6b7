//! The number of frames of a layer's output as a function of T, the number of frames of the
//! utterance.

/// floor((T + offset)/hop) + 1 frames. Convolutions and segments keep this form, so two outputs
/// have the same number of frames for every T exactly if their offsets and hops are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameCount {
    offset: i64,
    hop: i64,
}

/// Largest hop, in frames of the features, and largest offset: a limit against hostile files.
const MAX_HOP: i64 = 1 << 20;
const MAX_OFFSET: i64 = 1 << 40;

impl FrameCount {
    /// The number of frames of the features: T.
    pub const FEATURES: Self = FrameCount { offset: -1, hop: 1 };

    /// The number of frames after a kernel that spans `span` frames and moves `stride` frames at a
    /// time, with `padding` frames on each side. None if the hop or the offset grows past its limit
    /// ([`MAX_HOP`], [`MAX_OFFSET`]).
    pub fn windowed(self, span: usize, stride: usize, padding: usize) -> Option<Self> {
        let stride = i64::try_from(stride).ok()?;
        let added = i64::try_from(2 * padding).ok()? - i64::try_from(span).ok()?;
        let hop = self.hop.checked_mul(stride)?;
        let offset = self.offset.checked_add(self.hop.checked_mul(added + 1)?)?;
        let count = FrameCount { offset, hop };
        (hop <= MAX_HOP && offset.abs() <= MAX_OFFSET).then_some(count)
    }

    /// The number of segments of `num_frames` frames.
    pub fn segments(self, num_frames: usize) -> Option<Self> {
        self.windowed(1, num_frames, 0)
    }

    /// Frames of `self` in a segment of `coarse`; none if the frames of `coarse` are no segments of
    /// `self`.
    pub fn per_segment(self, coarse: Self) -> Option<usize> {
        let fits = coarse.hop % self.hop == 0 && coarse.offset == self.offset;
        fits.then_some((coarse.hop / self.hop) as usize)
    }

    /// Distance from one frame to the next, in frames of the features.
    pub fn hop(self) -> usize {
        self.hop as usize
    }

    /// Number of frames for T = `num_frames`; 0 if T is too small for one ([`Self::fewest`]).
    pub fn at(self, num_frames: usize) -> usize {
        ((num_frames as i64 + self.offset).div_euclid(self.hop) + 1).max(0) as usize
    }

    /// Smallest T that gives `wanted` frames, one or more.
    pub fn fewest(self, wanted: usize) -> usize {
        ((wanted as i64 - 1) * self.hop - self.offset).max(1) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::conv1d_frames;

    #[test]
    fn windows_one_after_the_other_leave_what_the_formula_says() {
        for (span, stride, padding) in [(5, 1, 0), (3, 2, 1), (7, 3, 6), (1, 100, 0), (66, 1, 130)]
        {
            let first = FrameCount::FEATURES.windowed(5, 2, 2).unwrap();
            let count = first.windowed(span, stride, padding).unwrap();
            for num_frames in 1..400 {
                let wanted = conv1d_frames(
                    conv1d_frames(num_frames, 5, 2, 1, 2),
                    span,
                    stride,
                    1,
                    padding,
                );
                if wanted > 0 {
                    assert_eq!(count.at(num_frames), wanted, "{num_frames} frames");
                }
            }
        }
    }

    #[test]
    fn segments_are_told_from_other_frames() {
        let frames = FrameCount::FEATURES.windowed(5, 2, 2).unwrap();
        let segments = frames.segments(100).unwrap();
        assert_eq!(
            (segments.at(1), segments.at(200), segments.at(201)),
            (1, 1, 2)
        );
        assert_eq!(frames.per_segment(segments), Some(100));
        assert_eq!(frames.per_segment(frames), Some(1));
        assert_eq!(segments.per_segment(frames), None);
        let cut = frames.windowed(3, 1, 0).unwrap();
        assert_eq!(cut.per_segment(segments), None);
        assert_eq!((cut.fewest(1), cut.at(5), cut.at(4)), (5, 1, 0));
        assert!(FrameCount::FEATURES.windowed(1, 1 << 21, 0).is_none());
    }
}
