//! Embeds a list of recordings of any length into a file with one row per recording, even for a
//! damaged one.

use super::{
    extract::{Ending, extract},
    job::Job,
    ledger::Ledger,
    naming::Naming,
    output::Place,
    recording_list::RecordingList,
    vectors::{About, Format, Row, ark_index},
    watch::Watcher,
};
use crate::{
    Error, Result,
    storage::{Readers, output::OutputFile},
    verifier::Verifier,
};
use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// What to embed, and how to write it.
pub struct Plan {
    /// The recordings.
    pub list: RecordingList,
    /// How the names of the list become recordings.
    pub naming: Naming,
    /// Form of the rows.
    pub format: Format,
    /// Where an output file and the state of the run are; none for a stream.
    pub place: Option<Place>,
    /// Continue a run that was interrupted.
    pub resume: bool,
    /// File that keeps embeddings for later runs.
    pub cache: Option<PathBuf>,
}

/// The files of a run.
pub struct Files {
    /// The embeddings; none for standard output.
    pub rows: Option<OutputFile>,
    /// Index of a Kaldi archive.
    pub index: Option<OutputFile>,
    /// Ids of the rows of a `.npy`.
    pub ids: Option<OutputFile>,
}

/// A recording without an embedding.
pub struct Refusal<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its file, if the id is not the path.
    pub path: Option<&'a Path>,
    /// Why.
    pub reason: &'a str,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Recordings in the list.
    pub num_recordings: usize,
    /// How many of these have no embedding.
    pub num_refused: usize,
}

impl Plan {
    /// Embeds the recordings and writes the rows. A run without an output file writes them to a
    /// stream that `open` opens. Returns `None` if `watcher` stopped the run.
    ///
    /// # Errors
    /// [`Error::Usage`] for a run that cannot be resumed; [`Error::Io`], [`Error::Store`] of the
    /// outputs and the state. A fault of a recording is no error: its row says what is wrong.
    pub fn run(
        &self,
        verifier: &Verifier,
        files: &Files,
        open: impl FnOnce() -> Result<Box<dyn Write + Send>>,
        watcher: &Watcher,
        on_refusal: &mut dyn FnMut(&Refusal),
    ) -> Result<Option<Report>> {
        let RecordingList { ids, recordings } = &self.list;
        let cache = self.cache.as_deref();
        let mut ledger = match &self.place {
            Some(place) => place.open(self.resume, &self.fingerprint(verifier)?, cache)?,
            None => Ledger::open(None, cache)?,
        };
        if extract(recordings, verifier, &mut ledger, watcher)? == Ending::Stopped {
            return Ok(None);
        }
        let mut num_refused = 0;
        ledger.for_each(|number, entry| {
            if let Err(why) = &entry.outcome {
                num_refused += 1;
                let id = &ids[number];
                let recording = recordings[number].as_ref().ok();
                let path = recording.map(|recording| recording.path.as_path());
                on_refusal(&Refusal {
                    id,
                    path: path.filter(|path| !path.ends_with(id)),
                    reason: &why.reason,
                });
            }
            Ok(())
        })?;
        self.write(verifier, ledger, files, open)?;
        Ok(Some(Report {
            num_recordings: ids.len(),
            num_refused,
        }))
    }

    fn fingerprint(&self, verifier: &Verifier) -> Result<blake3::Hash> {
        let mut job = Job::new("embed");
        job.add_naming(&self.naming, verifier)?;
        let ids = self.list.ids.iter();
        ids.for_each(|id| job.add(id.as_bytes()));
        Ok(job.hash())
    }

    fn write(
        &self,
        verifier: &Verifier,
        ledger: Ledger,
        files: &Files,
        open: impl FnOnce() -> Result<Box<dyn Write + Send>>,
    ) -> Result<()> {
        let ids = &self.list.ids;
        let about = About {
            model: verifier.id(),
            size: verifier.model().head.embedding_size(),
            ids,
        };
        let rows = |take: &mut dyn FnMut(Row) -> Result<()>| {
            ledger.for_each(|number, entry| {
                take(Row {
                    id: ids[number].clone(),
                    audio: entry.audio,
                    outcome: entry.outcome,
                })
            })
        };
        let write = |out: &mut (dyn Write + Send), path: &Path| {
            self.format.write(out, path, &about, &mut |take| rows(take))
        };
        if let Some(file) = &files.ids {
            let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
            file.write(text.as_bytes())?;
        }
        match (&self.place, &files.rows) {
            (Some(place), Some(out)) => {
                let path = out.path();
                // Computed before the archive is written: if this fails, the old archive and its
                // index remain.
                let index = files.index.as_ref();
                let lines = index.map(|_| ark_index(path, &mut |take| rows(take)));
                let lines = lines.transpose()?.unwrap_or_default();
                out.write_buffered(Readers::Everybody, |whole| write(whole, path))?;
                if let Some(index) = index {
                    index.write(lines.as_bytes())?;
                }
                place.forget(ledger)
            }
            (_, out) => {
                let path = out.as_ref().map(OutputFile::path);
                let path = path.unwrap_or(Path::new("<stdout>"));
                let mut out = BufWriter::new(open()?);
                write(&mut out, path)?;
                out.flush().map_err(|e| Error::io(path, "write", e))
            }
        }
    }
}
