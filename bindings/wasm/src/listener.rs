//! Hears a speaker while the recording is still being made.

use crate::{
    answer::{answer_json, reason_json},
    heard::Heard,
    object::{fields, object, thrown},
    verifier::Verifier,
    voiceprint::Voiceprint,
};
use serde_json::json;
use spkver::{OperatingPoint, Verification, scoring::SequentialTest};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// Hears one speaker, block by block. It takes a look from time to time: at one second, and then ever more
/// rarely.
#[wasm_bindgen]
pub struct Listener {
    verifier: Arc<spkver::Verifier>,
    /// None only within a call.
    inner: Option<spkver::Listener>,
    claim: Option<Claim>,
}

struct Claim {
    voiceprint: Arc<spkver::Voiceprint>,
    test: Option<SequentialTest>,
}

/// The error rates of a sequential test. `types.ts` describes the fields.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rates {
    false_accept: Option<f64>,
    false_reject: Option<f64>,
}

#[wasm_bindgen]
impl Listener {
    /// Hears samples at `rate_hz`, 8000 to 192,000.
    ///
    /// Throws for another rate.
    #[wasm_bindgen(constructor)]
    pub fn new(verifier: &Verifier, rate_hz: u32) -> Result<Listener, JsValue> {
        let verifier = Arc::clone(&verifier.inner);
        let inner = spkver::Listener::new(Arc::clone(&verifier), rate_hz).map_err(thrown)?;
        Ok(Listener {
            verifier,
            inner: Some(inner),
            claim: None,
        })
    }

    /// Also scores what is heard against this voiceprint, and decides as soon as the score is clear enough
    /// for these error rates. Call it before the first `push`.
    ///
    /// Gives whether the listener can decide: only a model that knows the scores of growing recordings can.
    /// Without, its scores are there all the same.
    ///
    /// Throws for a voiceprint of another model, and for rates that the model's calibration does not support.
    pub fn against(
        &mut self,
        voiceprint: &Voiceprint,
        #[wasm_bindgen(unchecked_optional_param_type = "Rates")] rates: JsValue,
    ) -> Result<bool, JsValue> {
        self.verifier
            .check_model(&voiceprint.inner)
            .map_err(thrown)?;
        let wanted: Rates = fields(&rates, "rates")?;
        let test = self
            .verifier
            .sequential_test(wanted.false_accept, wanted.false_reject)
            .map_err(thrown)?;
        let voiceprint = Arc::clone(&voiceprint.inner);
        let inner = self.take().against(Arc::clone(&voiceprint), test.clone());
        self.inner = Some(inner.map_err(thrown)?);
        let decides = test.is_some();
        self.claim = Some(Claim { voiceprint, test });
        Ok(decides)
    }

    /// Takes the next samples of one channel, nominally −1 to 1, any number of them.
    ///
    /// Throws for samples that are no numbers or far beyond full scale; none of them is taken then.
    #[wasm_bindgen(unchecked_return_type = "State")]
    pub fn push(&mut self, samples: &[f32]) -> Result<JsValue, JsValue> {
        let inner = self.inner.as_mut().expect(WHOLE);
        let state = inner.push(samples).map_err(thrown)?;
        let reason = inner
            .heard()
            .and_then(|heard| heard.embedding.as_ref().err());
        Ok(object(&json!({
            "seconds": state.seconds,
            "is_new": state.is_new,
            "speech_seconds": state.speech_seconds,
            "llr": state.llr,
            "decision": state.decision.map(|decision| decision.code()),
            "reason": reason.map(|reason| reason_json(*reason)),
        })))
    }

    /// What the last look found; `undefined` before the first.
    pub fn heard(&self, label: Option<String>) -> Option<Heard> {
        let heard = self.inner.as_ref()?.heard()?;
        let heard = spkver::Analysis {
            embedding: heard.embedding.clone(),
            quality: heard.quality.clone(),
        };
        Some(Heard::new(heard, label))
    }

    /// The answer, once there is a decision; `undefined` before.
    #[wasm_bindgen(unchecked_return_type = "Answer | undefined")]
    pub fn answer(&self) -> JsValue {
        self.decided().unwrap_or(JsValue::UNDEFINED)
    }

    /// The end of the recording: what was heard in all of it, as `Verifier.hear` would.
    ///
    /// Throws if there were no samples.
    pub fn finish(mut self, label: Option<String>) -> Result<Heard, JsValue> {
        let heard = self.take().finish().map_err(thrown)?;
        Ok(Heard::new(heard, label))
    }
}

const WHOLE: &str = "a listener between two calls";

impl Listener {
    fn take(&mut self) -> spkver::Listener {
        self.inner.take().expect(WHOLE)
    }

    fn decided(&self) -> Option<JsValue> {
        let Claim { voiceprint, test } = self.claim.as_ref()?;
        let inner = self.inner.as_ref()?;
        inner.state().decision?;
        let heard = inner.heard()?.embedding.as_ref().ok()?;
        let enrolled = voiceprint.embeddings();
        let kind = self.verifier.trial_kind(&enrolled, heard);
        let llr = self.verifier.llr(&enrolled, heard)?;
        let (decision, expected) = test.as_ref()?.judge(llr, kind);
        let point = OperatingPoint::default().with_threshold(expected.threshold as f32);
        let point = point.ok()?;
        let verification = Verification {
            decision,
            ..Verification::of(Some(llr), &point)
        };
        let mut answer = answer_json(&verification, &point, Some(kind), &self.verifier);
        answer["live"] = json!(true);
        answer["expected"] = json!({
            "false_accept": expected.false_accept,
            "false_reject": expected.false_reject,
        });
        Some(object(&answer))
    }
}
