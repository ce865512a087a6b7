//! What a client can ask for: each verb has a route, and a token has a right for each.

use axum::routing::MethodFilter;

/// A verb of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Store recordings of a speaker.
    Enroll,
    /// Is a recording of an enrolled speaker?
    Verify,
    /// Of which enrolled speaker is a recording?
    Identify,
    /// Are two recordings of one speaker?
    Compare,
    /// Erase a voiceprint, or a recording of it.
    Delete,
    /// Who is enrolled?
    List,
    /// Is a recording that is still being made of an enrolled speaker?
    Stream,
    /// Read the counters.
    Metrics,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Verb; 8] = [
        Verb::Enroll,
        Verb::Verify,
        Verb::Identify,
        Verb::Compare,
        Verb::Delete,
        Verb::List,
        Verb::Stream,
        Verb::Metrics,
    ];

    /// The name of the verb in a file of tokens, in metrics and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Enroll => "enroll",
            Verb::Verify => "verify",
            Verb::Identify => "identify",
            Verb::Compare => "compare",
            Verb::Delete => "delete",
            Verb::List => "list",
            Verb::Stream => "stream",
            Verb::Metrics => "metrics",
        }
    }

    /// The verb of this name.
    pub fn named(name: &str) -> Option<Self> {
        Verb::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// Path of the route.
    pub fn path(self) -> String {
        match self {
            Verb::Metrics => "/metrics".into(),
            verb => format!("/v1/{}", verb.name()),
        }
    }

    /// GET if the verb changes nothing and takes no recordings, else POST.
    pub(super) fn method(self) -> MethodFilter {
        match self {
            Verb::List | Verb::Stream | Verb::Metrics => MethodFilter::GET,
            _ => MethodFilter::POST,
        }
    }

    /// The parts of the answer that a client without the right to see scores may see: no score, no
    /// probability and no threshold. Candidates are left out too, because their order would reveal
    /// scores.
    pub(super) fn shown_without_scores(self) -> Vec<&'static str> {
        let keys = match self {
            Verb::Verify | Verb::Compare => "command speaker decision reason reason_text",
            Verb::Identify => "command results path outcome speaker reason reason_text",
            Verb::Enroll => {
                "command speaker num_added num_utterances speech_seconds missing_seconds findings \
                 code path same_as model store files file"
            }
            Verb::List => {
                "command store speakers name model num_utterances speech_seconds damaged speaker \
                 recordings recording file"
            }
            Verb::Stream => {
                "seconds speech_seconds reason command speaker decision reason_text listened end \
                 error code"
            }
            Verb::Delete => "command speaker recording num_utterances",
            Verb::Metrics => "",
        };
        keys.split_whitespace().collect()
    }
}
