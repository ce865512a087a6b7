//! Trial lists in, an embedding of every recording out, or why it has none.

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::{self, ReadOptions, SAMPLE_RATE_HZ, Waveform, resample},
    eval::table::{ScoreTable, line_of},
    verifier::{Embedding, Verifier},
};
use std::{
    collections::HashMap,
    iter::once,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// An embedding, or why there is none.
type Embedded = std::result::Result<Embedding, String>;

/// What is embedded of a recording.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// All of it.
    Whole,
    /// So many seconds from its start, or all of a shorter one.
    Start(f32),
    /// So many seconds from where speech begins; none of a recording with less speech.
    Speech(f32),
    /// All of it, but for what 8 kHz leave out.
    Narrowband,
}

/// Telephones' sample rate.
const NARROWBAND_HZ: u32 = 8000;

/// Per recording of a table.
pub type EmbeddedTable = Vec<Embedded>;

/// Embeds the recordings of all tables, each once.
pub fn embed_tables(
    tables: &[&ScoreTable],
    root: &Path,
    options: &ReadOptions,
    part: Part,
    verifier: &Verifier,
) -> Result<Vec<EmbeddedTable>> {
    let names = names_of(tables.iter().copied());
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    let embeddings = embed_files(&paths, options, part, verifier)?;
    let embeddings: HashMap<&str, Embedded> = names.into_iter().zip(embeddings).collect();
    let of_table = |table: &&ScoreTable| {
        let own = table.names().map(|name| embeddings[name].clone());
        own.collect()
    };
    Ok(tables.iter().map(of_table).collect())
}

/// The points of recordings, each projected once: `(P,)` each, none of a refused one.
pub fn points(embedded: &[Embedded], verifier: &Verifier) -> Vec<Option<Zeroizing<Vec<f32>>>> {
    let head = &verifier.model().head;
    let point = |embedding: &Embedding| head.project_enrolment(once(embedding.values()));
    let points = embedded.iter();
    let points = points.map(|embedded| Some(Zeroizing::new(point(embedded.as_ref().ok()?))));
    points.collect()
}

/// Scores every trial, NaN where a recording was refused.
pub fn set_scores(table: &mut ScoreTable, embedded: &[Embedded], verifier: &Verifier) {
    let points = points(embedded, verifier);
    table.set_scores(|enrol, test| {
        let side = |recording: u32| points[recording as usize].as_ref();
        match (side(enrol), side(test)) {
            (Some(enrol), Some(test)) => f64::from(verifier.model().head.llr(enrol, test)),
            _ => f64::NAN,
        }
    });
}

/// A wrong `--root` should be known before an hour of embedding, and not pass as refusals.
pub fn find_recordings(list: &Path, table: &ScoreTable, root: &Path) -> Result<()> {
    if table.is_nameless() {
        return Err(Error::List {
            path: list.to_path_buf(),
            line: 1,
            fact: "scores with labels, and no names of recordings".into(),
            remedy: "name both recordings of each trial".into(),
        });
    }
    let names: Vec<&str> = table.names().collect();
    let lost = names
        .par_iter()
        .find_first(|name| !root.join(name).exists());
    let Some(lost) = lost else { return Ok(()) };
    Err(Error::List {
        path: list.to_path_buf(),
        line: line_of(list, |trial| trial.enroll == **lost || trial.test == **lost)?,
        fact: format!("there is no file {}", root.join(lost).display()),
        remedy: "check --root".into(),
    })
}

/// The recordings of all tables, each once.
pub fn names_of<'a>(tables: impl Iterator<Item = &'a ScoreTable>) -> Vec<&'a str> {
    let mut names: Vec<&str> = tables.flat_map(ScoreTable::names).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// An embedding of each file, or why it has none; other errors than of its sound fail all.
pub fn embed_files(
    paths: &[PathBuf],
    options: &ReadOptions,
    part: Part,
    verifier: &Verifier,
) -> Result<EmbeddedTable> {
    // Hidden where stderr is no terminal.
    let progress = ProgressBar::new(paths.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} recordings, {eta} left")
            .expect("a constant"),
    );
    let embeddings: Result<Vec<_>> = paths
        .par_iter()
        .map(|path| {
            let read = read(path, options, part);
            progress.inc(1);
            match read {
                Ok(waveform) => Ok(verifier.embed(&waveform).map_err(|r| r.to_string())),
                Err(Error::Audio { fact, .. }) => Ok(Err(fact)),
                Err(other) => Err(other),
            }
        })
        .collect();
    progress.finish_and_clear();
    embeddings
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
        Part::Speech(seconds) if audio::speech_seconds(waveform.speech()) >= seconds => {
            let begin = waveform.speech().iter().position(|&speech| speech);
            (begin.unwrap_or(0) * audio::SPEECH_HOP, seconds)
        }
        Part::Speech(_) => {
            return Err(Error::Audio {
                path: path.to_path_buf(),
                fact: "less speech than the cut".into(),
                remedy: "leave the cut out".into(),
            });
        }
    };
    let rest = &waveform.samples()[from..];
    let kept = (seconds * SAMPLE_RATE_HZ as f32) as usize;
    if kept >= rest.len() && from == 0 {
        return Ok(waveform);
    }
    Waveform::from_samples(rest[..kept.min(rest.len())].to_vec(), SAMPLE_RATE_HZ)
}
