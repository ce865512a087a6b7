//! What Python gives as a recording: the path of a file, or samples with their rate.

use crate::{
    embedding::{Embedding, Refusal},
    raised::{raised, usage},
};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyString},
};
use spkver::{ReadOptions, Recording, Utterance, Verifier, storage::file_name};
use std::path::{Path, PathBuf};

/// A recording that is not read yet.
pub enum Source {
    /// An audio file.
    File(PathBuf),
    /// Mono, nominally −1 to 1.
    Samples {
        /// `(num_samples,)`
        samples: Vec<f32>,
        /// Their rate.
        rate_hz: u32,
    },
}

/// What a recording became.
pub enum Analysis {
    /// It is fit for scoring.
    Embedded(Embedding),
    /// It is not.
    Refused(Refusal),
}

impl Source {
    /// Of a `str` or `os.PathLike`, or else of an array.
    ///
    /// # Errors
    /// UsageError.
    pub fn of(object: &Bound<PyAny>, rate_hz: Option<u32>) -> PyResult<Self> {
        if is_path(object)? {
            if rate_hz.is_some() {
                return Err(usage(
                    "rate_hz is for samples; a file states its own, leave it out",
                ));
            }
            return Ok(Source::File(object.extract()?));
        }
        let rate_hz = rate_hz.ok_or_else(|| {
            usage("rate_hz is missing; samples need it, e.g. embed(samples, rate_hz=16000)")
        })?;
        let arrays = object.py().import("spkver._arrays")?;
        let bytes = arrays.call_method1("mono", (object,))?;
        let bytes = bytes.cast::<PyBytes>()?.as_bytes();
        let samples = bytes.as_chunks().0.iter();
        let samples = samples.map(|bytes| f32::from_ne_bytes(*bytes)).collect();
        Ok(Source::Samples { samples, rate_hz })
    }

    /// Its file's name, for people.
    fn label(&self) -> String {
        match self {
            Source::File(path) => file_name(path),
            Source::Samples { .. } => "samples".into(),
        }
    }

    /// Reads and embeds it.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn analyze(self, verifier: &Verifier) -> spkver::Result<Analysis> {
        let label = self.label();
        let recording = match self {
            Source::File(path) => Recording::open(path, &ReadOptions::default())?,
            Source::Samples { samples, rate_hz } => Recording::from_samples(samples, rate_hz)?,
        };
        let analysis = verifier.analyze(&recording);
        Ok(match analysis.embedding {
            Ok(embedding) => {
                let utterance = Utterance::new(label, embedding, &analysis.quality);
                Analysis::Embedded(Embedding { utterance })
            }
            Err(reason) => Analysis::Refused(Refusal::new(label, reason, &analysis.quality)),
        })
    }
}

/// Is it a `str` or an `os.PathLike`?
pub fn is_path(object: &Bound<PyAny>) -> PyResult<bool> {
    Ok(object.is_instance_of::<PyString>() || object.hasattr("__fspath__")?)
}

/// `path` in the folder `root`, if there is one.
pub fn within(root: Option<&Path>, path: PathBuf) -> PathBuf {
    root.map_or(path.clone(), |root| root.join(path))
}

impl Analysis {
    /// As [`Source::hear`], with an error of the file as a refusal.
    pub fn of(source: Source, verifier: &Verifier) -> Self {
        let label = source.label();
        let failed = |error| Analysis::Refused(Refusal::unread(label, &error));
        source.analyze(verifier).unwrap_or_else(failed)
    }

    /// As a Python object.
    pub fn into_object(self, py: Python) -> PyResult<Py<PyAny>> {
        Ok(match self {
            Analysis::Embedded(embedding) => Py::new(py, embedding)?.into_any(),
            Analysis::Refused(refusal) => Py::new(py, refusal)?.into_any(),
        })
    }

    /// Of an Embedding, a Refusal or the path of a file.
    ///
    /// # Errors
    /// UsageError for anything else; what the file fails with.
    pub fn of_object(object: &Bound<PyAny>, verifier: &Verifier) -> PyResult<Self> {
        if let Ok(embedding) = object.cast::<Embedding>() {
            return Ok(Analysis::Embedded(embedding.get().clone()));
        }
        if let Ok(refusal) = object.cast::<Refusal>() {
            return Ok(Analysis::Refused(refusal.get().clone()));
        }
        if !is_path(object)? {
            return Err(usage(
                "neither an Embedding nor a path; embed samples first, with embed()",
            ));
        }
        let source = Source::of(object, None)?;
        crate::threads::detached(object.py(), || source.analyze(verifier)).map_err(raised)
    }
}
