//! Trials: every recording once, and the scores.

use crate::{
    embedding::Embedding,
    raised::raised,
    recording::{Analysis, Source, is_path, within},
    threads::{detached, each},
};
use pyo3::prelude::*;
use rayon::prelude::*;
use spkver::{Error, Verifier};
use std::{
    collections::HashMap,
    iter::once,
    path::{Path, PathBuf},
};

/// The recordings of some trials, each once, and which two of them a trial has.
pub struct Sides {
    recordings: Vec<Side>,
    trials: Vec<[usize; 2]>,
}

enum Side {
    File(PathBuf),
    Analysis(Analysis),
}

/// What makes two sides the same recording.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Path(PathBuf),
    Object(usize),
}

impl Sides {
    /// Of pairs of objects.
    ///
    /// # Errors
    /// UsageError for what is no recording.
    pub fn new<'a, 'py: 'a>(
        trials: impl Iterator<Item = (&'a Bound<'py, PyAny>, &'a Bound<'py, PyAny>)>,
        root: Option<&Path>,
        verifier: &Verifier,
    ) -> PyResult<Self> {
        let mut numbers: HashMap<Key, usize> = HashMap::new();
        let mut recordings = vec![];
        let mut number = |object: &Bound<PyAny>| -> PyResult<usize> {
            let key = match is_path(object)? {
                true => Key::Path(within(root, object.extract()?)),
                false => Key::Object(object.as_ptr() as usize),
            };
            if let Some(number) = numbers.get(&key) {
                return Ok(*number);
            }
            recordings.push(match &key {
                Key::Path(path) => Side::File(path.clone()),
                Key::Object(_) => Side::Analysis(Analysis::of_object(object, verifier)?),
            });
            numbers.insert(key, recordings.len() - 1);
            Ok(recordings.len() - 1)
        };
        let mut pairs = vec![];
        for (enroll, test) in trials {
            pairs.push([number(enroll)?, number(test)?]);
        }
        Ok(Sides {
            recordings,
            trials: pairs,
        })
    }

    /// The score of each trial, NaN where there is none, and then the code of the reason.
    ///
    /// # Errors
    /// What a file fails with that cannot be opened; ModelMismatch.
    pub fn scores(
        &self,
        py: Python,
        verifier: &Verifier,
    ) -> PyResult<(Vec<f32>, Vec<Option<String>>)> {
        let head = &verifier.model().head;
        let point = |embedding: &Embedding| {
            let embedding = &embedding.utterance.embedding;
            verifier
                .check_made_here("the first recording", embedding.model())
                .map_err(raised)?;
            Ok(Ok(head.project_enrollment(once(embedding.values()))))
        };
        let of_heard = |heard: &Analysis| match heard {
            Analysis::Embedded(embedding) => point(embedding),
            Analysis::Refused(refusal) => Ok(Err(refusal.code.clone())),
        };
        let points = each(py, self.recordings.len(), |index| {
            match &self.recordings[index] {
                Side::Analysis(heard) => of_heard(heard),
                Side::File(path) => match Source::File(path.clone()).analyze(verifier) {
                    Ok(heard) => of_heard(&heard),
                    Err(error @ Error::Audio { .. }) => Ok(Err(error.code().to_string())),
                    Err(other) => Err(raised(other)),
                },
            }
        })?;
        let scored = |&[enroll, test]: &[usize; 2]| match (&points[enroll], &points[test]) {
            (Ok(enroll), Ok(test)) => match head.llr(enroll, test) {
                llr if llr.is_finite() => (llr, None),
                _ => (f32::NAN, Some("score_not_finite".to_string())),
            },
            (Err(code), _) | (_, Err(code)) => (f32::NAN, Some(code.clone())),
        };
        Ok(detached(py, || self.trials.par_iter().map(scored).unzip()))
    }
}
