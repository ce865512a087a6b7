//! Parses a line of the stream into a request.

use serde_json::Value;

/// What a valid line asks for.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Request {
    pub id: Value,
    pub audio: Option<String>,
    pub channel: Option<usize>,
    pub start: Option<f64>,
    pub end: Option<f64>,
    pub enroll: Option<Names>,
    pub test: Option<String>,
}

/// The name of one recording, or of several of the same speaker.
#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Request {
    /// Parses a path, two paths separated by a tab, or JSON.
    pub fn parse(line: &str) -> std::result::Result<Self, String> {
        let request = if line.trim_start().starts_with('{') {
            let request: Request = serde_json::from_str(line)
                .map_err(|e| format!("the line is not a request: {e}"))?;
            request
        } else {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                [audio] => Request {
                    audio: Some(audio.to_string()),
                    ..Request::default()
                },
                [enroll, test] => Request {
                    enroll: Some(Names::One(enroll.to_string())),
                    test: Some(test.to_string()),
                    ..Request::default()
                },
                more => {
                    return Err(format!(
                        "{} fields with tabs between them; write one path, or two",
                        more.len()
                    ));
                }
            }
        };
        let names: Vec<&str> = match (&request.audio, &request.enroll, &request.test) {
            (Some(audio), None, None) => vec![audio],
            (None, Some(Names::One(enroll)), Some(test)) => vec![enroll, test],
            (None, Some(Names::Several(enroll)), Some(test)) if !enroll.is_empty() => {
                let names = enroll.iter().map(String::as_str);
                names.chain([test.as_str()]).collect()
            }
            _ => return Err(r#"wanted "audio", or "enroll" and "test""#.into()),
        };
        if names.iter().any(|name| name.trim().is_empty()) {
            return Err("an empty path; write a path, two with a tab between, or JSON".into());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_requests() {
        let audio = |line| Request::parse(line).unwrap().audio.unwrap();
        assert_eq!(audio("my voice.wav"), "my voice.wav");
        assert_eq!(audio(r#" {"audio": "a", "other": 1}"#), "a");
        let pair = Request::parse("a b\tc").unwrap();
        assert_eq!(pair.enroll, Some(Names::One("a b".into())));
        let several = Request::parse(r#"{"id": 7, "enroll": ["a", "b"], "test": "c"}"#).unwrap();
        assert_eq!(
            (several.id, several.enroll),
            (7.into(), Some(Names::Several(vec!["a".into(), "b".into()])))
        );
    }

    #[test]
    fn other_lines_are_told_so() {
        for line in [
            "",
            "  ",
            "a\t",
            "a\tb\tc",
            "{",
            "{}",
            r#"{"audio": 1}"#,
            r#"{"audio": "a", "test": "b"}"#,
            r#"{"enroll": [], "test": "b"}"#,
            r#"{"enroll": "a"}"#,
        ] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
    }
}
