//! Detects recordings with several speakers by comparing embeddings of their parts.
//!
//! - Speakers in turn: the recording is split at several places, and the part before is compared with the
//!   part after. The lowest LLR counts.
//! - Speakers who alternate: pieces of about a second are put into two groups. Of all ways to do so, the
//!   lowest mean LLR between the groups counts.
//!
//! Both LLRs are scaled as if each side had [`REFERENCE_SECONDS`] of speech, because short parts
//! score lower. They leave out the conditions (noise and missing band) of the recording. In a
//! trial, the conditions lower the score of strangers who sound alike because both recordings are
//! noisy or lack the same band. The parts of a recording are always alike in that. The parts are not
//! compared with a cohort either ([`PairHead::of_parts`](crate::scoring::PairHead::of_parts)).
//!
//! Two speakers at the same time also lower these LLRs a little. So a recording is also refused if it is
//! close both to this limit and to the limit of the overlap detector.

use super::{Verifier, embed::Frames};
use crate::{
    audio::{Waveform, speech_seconds},
    network::{Cuts, Piece, Split},
    scoring::{CONDITIONS, Reason, is_narrow},
};
use std::{iter::once, ops::Range, result::Result};
use zeroize::Zeroizing;

/// Least speech on either side of a split, in seconds. A lower limit would find some more
/// recordings of two speakers, but refuse even more recordings of one.
const MIN_SIDE_SECONDS: f32 = 0.6;
/// Speech on either side that LLRs are scaled to, in seconds.
const REFERENCE_SECONDS: f32 = 2.0;
/// Short parts of one speaker score lower. So an LLR between t and u seconds of speech is raised by this
/// many nats times 1/t + 1/u, minus the same for the reference.
const SHORT_SIDES: f32 = 3.5;
/// The mean LLR between groups is raised by this much, in nats, because it is the lowest of thousands.
const PICKED_GROUPS: f32 = 1.5;
/// On a narrow band, the LLRs are lowered by this much, in nats, because different voices sound more alike
/// there.
const NARROW_BAND: f32 = 0.75;
/// Least speech in a piece, in seconds.
const MIN_PIECE_SECONDS: f32 = 0.5;
/// Least speech in a group of pieces, in seconds.
const MIN_GROUP_SECONDS: f32 = 1.0;
/// A recording within both limits is still refused if its distances from them, in nats, add up to
/// less than this.
const NEAR_BOTH: f32 = 2.3;

/// The measurements that decide whether a recording has one speaker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OneSpeakerFacts {
    /// The lowest LLR between parts of the recording. None if it is too short.
    pub parts_llr: Option<f32>,
    /// The logit of overlapped speech. None without a detector.
    pub overlap: Option<f32>,
    /// How noisy the recording is: 0 at an SNR of 20 dB or more, and 1 more for every 10 dB below. The first
    /// of its [`conditions`](crate::scoring::conditions).
    pub noise: f32,
}

impl Verifier {
    /// The measurements that decide whether a recording has one speaker. There are none for a
    /// recording that its quality facts already refuse.
    #[doc(hidden)]
    pub fn one_speaker_facts(&self, waveform: &Waveform) -> OneSpeakerFacts {
        match self.outputs(waveform).0 {
            Ok(outputs) => OneSpeakerFacts {
                noise: outputs.frames.conditions[0],
                overlap: outputs.overlap,
                parts_llr: self.lowest(outputs.cuts, &outputs.frames),
            },
            Err(_) => OneSpeakerFacts::default(),
        }
    }

    /// Refuses a recording whose parts do not sound like one speaker. `overlap` is the logit of
    /// overlapped speech, which is known to be below its limit; it decides with the parts if both
    /// are near a limit.
    pub(super) fn check_one_voice(
        &self,
        cuts: Cuts,
        frames: &Frames,
        overlap: Option<f32>,
    ) -> Result<(), Reason> {
        let limits = &self.model.limits;
        let Some(lowest) = limits.min_parts_llr else {
            return Ok(());
        };
        let Some(llr) = self.lowest(cuts, frames) else {
            return Ok(());
        };
        if llr < lowest {
            return Err(Reason::SeveralSpeakers { llr });
        }
        match overlap {
            Some(logit)
                if limits.max_overlap - logit + (llr - lowest) / limits.parts_scale < NEAR_BOTH =>
            {
                Err(Reason::NearlySeveralSpeakers { llr, logit })
            }
            _ => Ok(()),
        }
    }

    fn lowest(&self, Cuts { splits, pieces }: Cuts, frames: &Frames) -> Option<f32> {
        let turns = splits
            .into_iter()
            .filter_map(|split| self.across(split, frames));
        let groups = self.between_groups(pieces, frames);
        let lowest = turns.chain(groups).min_by(f32::total_cmp)?;
        let narrow = if is_narrow(frames.conditions) {
            NARROW_BAND
        } else {
            0.0
        };
        let limits = &self.model.limits;
        let noise = limits.parts_noise * frames.conditions[0];
        Some(lowest - limits.parts_scale * narrow + noise)
    }

    /// The LLR of the part before a split against the part after it.
    fn across(&self, split: Split, frames: &Frames) -> Option<f32> {
        // Both sides as points; these copies of the voice are zeroed when dropped.
        let before = self.spoken(split.before, 0.0..split.at, frames);
        let behind = self.spoken(split.behind, split.at..1.0, frames);
        let (before, behind) = (before?, behind?);
        let allowance = allowance(before.1, behind.1, MIN_SIDE_SECONDS)?;
        let allowance = self.model.limits.parts_scale * allowance;
        Some(self.as_on_reference(&before, &behind) + allowance)
    }

    /// The LLR, with the head's quality term for seconds of speech as if each side had
    /// [`REFERENCE_SECONDS`]. The term is fitted on whole recordings; [`allowance`] takes its place. The
    /// order of the two sides changes no bit.
    fn as_on_reference(&self, (a, t): &Spoken, (b, u): &Spoken) -> f32 {
        let head = &self.head_of_parts;
        let term = head.quality.as_ref().map_or(0.0, |q| q.weights.seconds);
        let lengths = (t / REFERENCE_SECONDS).ln() + (u / REFERENCE_SECONDS).ln();
        head.llr(a, b) - term * lengths
    }

    /// The lowest mean LLR between two groups of the pieces. The weight of a pair of pieces is the product
    /// of their seconds of speech.
    fn between_groups(&self, pieces: Vec<Piece>, frames: &Frames) -> Option<f32> {
        let pieces: Vec<Spoken> = pieces
            .into_iter()
            .filter_map(|piece| self.spoken(piece.values, piece.place, frames))
            .filter(|(_, seconds)| *seconds >= MIN_PIECE_SECONDS)
            .collect();
        let seconds: Vec<f32> = pieces.iter().map(|(_, seconds)| *seconds).collect();
        let weighted = |a: &Spoken, b: &Spoken| a.1 * b.1 * self.as_on_reference(a, b);
        let of_earlier =
            |(index, a): (usize, &Spoken)| pieces[..index].iter().map(|b| weighted(a, b)).collect();
        let pairs: Vec<Vec<f32>> = pieces.iter().enumerate().map(of_earlier).collect();
        lowest_between_groups(&seconds, &pairs, self.model.limits.parts_scale)
    }

    /// The point of a part of the recording, and its seconds of speech.
    fn spoken(&self, values: Vec<f32>, place: Range<f32>, frames: &Frames) -> Option<Spoken> {
        let at = |place: f32| (place * frames.speech.len() as f32) as usize;
        let seconds = speech_seconds(&frames.speech[at(place.start)..at(place.end)]);
        let embedding = self.embedding(values, seconds, [0.0; CONDITIONS]).ok()?;
        let point = (self.head_of_parts).project_enrollment(once(embedding.values()));
        Some((Zeroizing::new(point), seconds))
    }
}

/// The point `(P,)` of a part of the recording, and its seconds of speech.
type Spoken = (Zeroizing<Vec<f32>>, f32);

/// What is added to an LLR for the seconds of speech on the two sides. None if one has less than
/// `wanted`.
fn allowance(one: f32, other: f32, wanted: f32) -> Option<f32> {
    let more = || SHORT_SIDES * (1.0 / one + 1.0 / other - 2.0 / REFERENCE_SECONDS);
    (one.min(other) >= wanted).then(more)
}

/// The lowest weighted mean LLR between two groups of N pieces, of all ways to form groups with
/// enough speech in each. The [`allowance`] and [`PICKED_GROUPS`], both times `unit`, are added to
/// it. `seconds` is `(N,)`; `pairs` has each piece's weighted LLRs against the pieces before it.
/// Takes `O(N 2^N)`, so N must be small.
fn lowest_between_groups(seconds: &[f32], pairs: &[Vec<f32>], unit: f32) -> Option<f32> {
    let num_pieces = seconds.len();
    let total: f32 = seconds.iter().sum();
    // Bit i of `group` is set if piece i is in it. The last piece is always in the other group.
    let num_groups = 1usize << num_pieces.saturating_sub(1);
    let mut sums = vec![(0.0f32, 0.0f32); num_groups]; // sum of LLRs between the groups, seconds of this one
    let mut lowest: Option<f32> = None;
    for group in 1..num_groups {
        // The group without its first piece has been summed already.
        let piece = group.trailing_zeros() as usize;
        let rest = group & (group - 1);
        let others = (0..num_pieces).filter(|other| *other != piece);
        let change: f32 = others
            .map(|other| {
                let pair = pairs[piece.max(other)][piece.min(other)];
                if rest >> other & 1 == 1 { -pair } else { pair }
            })
            .sum();
        let (sum, group_seconds) = (sums[rest].0 + change, sums[rest].1 + seconds[piece]);
        sums[group] = (sum, group_seconds);
        let other_seconds = total - group_seconds;
        if let Some(allowance) = allowance(group_seconds, other_seconds, MIN_GROUP_SECONDS) {
            let value = sum / (group_seconds * other_seconds) + unit * (allowance + PICKED_GROUPS);
            lowest = Some(lowest.map_or(value, |lowest| lowest.min(value)));
        }
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weighted as [`Verifier::between_groups`] does, of voices that are told apart with `apart`.
    fn pairs(voices: &[u8], seconds: &[f32], apart: f32) -> Vec<Vec<f32>> {
        let llr = |a, b| if a == b { 5.0 } else { apart };
        let row = |i: usize| {
            let weighted = |j: usize| seconds[i] * seconds[j] * llr(voices[i], voices[j]);
            (0..i).map(weighted).collect()
        };
        (0..voices.len()).map(row).collect()
    }

    #[test]
    fn voices_that_alternate_are_two_groups() {
        let seconds = [1.5, 1.3, 1.6, 1.4, 1.5];
        let lowest = |voices: &[u8]| {
            lowest_between_groups(&seconds, &pairs(voices, &seconds, -9.0), 1.0).unwrap()
        };
        // With groups of these seconds.
        let counted = |one: f32, other: f32| allowance(one, other, 1.0).unwrap() + PICKED_GROUPS;
        for (voices, a) in [
            (b"ababa", 4.6),
            (b"abbaa", 4.4),
            (b"aabbb", 2.8),
            (b"babbb", 1.3),
        ] {
            let wanted = -9.0 + counted(a, 7.3 - a);
            let lowest = lowest(voices);
            assert!((lowest - wanted).abs() < 1e-5, "{lowest} {wanted}");
        }
        // Of one voice the groups whose seconds are alike.
        assert!((lowest(b"aaaaa") - 5.0 - counted(3.1, 4.2)).abs() < 1e-4);
        // A second of somebody else is too little: some of the other voice has to go with it.
        let seconds = [0.9, 1.3, 1.6, 1.4, 1.5];
        let lowest = lowest_between_groups(&seconds, &pairs(b"abbbb", &seconds, -9.0), 1.0);
        assert!(lowest.unwrap() > -9.0 + counted(0.9 + 1.3, 4.5));
    }

    #[test]
    fn every_way_is_looked_at() {
        // Against the sums written out, for weights without any order.
        let seconds = [0.6f32, 1.4, 0.7, 1.9, 0.5, 1.2, 0.9];
        let n = seconds.len();
        let value = |i: usize, j: usize| ((i.min(j) * 31 + i.max(j) * 17) % 23) as f32 - 11.0;
        let pairs: Vec<Vec<f32>> = (0..n)
            .map(|i| (0..i).map(|j| value(i, j)).collect())
            .collect();
        let mut wanted = f32::INFINITY;
        for group in 0..1 << n {
            let is_in = |i: &usize| group >> i & 1 == 1;
            let (inside, outside): (Vec<usize>, Vec<usize>) = (0..n).partition(is_in);
            let total = |some: &[usize]| some.iter().map(|i| seconds[*i]).sum::<f32>();
            let (one, another) = (total(&inside), total(&outside));
            if one.min(another) >= MIN_GROUP_SECONDS {
                let all = inside
                    .iter()
                    .flat_map(|i| outside.iter().map(|j| value(*i, *j)));
                let more = PICKED_GROUPS + SHORT_SIDES * (1.0 / one + 1.0 / another - 1.0);
                wanted = wanted.min(all.sum::<f32>() / (one * another) + 2.0 * more);
            }
        }
        let lowest = lowest_between_groups(&seconds, &pairs, 2.0).unwrap();
        // Sums in another order.
        assert!((lowest - wanted).abs() < 1e-4, "{lowest} {wanted}");
    }

    #[test]
    fn little_speech_on_a_side_says_less() {
        let allowances = [(0.59, 9.0), (9.0, 0.59), (2.0, 2.0), (1.0, 1.0), (2.0, 4.0)];
        assert_eq!(
            allowances.map(|(t, u)| allowance(t, u, 0.6)),
            [None, None, Some(0.0), Some(3.5), Some(-0.875)]
        );
    }

    #[test]
    fn too_little_speech_has_no_groups() {
        assert_eq!(lowest_between_groups(&[], &[], 1.0), None);
        assert_eq!(lowest_between_groups(&[9.0], &[vec![]], 1.0), None);
        let seconds = [0.9, 3.0];
        assert_eq!(
            lowest_between_groups(&seconds, &pairs(b"ab", &seconds, -9.0), 1.0),
            None
        );
    }
}
