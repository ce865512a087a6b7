//! The pairs of speakers that are mistaken for each other most. A pair whose scores are far above those
//! of the others is often one speaker under two names.

use super::{ranking::ScoredTrial, speakers::Speakers};
use std::collections::HashMap;

/// Two speakers and the nontarget trials between them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ConfusedPair {
    /// As the folders or the file call them.
    pub speakers: [String; 2],
    /// Scored trials between the two, in either order.
    pub nontargets: usize,
    /// Of these, accepted at the first threshold.
    pub accepted: usize,
    /// Mean of their scores.
    pub mean_score: f64,
    /// Highest of their scores.
    pub highest_score: f64,
}

#[derive(Clone, Copy)]
struct Sums {
    nontargets: usize,
    accepted: usize,
    score: f64,
    highest: f64,
}

/// The `count` pairs with the highest mean score, highest first.
pub fn most_confused(
    speakers: &Speakers,
    trials: &[ScoredTrial],
    threshold: f64,
    count: usize,
) -> Vec<ConfusedPair> {
    let mut pairs: HashMap<(usize, usize), Sums> = HashMap::new();
    for trial in trials.iter().filter(|t| t.is_scored() && !t.is_target()) {
        let enroll = speakers.of(trial.enroll() as usize);
        let test = speakers.of(trial.test() as usize);
        let none = Sums {
            nontargets: 0,
            accepted: 0,
            score: 0.0,
            highest: f64::NEG_INFINITY,
        };
        let pair = (enroll.min(test), enroll.max(test));
        let sums = pairs.entry(pair).or_insert(none);
        sums.nontargets += 1;
        sums.accepted += usize::from(trial.score >= threshold);
        sums.score += trial.score;
        sums.highest = sums.highest.max(trial.score);
    }
    let mean = |sums: &Sums| sums.score / sums.nontargets as f64;
    let mut pairs: Vec<((usize, usize), Sums)> = pairs.into_iter().collect();
    pairs.sort_unstable_by(|(a, of_a), (b, of_b)| {
        mean(of_b).total_cmp(&mean(of_a)).then_with(|| a.cmp(b))
    });
    pairs.truncate(count);
    let named = pairs.into_iter().map(|((a, b), sums)| ConfusedPair {
        speakers: [a, b].map(|speaker| speakers.name(speaker).to_string()),
        nontargets: sums.nontargets,
        accepted: sums.accepted,
        mean_score: mean(&sums),
        highest_score: sums.highest,
    });
    named.collect()
}
