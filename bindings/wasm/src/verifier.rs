//! The verifier, with the model inside.

use crate::{
    answer::{Terms, answer_json},
    heard::Heard,
    object::{fields, object, refused, thrown},
    voiceprint::Voiceprint,
};
use spkver::{Embedding, Recording, SpeakerName, Verification};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A model that is ready to hear, enroll, verify and compare.
#[wasm_bindgen]
pub struct Verifier {
    pub(crate) inner: Arc<spkver::Verifier>,
}

#[wasm_bindgen]
impl Verifier {
    /// The built-in model.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Result<Verifier, JsValue> {
        let inner = spkver::Verifier::embedded().map_err(thrown)?;
        Ok(Verifier {
            inner: inner.into(),
        })
    }

    /// Id of the model, 64 hexadecimal digits. Voiceprints carry it: they are of use with this model only.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> String {
        self.inner.id().to_string()
    }

    /// Hears a whole recording: `samples` of one channel, nominally −1 to 1, at 8000 to 192,000 Hz.
    /// `label` is what people will read in a voiceprint, such as a file's name.
    pub fn hear(
        &self,
        samples: Vec<f32>,
        rate_hz: u32,
        label: Option<String>,
    ) -> Result<Heard, JsValue> {
        let recording = Recording::from_samples(samples, rate_hz).map_err(thrown)?;
        Ok(Heard::new(self.inner.analyze(&recording), label))
    }

    /// The embedding of a recording, `(E,)`, for programs of their own.
    ///
    /// Throws the reason if the recording has none.
    pub fn embed(&self, samples: Vec<f32>, rate_hz: u32) -> Result<Vec<f32>, JsValue> {
        let recording = Recording::from_samples(samples, rate_hz).map_err(thrown)?;
        let embedding = self.inner.embed(&recording).map_err(refused)?;
        Ok(embedding.values().to_vec())
    }

    /// Makes a voiceprint of a first recording. With `add` it becomes a better one.
    ///
    /// Throws if the recording is refused or the name is no name.
    pub fn enroll(&self, name: String, recording: &Heard) -> Result<Voiceprint, JsValue> {
        let name = SpeakerName::new(name).map_err(thrown)?;
        let utterance = recording.utterance().map_err(refused)?;
        let inner = self.inner.enroll(name, vec![utterance]).map_err(thrown)?;
        Ok(Voiceprint {
            inner: inner.into(),
        })
    }

    /// The voiceprint with one more recording.
    ///
    /// Throws if the recording is refused, or does not sound like the others.
    pub fn add(&self, voiceprint: &Voiceprint, recording: &Heard) -> Result<Voiceprint, JsValue> {
        self.inner.check_model(&voiceprint.inner).map_err(thrown)?;
        let mut utterances = voiceprint.inner.utterances.clone();
        utterances.push(recording.utterance().map_err(refused)?);
        let name = voiceprint.inner.name.clone();
        let inner = self.inner.enroll(name, utterances).map_err(thrown)?;
        Ok(Voiceprint {
            inner: inner.into(),
        })
    }

    /// Is the recording of the enrolled speaker?
    ///
    /// Throws for a voiceprint of another model, or terms that are none.
    #[wasm_bindgen(unchecked_return_type = "Answer")]
    pub fn verify(
        &self,
        voiceprint: &Voiceprint,
        recording: &Heard,
        #[wasm_bindgen(unchecked_optional_param_type = "Terms")] terms: JsValue,
    ) -> Result<JsValue, JsValue> {
        self.inner.check_model(&voiceprint.inner).map_err(thrown)?;
        self.answer(&voiceprint.inner.embeddings(), recording, &terms)
    }

    /// Are two recordings of one speaker? Their order makes no difference.
    ///
    /// Throws for terms that are none.
    #[wasm_bindgen(unchecked_return_type = "Answer")]
    pub fn compare(
        &self,
        a: &Heard,
        b: &Heard,
        #[wasm_bindgen(unchecked_optional_param_type = "Terms")] terms: JsValue,
    ) -> Result<JsValue, JsValue> {
        match a.embedded() {
            Ok(embedding) => self.answer(&[embedding], b, &terms),
            Err(_) => self.answer(&[], a, &terms),
        }
    }
}

impl Verifier {
    fn answer(
        &self,
        enrolled: &[&Embedding],
        test: &Heard,
        terms: &JsValue,
    ) -> Result<JsValue, JsValue> {
        let point = fields::<Terms>(terms, "terms")?.point().map_err(thrown)?;
        let (verification, kind) = match test.embedded() {
            Ok(test) => {
                let llr = self.inner.llr(enrolled, test);
                let kind = self.inner.trial_kind(enrolled, test);
                let verification = Verification::of(llr, &point);
                (verification, Some(kind))
            }
            Err(reason) => (Verification::unfit(reason), None),
        };
        Ok(object(&answer_json(
            &verification,
            &point,
            kind,
            &self.inner,
        )))
    }
}
