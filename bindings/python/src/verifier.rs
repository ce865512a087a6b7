//! The class `Verifier`.

use crate::{
    raised::{raised, usage},
    recording::{Analysis, Source},
    scored::Sides,
    threads::{detached, each},
    verification::{Point, Verification},
    voiceprint::Voiceprint,
};
use pyo3::prelude::*;
use spkver::{Error, SpeakerName, Utterance};
use std::{path::PathBuf, sync::Arc};

/// A model that is ready to embed, enroll, verify and compare.
///
/// Verifier() has the model that is part of this package, Verifier(path) another one. It may be shared
/// by threads; work runs without the GIL.
#[pyclass(frozen, module = "spkver")]
pub struct Verifier(Arc<spkver::Verifier>);

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (model = None))]
    fn new(py: Python, model: Option<PathBuf>) -> PyResult<Self> {
        let load = || match &model {
            None => spkver::Verifier::embedded(),
            Some(path) => spkver::Verifier::load(path),
        };
        detached(py, load)
            .map(|verifier| Verifier(Arc::new(verifier)))
            .map_err(raised)
    }

    /// str: the id of the model file.
    #[getter]
    fn model(&self) -> String {
        self.0.file_id().to_string()
    }

    /// int: how many numbers an embedding has, E.
    #[getter]
    fn embedding_size(&self) -> usize {
        self.0.model().head.embedding_size()
    }

    /// bool: are its scores log-likelihood ratios?
    #[getter]
    fn calibrated(&self) -> bool {
        !self.0.model().card.uncalibrated
    }

    /// Embeds a recording.
    ///
    /// Parameters
    /// ----------
    /// recording : path, or array of shape (num_samples,)
    ///     Mono samples: floats from -1 to 1, or int16, int32 or uint8 of full scale. A file may be WAV,
    ///     FLAC, MP3, Opus, Ogg Vorbis, M4A and more; of more than 3 minutes an excerpt is used.
    /// rate_hz : int
    ///     Of samples, 8000 to 192000. A file states its own.
    ///
    /// Returns
    /// -------
    /// Embedding, of shape (E,), or the Refusal that says why there is none.
    #[pyo3(signature = (recording, rate_hz = None))]
    fn embed(&self, recording: &Bound<PyAny>, rate_hz: Option<u32>) -> PyResult<Py<PyAny>> {
        let py = recording.py();
        let source = Source::of(recording, rate_hz)?;
        let heard = detached(py, || source.analyze(&self.0)).map_err(raised)?;
        heard.into_object(py)
    }

    /// Embeds many recordings on all cores, or on RAYON_NUM_THREADS of them. Other threads of Python run
    /// meanwhile, and Ctrl-C stops it.
    ///
    /// Parameters
    /// ----------
    /// recordings : iterable of paths or arrays, or one array of shape (N, num_samples)
    /// rate_hz : int, or one for each recording
    ///
    /// Returns
    /// -------
    /// list of Embedding or Refusal, in the order of the recordings. A file that cannot be read is a
    /// Refusal too, so that it does not stop the others.
    #[pyo3(signature = (recordings, rate_hz = None))]
    fn embed_batch(
        &self,
        recordings: &Bound<PyAny>,
        rate_hz: Option<&Bound<PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let py = recordings.py();
        let items: PyResult<Vec<Py<PyAny>>> = recordings
            .try_iter()?
            .map(|item| Ok(item?.unbind()))
            .collect();
        let items = items?;
        let rates = rates(rate_hz, items.len())?;
        let heard = each(py, items.len(), |index| {
            // Each array is copied when its turn comes: two copies of all would be a lot of memory.
            let source = Python::attach(|py| Source::of(items[index].bind(py), rates[index]))?;
            Ok(Analysis::of(source, &self.0))
        })?;
        heard
            .into_iter()
            .map(|heard| heard.into_object(py))
            .collect()
    }

    /// Are two recordings of one speaker? The order does not change the score.
    ///
    /// Parameters
    /// ----------
    /// a, b : Embedding, Refusal or path
    /// threshold : float
    ///     Accept from this log-likelihood ratio on, in place of costs.
    /// p_target, c_miss, c_fa : float
    ///     Prior probability of "same speaker", costs of a false reject and of a false accept. They choose
    ///     the threshold; with the defaults it is 0.
    ///
    /// Returns
    /// -------
    /// Verification
    #[pyo3(signature = (a, b, *, threshold = None, p_target = 0.5, c_miss = 1.0, c_fa = 1.0))]
    fn compare(
        &self,
        a: &Bound<PyAny>,
        b: &Bound<PyAny>,
        threshold: Option<f32>,
        p_target: f64,
        c_miss: f64,
        c_fa: f64,
    ) -> PyResult<Verification> {
        let point = Point::new(threshold, p_target, c_miss, c_fa).checked()?;
        let both = [
            Analysis::of_object(a, &self.0)?,
            Analysis::of_object(b, &self.0)?,
        ];
        Verification::of(&both, &point, &self.0, |both| {
            self.0.compare(both[0], both[1], &point)
        })
    }

    /// Is the speaker of `test` the one of `voiceprint`?
    ///
    /// Parameters
    /// ----------
    /// voiceprint : Voiceprint
    /// test : Embedding, Refusal or path
    /// threshold, p_target, c_miss, c_fa : float
    ///     As in `compare`.
    ///
    /// Returns
    /// -------
    /// Verification
    #[pyo3(signature = (voiceprint, test, *, threshold = None, p_target = 0.5, c_miss = 1.0, c_fa = 1.0))]
    fn verify(
        &self,
        voiceprint: &Voiceprint,
        test: &Bound<PyAny>,
        threshold: Option<f32>,
        p_target: f64,
        c_miss: f64,
        c_fa: f64,
    ) -> PyResult<Verification> {
        let point = Point::new(threshold, p_target, c_miss, c_fa);
        self.verified(&voiceprint.0, test, &point)
    }

    /// Makes a voiceprint of one speaker's recordings, all or none.
    ///
    /// Parameters
    /// ----------
    /// name : str
    /// recordings : list of Embedding or path, or one of them
    ///
    /// Returns
    /// -------
    /// Voiceprint
    ///
    /// Raises
    /// ------
    /// Error, with the code "audio", if a recording is refused or does not sound like the others.
    fn enroll(&self, name: &str, recordings: &Bound<PyAny>) -> PyResult<Voiceprint> {
        let name = SpeakerName::new(name).map_err(raised)?;
        let utterances = self.utterances(recordings)?;
        self.0
            .enroll(name, utterances)
            .map(Voiceprint)
            .map_err(raised)
    }

    /// Scores trials: each recording is embedded once, on all cores.
    ///
    /// Parameters
    /// ----------
    /// trials : iterable of pairs (enroll, test), or a pandas or polars DataFrame with these two columns
    ///     Each is a path, an Embedding, or a Refusal.
    /// root : path
    ///     Folder that the paths are relative to.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray, float32 of shape (num_trials,): log-likelihood ratios, nan where a recording is
    /// refused. Of a DataFrame: the same with the columns `score` and `reason`, a code where there is no
    /// score.
    ///
    /// Raises
    /// ------
    /// NotFoundError, or Error with the code "io", for a file that cannot be opened.
    #[pyo3(signature = (trials, root = None))]
    fn score<'py>(
        &self,
        trials: &Bound<'py, PyAny>,
        root: Option<PathBuf>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = trials.py();
        let tables = py.import("spkver._tables")?;
        let (enroll, test): (Vec<Bound<PyAny>>, Vec<Bound<PyAny>>) =
            tables.call_method1("pairs", (trials,))?.extract()?;
        let sides = Sides::new(enroll.iter().zip(&test), root.as_deref(), &self.0)?;
        let (scores, reasons) = sides.scores(py, &self.0)?;
        let scores = crate::embedding::array(py, &scores)?;
        tables.call_method1("scored", (trials, scores, reasons))
    }

    fn __repr__(&self) -> String {
        let name = &self.0.model().card.name;
        format!("Verifier({name:?}, {})", &self.model()[..8])
    }
}

impl Verifier {
    /// The library's.
    pub fn library(&self) -> &Arc<spkver::Verifier> {
        &self.0
    }

    /// [`Self::verify`] for a voiceprint of the library.
    ///
    /// # Errors
    /// As it.
    pub fn verified(
        &self,
        voiceprint: &spkver::Voiceprint,
        test: &Bound<PyAny>,
        point: &Point,
    ) -> PyResult<Verification> {
        let point = point.checked()?;
        self.0.check_model(voiceprint).map_err(raised)?;
        let heard = [Analysis::of_object(test, &self.0)?];
        Verification::of(&heard, &point, &self.0, |test| {
            self.0.verify(voiceprint, test[0], &point)
        })
    }

    /// All of the recordings, or an error that names each that is refused.
    fn utterances(&self, recordings: &Bound<PyAny>) -> PyResult<Vec<Utterance>> {
        let is_one = recordings.is_instance_of::<crate::embedding::Embedding>()
            || recordings.is_instance_of::<crate::embedding::Refusal>()
            || crate::recording::is_path(recordings)?;
        let items: Vec<Bound<PyAny>> = match is_one {
            true => vec![recordings.clone()],
            false => recordings.try_iter()?.collect::<PyResult<_>>()?,
        };
        if items.is_empty() {
            return Err(usage("no recordings; enroll one or more"));
        }
        let (mut utterances, mut errors) = (vec![], vec![]);
        for item in &items {
            match Analysis::of_object(item, &self.0)? {
                Analysis::Embedded(embedding) => utterances.push(embedding.utterance),
                Analysis::Refused(refusal) => {
                    errors.push(Error::audio(refusal.label, refusal.text, refusal.remedy));
                }
            }
        }
        for utterance in &utterances {
            self.check_made_here(utterance)?;
        }
        match errors.len() {
            0 => Ok(utterances),
            1 => Err(raised(errors.remove(0))),
            _ => Err(raised(Error::Several(errors))),
        }
    }

    fn check_made_here(&self, utterance: &Utterance) -> PyResult<()> {
        let (label, embedding) = (&utterance.file, &utterance.embedding);
        self.0
            .check_made_here(label, embedding.model())
            .map_err(raised)?;
        let fits = embedding.values().len() == self.0.model().head.embedding_size();
        if fits && self.0.could_have_made(embedding) {
            return Ok(());
        }
        Err(usage(&format!(
            "{label:?}: an embedding that this model never makes; give it as `values` was, not normalised"
        )))
    }
}

/// One rate for all, one for each, or none.
fn rates(rate_hz: Option<&Bound<PyAny>>, count: usize) -> PyResult<Vec<Option<u32>>> {
    let Some(rate_hz) = rate_hz else {
        return Ok(vec![None; count]);
    };
    if let Ok(rate_hz) = rate_hz.extract() {
        return Ok(vec![Some(rate_hz); count]);
    }
    let rates: PyResult<Vec<Option<u32>>> =
        rate_hz.try_iter()?.map(|rate| rate?.extract()).collect();
    let rates = rates?;
    match rates.len() == count {
        true => Ok(rates),
        false => Err(usage(&format!(
            "{} rates for {count} recordings",
            rates.len()
        ))),
    }
}
