//! Finds utterances of a voiceprint that do not sound like the others, because somebody else may have
//! spoken them. Each is scored against the voiceprint of the others.

use super::{Embedding, Utterance, Verifier};
use crate::scoring::Llr;

/// A recording that scores below this against the others of a voiceprint is refused: it is 55 times
/// more likely from another speaker. A limit of 0 would refuse about one honest enrollment in ten.
pub const CONSISTENT_FROM: Llr = Llr::new(-4.0).unwrap();

/// A recording of a voiceprint and its score against the others of that voiceprint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OddOneOut {
    /// Index of its utterance.
    pub index: usize,
    /// Its score against the others; none if it is not a finite number, or if there are no others.
    pub llr: Option<Llr>,
}

impl Verifier {
    /// The utterances that do not sound like the others, worst first. Each is scored against the
    /// voiceprint of the others; the worst is taken out before the rest are scored again.
    #[doc(hidden)]
    pub fn odd_ones_out(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let mut kept: Vec<usize> = (0..utterances.len()).collect();
        let mut odd = vec![];
        while kept.len() > 1 {
            // No score counts as the lowest, so that it cannot pass.
            let worst = self
                .against_the_others(utterances, &kept)
                .into_iter()
                .min_by(|a, b| a.rank().total_cmp(&b.rank()))
                .expect("kept holds two or more");
            if worst.rank() >= CONSISTENT_FROM.value() {
                break;
            }
            kept.retain(|&index| index != worst.index);
            odd.push(worst);
            if kept.len() == 1 {
                // If two disagree, either may be the wrong one.
                odd.push(OddOneOut {
                    index: kept[0],
                    llr: worst.llr,
                });
            }
        }
        odd
    }

    /// The utterances that are consistent with the others, but score below 0 against them: more
    /// likely from somebody else.
    #[doc(hidden)]
    pub fn doubtful(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let odd = self.odd_ones_out(utterances);
        let passes = |index: &usize| odd.iter().all(|odd| odd.index != *index);
        let kept: Vec<usize> = (0..utterances.len()).filter(passes).collect();
        // An utterance without others has no score.
        let mut doubtful = self.against_the_others(utterances, &kept);
        doubtful.retain(|one| one.llr.is_some_and(|llr| llr.value() < 0.0));
        doubtful
    }

    /// The score of each utterance against the voiceprint of the others; none for a single one.
    #[doc(hidden)]
    pub fn each_against_the_others(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let all: Vec<usize> = (0..utterances.len()).collect();
        self.against_the_others(utterances, &all)
    }

    /// The score of each of the `kept` utterances against the voiceprint of the other kept ones.
    fn against_the_others(&self, utterances: &[Utterance], kept: &[usize]) -> Vec<OddOneOut> {
        let score = |&index: &usize| {
            let others: Vec<&Embedding> = kept
                .iter()
                .filter(|&&other| other != index)
                .map(|&other| &utterances[other].embedding)
                .collect();
            let llr = self.llr(&others, &utterances[index].embedding);
            OddOneOut { index, llr }
        };
        kept.iter().map(score).collect()
    }
}

impl OddOneOut {
    /// The score to show: NaN if there is none.
    #[doc(hidden)]
    pub fn value(&self) -> f32 {
        self.llr.map_or(f32::NAN, Llr::value)
    }

    /// The score to compare with others.
    fn rank(&self) -> f32 {
        self.llr.map_or(f32::NEG_INFINITY, Llr::value)
    }
}
