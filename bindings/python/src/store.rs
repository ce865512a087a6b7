//! The class `Store`.

use crate::{
    raised::{raised, usage},
    verification::{Point, Verification},
    verifier::Verifier,
    voiceprint::Voiceprint,
};
use pyo3::{prelude::*, types::PyDict};
use spkver::{
    Error, SpeakerName,
    storage::{secret::Secret, voiceprints},
};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A file of voiceprints, the same as the program's.
///
/// Store(path) opens it, or creates it: readable by its owner only, and encrypted if there is a
/// passphrase or a key. Without a path it is the program's own store. Several processes may use it at
/// once. Close it with `close`, or use it in a `with`.
///
/// Parameters
/// ----------
/// path : path
/// passphrase : str
///     Of an encrypted store.
/// key_file : path
///     Of an encrypted store, in place of a passphrase: 64 hexadecimal digits, or 32 bytes.
/// read_only : bool
///     Do not create it; the file and its folder may be read-only.
#[pyclass(frozen, module = "spkver")]
pub struct Store {
    path: PathBuf,
    /// None when closed.
    store: Mutex<Option<spkver::Store>>,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path = None, *, passphrase = None, key_file = None, read_only = false))]
    fn new(
        py: Python,
        path: Option<PathBuf>,
        passphrase: Option<&str>,
        key_file: Option<PathBuf>,
        read_only: bool,
    ) -> PyResult<Self> {
        let path = path
            .map_or_else(voiceprints::default_path, Ok)
            .map_err(raised)?;
        let secret = match (passphrase, key_file) {
            (Some(_), Some(_)) => return Err(usage("give either a passphrase or a key_file")),
            (Some(words), None) => Some(Secret::from_passphrase(words).ok_or_else(|| {
                let most = Secret::MAX_PASSPHRASE_BYTES;
                usage(&format!("passphrase: expected 1 to {most} bytes"))
            })?),
            (None, Some(file)) => Some(Secret::from_key_file(&file).map_err(raised)?),
            (None, None) => None,
        };
        let open = || match read_only {
            false => spkver::Store::open_or_create(&path, secret.as_ref()),
            true => spkver::Store::open(&path, secret.as_ref())?.ok_or_else(|| {
                let missing = std::io::ErrorKind::NotFound.into();
                Error::io(&path, "read", missing)
            }),
        };
        let store = Mutex::new(Some(py.detach(open).map_err(raised)?));
        Ok(Store { path, store })
    }

    /// pathlib.Path: its file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Adds the recordings of a voiceprint to the speaker of its name, or adds the speaker: all or none.
    /// Recordings that the speaker has already are left out.
    ///
    /// Returns
    /// -------
    /// Voiceprint, as it is now in the store.
    ///
    /// Raises
    /// ------
    /// Error, with the code "audio", if the recordings together do not sound like one speaker.
    fn add(
        &self,
        py: Python,
        voiceprint: &Voiceprint,
        verifier: &Verifier,
    ) -> PyResult<Voiceprint> {
        let spkver::Voiceprint {
            name, utterances, ..
        } = voiceprint.0.clone();
        verifier
            .library()
            .check_model(&voiceprint.0)
            .map_err(raised)?;
        self.with(py, |store| {
            store.enroll(verifier.library(), &name, utterances)
        })
        .map(Voiceprint)
    }

    /// The voiceprint of a speaker. UnknownSpeakerError if there is none.
    fn get(&self, py: Python, name: &str) -> PyResult<Voiceprint> {
        let name = SpeakerName::new(name).map_err(raised)?;
        self.with(py, |store| store.get(&name)).map(Voiceprint)
    }

    /// The speakers: a list of dicts with `name`, `model`, `num_utterances` and `speech_seconds`, by name.
    /// Warns of damaged voiceprints.
    fn list<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let listing = self.with(py, |store| store.list())?;
        for damaged in &listing.damaged {
            py.import("warnings")?
                .call_method1("warn", (damaged.to_string(),))?;
        }
        let entry = |speaker: &voiceprints::Enrolled| {
            let entry = PyDict::new(py);
            entry.set_item("name", &speaker.name)?;
            entry.set_item("model", &speaker.model)?;
            entry.set_item("num_utterances", speaker.num_utterances)?;
            entry.set_item("speech_seconds", speaker.speech_seconds)?;
            Ok(entry)
        };
        listing.speakers.iter().map(entry).collect()
    }

    /// Erases a speaker, so that no byte of the voiceprint remains in the file.
    fn remove(&self, py: Python, name: &str) -> PyResult<()> {
        let name = SpeakerName::new(name).map_err(raised)?;
        self.with(py, |store| store.remove(&name))
    }

    /// Is the speaker of `test` the enrolled one of this name? As `Verifier.verify`.
    ///
    /// Parameters
    /// ----------
    /// name : str
    /// test : Embedding, Refusal or path
    /// verifier : Verifier
    /// threshold, p_target, c_miss, c_fa : float
    ///     As in `Verifier.compare`.
    ///
    /// Returns
    /// -------
    /// Verification
    #[pyo3(signature = (name, test, verifier, *, threshold = None, p_target = 0.5, c_miss = 1.0, c_fa = 1.0))]
    fn verify(
        &self,
        name: &str,
        test: &Bound<PyAny>,
        verifier: &Verifier,
        threshold: Option<f32>,
        p_target: f64,
        c_miss: f64,
        c_fa: f64,
    ) -> PyResult<Verification> {
        let enrolled = self.get(test.py(), name)?;
        let point = Point::new(threshold, p_target, c_miss, c_fa);
        verifier.verified(&enrolled.0, test, &point)
    }

    fn __contains__(&self, py: Python, name: &str) -> PyResult<bool> {
        let name = SpeakerName::new(name).map_err(raised)?;
        Ok(self.with(py, |store| store.find(&name))?.is_some())
    }

    /// Closes the file.
    fn close(&self, py: Python) {
        py.detach(|| drop(self.lock().take()));
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __exit__(&self, py: Python, _kind: Py<PyAny>, _error: Py<PyAny>, _trace: Py<PyAny>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("Store({:?})", self.path.display().to_string())
    }
}

impl Store {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<spkver::Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Send>(
        &self,
        py: Python,
        work: impl FnOnce(&mut spkver::Store) -> spkver::Result<T> + Send,
    ) -> PyResult<T> {
        let closed = || Error::Usage("the store is closed; open it again".into());
        let done = py.detach(|| self.lock().as_mut().ok_or_else(closed).and_then(work));
        done.map_err(raised)
    }
}
