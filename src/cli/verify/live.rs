//! `spkver verify NAME -`: answers while the speaker talks.

use crate::cli::{
    listening::{self, Input, Look},
    output::Output,
    recordings,
    trial::Trial,
};
use serde_json::{Value, json};
use spkver::{
    Llr, Result,
    answer::{Criterion, Outcome, json_of},
    verifier::{Analysis, Listener, Verifier, Voiceprint},
};
use std::sync::Arc;

/// A claim to be verified on standard input.
pub(super) struct Claim<'a> {
    pub listening: &'a listening::Args,
    pub recordings: &'a recordings::Args,
    /// If given, decide on this many last seconds again and again, until the input ends.
    pub watch: Option<u32>,
    pub criterion: Criterion,
    pub verifier: Arc<Verifier>,
    pub voiceprint: Arc<Voiceprint>,
    pub output: &'a Output,
}

impl Claim<'_> {
    /// Listens until the answer is clear, the limit is reached or the input ends. Returns the exit
    /// code.
    pub fn listen(&self) -> Result<u8> {
        let input = Input::open(self.listening, self.recordings, self.output)?;
        if let Some(window_seconds) = self.watch {
            return self.watch(input, window_seconds);
        }
        let to_end = self.listening.to_end;
        let test = self.criterion.sequential_test(&self.verifier, to_end)?;
        let listener = Listener::new(Arc::clone(&self.verifier), input.rate_hz())?;
        let listener = listener.against(Arc::clone(&self.voiceprint), test.clone())?;
        let listened = input.listen(listener, &mut |listener, state| {
            Ok(Look {
                note: note(listener.heard(), state.llr.map(Llr::value)),
                is_clear: state.decision.is_some(),
            })
        })?;
        let outcome = listened.outcome(
            &self.voiceprint,
            test.as_ref(),
            &self.criterion,
            &self.verifier,
        )?;
        let (voiceprint, recording) = (&self.voiceprint, &listened.recording);
        let trial = Trial {
            listened: Some(&listened),
            ..Trial::of_claim(voiceprint, voiceprint.name.as_str(), recording, outcome)
        };
        trial.report(&self.verifier, self.output)
    }

    /// Prints a line of JSON each second: whether it is still the same speaker.
    fn watch(&self, input: Input, window_seconds: u32) -> Result<u8> {
        let mut code = 3; // Less than a second of input answers nothing.
        input.watch(&self.verifier, window_seconds, &mut |seconds, heard| {
            let (voiceprint, embedding) = (&self.voiceprint, &heard.embedding);
            // Decides by the threshold for a whole recording.
            let outcome =
                Outcome::of_voiceprint(voiceprint, embedding, &self.criterion, &self.verifier)?;
            code = outcome.exit_code();
            self.output
                .line_of_json(&self.second(seconds, heard, &outcome))
        })?;
        Ok(code)
    }

    fn second(&self, seconds: usize, heard: &Analysis, outcome: &Outcome) -> Value {
        let mut json = outcome.json(&self.verifier);
        json["command"] = json!("verify");
        json["speaker"] = json!(self.voiceprint.name.as_str());
        json["seconds"] = json!(seconds);
        json["speech_seconds"] = json_of(&heard.quality.speech_seconds);
        json
    }
}

/// The text after the seconds in the line for people.
fn note(heard: Option<&Analysis>, llr: Option<f32>) -> String {
    match (heard.map(|heard| &heard.embedding), llr) {
        (Some(Err(reason)), _) => format!(": {reason}"),
        (_, Some(llr)) => format!(", LLR {llr:+.2}"),
        _ => String::new(),
    }
}
