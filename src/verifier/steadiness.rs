//! What the network says of some of a recording in, how much the whole sounds like one voice out.
//!
//! Turns: the lowest LLR of what comes before a place against what comes behind. Voices that alternate:
//! of all ways to put the pieces of about a second into two groups, the lowest mean LLR of the one
//! group's pieces against the other's. Either counts as if there were [`REFERENCE_SECONDS`] of speech on
//! both sides: what little says is taken for less. Two at the same time, too, sound now like the one
//! and now like the other: what is close to this limit and to that of the detector is refused as well.

use super::{Verifier, embed::Frames};
use crate::{
    audio::{Waveform, speech_seconds},
    network::{Cuts, Piece, Split},
    scoring::{Llr, Reason},
};
use std::{iter::once, ops::Range, result::Result};
use zeroize::Zeroizing;

/// Speech on either side of a place that is worth comparing, in seconds: with less, more single
/// voices would be refused than pairs found.
const MIN_SIDE_SECONDS: f32 = 0.6;
/// Speech on either side that an LLR counts for, in seconds.
const REFERENCE_SECONDS: f32 = 2.0;
/// What an LLR counts for more on t and u seconds of speech, in nats: so many times 1/t + 1/u, less what
/// that is on the reference. Single voices fall as low there, too.
const SHORT_SIDES: f32 = 3.5;
/// What the mean LLR between groups counts for more, in nats: the lowest of thousands of ways.
const PICKED_GROUPS: f32 = 1.5;
/// Speech in a piece that is worth comparing, in seconds.
const MIN_PIECE_SECONDS: f32 = 0.5;
/// Speech in a group of pieces, in seconds.
const MIN_GROUP_SECONDS: f32 = 1.0;
/// A recording that is within both limits, but by so little: what the logit is below its own and what
/// the LLR is above its own, together. Of one voice the
/// nearest of 610 development recordings that keep both has 3.5.
const NEAR_BOTH: f32 = 2.9;

impl Verifier {
    /// The logit of two voices at once. None without a detector, or where the recording is too short.
    pub fn overlap(&self, waveform: &Waveform) -> Option<f32> {
        let detector = self.model.overlap.as_ref()?;
        let frames = self.mfcc.frames(waveform.samples());
        let features = self.mfcc.with_pauses(&frames); // (T, C) -> (T, C')
        let is_long_enough = features.num_frames() >= detector.receptive_field();
        is_long_enough.then(|| detector.embed(&features)[0])
    }

    /// How much a recording sounds like one voice. None where it is too short to tell, or unfit.
    pub fn steadiness(&self, waveform: &Waveform) -> Option<Llr> {
        let outputs = self.outputs(waveform).0.ok()?;
        self.lowest(outputs.cuts, &outputs.frames)
    }

    /// The reason not to take a recording for one voice; `overlap` is the logit of two at once, below
    /// its limit.
    pub(super) fn check_one_voice(
        &self,
        cuts: Cuts,
        frames: &Frames,
        overlap: Option<f32>,
    ) -> Result<(), Reason> {
        let limits = &self.model.limits;
        let Some(lowest) = limits.min_steadiness else {
            return Ok(());
        };
        let Some(Llr(llr)) = self.lowest(cuts, frames) else {
            return Ok(());
        };
        if llr < lowest {
            return Err(Reason::SeveralVoices { llr });
        }
        match overlap {
            Some(logit)
                if limits.max_overlap - logit + (llr - lowest) / limits.steadiness_unit
                    < NEAR_BOTH =>
            {
                Err(Reason::NearlySeveralVoices { llr, logit })
            }
            _ => Ok(()),
        }
    }

    fn lowest(&self, Cuts { splits, pieces }: Cuts, frames: &Frames) -> Option<Llr> {
        let turns = splits
            .into_iter()
            .filter_map(|split| self.across(split, frames));
        let groups = self.between_groups(pieces, frames);
        turns.chain(groups).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// What comes before against what comes behind.
    fn across(&self, split: Split, frames: &Frames) -> Option<Llr> {
        // Made points at once: these are zeroed when dropped.
        let before = self.spoken(split.before, 0.0..split.at, frames);
        let behind = self.spoken(split.behind, split.at..1.0, frames);
        let (before, behind) = (before?, behind?);
        let allowance = allowance(before.1, behind.1, MIN_SIDE_SECONDS)?;
        let allowance = self.model.limits.steadiness_unit * allowance;
        Some(Llr(self.as_on_reference(&before, &behind) + allowance))
    }

    /// The LLR without what the head's term for length makes of these lengths: it is fitted for
    /// decisions, and the allowance is in its place. The same bits either way round.
    fn as_on_reference(&self, (a, t): &Spoken, (b, u): &Spoken) -> f32 {
        let head = &self.model.head;
        let term = head.quality.map_or(0.0, |q| q.seconds);
        let lengths = (t / REFERENCE_SECONDS).ln() + (u / REFERENCE_SECONDS).ln();
        head.llr(a, b) - term * lengths
    }

    /// The lowest mean LLR between two groups of the pieces, each pair of pieces with the product of
    /// their seconds of speech as its weight.
    fn between_groups(&self, pieces: Vec<Piece>, frames: &Frames) -> Option<Llr> {
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
        lowest_between_groups(&seconds, &pairs, self.model.limits.steadiness_unit).map(Llr)
    }

    /// A place in the recording as a point, and its seconds of speech.
    fn spoken(&self, values: Vec<f32>, place: Range<f32>, frames: &Frames) -> Option<Spoken> {
        let at = |place: f32| (place * frames.speech.len() as f32) as usize;
        let seconds = speech_seconds(&frames.speech[at(place.start)..at(place.end)]);
        let embedding = self.embedding(values, seconds, frames.conditions).ok()?;
        let point = self.model.head.project_enrolment(once(embedding.values()));
        Some((Zeroizing::new(point), seconds))
    }
}

/// Made once for all that it is compared with, and its seconds of speech. `(P,)`
type Spoken = (Zeroizing<Vec<f32>>, f32);

/// What an LLR counts for more than it is with so much speech on the two sides, in seconds. None: too
/// little.
fn allowance(one: f32, other: f32, wanted: f32) -> Option<f32> {
    let more = || SHORT_SIDES * (1.0 / one + 1.0 / other - 2.0 / REFERENCE_SECONDS);
    (one.min(other) >= wanted).then(more)
}

/// Of all ways to put N pieces into two groups with enough speech in each, the lowest weighted mean
/// between them, with what it counts for more in units of `unit`: `seconds` is `(N,)`, `pairs` each
/// piece's weighted LLRs against those before it; N is small. `O(N 2^N)`.
fn lowest_between_groups(seconds: &[f32], pairs: &[Vec<f32>], unit: f32) -> Option<f32> {
    let num_pieces = seconds.len();
    let total: f32 = seconds.iter().sum();
    // Bit i of a group: piece i is in it. The last piece is always in the other one.
    let num_groups = 1usize << num_pieces.saturating_sub(1);
    let mut sums = vec![(0.0f32, 0.0f32); num_groups]; // between it and the other, its seconds
    let mut lowest: Option<f32> = None;
    for group in 1..num_groups {
        // With its first piece taken out the group has been seen.
        let piece = group.trailing_zeros() as usize;
        let rest = group & (group - 1);
        let others = (0..num_pieces).filter(|other| *other != piece);
        let change: f32 = others
            .map(|other| {
                let pair = pairs[piece.max(other)][piece.min(other)];
                if rest >> other & 1 == 1 { -pair } else { pair }
            })
            .sum();
        let (sum, own) = (sums[rest].0 + change, sums[rest].1 + seconds[piece]);
        sums[group] = (sum, own);
        let other = total - own;
        if let Some(allowance) = allowance(own, other, MIN_GROUP_SECONDS) {
            let value = sum / (own * other) + unit * (allowance + PICKED_GROUPS);
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
            let (own, other): (Vec<usize>, Vec<usize>) = (0..n).partition(is_in);
            let total = |some: &[usize]| some.iter().map(|i| seconds[*i]).sum::<f32>();
            let (one, another) = (total(&own), total(&other));
            if one.min(another) >= MIN_GROUP_SECONDS {
                let all = own.iter().flat_map(|i| other.iter().map(|j| value(*i, *j)));
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
