//! A voiceprint that JavaScript can keep.

use crate::object::{coded, object};
use serde_json::json;
use spkver::storage::backup::lines::{Refused, from_text, to_text};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// An enrolled speaker.
#[wasm_bindgen]
pub struct Voiceprint {
    pub(crate) inner: Arc<spkver::Voiceprint>,
}

#[wasm_bindgen]
impl Voiceprint {
    /// The speaker's name.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.inner.name.to_string()
    }

    /// Id of the model that made it.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> String {
        self.inner.model.to_string()
    }

    /// Its recordings, as facts.
    #[wasm_bindgen(getter, unchecked_return_type = "Utterance[]")]
    pub fn utterances(&self) -> JsValue {
        let facts = self.inner.utterances.iter();
        let facts: Vec<_> = facts
            .map(|u| json!({ "file": u.file, "speech_seconds": u.speech_seconds }))
            .collect();
        object(&facts)
    }

    /// The voiceprint as bytes, not encrypted: the text of a backup with one voiceprint. Whoever has them
    /// can compare them with any recording of the speaker: encrypt them.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_text([&*self.inner]).to_vec()
    }

    /// The voiceprint of these bytes.
    ///
    /// Throws for other bytes.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Voiceprint, JsValue> {
        let refused = |fact: &str| coded(fact, "voiceprint");
        let voiceprints = from_text(bytes).map_err(|reason| match reason {
            Refused::Unknown => refused("no voiceprint that this version knows"),
            Refused::Damaged => refused("the voiceprint is damaged"),
        })?;
        let [inner] = <[_; 1]>::try_from(voiceprints)
            .map_err(|_| refused("expected a voiceprint of one speaker"))?;
        Voiceprint::of(inner)
    }
}

impl Voiceprint {
    /// # Errors
    /// For a voiceprint without recordings, which a faulty program wrote.
    pub(crate) fn of(inner: spkver::Voiceprint) -> Result<Self, JsValue> {
        if inner.utterances.is_empty() {
            return Err(coded("the voiceprint has no recordings", "voiceprint"));
        }
        Ok(Voiceprint {
            inner: inner.into(),
        })
    }
}
