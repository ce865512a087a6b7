//! What a recording gives: an embedding, or a refusal.

use crate::raised::{raised, usage};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyType},
};
use serde_json::Value;
use spkver::{Error, Quality, Reason, Utterance, verifier::ModelId};
use std::fmt;

/// The vector that identifies the speaker of one recording.
///
/// `Verifier.embed` makes it. It is true, a `Refusal` is false: `if embedding: …`.
/// Keep it as safe as a password: it identifies a person.
#[pyclass(frozen, module = "spkver")]
#[derive(Clone)]
pub struct Embedding {
    pub utterance: Utterance,
}

/// Why a recording has no embedding. It is false.
///
/// Another recording may have one: show `text` and `remedy` to the speaker.
#[pyclass(frozen, module = "spkver")]
#[derive(Clone)]
pub struct Refusal {
    /// Stable name of the reason, such as "too_little_speech"; of a file that cannot be read, "audio",
    /// "not_found" or "io".
    #[pyo3(get)]
    pub code: String,
    /// The fact, for people.
    #[pyo3(get)]
    pub text: String,
    /// What the speaker can do.
    #[pyo3(get)]
    pub remedy: String,
    /// The file's name, or "samples".
    #[pyo3(get)]
    pub label: String,
    quality: Value,
}

#[pymethods]
impl Embedding {
    /// An embedding that was kept elsewhere: `values` of shape (E,), and the id of the model.
    #[new]
    #[pyo3(signature = (values, model, label = String::new(), quality = None))]
    fn new(
        values: &Bound<PyAny>,
        model: &str,
        label: String,
        quality: Option<&Bound<PyAny>>,
    ) -> PyResult<Self> {
        let py = values.py();
        let bytes = py
            .import("spkver._arrays")?
            .call_method1("vector", (values,))?;
        let bytes = bytes.cast::<PyBytes>()?.as_bytes();
        let values = bytes.as_chunks().0.iter();
        let values: Vec<f32> = values.map(|bytes| f32::from_ne_bytes(*bytes)).collect();
        let model: ModelId = model
            .parse()
            .map_err(|_| usage("model is no id: expected 64 hexadecimal digits"))?;
        let quality = match quality {
            Some(quality) => from_object(quality)?,
            None => Value::Null,
        };
        let seconds = quality.get("speech_seconds").and_then(Value::as_f64);
        let embedding = spkver::Embedding::new(values, model)
            .map_err(|reason| usage(&format!("values: {reason}")))?;
        let utterance = Utterance::without_quality(label, embedding, seconds.unwrap_or(0.0) as f32);
        let utterance = utterance.with_quality(quality.to_string().as_bytes());
        Ok(Embedding {
            utterance: utterance.ok_or_else(|| usage("quality is nested too deeply"))?,
        })
    }

    /// numpy.ndarray: the numbers, float32 of shape (E,), a copy. Needs NumPy.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array(py, self.utterance.embedding.values())
    }

    /// str: the id of the model that made it. Only embeddings of one model can be compared.
    #[getter]
    fn model(&self) -> String {
        self.utterance.embedding.model().to_string()
    }

    /// str: the file's name, or "samples".
    #[getter]
    fn label(&self) -> &str {
        &self.utterance.file
    }

    /// float: seconds of speech.
    #[getter]
    fn speech_seconds(&self) -> f32 {
        self.utterance.speech_seconds
    }

    /// dict or None: facts about the recording, with the keys of `quality` in the program's JSON.
    #[getter]
    fn quality<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_object(py, self.utterance.quality())
    }

    fn __len__(&self) -> usize {
        self.utterance.embedding.values().len()
    }

    fn __repr__(&self) -> String {
        let (label, size) = (self.label(), self.__len__());
        format!("Embedding({label:?}, shape ({size},))")
    }

    /// For pickle, and so for multiprocessing.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, Arguments<'py>)> {
        let values = array(py, self.utterance.embedding.values())?;
        let arguments = (
            values,
            self.model(),
            self.label().to_string(),
            self.quality(py)?,
        );
        Ok((py.get_type::<Self>(), arguments))
    }
}

type Arguments<'py> = (Bound<'py, PyAny>, String, String, Bound<'py, PyAny>);

#[pymethods]
impl Refusal {
    /// dict or None: facts about the recording; None of a file that cannot be read.
    #[getter]
    fn quality<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_object(py, &self.quality.to_string())
    }

    fn __bool__(&self) -> bool {
        false
    }

    fn __str__(&self) -> String {
        self.to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "Refusal({:?}, {:?}: {:?})",
            self.code, self.label, self.text
        )
    }
}

impl Refusal {
    /// Of a recording that was read.
    pub fn new(label: String, reason: Reason, quality: &Quality) -> Self {
        // Written as text first, where an f32 is 0.1 and not 0.10000000149011612.
        let facts = serde_json::to_string(quality).unwrap_or_default();
        Refusal {
            quality: serde_json::from_str(&facts).unwrap_or_default(),
            label,
            ..reason.into()
        }
    }

    /// The fact, with the name of the file if there is one.
    pub fn fact(&self) -> String {
        match self.label.is_empty() {
            true => self.text.clone(),
            false => format!("{}: {}", self.label, self.text),
        }
    }

    /// Of a file that was not.
    pub fn unread(label: String, error: &Error) -> Self {
        let (text, remedy) = match error {
            Error::Audio { fact, remedy, .. } => (fact.clone(), remedy.to_string()),
            Error::Io {
                doing,
                source,
                remedy,
                ..
            } => (format!("cannot {doing}: {source}"), remedy.to_string()),
            other => (other.to_string(), String::new()),
        };
        Refusal {
            code: error.code().into(),
            text,
            remedy,
            label,
            quality: Value::Null,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.fact(), self.remedy)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Refusal {
            code: reason.code().into(),
            text: reason.to_string(),
            remedy: reason.remedy().to_string(),
            label: String::new(),
            quality: Value::Null,
        }
    }
}

/// `(N,)` as a numpy.ndarray of float32.
pub fn array<'py>(py: Python<'py>, values: &[f32]) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect();
    let arrays = py.import("spkver._arrays")?;
    arrays.call_method1("array", (PyBytes::new(py, &bytes),))
}

fn to_object<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (json,))
}

fn from_object(object: &Bound<PyAny>) -> PyResult<Value> {
    let text: String = object
        .py()
        .import("json")?
        .call_method1("dumps", (object,))?
        .extract()?;
    serde_json::from_str(&text).map_err(|e| raised(Error::Usage(format!("quality: {e}"))))
}
