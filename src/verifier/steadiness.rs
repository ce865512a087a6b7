//! What the network says of some of a recording in, how much the whole sounds like one voice out.
//!
//! Turns: the lowest LLR of what comes before a place against what comes behind; it counts for more
//! than it is where there is little speech. Voices that alternate: of all ways to put the pieces of
//! about a second into two groups, the lowest mean LLR of the one group's pieces against the other's.
//! A piece alone says little; the mean over pairs says enough for the same limit to serve both. Two at
//! the same time, too, sound now like the one and now like the other: what is close to this limit and
//! to that of the detector is refused as well.

use super::{Embedding, Verifier};
use crate::{
    audio::{Waveform, speech_seconds},
    network::{Cuts, Piece, Split},
    scoring::{Llr, Reason},
};
use std::{ops::Range, result::Result};

/// Speech on either side of a place that is worth comparing, in seconds: with less, more single
/// voices would be refused than pairs found.
const MIN_SIDE_SECONDS: f32 = 0.6;
/// What an LLR counts for more than it is, in nats, with t and u seconds of speech on the sides: so
/// many times 1/t + 1/u − 1. On so little, single voices fall as low, too; with 2 s on each it counts
/// as it is.
const SHORT_SIDES: f32 = 2.5;
/// Speech in a piece that is worth comparing, in seconds.
const MIN_PIECE_SECONDS: f32 = 0.5;
/// Speech in a group of pieces, in seconds: more than on a side, since groups are picked from many.
const MIN_GROUP_SECONDS: f32 = 1.5;
/// A recording that is within both limits, but by so little: what the logit is below its own and half
/// of what the LLR is above its own, together. Of one voice the nearest of 610 development recordings
/// that keep both has 3.5; one of 892 cut to 2 or 3 s has 2.3.
const NEAR_BOTH: f32 = 2.9;

impl Verifier {
    /// How much a recording sounds like one voice. None where it is too short to tell, or unfit.
    pub fn steadiness(&self, waveform: &Waveform) -> Option<Llr> {
        let heard = self.hear(waveform).ok()?;
        self.lowest(heard.cuts, waveform.speech())
    }

    /// The reason not to take a recording for one voice: `speech` has its frames, `overlap` the logit
    /// of two at once, below its limit.
    pub(super) fn check_one_voice(
        &self,
        cuts: Cuts,
        speech: &[bool],
        overlap: Option<f32>,
    ) -> Result<(), Reason> {
        let limits = &self.model.limits;
        let Some(lowest) = limits.min_steadiness else {
            return Ok(());
        };
        let Some(Llr(llr)) = self.lowest(cuts, speech) else {
            return Ok(());
        };
        if llr < lowest {
            return Err(Reason::SeveralVoices { llr });
        }
        match overlap {
            Some(logit)
                if limits.max_overlap - logit + (llr - lowest) / (2.0 * limits.steadiness_unit)
                    < NEAR_BOTH =>
            {
                Err(Reason::NearlySeveralVoices { llr, logit })
            }
            _ => Ok(()),
        }
    }

    fn lowest(&self, Cuts { splits, pieces }: Cuts, speech: &[bool]) -> Option<Llr> {
        let turns = splits
            .into_iter()
            .filter_map(|split| self.across(split, speech));
        let groups = self.between_groups(pieces, speech);
        turns.chain(groups).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// What comes before against what comes behind.
    fn across(&self, split: Split, speech: &[bool]) -> Option<Llr> {
        // Made embeddings at once: these are zeroed when dropped.
        let before = self.spoken(split.before, 0.0..split.at, speech);
        let behind = self.spoken(split.behind, split.at..1.0, speech);
        let ((before, first), (behind, second)) = (before?, behind?);
        let allowance = self.model.limits.steadiness_unit * allowance(first, second)?;
        Some(Llr(self.llr(&[&before], &behind).0 + allowance))
    }

    /// The lowest mean LLR between two groups of the pieces, each pair of pieces with the product of
    /// their seconds of speech as its weight.
    fn between_groups(&self, pieces: Vec<Piece>, speech: &[bool]) -> Option<Llr> {
        let pieces: Vec<(Embedding, f32)> = pieces
            .into_iter()
            .filter_map(|piece| self.spoken(piece.values, piece.place, speech))
            .filter(|(_, seconds)| *seconds >= MIN_PIECE_SECONDS)
            .collect();
        let seconds: Vec<f32> = pieces.iter().map(|(_, seconds)| *seconds).collect();
        let weighted = |(a, s): &(Embedding, f32), (b, t): &(Embedding, f32)| {
            s * t * self.llr(&[a], b).0 // the same bits either way round
        };
        let of_earlier = |(index, a): (usize, &(Embedding, f32))| {
            pieces[..index].iter().map(|b| weighted(a, b)).collect()
        };
        let pairs: Vec<Vec<f32>> = pieces.iter().enumerate().map(of_earlier).collect();
        lowest_between_groups(&seconds, &pairs).map(Llr)
    }

    /// The embedding of a place in the recording, and its seconds of speech.
    fn spoken(
        &self,
        values: Vec<f32>,
        place: Range<f32>,
        speech: &[bool],
    ) -> Option<(Embedding, f32)> {
        let at = |place: f32| (place * speech.len() as f32) as usize;
        let seconds = speech_seconds(&speech[at(place.start)..at(place.end)]);
        Some((self.embedding(values, seconds).ok()?, seconds))
    }
}

/// What an LLR counts for more than it is with so much speech on the two sides, in seconds. None: too
/// little.
fn allowance(before: f32, behind: f32) -> Option<f32> {
    let short = || SHORT_SIDES * (1.0 / before + 1.0 / behind - 1.0).max(0.0);
    (before.min(behind) >= MIN_SIDE_SECONDS).then(short)
}

/// Of all ways to put N pieces into two groups with enough speech in each, the lowest weighted mean
/// between them: `seconds` is `(N,)`, `pairs` each piece's weighted LLRs against those before it; N is
/// small. `O(N 2^N)`.
fn lowest_between_groups(seconds: &[f32], pairs: &[Vec<f32>]) -> Option<f32> {
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
        if own >= MIN_GROUP_SECONDS && other >= MIN_GROUP_SECONDS {
            let mean = sum / (own * other);
            lowest = Some(lowest.map_or(mean, |lowest| lowest.min(mean)));
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
        let seconds = [1.0, 0.8, 1.1, 0.9, 1.0];
        let lowest = |voices: &[u8]| {
            lowest_between_groups(&seconds, &pairs(voices, &seconds, -3.0)).unwrap()
        };
        for voices in [b"ababa", b"abbaa", b"aabbb", b"babbb"] {
            let lowest = lowest(voices);
            match voices {
                // One second of somebody else is too little: some of the other voice goes with it.
                b"babbb" => assert!(lowest > -3.0 && lowest < 5.0, "{lowest}"),
                _ => assert!((lowest + 3.0).abs() < 1e-5, "{lowest}"),
            }
        }
        assert!((lowest(b"aaaaa") - 5.0).abs() < 1e-5);
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
            if total(&own) >= MIN_GROUP_SECONDS && total(&other) >= MIN_GROUP_SECONDS {
                let all = own.iter().flat_map(|i| other.iter().map(|j| value(*i, *j)));
                wanted = wanted.min(all.sum::<f32>() / (total(&own) * total(&other)));
            }
        }
        let lowest = lowest_between_groups(&seconds, &pairs).unwrap();
        // Sums in another order.
        assert!((lowest - wanted).abs() < 1e-4, "{lowest} {wanted}");
    }

    #[test]
    fn little_speech_on_a_side_says_less() {
        assert_eq!(
            [(0.59, 9.0), (9.0, 0.59)].map(|(t, u)| allowance(t, u)),
            [None; 2]
        );
        assert_eq!(
            [(2.0, 2.0), (9.0, 1.5)].map(|(t, u)| allowance(t, u)),
            [Some(0.0); 2]
        );
        assert_eq!(
            [(1.0, 1.0), (0.8, 4.0)].map(|(t, u)| allowance(t, u)),
            [Some(2.5), Some(1.25)]
        );
    }

    #[test]
    fn too_little_speech_has_no_groups() {
        assert_eq!(lowest_between_groups(&[], &[]), None);
        assert_eq!(lowest_between_groups(&[9.0], &[vec![]]), None);
        let seconds = [1.4, 3.0];
        assert_eq!(
            lowest_between_groups(&seconds, &pairs(b"ab", &seconds, -9.0)),
            None
        );
    }
}
