//! Scores of trial lists, for `evaluate` and `calibrate`: each recording embedded once, each trial
//! scored.

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::{self, ReadOptions, SAMPLE_RATE_HZ, Waveform},
    eval::trials::{Trial, TrialList},
    verifier::{Embedding, Verifier},
};
use std::{collections::HashMap, path::Path};

/// By recording: its embedding, or why it has none.
pub type Embeddings<'a> = HashMap<&'a str, std::result::Result<Embedding, String>>;

/// A wrong `--root` should be known before an hour of embedding, and not pass as refusals.
pub fn find_recordings(path: &Path, list: &TrialList, root: &Path) -> Result<()> {
    let exists: Vec<bool> = list
        .recordings()
        .par_iter()
        .map(|name| root.join(name).exists())
        .collect();
    let lost = |trial: &&Trial| !(exists[trial.enrol] && exists[trial.test]);
    let Some(trial) = list.trials().iter().find(lost) else {
        return Ok(());
    };
    let (enrol, test) = list.names(trial);
    let name = if exists[trial.enrol] { test } else { enrol };
    Err(Error::List {
        path: path.to_path_buf(),
        line: trial.line,
        fact: format!("there is no file {}", root.join(name).display()),
        remedy: "check --root".into(),
    })
}

/// Every recording of the lists once: its embedding, or why it has none.
pub fn embed<'a>(
    lists: &'a [TrialList],
    root: &Path,
    options: &ReadOptions,
    segment: Option<f32>,
    verifier: &Verifier,
) -> Result<Embeddings<'a>> {
    let names = lists
        .iter()
        .flat_map(|list| list.recordings().iter().map(String::as_str))
        .collect();
    embed_names(names, root, options, segment, verifier)
}

/// As [`embed`], of any recordings.
pub fn embed_names<'a>(
    mut names: Vec<&'a str>,
    root: &Path,
    options: &ReadOptions,
    segment: Option<f32>,
    verifier: &Verifier,
) -> Result<Embeddings<'a>> {
    names.sort_unstable();
    names.dedup();
    // Hidden where stderr is no terminal.
    let progress = ProgressBar::new(names.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} recordings, {eta} left")
            .expect("a constant"),
    );
    let embeddings: Result<Vec<_>> = names
        .par_iter()
        .map(|name| {
            let read = read(&root.join(name), options, segment);
            progress.inc(1);
            match read {
                Ok(waveform) => Ok(verifier.embed(&waveform).map_err(|r| r.to_string())),
                Err(Error::Audio { fact, .. }) => Ok(Err(fact)),
                Err(other) => Err(other),
            }
        })
        .collect();
    progress.finish_and_clear();
    Ok(names.into_iter().zip(embeddings?).collect())
}

fn read(path: &Path, options: &ReadOptions, segment: Option<f32>) -> Result<Waveform> {
    let waveform = audio::read(path, options)?;
    let kept = segment.map_or(usize::MAX, |s| (s * SAMPLE_RATE_HZ as f32) as usize);
    if kept >= waveform.samples().len() {
        return Ok(waveform);
    }
    Waveform::from_samples(waveform.samples()[..kept].to_vec(), SAMPLE_RATE_HZ)
}

/// Per trial; `None` where a recording has no embedding or the score is not finite.
pub fn score(list: &TrialList, embeddings: &Embeddings, verifier: &Verifier) -> Vec<Option<f64>> {
    let score = |trial| {
        let (enrol, test) = list.names(trial);
        let enrol = embeddings[enrol].as_ref().ok()?;
        let test = embeddings[test].as_ref().ok()?;
        let llr = f64::from(verifier.llr(&[enrol], test).0);
        llr.is_finite().then_some(llr)
    };
    list.trials().par_iter().map(score).collect()
}
