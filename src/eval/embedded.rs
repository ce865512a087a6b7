//! Embeds the recordings of trial lists, each recording once, and scores the trials.

use super::table::{ScoreTable, line_of};
use crate::{
    Error, Result,
    audio::{self, ReadOptions, SAMPLE_RATE_HZ, Waveform, resample},
    parallel,
    remedy::Remedy,
    scoring::PairHead,
    verifier::{Embedding, Verifier},
};
use std::{
    collections::HashMap,
    iter::once,
    path::{Path, PathBuf},
    sync::Mutex,
};
use zeroize::Zeroizing;

/// A recording's embedding, or the reason why it has none.
pub type Embedded = std::result::Result<Embedding, String>;

/// One [`Embedded`] for each recording of a table, in the order of the table's names.
pub type EmbeddedTable = Vec<Embedded>;

/// Called after each recording with two numbers: how many recordings of this pass are done, and how many
/// the pass has.
pub type OnProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Which part of a recording is embedded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// The whole recording.
    Whole,
    /// This many seconds from the start, or the whole of a shorter recording.
    Start(f32),
    /// This many seconds from the start; a recording that is not longer is refused.
    Growing(f32),
    /// This many seconds from the first speech; a recording with less speech is refused.
    Speech(f32),
    /// The whole recording, reduced to a telephone's 8 kHz.
    Narrowband,
}

/// A telephone's sample rate.
const NARROWBAND_HZ: u32 = 8000;

/// Recordings between two checks for errors. Large, because the threads wait for the last one.
const BLOCK: usize = 1024;

/// Reads and embeds recordings on all threads.
#[derive(Clone, Copy)]
pub struct Embedder<'a> {
    /// Folder that the names in trial lists are relative to.
    pub root: &'a Path,
    /// How the files are read.
    pub reading: ReadOptions,
    /// The model.
    pub verifier: &'a Verifier,
    /// Called after each recording.
    pub on_progress: OnProgress<'a>,
}

impl Embedder<'_> {
    /// Embeds the recordings of all tables. A recording that several tables name is embedded once.
    ///
    /// # Errors
    /// As [`Self::files`].
    pub fn tables(&self, tables: &[&ScoreTable], part: Part) -> Result<Vec<EmbeddedTable>> {
        let names = names_of(tables.iter().copied());
        let paths: Vec<PathBuf> = names.iter().map(|name| self.root.join(name)).collect();
        let embeddings = self.files(&paths, part)?;
        let embeddings: HashMap<&str, Embedded> = names.into_iter().zip(embeddings).collect();
        let of_table = |table: &&ScoreTable| {
            let in_order = table.names().map(|name| embeddings[name].clone());
            in_order.collect()
        };
        Ok(tables.iter().map(of_table).collect())
    }

    /// Embeds each file. A recording that is damaged or refused gets the reason instead of an
    /// embedding.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read.
    pub fn files(&self, paths: &[PathBuf], part: Part) -> Result<EmbeddedTable> {
        self.embed_each(paths, |_, path| read(path, &self.reading, part))
    }

    /// As [`Self::files`], for what `read` makes of each file; it is also given the file's index.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn embed_each(
        &self,
        paths: &[PathBuf],
        read: impl Fn(usize, &Path) -> Result<Waveform> + Sync + Send,
    ) -> Result<EmbeddedTable> {
        self.each(paths, |index, path| {
            Ok(self.verifier.embed(&read(index, path)?)?)
        })
    }

    /// The result of `work` for each file, or the reason why the recording has none.
    ///
    /// # Errors
    /// Those of `work`, except [`Error::Audio`] and [`Error::Inconclusive`], which become the reason for
    /// a recording.
    pub fn each<T: Send>(
        &self,
        paths: &[PathBuf],
        work: impl Fn(usize, &Path) -> Result<T> + Sync + Send,
    ) -> Result<Vec<std::result::Result<T, String>>> {
        let num_done = Mutex::new(0);
        let one = |(index, path): (usize, &PathBuf)| {
            let result = work(index, path);
            {
                let mut done = num_done.lock().unwrap_or_else(|e| e.into_inner());
                *done += 1;
                (self.on_progress)(*done, paths.len());
            }
            match result {
                Ok(result) => Ok(Ok(result)),
                Err(Error::Audio { fact, .. }) => Ok(Err(fact)),
                Err(Error::Inconclusive(reason)) => Ok(Err(reason.to_string())),
                Err(other) => Err(other),
            }
        };
        let mut results = Vec::with_capacity(paths.len());
        for (block, paths) in paths.chunks(BLOCK).enumerate() {
            let indices = block * BLOCK..;
            for result in parallel::map(indices.zip(paths), one) {
                results.push(result?);
            }
        }
        Ok(results)
    }
}

/// Projects each embedding once, for all of its trials: `(P,)` each, none for a refused recording.
pub fn points(embedded: &[Embedded], head: &PairHead) -> Vec<Option<Zeroizing<Vec<f32>>>> {
    let point = |embedding: &Embedding| head.project_enrollment(once(embedding.values()));
    let points = embedded.iter();
    let points = points.map(|embedded| Some(Zeroizing::new(point(embedded.as_ref().ok()?))));
    points.collect()
}

/// Scores every trial. A trial with a refused recording gets NaN.
pub fn set_scores(table: &mut ScoreTable, embedded: &[Embedded], head: &PairHead) {
    let points = points(embedded, head);
    table.set_scores(|enroll, test| {
        let side = |recording: u32| points[recording as usize].as_ref();
        match (side(enroll), side(test)) {
            (Some(enroll), Some(test)) => f64::from(head.llr(enroll, test)),
            _ => f64::NAN,
        }
    });
}

/// Reads a list whose recordings will be embedded, and looks for them.
///
/// # Errors
/// As [`ScoreTable::read`] and [`find_recordings`].
pub fn open_list(list: &Path, root: &Path) -> Result<ScoreTable> {
    let table = ScoreTable::read(list)?;
    find_recordings(list, &table, root)?;
    Ok(table)
}

/// Checks that every recording of a table exists, so that a wrong root is found before an hour of
/// work instead of passing as refusals.
///
/// # Errors
/// [`Error::List`] for the first recording that is missing, and for a table without names.
pub fn find_recordings(list: &Path, table: &ScoreTable, root: &Path) -> Result<()> {
    if table.is_nameless() {
        return Err(Error::list(
            list,
            1,
            "scores with labels, and no names of recordings",
            "name both recordings of each trial",
        ));
    }
    let exists = parallel::map(table.names(), |name| root.join(name).exists());
    let Some(index) = exists.iter().position(|exists| !exists) else {
        return Ok(());
    };
    let lost = table.name(index as u32);
    Err(Error::list(
        list,
        line_of(list, |trial| trial.enroll == lost || trial.test == lost)?,
        format!("there is no file {}", root.join(lost).display()),
        Remedy::Option(&["check ", "root", ""]),
    ))
}

/// The recordings that the tables name, sorted, each once.
pub fn names_of<'a>(tables: impl Iterator<Item = &'a ScoreTable>) -> Vec<&'a str> {
    let mut names: Vec<&str> = tables.flat_map(ScoreTable::names).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn read(path: &Path, options: &ReadOptions, part: Part) -> Result<Waveform> {
    let waveform = audio::read(path, options)?;
    let (from, seconds) = match part {
        Part::Whole => return Ok(waveform),
        Part::Narrowband => {
            let narrow = resample(waveform.samples(), SAMPLE_RATE_HZ, NARROWBAND_HZ);
            return Waveform::from_samples(narrow, NARROWBAND_HZ);
        }
        Part::Start(seconds) => (0, seconds),
        Part::Growing(seconds) if waveform.seconds() > seconds => (0, seconds),
        Part::Growing(_) => return Err(too_short(path, "not longer than the part to be used")),
        Part::Speech(seconds) if audio::speech_seconds(waveform.speech()) >= seconds => {
            let begin = waveform.speech().iter().position(|&speech| speech);
            (begin.unwrap_or(0) * audio::SPEECH_HOP, seconds)
        }
        Part::Speech(_) => return Err(too_short(path, "less speech than the part to be used")),
    };
    let rest = &waveform.samples()[from..];
    let kept = (seconds * SAMPLE_RATE_HZ as f32) as usize;
    if kept >= rest.len() && from == 0 {
        return Ok(waveform);
    }
    Waveform::from_samples(rest[..kept.min(rest.len())].to_vec(), SAMPLE_RATE_HZ)
}

fn too_short(path: &Path, fact: &str) -> Error {
    Error::audio(path, fact, "use a longer recording")
}
