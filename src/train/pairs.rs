//! The same/different pairs that a head is refined on: drawn once from labels and a seed.
//!
//! The target pairs of each speaker have the same total weight, however many recordings there are.
//! For a nontarget pair, two speakers of one domain are drawn first, then a recording of each.

use super::{Labelled, options::RefineOptions};
use crate::{Error, Result, eval::bootstrap};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;

/// Pairs of embedding indices, targets first.
#[derive(Debug)]
pub(super) struct Pairs {
    pub ends: Vec<(u32, u32)>,
    pub weights: Vec<f64>,
    /// The grade of each pair, for a regression: from 0 (two speakers) to 1 (one recording).
    pub grades: Vec<f64>,
    pub num_targets: usize,
    /// For each embedding its pairs, as (index of the other embedding, index of the pair).
    pub of_embedding: Vec<Vec<(u32, u32)>>,
}

/// Grade of two crops of one recording, which share voice, channel and day.
const GRADE_ONE_SESSION: f64 = 1.0;
/// Grade of two recordings of a speaker, which share the voice only.
const GRADE_ONE_SPEAKER: f64 = 0.8;

impl Pairs {
    /// All target pairs (at most `max_targets_per_speaker` of each speaker) and `num_nontargets`.
    pub fn draw(labelled: &Labelled, options: &RefineOptions) -> Result<Self> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        let (mut ends, mut weights) = (vec![], vec![]);
        for members in labelled.by_speaker() {
            let pairs = target_pairs(labelled, members, options, &mut rng);
            let sum: f64 = pairs.iter().map(|(_, weight)| weight).sum();
            for (pair, weight) in pairs {
                ends.push(pair);
                weights.push(weight / sum);
            }
        }
        let num_targets = ends.len();
        ends.extend(nontarget_pairs(labelled, options.num_nontargets, &mut rng));
        weights.resize(ends.len(), 1.0);
        if num_targets == 0 || num_targets == ends.len() {
            return Err(Error::Usage(format!(
                "to refine the head, there are {num_targets} target and {} nontarget pairs; give \
                 speakers with two sessions (or a same-session weight above 0) and two speakers \
                 in one corpus",
                ends.len() - num_targets
            )));
        }
        let (targets, nontargets) = weights.split_at_mut(num_targets);
        for (side, prior) in [(targets, options.prior), (nontargets, 1.0 - options.prior)] {
            let sum: f64 = side.iter().sum();
            side.iter_mut().for_each(|w| *w *= prior / sum);
        }
        let sessions = labelled.sessions();
        let grade = |(k, &(a, b)): (usize, &(u32, u32))| match k < num_targets {
            true if sessions[a as usize] == sessions[b as usize] => GRADE_ONE_SESSION,
            true => GRADE_ONE_SPEAKER,
            false => 0.0,
        };
        let grades = ends.iter().enumerate().map(grade).collect();
        Ok(Pairs {
            of_embedding: pairs_of(&ends, labelled.len()),
            ends,
            weights,
            grades,
            num_targets,
        })
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }
    pub fn is_target(&self, pair: usize) -> bool {
        pair < self.num_targets
    }
}

/// The pairs of each embedding, as in [`Pairs::of_embedding`].
fn pairs_of(ends: &[(u32, u32)], num_embeddings: usize) -> Vec<Vec<(u32, u32)>> {
    let mut of_embedding = vec![vec![]; num_embeddings];
    for (k, &(a, b)) in ends.iter().enumerate() {
        of_embedding[a as usize].push((b, k as u32));
        of_embedding[b as usize].push((a, k as u32));
    }
    of_embedding
}

/// Target pairs of one speaker with their weights, without pairs of weight 0.
fn target_pairs(
    labelled: &Labelled,
    members: &[usize],
    options: &RefineOptions,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<((u32, u32), f64)> {
    let sessions = labelled.sessions();
    let weigh = |a: usize, b: usize| {
        let same_session = sessions[a] == sessions[b];
        let weight = if same_session {
            options.same_session
        } else {
            1.0
        };
        (weight > 0.0).then_some(((a as u32, b as u32), weight))
    };
    let (count, most) = (members.len(), options.max_targets_per_speaker);
    // All pairs of a speaker with thousands of recordings would not fit in memory.
    if count * count.saturating_sub(1) / 2 > 64 * most {
        return (0..16 * most)
            .filter_map(|_| {
                let first = below(rng, count);
                let second = (first + 1 + below(rng, count - 1)) % count;
                weigh(members[first], members[second])
            })
            .take(most)
            .collect();
    }
    let rest = |k: usize| members[k + 1..].iter();
    let mut pairs: Vec<_> = (0..count)
        .flat_map(|k| rest(k).filter_map(move |&b| weigh(members[k], b)))
        .collect();
    let wanted = most.min(pairs.len());
    for k in 0..wanted {
        let other = k + below(rng, pairs.len() - k);
        pairs.swap(k, other);
    }
    pairs.truncate(wanted);
    pairs
}

/// Draws pairs: for each a domain, in proportion to its number of speakers, then two different speakers
/// of it, and a recording of each.
fn nontarget_pairs(
    labelled: &Labelled,
    wanted: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<(u32, u32)> {
    let mut cells: BTreeMap<u32, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (i, (&domain, &speaker)) in labelled
        .domains()
        .iter()
        .zip(labelled.speakers())
        .enumerate()
    {
        let domain = cells.entry(domain).or_default();
        domain.entry(speaker).or_default().push(i);
    }
    // `starts` has an entry for each speaker of each domain, so that a domain is drawn in proportion
    // to its number of speakers.
    let mut domains: Vec<Vec<Vec<usize>>> = vec![];
    for speakers in cells.into_values() {
        if speakers.len() >= 2 {
            domains.push(speakers.into_values().collect());
        }
    }
    let starts: Vec<(usize, usize)> = domains
        .iter()
        .enumerate()
        .flat_map(|(d, speakers)| (0..speakers.len()).map(move |s| (d, s)))
        .collect();
    if starts.is_empty() {
        return vec![];
    }
    (0..wanted)
        .map(|_| {
            let (domain, first) = starts[below(rng, starts.len())];
            let speakers = &domains[domain];
            let second = (first + 1 + below(rng, speakers.len() - 1)) % speakers.len();
            let (first, second) = (&speakers[first], &speakers[second]);
            let a = first[below(rng, first.len())];
            let b = second[below(rng, second.len())];
            (a as u32, b as u32)
        })
        .collect()
}

/// Uniform in 0..`end`.
fn below(rng: &mut Xoshiro256PlusPlus, end: usize) -> usize {
    bootstrap::below(end, rng.next_u64())
}
