//! Embeds recordings and writes their outcomes to the ledger. In each chunk, a file is hashed and
//! decoded at most once, and equal audio is embedded once.

use super::{
    ledger::Ledger,
    outcome::{self, AudioHash, Outcome, Refused, embed, hash},
    recording::{Recording, Segment},
    watch::{Stage, Watcher},
};
use crate::{Result, audio::ReadOptions, parallel, verifier::Verifier};
use indexmap::{IndexMap, IndexSet};
use std::path::Path;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All recordings are done.
    Complete,
    /// The watcher stopped it.
    Stopped,
}

/// Chunks that a run is divided into, as far as the limits below allow. A killed run repeats at
/// most one chunk.
const CHUNKS_PER_RUN: usize = 200;
/// Least recordings per thread in a chunk, so that no thread waits long for another.
const PER_THREAD: usize = 2;
const MAX_PER_THREAD: usize = 32;

/// A file to embed: how to read it, its segments, and for each the key of its outcome.
type Job<'a> = (
    (&'a Path, ReadOptions),
    IndexMap<blake3::Hash, Option<Segment>>,
);

/// Completes the ledger, as a stage of a run: afterwards it has an entry for each of `recordings`.
///
/// # Errors
/// [`crate::Error::Store`] or [`crate::Error::Io`] of the ledger. A fault of a recording is its
/// outcome, not an error.
pub fn extract(
    recordings: &[std::result::Result<Recording, String>],
    verifier: &Verifier,
    ledger: &mut Ledger,
    watcher: &Watcher,
) -> Result<Ending> {
    let total = recordings.len();
    let mut places = ledger.missing(total)?;
    let done = total - places.len();
    // Grouped by file, so that each is decoded once.
    let order = |&place: &usize| match &recordings[place] {
        Ok(Recording {
            path,
            reading,
            segment: Some(segment),
        }) => Some((path, reading, segment)),
        _ => None,
    };
    places.sort_by_key(order);
    let threads = parallel::num_threads();
    let size = total / CHUNKS_PER_RUN;
    let size = size.clamp(PER_THREAD * threads, MAX_PER_THREAD * threads);
    watcher.stage(Stage::Recordings, (done as u64, total as u64), || {
        for chunk in places.chunks(size) {
            if watcher.stopped() {
                return Ok(Ending::Stopped);
            }
            extract_chunk(chunk, recordings, verifier, ledger)?;
            watcher.advance(chunk.len() as u64);
        }
        Ok(Ending::Complete)
    })
}

fn extract_chunk(
    places: &[usize],
    recordings: &[std::result::Result<Recording, String>],
    verifier: &Verifier,
    ledger: &mut Ledger,
) -> Result<()> {
    let known = places.iter().filter_map(|&p| recordings[p].as_ref().ok());
    let files: IndexSet<&Path> = known.map(|recording| recording.path.as_path()).collect();
    let hashes = parallel::map(&files, |path| hash(path));
    let found = |place: usize| -> std::result::Result<(AudioHash, blake3::Hash), Refused> {
        let recording = recordings[place].as_ref();
        let recording = recording.map_err(|reason| Refused::new("unknown", reason))?;
        let file = files
            .get_index_of(recording.path.as_path())
            .expect("all are in it");
        let audio = hashes[file].clone()?;
        Ok((audio, outcome::key(verifier, &audio, recording)))
    };
    let found: Vec<_> = places.iter().map(|&place| (place, found(place))).collect();

    let mut queued: IndexSet<blake3::Hash> = IndexSet::new();
    let mut jobs: IndexMap<_, IndexMap<_, _>> = IndexMap::new();
    for (place, found) in &found {
        let (Ok((_, key)), Ok(recording)) = (found, &recordings[*place]) else {
            continue;
        };
        if !queued.contains(key) && !ledger.knows(key)? {
            queued.insert(*key);
            jobs.entry((recording.path.as_path(), recording.reading))
                .or_default()
                .insert(*key, recording.segment);
        }
    }
    let jobs: Vec<Job> = jobs.into_iter().collect();
    let run = |((path, reading), segments): &Job| -> Vec<(blake3::Hash, Outcome)> {
        let parts: Vec<Option<Segment>> = segments.values().copied().collect();
        let outcomes = embed(verifier, path, reading, &parts);
        segments.keys().copied().zip(outcomes).collect()
    };
    let outcomes: Vec<_> = parallel::map(&jobs, run).into_iter().flatten().collect();
    ledger.note(&outcomes, &found)
}
