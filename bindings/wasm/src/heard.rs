//! What was heard in a recording.

use crate::{answer::reason_json, object::object};
use spkver::{Embedding, Quality, Reason, Utterance};
use wasm_bindgen::prelude::*;

/// A recording's embedding, or the reason why it has none, and its quality facts.
#[wasm_bindgen]
pub struct Heard {
    label: String,
    embedding: Result<Embedding, Reason>,
    quality: Quality,
}

impl Heard {
    pub(crate) fn new(heard: spkver::Analysis, label: Option<String>) -> Self {
        Heard {
            label: label.unwrap_or_else(|| "recording".into()),
            embedding: heard.embedding,
            quality: heard.quality,
        }
    }

    pub(crate) fn embedded(&self) -> Result<&Embedding, Reason> {
        self.embedding.as_ref().map_err(|reason| *reason)
    }

    pub(crate) fn utterance(&self) -> Result<Utterance, Reason> {
        let embedding = self.embedded()?.clone();
        Ok(Utterance::new(
            self.label.as_str(),
            embedding,
            &self.quality,
        ))
    }
}

#[wasm_bindgen]
impl Heard {
    /// Why the recording allows no decision; `undefined` if it does.
    #[wasm_bindgen(getter, unchecked_return_type = "Reason | undefined")]
    pub fn reason(&self) -> JsValue {
        match self.embedding {
            Ok(_) => JsValue::UNDEFINED,
            Err(reason) => object(&reason_json(reason)),
        }
    }

    /// Facts about the recording.
    #[wasm_bindgen(getter, unchecked_return_type = "Quality")]
    pub fn quality(&self) -> JsValue {
        object(&self.quality)
    }

    /// The speaker's embedding, `(E,)`; `undefined` if the recording has none. It identifies the speaker:
    /// keep it as you would keep a password.
    #[wasm_bindgen(getter)]
    pub fn embedding(&self) -> Option<Vec<f32>> {
        let embedding = self.embedding.as_ref().ok()?;
        Some(embedding.values().to_vec())
    }
}
