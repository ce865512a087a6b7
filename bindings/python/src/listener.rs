//! The class `Listener`: hears a recording while it is being made.

use crate::{
    embedding::{Embedding, Refusal},
    raised::{raised, usage},
    recording::{Analysis, Source},
    threads::detached,
    verifier::Verifier,
    voiceprint::Voiceprint,
};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Hears one speaker while the recording is still being made.
///
/// Push the blocks of a microphone; from time to time it takes a look at all that it has heard. With a
/// voiceprint each look has a score, and a decision as soon as the score is clear enough.
///
/// Parameters
/// ----------
/// verifier : Verifier
/// rate_hz : int
///     Of the samples, 8000 to 192000.
/// voiceprint : Voiceprint
///     Of the speaker who is claimed.
/// false_accept, false_reject : float
///     Error rates of the decision, as measured when the model was calibrated: 0.01, or the least that
///     the calibration supports. A model without such a calibration scores and does not decide.
#[pyclass(frozen, module = "spkver")]
pub struct Listener {
    verifier: Arc<spkver::Verifier>,
    rate_hz: u32,
    /// None when finished.
    listener: Mutex<Option<spkver::Listener>>,
}

/// What a Listener knows after a block.
#[pyclass(frozen, module = "spkver", get_all)]
pub struct State {
    /// float: seconds of audio so far.
    seconds: f32,
    /// bool: did this block make the listener take a look? What follows is of the last look.
    is_new: bool,
    /// float: seconds of speech.
    speech_seconds: f32,
    /// float or None: log-likelihood ratio against the claimed speaker.
    llr: Option<f32>,
    /// str or None: "accept" or "reject", once the score is clear enough. It does not change any more.
    decision: Option<String>,
}

#[pymethods]
impl Listener {
    #[new]
    #[pyo3(signature = (verifier, rate_hz, voiceprint = None, *, false_accept = None, false_reject = None))]
    fn new(
        verifier: &Verifier,
        rate_hz: u32,
        voiceprint: Option<&Voiceprint>,
        false_accept: Option<f64>,
        false_reject: Option<f64>,
    ) -> PyResult<Self> {
        let verifier = Arc::clone(verifier.library());
        let mut listener = spkver::Listener::new(Arc::clone(&verifier), rate_hz).map_err(raised)?;
        let are_wanted = false_accept.is_some() || false_reject.is_some();
        if let Some(voiceprint) = voiceprint {
            let test = verifier
                .sequential_test(false_accept, false_reject)
                .map_err(raised)?;
            if test.is_none() && are_wanted {
                return Err(usage(
                    "the model was not calibrated for decisions while listening",
                ));
            }
            let voiceprint = Arc::new(voiceprint.0.clone());
            listener = listener.against(voiceprint, test).map_err(raised)?;
        } else if are_wanted {
            return Err(usage(
                "error rates are for a decision; give the claimed voiceprint",
            ));
        }
        Ok(Listener {
            verifier,
            rate_hz,
            listener: Mutex::new(Some(listener)),
        })
    }

    /// Takes the next samples: an array of shape (num_samples,), any number of them.
    ///
    /// Returns
    /// -------
    /// State
    fn push(&self, samples: &Bound<PyAny>) -> PyResult<State> {
        let py = samples.py();
        let Source::Samples { samples, .. } = Source::of(samples, Some(self.rate_hz))? else {
            return Err(usage("expected samples"));
        };
        let push = || {
            let mut listener = self.lock();
            let listener = listener.as_mut().ok_or_else(finished)?;
            listener.push(&samples)
        };
        let state = detached(py, push).map_err(raised)?;
        Ok(State {
            seconds: state.seconds,
            is_new: state.is_new,
            speech_seconds: state.speech_seconds,
            llr: state.llr.map(spkver::Llr::value),
            decision: state.decision.map(|decision| decision.code().to_string()),
        })
    }

    /// Embedding, Refusal or None: what the last look found.
    #[getter]
    fn heard(&self, py: Python) -> PyResult<Option<Py<PyAny>>> {
        let found = py.detach(|| self.lock().as_ref()?.heard().map(of_look));
        found.map(|heard| heard.into_object(py)).transpose()
    }

    /// Ends the recording.
    ///
    /// Returns
    /// -------
    /// Embedding or Refusal, the same as of a file with these samples.
    fn finish(&self, py: Python) -> PyResult<Py<PyAny>> {
        let finish = || {
            let listener = self.lock().take().ok_or_else(finished)?;
            Ok(of_look(&listener.finish()?))
        };
        detached(py, finish).map_err(raised)?.into_object(py)
    }

    fn __repr__(&self) -> String {
        let model = self.verifier.file_id().to_string();
        format!("Listener({} Hz, model {})", self.rate_hz, &model[..8])
    }
}

#[pymethods]
impl State {
    fn __repr__(&self) -> String {
        let score = self
            .llr
            .map_or(String::new(), |llr| format!(", LLR {llr:+.2}"));
        let decision = self.decision.as_deref().unwrap_or("none yet");
        format!("State({:.2} s{score}, decision: {decision})", self.seconds)
    }
}

impl Listener {
    fn lock(&self) -> MutexGuard<'_, Option<spkver::Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn finished() -> spkver::Error {
    spkver::Error::Usage("the listener has finished; make another one".into())
}

fn of_look(heard: &spkver::verifier::Analysis) -> Analysis {
    let label = "samples".to_string();
    match &heard.embedding {
        Ok(embedding) => Analysis::Embedded(Embedding {
            utterance: spkver::Utterance::new(label, embedding.clone(), &heard.quality),
        }),
        Err(reason) => Analysis::Refused(Refusal::new(label, *reason, &heard.quality)),
    }
}
