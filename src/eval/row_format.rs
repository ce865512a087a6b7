//! The first line of a list in, how to read the others out; one line in, its fields out.

use super::rows::{Expected, Row};
use std::borrow::Cow;

/// (fact, remedy), for an error that names the line.
type Complaint = (String, String);

/// How the lines are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// `{"enrol":…}`
    JsonLines,
    /// Fields in a row.
    Columns(Columns),
}

/// Which field is which, from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// What stands between fields.
    pub separator: Separator,
    enrol: usize,
    test: usize,
    score: Option<usize>,
    label: Option<usize>,
    /// NIST: channel a or b of the recording under test.
    side: Option<usize>,
    /// Fields of a line; more are allowed after a header only.
    count: usize,
    has_header: bool,
}

/// What stands between fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Separator {
    /// Tabs if a line has one, otherwise blanks.
    Blank,
    /// With quotes around fields that hold it.
    Char(char),
}

pub(super) const ENROL: &[&str] = &[
    "enrol",
    "enroll",
    "enrolment",
    "enrollment",
    "modelid",
    "enrol_path",
    "enroll_path",
    "path1",
    "file1",
    "utt1",
];
pub(super) const TEST: &[&str] = &["test", "segmentid", "test_path", "path2", "file2", "utt2"];
pub(super) const SCORE: &[&str] = &["score", "llr", "scores"];
pub(super) const LABEL: &[&str] = &["label", "target", "is_target", "targettype", "trial_type"];

const WAYS: &str = "write `1 enrol test` or `enrol test target` for a list of trials, \
     `enrol test score` for scores, with a label behind it where there is no list; with tabs \
     between the fields, paths may hold spaces";

/// The label that `text` is.
pub(super) fn label(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "target" | "tgt" | "tar" | "true" | "same" | "genuine" => Some(true),
        "0" | "nontarget" | "non-target" | "nontgt" | "non" | "imp" | "impostor" | "imposter"
        | "false" | "different" => Some(false),
        _ => None,
    }
}

fn is_label_word(text: &str) -> bool {
    label(text).is_some() && text.parse::<f64>().is_err()
}

/// A finite score, or none.
fn score(text: &str) -> Option<Option<f64>> {
    if text.is_empty() {
        return Some(None);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Some(Some(value)),
        Ok(value) if value.is_nan() => Some(None),
        _ => None,
    }
}

impl Format {
    /// Tells the format from the first line that is not blank.
    pub fn of_first_line(line: &str, expected: Expected) -> Result<Self, Complaint> {
        if line.starts_with('{') {
            return Ok(Format::JsonLines);
        }
        let separators = [Separator::Char(','), Separator::Char(';'), Separator::Blank];
        for separator in separators {
            if let Ok(names) = split(line, separator)
                && let Some(columns) = Columns::of_header(&names, separator)
            {
                return Ok(Format::Columns(columns));
            }
        }
        let mut counts = vec![];
        for separator in [Separator::Blank, Separator::Char(','), Separator::Char(';')] {
            let Ok(fields) = split(line, separator) else {
                continue;
            };
            if let Some(columns) = Columns::of_fields(&fields, separator, expected) {
                return Ok(Format::Columns(columns));
            }
            counts.push(fields.len());
        }
        let count = counts.first().copied().unwrap_or(0);
        Err(match count {
            3 | 4 => (format!("{line:?} is no trial and no score"), WAYS.into()),
            _ => (format!("{count} fields instead of 3 or 4"), WAYS.into()),
        })
    }

    /// Does the first line hold names instead of a trial?
    pub fn has_header(&self) -> bool {
        matches!(self, Format::Columns(columns) if columns.has_header)
    }
}

impl Columns {
    fn of_header(names: &[Cow<str>], separator: Separator) -> Option<Self> {
        let find = |wanted: &[&str]| {
            names.iter().position(|name| {
                let name = name.trim().to_ascii_lowercase();
                wanted.contains(&name.as_str())
            })
        };
        let columns = Columns {
            separator,
            enrol: find(ENROL)?,
            test: find(TEST)?,
            score: find(SCORE),
            label: find(LABEL),
            side: find(&["side"]),
            count: names.len(),
            has_header: true,
        };
        (columns.score.is_some() || columns.label.is_some()).then_some(columns)
    }

    fn of_fields(fields: &[Cow<str>], separator: Separator, expected: Expected) -> Option<Self> {
        let of = |enrol, test, score, label| {
            Some(Columns {
                separator,
                enrol,
                test,
                score,
                label,
                side: None,
                count: fields.len(),
                has_header: false,
            })
        };
        let is_bit = |text: &str| matches!(text, "0" | "1");
        match fields {
            [first, _, third] => {
                let is_score = score(third).is_some();
                if is_label_word(third) {
                    of(0, 1, None, Some(2))
                } else if expected == Expected::Scores && is_score {
                    of(0, 1, Some(2), None)
                } else if is_bit(first) {
                    of(1, 2, None, Some(0))
                } else if is_bit(third) {
                    of(0, 1, None, Some(2))
                } else if is_score {
                    of(0, 1, Some(2), None)
                } else {
                    None
                }
            }
            [first, _, third, fourth] => {
                if is_label_word(third) && score(fourth).is_some() {
                    of(0, 1, Some(3), Some(2))
                } else if score(third).is_some() && label(fourth).is_some() {
                    of(0, 1, Some(2), Some(3))
                } else if is_bit(first) && score(fourth).is_some() {
                    of(1, 2, Some(3), Some(0))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// What the fields of one line say.
    pub fn row<'a>(&self, fields: &'a [Cow<'a, str>]) -> Result<Row<'a>, Complaint> {
        if fields.len() != self.count {
            return Err((
                format!("{} fields instead of {}", fields.len(), self.count),
                WAYS.into(),
            ));
        }
        let field = |at: usize| fields[at].as_ref();
        let told = self.label.map(field).filter(|text| !text.is_empty());
        let is_target = told.map(|text| {
            label(text).ok_or_else(|| {
                (
                    format!("label {text:?}"),
                    "label every trial as the first: 1 or target (same speaker), 0 or nontarget"
                        .to_string(),
                )
            })
        });
        let score = self.score.map(field).map(|text| {
            score(text).ok_or_else(|| {
                (
                    format!("score {text:?}"),
                    "write one `enrol test score` a line, the score a finite number, or nan for \
                     none"
                        .to_string(),
                )
            })
        });
        let test = field(self.test);
        named(Row {
            enrol: field(self.enrol),
            test: match self.side.map(field) {
                Some("b" | "B" | "2") => format!("{test}:b").into(),
                _ => test.into(),
            },
            is_target: is_target.transpose()?,
            score: score.transpose()?,
        })
    }
}

fn named(row: Row) -> Result<Row, Complaint> {
    if row.enrol.is_empty() || row.test.is_empty() {
        return Err(("a recording without a name".into(), WAYS.into()));
    }
    Ok(row)
}

/// The fields of a line, without a comment (`# why` behind a score).
pub fn split(line: &str, separator: Separator) -> Result<Vec<Cow<'_, str>>, Complaint> {
    let quoted = |delimiter: u8| {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(delimiter)
            .from_reader(line.as_bytes());
        match reader.into_records().next() {
            Some(Ok(record)) => Ok(record
                .iter()
                .map(|field| Cow::from(field.to_string()))
                .collect::<Vec<_>>()),
            _ => Err(("quotes that do not match".into(), WAYS.into())),
        }
    };
    let mut fields: Vec<Cow<str>> = match separator {
        Separator::Blank if line.contains('\t') => {
            line.split('\t').map(|f| Cow::from(f.trim())).collect()
        }
        Separator::Blank if line.contains('"') => {
            let mut fields = quoted(b' ')?;
            fields.retain(|field| !field.is_empty());
            fields
        }
        Separator::Blank => line.split_whitespace().map(Cow::from).collect(),
        Separator::Char(separator) if line.contains('"') => quoted(separator as u8)?,
        Separator::Char(separator) => {
            return Ok(line.split(separator).map(|f| Cow::from(f.trim())).collect());
        }
    };
    if separator == Separator::Blank
        && let Some(comment) = fields.iter().skip(3).position(|f| f.starts_with('#'))
    {
        fields.truncate(3 + comment);
    }
    Ok(fields)
}

/// A line of JSON; other keys are passed over.
#[derive(serde::Deserialize)]
pub struct JsonRow<'a> {
    #[serde(
        borrow,
        alias = "enroll",
        alias = "enrolment",
        alias = "enrollment",
        alias = "modelid"
    )]
    enrol: Cow<'a, str>,
    #[serde(borrow, alias = "segmentid")]
    test: Cow<'a, str>,
    #[serde(default, alias = "target", alias = "is_target")]
    label: Option<serde_json::Value>,
    #[serde(default, alias = "llr", deserialize_with = "present")]
    score: Option<Option<f64>>,
}

/// Tells `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<f64>>, D::Error> {
    serde::Deserialize::deserialize(from).map(Some)
}

impl<'a> JsonRow<'a> {
    /// Reads one object.
    pub fn parse(line: &'a str) -> Result<Self, Complaint> {
        serde_json::from_str(line).map_err(|e| {
            (
                e.to_string(),
                "write {\"enrol\":\"…\",\"test\":\"…\",\"score\":1.5,\"label\":1} a line, null for \
                 no score"
                    .into(),
            )
        })
    }

    /// What it says.
    pub fn row(&self) -> Result<Row<'_>, Complaint> {
        let is_target = self.label.as_ref().map(|value| {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            label(&text).ok_or_else(|| {
                (
                    format!("label {text:?}"),
                    "write 1, true or \"target\" for the same speaker, 0, false or \"nontarget\" \
                     otherwise"
                        .to_string(),
                )
            })
        });
        named(Row {
            enrol: &self.enrol,
            test: self.test.as_ref().into(),
            is_target: is_target.transpose()?,
            score: self.score,
        })
    }
}
