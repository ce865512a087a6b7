//! Scores a trial list of any length: one row per trial, with a score or the reason why there is
//! none.
//!
//! ```text
//! Plan ─open─► Inputs ─run(Verifier)─► rows, and a Report
//! ```

use super::{
    extract::{Ending, extract},
    job::Job,
    ledger::Ledger,
    naming::Naming,
    output::{Output, Place},
    points::{Points, Scorer},
    rows::Format,
    score::{Participants, Shard, Sides, block_size, score},
    trial_index::TrialIndex,
    vectors::{self, Vectors},
    watch::{Stage, Watcher},
};
use crate::{Error, Result, lists::enrollments, remedy::Remedy, verifier::Verifier};
use std::{
    collections::HashSet,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// What to score, and how to write it.
pub struct Plan {
    /// The trial list; `-` is standard input.
    pub trials: PathBuf,
    /// Only this part of the list.
    pub shard: Option<Shard>,
    /// Which recordings enroll which model.
    pub enrollments: Option<PathBuf>,
    /// How names become recordings.
    pub naming: Naming,
    /// Vectors to score instead of recordings.
    pub vectors: Option<GivenVectors>,
    /// Form of the rows.
    pub format: Format,
    /// Where an output file and the state of the run are; none for a stream.
    pub place: Option<Place>,
    /// Continue a run that was interrupted.
    pub resume: bool,
    /// File that keeps embeddings for later runs.
    pub cache: Option<PathBuf>,
}

/// Vectors that any system has computed.
#[derive(Debug, Clone)]
pub struct GivenVectors {
    /// Their file.
    pub path: PathBuf,
    /// Ids of the rows of a `.npy`.
    pub ids: Option<PathBuf>,
    /// Score them with the model's head instead of the cosine.
    pub head: bool,
    /// The file with the calibration of their cosines.
    pub calibration: Option<PathBuf>,
}

/// A plan whose lists have been read.
pub struct Inputs {
    plan: Plan,
    index: TrialIndex,
    /// The trials of the shard.
    range: Range<u64>,
    participants: Participants,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Trials in the shard.
    pub num_trials: u64,
    /// Different recordings in them.
    pub num_recordings: usize,
    /// How many of these have no embedding.
    pub num_refused: usize,
}

impl Inputs {
    /// Reads the lists.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`].
    pub fn open(mut plan: Plan) -> Result<Self> {
        let enrollments = plan.enrollments.as_deref().map(enrollments::read);
        let enrollments = enrollments.transpose()?.unwrap_or_default();
        let mut index = plan.read_index()?;
        if index.has_sides && plan.naming.reading.channel.is_none() {
            plan.naming.reading.channel = Some(1);
        }
        let whole = Shard {
            number: 1,
            num_parts: 1,
        };
        let range = plan.shard.unwrap_or(whole).range(index.count);
        let data = plan.naming.data.as_ref();
        let participants = Participants::new(&mut index, range.clone(), &enrollments, data)?;
        Ok(Inputs {
            plan,
            index,
            range,
            participants,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The paths of all recordings that the run will read.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.participants.utterances();
        let names = names.filter(|_| self.plan.vectors.is_none());
        let found = names.flat_map(|name| self.plan.naming.recording(name));
        found.map(|recording| recording.path)
    }

    /// Scores the trials. Rows go to the output file, or to `stream` if there is no output file.
    /// Returns `None` if `watcher` stopped the run.
    ///
    /// # Errors
    /// [`Error::Usage`] for a run that cannot be resumed, and for vectors that do not fit;
    /// [`Error::Io`], [`Error::Store`] of the outputs and the state; errors of `stream`.
    pub fn run(
        mut self,
        verifier: &Verifier,
        scorer: Scorer,
        stream: &mut dyn FnMut(&[u8]) -> Result<()>,
        watcher: &Watcher,
    ) -> Result<Option<Report>> {
        let cache = self.plan.cache.as_deref();
        let mut ledger = match &self.plan.place {
            Some(place) => place.open(self.plan.resume, &self.fingerprint(verifier)?, cache)?,
            None => Ledger::open(None, cache)?,
        };
        let sides = match &self.plan.vectors {
            Some(given) => Some(self.sides_of_vectors(given, scorer, verifier)?),
            None => self.sides_of_recordings(&mut ledger, scorer, verifier, watcher)?,
        };
        let Some((sides, points, num_refused)) = sides else {
            return Ok(None);
        };
        let report = Report {
            num_trials: self.range.end - self.range.start,
            num_recordings: self.participants.utterances().len(),
            num_refused,
        };
        let is_complete = match self.plan.place.clone() {
            Some(place) => {
                let output = self.write_output(&place, &ledger, (&sides, &points), watcher)?;
                let is_complete = output.is_some();
                if let Some(output) = output {
                    let model = verifier.file_id().to_string();
                    let about = [("model", &model[..]), ("score", self.score_name(scorer))];
                    output.complete(ledger, self.plan.format, &about)?;
                }
                is_complete
            }
            None => {
                stream(self.header().as_bytes())?;
                let append = &mut |bytes: &[u8], _| stream(bytes);
                self.score(0, (&sides, &points), watcher, append)? == Ending::Complete
            }
        };
        Ok(is_complete.then_some(report))
    }

    /// What kind of number the scores are, for the metadata of the output.
    fn score_name(&self, scorer: Scorer) -> &'static str {
        let given = self.plan.vectors.as_ref();
        let is_calibrated = given.is_some_and(|given| given.calibration.is_some());
        match scorer {
            Scorer::Cosine { .. } if !is_calibrated => "cosine",
            _ => "llr",
        }
    }

    /// A point for each side of a trial, and how many vectors are missing.
    fn sides_of_vectors<'a>(
        &self,
        given: &GivenVectors,
        scorer: Scorer<'a>,
        verifier: &Verifier,
    ) -> Result<(Sides, Points<'a>, usize)> {
        let used: HashSet<&str> = self.participants.utterances().collect();
        let is_used = |id: &str| used.contains(id);
        let vectors = vectors::read(&given.path, given.ids.as_deref(), &is_used)?;
        check_size(&vectors, scorer, verifier)?;
        let mut points = Points::new(scorer, vectors.size());
        let mut num_refused = 0;
        let sides = self.participants.sides(&mut points, |take| {
            for (number, name) in self.participants.utterances().enumerate() {
                let vector = vectors.get(name);
                num_refused += usize::from(vector.is_err());
                take(number, vector);
            }
            Ok(())
        })?;
        Ok((sides, points, num_refused))
    }

    /// A point for each side of a trial, from recordings. Returns `None` if `watcher` stopped the
    /// run.
    fn sides_of_recordings<'a>(
        &self,
        ledger: &mut Ledger,
        scorer: Scorer<'a>,
        verifier: &Verifier,
        watcher: &Watcher,
    ) -> Result<Option<(Sides, Points<'a>, usize)>> {
        let names = self.participants.utterances();
        let recordings: Vec<_> = names.map(|name| self.plan.naming.recording(name)).collect();
        if extract(&recordings, verifier, ledger, watcher)? == Ending::Stopped {
            return Ok(None);
        }
        drop(recordings);
        let mut points = Points::new(scorer, verifier.model().embedding_size());
        let mut num_refused = 0;
        let sides = self.participants.sides(&mut points, |take| {
            ledger.for_each(|number, entry| {
                match entry.outcome {
                    Ok(embedded) => take(number, Ok(&embedded.values)),
                    Err(why) => {
                        num_refused += 1;
                        take(number, Err(why.reason));
                    }
                }
                Ok(())
            })
        })?;
        Ok(Some((sides, points, num_refused)))
    }

    /// Writes the whole output, which then only needs its final name. Returns `None` if `watcher`
    /// stopped the run.
    fn write_output(
        &mut self,
        place: &Place,
        ledger: &Ledger,
        points: (&Sides, &Points),
        watcher: &Watcher,
    ) -> Result<Option<Output>> {
        let mut output = Output::open(place, ledger)?;
        if ledger.blocks()?.is_empty() {
            output.append(ledger, self.header().as_bytes(), 0)?;
        }
        let done = output.num_rows();
        let append = &mut |bytes: &[u8], rows| output.append(ledger, bytes, rows);
        let ended = self.score(done, points, watcher, append)?;
        Ok((ended == Ending::Complete).then_some(output))
    }

    /// Scores the trials of the shard that follow the first `done`.
    fn score(
        &mut self,
        done: u64,
        points: (&Sides, &Points),
        watcher: &Watcher,
        append: &mut dyn FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<Ending> {
        let count = self.range.end - self.range.start;
        let left = self.range.start + done..self.range.end;
        let (block, format) = (block_size(count), self.plan.format);
        let index = &mut self.index;
        watcher.stage(Stage::Trials, (done, count), || {
            score(index, left, block, points, format, watcher, append)
        })
    }

    /// The header of the output, which only the first part of a list has.
    fn header(&self) -> &'static str {
        match self.plan.shard {
            Some(shard) if shard.number > 1 => "",
            _ => self.plan.format.header(),
        }
    }

    fn fingerprint(&self, verifier: &Verifier) -> Result<blake3::Hash> {
        let plan = &self.plan;
        let given = plan.vectors.as_ref();
        let head = given.is_some_and(|given| given.head);
        let mut job = Job::new("score");
        job.add(self.index.hash.as_bytes());
        job.add(format!("{:?} {:?} {head}", plan.format, plan.shard).as_bytes());
        job.add_naming(&plan.naming, verifier)?;
        job.add_file(plan.enrollments.as_deref())?;
        job.add_file(given.map(|given| given.path.as_path()))?;
        job.add_file(given.and_then(|given| given.ids.as_deref()))?;
        job.add_file(given.and_then(|given| given.calibration.as_deref()))?;
        Ok(job.hash())
    }
}

impl Plan {
    fn read_index(&self) -> Result<TrialIndex> {
        let place = self.place.as_ref();
        let folder = place.map_or(std::env::temp_dir(), |place| place.folder().to_path_buf());
        if self.trials == Path::new("-") {
            return TrialIndex::read(io::stdin(), Path::new("<stdin>"), &folder);
        }
        let file = File::open(&self.trials).map_err(|e| Error::io(&self.trials, "read", e))?;
        TrialIndex::read(file, &self.trials, &folder)
    }
}

/// Checks the size of the vectors: the head scores only vectors of the model's size.
fn check_size(vectors: &Vectors, scorer: Scorer, verifier: &Verifier) -> Result<()> {
    let size = verifier.model().head.embedding_size();
    match scorer {
        Scorer::Head(_) if !vectors.is_empty() && vectors.size() != size => {
            let fact = format!(
                "the vectors have {} values, the model's embeddings {size}",
                vectors.size()
            );
            let remedy = Remedy::Option(&["leave ", "head", " off for the cosine"]);
            Err(Error::option("head", "", fact).with_remedy(remedy))
        }
        _ => Ok(()),
    }
}
