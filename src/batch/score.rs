//! Scores a trial list. Finds the utterances that its names stand for ([`Participants`]), computes
//! a point for each side of a trial ([`Sides`]), then scores block by block.

use super::{
    extract::Ending,
    kaldi_data::KaldiData,
    points::Points,
    rows::Format,
    scored_trial::ScoredTrial,
    trial_index::{Pair, TrialIndex},
    watch::Watcher,
};
use crate::{Result, parallel};
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::{collections::HashMap, ops::Range};

/// Blocks that a run is divided into, as far as the limits below allow. A killed run repeats at
/// most one block per thread.
const BLOCKS_PER_RUN: u64 = 256;
/// Fewest and most trials in a block. Smaller blocks cost time, larger ones memory.
const BLOCK: (u64, u64) = (1 << 12, 1 << 17);
/// Trials read at once.
const READ_AT_ONCE: usize = 1 << 16;

/// One of `num_parts` equal parts of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 1.
    pub number: u64,
    /// Number of parts.
    pub num_parts: u64,
}

/// The utterances in the trials, and which of them each name stands for.
#[derive(Debug)]
pub struct Participants {
    utterances: IndexSet<String, FxBuildHasher>,
    /// For each name of the index: its enrolled utterances, as a range of `members`.
    enrolled: Vec<Range<u32>>,
    members: Vec<u32>,
    /// For each name: its test utterance.
    tested: Vec<Option<u32>>,
}

/// For each name of a list: its point as the enrolled side, and its point as the test.
#[derive(Debug)]
pub struct Sides {
    enroll: Vec<u32>,
    test: Vec<u32>,
}

impl Shard {
    /// The trials of this shard, out of `count`. Together the shards cover all trials, in order.
    pub fn range(&self, count: u64) -> Range<u64> {
        let border = |number: u64| {
            (u128::from(count) * u128::from(number) / u128::from(self.num_parts)) as u64
        };
        border(self.number - 1)..border(self.number)
    }
}

impl Participants {
    /// Collects the participants of the trials in `range`. An enrolled name is a model of `enrollments`, a
    /// speaker of `data`, or an utterance.
    ///
    /// # Errors
    /// [`crate::Error::Io`] of the index.
    pub fn new(
        index: &mut TrialIndex,
        range: Range<u64>,
        enrollments: &HashMap<String, Vec<String>>,
        data: Option<&KaldiData>,
    ) -> Result<Self> {
        let num_names = index.names.len();
        let (mut enrolls, mut tests) = (vec![false; num_names], vec![false; num_names]);
        index.for_each_block(range, READ_AT_ONCE, |pairs| {
            for pair in pairs {
                enrolls[pair.enroll as usize] = true;
                tests[pair.test as usize] = true;
            }
        })?;
        let mut utterances: IndexSet<String, FxBuildHasher> = IndexSet::default();
        let mut utterance = |name: &str| match utterances.get_index_of(name) {
            Some(number) => number as u32,
            None => utterances.insert_full(name.to_string()).0 as u32,
        };
        let (mut enrolled, mut members, mut tested) = (vec![], vec![], vec![]);
        for number in 0..num_names {
            let name = &*index.names[number];
            let first = members.len() as u32;
            if enrolls[number] {
                let model = enrollments.get(name).map(Vec::as_slice);
                match model.or(data.and_then(|data| data.speaker(name))) {
                    Some(names) => members.extend(names.iter().map(|name| utterance(name))),
                    None => members.push(utterance(name)),
                }
            }
            enrolled.push(first..members.len() as u32);
            tested.push(tests[number].then(|| utterance(name)));
        }
        Ok(Participants {
            utterances,
            enrolled,
            members,
            tested,
        })
    }

    /// Every utterance once.
    pub fn utterances(&self) -> impl ExactSizeIterator<Item = &str> {
        self.utterances.iter().map(String::as_str)
    }

    /// Computes the points. `vectors` must call its argument for each utterance, in order, with the
    /// number of the utterance and its embedding, or why it has none.
    ///
    /// # Errors
    /// The error of `vectors`.
    pub fn sides(
        &self,
        points: &mut Points,
        vectors: impl FnOnce(&mut dyn FnMut(usize, std::result::Result<&[f32], String>)) -> Result<()>,
    ) -> Result<Sides> {
        let mut alone = vec![false; self.utterances.len()];
        let mut together = vec![false; self.utterances.len()];
        for members in self.enrolled.iter().map(|range| self.members_of(range)) {
            let among = if members.len() == 1 {
                &mut alone
            } else {
                &mut together
            };
            members.iter().for_each(|&u| among[u as usize] = true);
        }
        for &utterance in self.tested.iter().flatten() {
            alone[utterance as usize] = true;
        }
        let mut point_of = vec![u32::MAX; self.utterances.len()];
        let mut kept: FxHashMap<u32, std::result::Result<Vec<f32>, String>> = FxHashMap::default();
        vectors(&mut |number, vector| {
            let vector = vector.map_err(|why| match self.utterances.get_index(number) {
                Some(name) => format!("{name}: {why}"),
                None => why,
            });
            if alone[number] {
                point_of[number] = match &vector {
                    Ok(vector) => points.push(std::iter::once(*vector)),
                    Err(why) => points.push_fault(why.clone()),
                };
            }
            if together[number] {
                kept.insert(number as u32, vector.map(<[f32]>::to_vec));
            }
        })?;
        let mut enroll_point = |members: &[u32]| match members {
            [] => u32::MAX,
            [one] => point_of[*one as usize],
            many => {
                let vectors: std::result::Result<Vec<&[f32]>, &String> = many
                    .iter()
                    .map(|member| kept[member].as_ref().map(Vec::as_slice))
                    .collect();
                match vectors {
                    Ok(vectors) => points.push(vectors.into_iter()),
                    Err(why) => points.push_fault(why.clone()),
                }
            }
        };
        let enrolled = self.enrolled.iter().map(|range| self.members_of(range));
        let enroll = enrolled.map(&mut enroll_point).collect();
        let tested = self.tested.iter();
        let test = tested.map(|t| t.map_or(u32::MAX, |u| point_of[u as usize]));
        Ok(Sides {
            enroll,
            test: test.collect(),
        })
    }

    fn members_of(&self, range: &Range<u32>) -> &[u32] {
        &self.members[range.start as usize..range.end as usize]
    }
}

impl Sides {
    /// The points of a trial.
    fn of(&self, pair: &Pair) -> (u32, u32) {
        let enroll = self.enroll[pair.enroll as usize];
        (enroll, self.test[pair.test as usize])
    }
}

/// Buffers that one thread uses for one block.
#[derive(Default)]
struct Buffers {
    /// The points of the trials.
    sides: Vec<(u32, u32)>,
    scores: Vec<f32>,
    bytes: Vec<u8>,
}

/// Number of trials in a block, the unit of output and of resuming. It depends on `count` only, so
/// the blocks are the same after an interruption and with any number of threads.
pub fn block_size(count: u64) -> u64 {
    (count / BLOCKS_PER_RUN).clamp(BLOCK.0, BLOCK.1)
}

/// Scores the trials in `range` and calls `append` with the bytes and the number of rows of each block.
///
/// # Errors
/// [`crate::Error::Io`] of the index, or the error of `append`.
pub fn score(
    index: &mut TrialIndex,
    range: Range<u64>,
    block: u64,
    (sides, points): (&Sides, &Points),
    format: Format,
    watcher: &Watcher,
    mut append: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<Ending> {
    let end = range.end;
    let mut at = range.start;
    let threads = parallel::num_threads();
    let step = block * threads as u64;
    let mut pairs: Vec<Pair> = vec![];
    // The buffers are used for all blocks, because allocating costs as much as writing the rows.
    let mut all: Vec<Buffers> = vec![];
    all.resize_with(threads, Buffers::default);
    while at < end {
        pairs.clear();
        index.for_each_block(at..end.min(at + step), READ_AT_ONCE, |read| {
            pairs.extend_from_slice(read);
        })?;
        let names = &index.names;
        let chunks = pairs.chunks(block as usize).zip(&mut all);
        let encoded = parallel::map(chunks, |(pairs, buffers)| {
            buffers.sides.clear();
            buffers
                .sides
                .extend(pairs.iter().map(|pair| sides.of(pair)));
            points.scores(&buffers.sides, &mut buffers.scores);
            let rows = pairs.iter().zip(&buffers.scores);
            let rows = rows.map(|(pair, &score)| ScoredTrial {
                enroll: &names[pair.enroll as usize],
                test: &names[pair.test as usize],
                is_target: pair.is_target,
                score: points.checked(score, sides.of(pair)),
            });
            buffers.bytes.clear();
            format.encode(rows, &mut buffers.bytes)
        });
        encoded.into_iter().collect::<Result<()>>()?;
        for (buffers, pairs) in all.iter().zip(pairs.chunks(block as usize)) {
            append(&buffers.bytes, pairs.len() as u64)?;
        }
        at += pairs.len() as u64;
        watcher.advance(pairs.len() as u64);
        if watcher.stopped() && at < end {
            return Ok(Ending::Stopped);
        }
    }
    Ok(Ending::Complete)
}
