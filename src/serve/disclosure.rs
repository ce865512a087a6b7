//! Hides scores from clients that may not see them. Whoever sees scores can change a recording a
//! little at a time until it is accepted (hill-climbing). A client without the right to see scores
//! gets only the decision and the reason.

use super::verb::Verb;
use serde_json::Value;

/// The answer without scores: only the keys that [`Verb::shown_without_scores`] lists.
pub fn without_scores(verb: Verb, answer: Value) -> Value {
    only(answer, &verb.shown_without_scores())
}

fn only(value: Value, shown: &[&str]) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(key, _)| shown.contains(&key.as_str()))
            .map(|(key, value)| match value {
                Value::String(text) if key == "reason_text" => {
                    (key, text_without_scores(&text).into())
                }
                value => (key, only(value, shown)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| only(item, shown)).collect(),
        value => value,
    }
}

/// A message without its scores, which are written `(LLR -1.23)` or `(logit 1.23)`.
pub fn text_without_scores(text: &str) -> String {
    let mut shown = text.to_string();
    for opening in [" (LLR ", " (logit "] {
        while let Some(start) = shown.find(opening) {
            let length = shown[start..].find(')');
            let end = length.map_or(shown.len(), |length| start + length + 1);
            shown.replace_range(start..end, "");
        }
    }
    // If a score is mentioned in any other way, the rest of the message is left out.
    for word in ["LLR", "logit"] {
        if let Some(start) = shown.find(word) {
            shown.truncate(start);
            shown.truncate(shown.trim_end_matches([' ', ':', '(']).len());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scoring::Reason, verifier::CONSISTENT_FROM};
    use serde_json::json;

    #[test]
    fn a_decision_without_scores_is_the_decision_and_the_reason() {
        let answer = json!({
            "command": "verify", "speaker": "anna", "decision": "reject", "reason": null,
            "reason_text": null, "llr": -1.5, "p": 0.2, "threshold": 0.0, "new_key": -1.5,
            "files": [{"path": "a.wav", "llr": -1.5}],
        });
        assert_eq!(
            without_scores(Verb::Verify, answer),
            json!({
                "command": "verify", "speaker": "anna", "decision": "reject", "reason": null,
                "reason_text": null,
            })
        );
    }

    #[test]
    fn no_text_gives_a_score() {
        let reasons = [
            Reason::SeveralSpeakers { llr: -12.5 },
            Reason::NearlySeveralSpeakers {
                llr: -12.5,
                logit: 3.25,
            },
            Reason::OverlappedSpeech { logit: 3.25 },
            Reason::Undecided {
                llr: -12.5,
                reject_below: 3.25,
                accept_from: 3.25,
            },
        ];
        for text in reasons.map(|reason| reason.to_string()) {
            let shown = text_without_scores(&text);
            assert!(!shown.contains("12.5") && !shown.contains("3.2"), "{shown}");
        }
        let llr = CONSISTENT_FROM.value();
        let odd = format!("a.wav: does not sound like the others (LLR {llr:+.2}); leave it out");
        assert_eq!(
            text_without_scores(&odd),
            "a.wav: does not sound like the others; leave it out"
        );
        assert_eq!(text_without_scores("not clear: LLR 3"), "not clear");
        assert_eq!(text_without_scores("cut (LLR 3"), "cut");
        assert_eq!(text_without_scores("no score"), "no score");
    }
}
