//! An enrolled speaker.

use pyo3::prelude::*;

/// An enrolled speaker: a name and the embedding of each recording.
///
/// `Verifier.enroll` makes it, `Store.add` keeps it.
#[pyclass(frozen, module = "spkver")]
pub struct Voiceprint(pub spkver::Voiceprint);

#[pymethods]
impl Voiceprint {
    /// str: the speaker's name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// str: the id of the model that made its embeddings.
    #[getter]
    fn model(&self) -> String {
        self.0.model.to_string()
    }

    /// list of str: the labels of its recordings.
    #[getter]
    fn recordings(&self) -> Vec<String> {
        self.0.utterances.iter().map(|u| u.file.clone()).collect()
    }

    /// float: seconds of speech in all recordings. From 5 s on a voiceprint is good.
    #[getter]
    fn speech_seconds(&self) -> f32 {
        let seconds: f32 = self.0.utterances.iter().map(|u| u.speech_seconds).sum();
        (seconds * 100.0).round() / 100.0 // whole hops of 10 ms
    }

    fn __len__(&self) -> usize {
        self.0.utterances.len()
    }

    fn __repr__(&self) -> String {
        let (name, count, seconds) = (self.name(), self.__len__(), self.speech_seconds());
        format!("Voiceprint({name:?}, {count} recordings, {seconds:.1} s of speech)")
    }
}
