//! Identification: which of the enrolled speakers is this, if any?
//!
//! The speaker may be none of them, and each of the N enrolled speakers is a chance to be accepted
//! by mistake. So the threshold is that of `verify` plus ln N (see [`OperatingPoint::among`]). An
//! index over the store finds the candidates; the store's own voiceprints then give their scores,
//! which are the same, bit for bit, as in [`Verifier::verify`].

use crate::{
    Error, Result,
    remedy::Remedy,
    scoring::{OperatingPoint, Reason, gallery::Probe},
    storage::{
        index::{Candidate, Index},
        voiceprints::Store,
    },
    verifier::{Embedding, Verification, Verifier},
};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

/// Whom to search, and how many candidates to give.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The enrolled speakers.
    pub store: &'a Store,
    /// The model that enrolled them.
    pub verifier: &'a Verifier,
    /// Candidates for each test.
    pub top: usize,
    /// The operating point for a single enrolled speaker.
    pub point: OperatingPoint,
}

/// A candidate, scored against the store's own voiceprint.
#[derive(Debug, Clone)]
pub struct Match {
    /// The speaker's name.
    pub speaker: String,
    /// The score, and the decision among all enrolled speakers.
    pub verification: Verification,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Speakers that were searched.
    pub num_speakers: usize,
    /// For each test its candidates, best first.
    pub matches: Vec<Vec<Match>>,
}

/// What happens before the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// The store has no index that fits, so one is built.
    Indexing,
    /// The index is built.
    Indexed {
        /// Speakers in it.
        num_speakers: usize,
        /// Whether the index is kept beside the store for the next search.
        is_kept: bool,
    },
    /// This many voiceprints were made by other models and are not searched.
    OtherModels(usize),
}

/// The index of the last search, for a process that opens one search after another. Encrypted stores and
/// small stores have no index file, so without this their index would be built again for each search.
#[derive(Debug, Default)]
pub struct LastIndex(Mutex<Option<Arc<Index>>>);

impl LastIndex {
    /// Drops the index, for example because a voiceprint in it was erased.
    pub fn forget(&self) {
        *self.held() = None;
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Index>>> {
        // After a panic elsewhere the index is still good: it is replaced as a whole.
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }
}

/// The enrolled speakers, ready to be searched any number of times.
///
/// ```
/// use spkver::{Decision, OperatingPoint, Recording, SpeakerName, Store, Utterance, Verifier};
/// use spkver::identify::{Plan, Search};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("voiceprints.sqlite");
/// let verifier = Verifier::embedded()?;
/// let mut store = Store::open_or_create(&path, None)?;
/// let record = |file: &str| -> spkver::Result<Utterance> {
///     let recording = Recording::open(format!("fixtures/voices/{file}"), &Default::default())?;
///     Ok(Utterance::new(file, verifier.embed(&recording)?, &recording.quality()))
/// };
/// store.enroll(&verifier, &SpeakerName::new("anna")?, vec![record("anna-1.wav")?])?;
/// store.enroll(&verifier, &SpeakerName::new("chloe")?, vec![record("chloe-1.wav")?])?;
///
/// let plan = Plan { store: &store, verifier: &verifier, top: 1, point: OperatingPoint::default() };
/// let mut search = Search::open(plan, None, &mut |_event| ())?;
/// let candidates = search.candidates(&record("anna-2.wav")?.embedding)?;
/// assert_eq!(candidates[0].speaker, "anna");
/// assert_eq!(candidates[0].verification.decision, Decision::Accept);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Search<'a> {
    plan: Plan<'a>,
    index: Arc<Index>,
    last: Option<&'a LastIndex>,
}

impl<'a> Search<'a> {
    /// Takes the index of the last search if it still fits, else the index file of the store, and builds
    /// an index if there is neither.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged store.
    pub fn open(
        plan: Plan<'a>,
        last: Option<&'a LastIndex>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        let held = last.and_then(|last| last.held().clone());
        let held = held.filter(|index| index.fits(plan.store, plan.verifier));
        let found = held.or_else(|| Index::find(plan.store, plan.verifier).map(Arc::new));
        let index = match found {
            Some(index) => index,
            None => build(&plan, on_event)?,
        };
        if index.num_others() > 0 {
            on_event(Event::OtherModels(index.num_others()));
        }
        let search = Search { plan, index, last };
        search.hold();
        Ok(search)
    }

    /// Keeps the index for the next search, unless it is in a file. When a voiceprint is erased,
    /// the index file must disappear at once, so nobody may hold it open.
    fn hold(&self) {
        let Some(last) = self.last.filter(|_| !self.index.is_kept()) else {
            return;
        };
        let mut held = last.held();
        // Another thread may have erased a voiceprint since the index was built, and called
        // `LastIndex::forget`. Then this index must not be kept.
        if self.index.fits(self.plan.store, self.plan.verifier) {
            *held = Some(self.index.clone());
        }
    }

    /// Speakers that are searched.
    pub fn num_speakers(&self) -> usize {
        self.index.num_speakers()
    }

    /// The most likely speakers of a recording, best first. If the decision on the first is not
    /// [`Decision::Accept`](crate::Decision::Accept), none of the enrolled speakers was recognised.
    ///
    /// # Errors
    /// [`Error::Store`] where nobody is enrolled, [`Error::Io`] where another program changes the store
    /// meanwhile, [`Error::Inconclusive`] for an embedding without a finite score.
    pub fn candidates(&mut self, test: &Embedding) -> Result<Vec<Match>> {
        let probe = self.plan.verifier.probe(test);
        let probe = probe.ok_or(Reason::ScoreNotFinite)?;
        let found = self.identify(&[&(test.clone(), probe)], &mut |_| ())?;
        Ok(found.matches.into_iter().flatten().collect())
    }

    /// As [`Self::candidates`], for several tests that are prepared already.
    ///
    /// # Errors
    /// [`Error::Store`] where nobody is enrolled, [`Error::Io`] where another program changes the store
    /// meanwhile.
    #[doc(hidden)]
    pub fn identify(
        &mut self,
        tests: &[&(Embedding, Probe)],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Found> {
        let store = self.plan.store;
        if self.num_speakers() == 0 {
            return Err(nobody(store.path()));
        }
        if let Some(found) = search(&self.plan, &self.index, tests)? {
            return Ok(found);
        }
        self.index = build(&self.plan, on_event)?;
        self.hold();
        search(&self.plan, &self.index, tests)?.ok_or_else(|| {
            Error::io_with(
                store.path(),
                "search the store",
                std::io::Error::other("another command changed it meanwhile"),
                "run the command again",
            )
        })
    }
}

/// The error where nobody is enrolled.
#[doc(hidden)]
pub fn nobody(store: &Path) -> Error {
    Error::store(store, "nobody is enrolled with this model", Remedy::Enroll)
}

fn build(plan: &Plan, on_event: &mut dyn FnMut(Event)) -> Result<Arc<Index>> {
    on_event(Event::Indexing);
    let index = Arc::new(Index::build(plan.store, plan.verifier)?);
    on_event(Event::Indexed {
        num_speakers: index.num_speakers(),
        is_kept: index.is_kept(),
    });
    Ok(index)
}

/// None if the store and the index do not agree, because the store was changed meanwhile or the index is
/// damaged.
fn search(plan: &Plan, index: &Index, tests: &[&(Embedding, Probe)]) -> Result<Option<Found>> {
    let Plan {
        store, verifier, ..
    } = *plan;
    let probes: Vec<Probe> = tests.iter().map(|(_, probe)| probe.clone()).collect();
    let found = index.search(&verifier.model().head, &probes, plan.top);
    let point = plan.point.among(index.num_speakers());
    let confirm = |embedding: &Embedding, candidate: &Candidate| -> Result<Option<Match>> {
        let Some(voiceprint) = store.by_id(candidate.id)? else {
            return Ok(None);
        };
        // Equal up to rounding, because another version of this program may have built the index.
        let same = verifier.project(&voiceprint).into_iter().zip(candidate.row);
        if !same.map(|(a, b)| (a - b).abs()).all(|apart| apart <= 1e-3) {
            return Ok(None);
        }
        Ok(Some(Match {
            verification: verifier.verify(&voiceprint, embedding, &point)?,
            speaker: voiceprint.name.to_string(),
        }))
    };
    let confirmed = tests
        .iter()
        .zip(&found)
        .map(|((embedding, _), candidates)| {
            let matches = candidates.iter();
            let matches = matches.map(|candidate| confirm(embedding, candidate));
            matches.collect::<Result<Option<Vec<Match>>>>()
        });
    let matches = confirmed.collect::<Result<Option<Vec<Vec<Match>>>>>()?;
    Ok(matches.map(|matches| Found {
        num_speakers: index.num_speakers(),
        matches,
    }))
}
