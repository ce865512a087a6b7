//! Trial lists of any length: text in, one trial at a time out. The layout is told by the first
//! line:
//!
//! ```text
//! VoxCeleb   1 enrol test                      1 target, 0 nontarget
//! Kaldi      enrol test target|nontarget       (or 1|0)
//! NIST       modelid  segmentid  [side]  [targettype]      by its header, fields between tabs
//! pairs      enrol test
//! ```
//!
//! Fields stand between blanks; where a line has a tab, between tabs; where there are neither,
//! between commas. Names with blanks in them need tabs, or quotes: `"my voice.wav"`. A header may
//! name the columns of any list. NIST's side b is channel 2, and is told by `:b` behind the name.

use super::lines::Lines;
use crate::{Error, Result};
use std::{borrow::Cow, io::Read, path::Path};

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialLine<'a> {
    /// The enrolled recording or model.
    pub enrol: Cow<'a, str>,
    /// The recording under test.
    pub test: Cow<'a, str>,
    /// Same speaker, where the list says so.
    pub is_target: Option<bool>,
    /// Line in the list, from 1.
    pub line: usize,
}

/// Reads a list line by line.
#[derive(Debug)]
pub struct TrialLines<R> {
    lines: Lines<R>,
    layout: Option<Layout>,
}

/// Which field is what.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Layout {
    num_fields: usize,
    enrol: usize,
    test: usize,
    label: Option<usize>,
    /// NIST: channel a or b of the test recording.
    side: Option<usize>,
    has_header: bool,
    /// Fields stand between commas.
    commas: bool,
    /// Two or three fields between blanks: enrol, test, and a label perhaps.
    is_plain: bool,
}

const REMEDY: &str = "write `1 enrol test`, `enrol test target|nontarget` or `enrol test`; with tabs \
                      between the fields or quotes around them, paths may hold spaces";

impl<R: Read> TrialLines<R> {
    /// Reads `source`; `path` is for the errors.
    pub fn new(source: R, path: &Path) -> Self {
        TrialLines {
            lines: Lines::new(source, path),
            layout: None,
        }
    }

    /// The next trial; `None` at the end. Blank lines are passed over.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::List`] with the line.
    pub fn next_trial(&mut self) -> Result<Option<TrialLine<'_>>> {
        let layout = loop {
            if !self.lines.advance()? {
                return Ok(None);
            }
            if self.lines.text().bytes().all(|b| b.is_ascii_whitespace()) {
                continue;
            }
            match self.layout {
                Some(layout) => break layout,
                None => {
                    let layout = self.layout_of_first_line()?;
                    self.layout = Some(layout);
                    if !layout.has_header {
                        break layout;
                    }
                }
            }
        };
        self.trial(&layout).map(Some)
    }

    /// Does the list name channels, as NIST's do? Known once a trial was read.
    pub fn has_sides(&self) -> bool {
        self.layout.is_some_and(|layout| layout.side.is_some())
    }

    /// What the list is called in errors.
    pub fn path(&self) -> &Path {
        self.lines.path()
    }

    fn trial(&self, layout: &Layout) -> Result<TrialLine<'_>> {
        if layout.is_plain
            && let Some(words) = self.words(layout.num_fields)
        {
            return Ok(TrialLine {
                enrol: words[layout.enrol].into(),
                test: words[layout.test].into(),
                is_target: match layout.label {
                    Some(column) => Some(self.label(words[column], column)?),
                    None => None,
                },
                line: self.lines.number(),
            });
        }
        let fields = self.fields(layout.commas)?;
        if fields.count != layout.num_fields {
            let fact = format!("{} fields instead of {}", fields.count, layout.num_fields);
            return Err(self.refuse(fact, REMEDY));
        }
        let is_target = match layout.label {
            Some(column) => Some(self.label(&fields.of[column], column)?),
            None => None,
        };
        let [enrol, mut test] = [layout.enrol, layout.test].map(|i| fields.of[i].clone());
        if enrol.is_empty() || test.is_empty() {
            return Err(self.refuse("an empty name".into(), REMEDY));
        }
        if let Some(column) = layout.side {
            match &*fields.of[column] {
                "a" | "A" | "1" | "" => {}
                "b" | "B" | "2" => test = format!("{test}:b").into(),
                other => return Err(self.refuse(format!("side {other:?}"), "write a or b")),
            }
        }
        Ok(TrialLine {
            enrol,
            test,
            is_target,
            line: self.lines.number(),
        })
    }

    fn words(&self, num_fields: usize) -> Option<[&str; 3]> {
        match num_fields {
            2 => self.lines.words().map(|[enrol, test]| [enrol, test, ""]),
            _ => self.lines.words(),
        }
    }

    fn label(&self, label: &str, column: usize) -> Result<bool> {
        match (label, column) {
            ("1" | "target", _) => Ok(true),
            ("0" | "nontarget", _) => Ok(false),
            (_, 0) => Err(self.refuse(
                format!("label {label:?}"),
                "begin each line with 1 (same speaker) or 0, as the VoxCeleb lists do, or end each \
                 line with target or nontarget, as Kaldi's do",
            )),
            _ => Err(self.refuse(
                format!("label {label:?}"),
                "end each line with target or nontarget, as the first line does",
            )),
        }
    }

    fn layout_of_first_line(&self) -> Result<Layout> {
        let mut commas = false;
        let mut fields = self.fields(commas)?;
        if fields.count == 1 && self.lines.text().contains(',') {
            commas = true;
            fields = self.fields(commas)?;
        }
        let count = fields.count;
        // There may be more than are kept.
        let fields: Vec<&str> = fields.of.iter().take(count).map(|f| &**f).collect();
        if let Some(layout) = header(&fields, count, commas) {
            return Ok(layout);
        }
        let is_label = |field: &str| matches!(field, "1" | "0" | "target" | "nontarget");
        let is_word = |field: &str| matches!(field, "target" | "nontarget");
        let [enrol, test, label] = match *fields.as_slice() {
            [_, _] => [0, 1, 2],
            [_, _, third] if is_word(third) => [0, 1, 2],
            [first, _, _] if is_label(first) => [1, 2, 0],
            [_, _, third] if is_label(third) => [0, 1, 2],
            [_, _, third] => {
                return Err(self.refuse(
                    format!(
                        "3 fields without a label: neither {:?} nor {third:?} is one",
                        fields[0]
                    ),
                    REMEDY,
                ));
            }
            _ => {
                let fact = format!("{count} fields instead of 2 or 3");
                return Err(self.refuse(fact, REMEDY));
            }
        };
        Ok(Layout {
            num_fields: fields.len(),
            enrol,
            test,
            label: (fields.len() == 3).then_some(label),
            side: None,
            has_header: false,
            commas,
            is_plain: !commas,
        })
    }

    fn fields(&self, commas: bool) -> Result<Fields<'_>> {
        Fields::split(self.lines.text(), commas).map_err(|fact| self.refuse(fact.into(), REMEDY))
    }

    fn refuse(&self, fact: String, remedy: &str) -> Error {
        Error::List {
            path: self.lines.path().to_path_buf(),
            line: self.lines.number(),
            fact,
            remedy: remedy.into(),
        }
    }
}

/// The fields of a line. More than there is room for are counted, not kept.
#[derive(Default)]
struct Fields<'a> {
    of: [Cow<'a, str>; 12],
    count: usize,
}

impl<'a> Fields<'a> {
    /// At tabs where there are any, otherwise at `commas` or blanks; a fact where quotes are wrong.
    fn split(text: &'a str, commas: bool) -> std::result::Result<Self, &'static str> {
        let text = text.trim_ascii();
        if memchr::memchr(b'"', text.as_bytes()).is_some() {
            return Fields::quoted(text, commas);
        }
        let mut fields = Fields::default();
        if memchr::memchr(b'\t', text.as_bytes()).is_some() {
            text.split('\t').for_each(|f| fields.push(f.trim().into()));
        } else if commas {
            text.split(',').for_each(|f| fields.push(f.trim().into()));
        } else {
            let words = text.split(' ').filter(|word| !word.is_empty());
            words.for_each(|word| fields.push(word.into()));
        }
        Ok(fields)
    }

    fn push(&mut self, field: Cow<'a, str>) {
        if let Some(place) = self.of.get_mut(self.count) {
            *place = field;
        }
        self.count += 1;
    }

    /// Some fields in quotes, `""` for a quote within.
    fn quoted(text: &'a str, commas: bool) -> std::result::Result<Self, &'static str> {
        let tabs = text.contains('\t');
        let is_gap = |c: char| match (tabs, commas) {
            (true, _) => c == '\t',
            (_, true) => c == ',',
            _ => c.is_ascii_whitespace(),
        };
        let mut fields = Fields::default();
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            let field;
            if let Some(inside) = rest.strip_prefix('"') {
                let mut end = 0;
                loop {
                    let quote = inside[end..]
                        .find('"')
                        .ok_or("a quote that is not closed")?;
                    end += quote + 1;
                    if !inside[end..].starts_with('"') {
                        break;
                    }
                    end += 1;
                }
                field = Cow::Owned(inside[..end - 1].replace("\"\"", "\""));
                rest = &inside[end..];
                if !(rest.is_empty() || rest.starts_with(is_gap)) {
                    return Err("text behind a closing quote");
                }
            } else {
                let end = rest.find(is_gap).unwrap_or(rest.len());
                field = Cow::Borrowed(rest[..end].trim_ascii());
                rest = &rest[end..];
            }
            fields.push(field);
            rest = match (tabs || commas, rest.is_empty()) {
                (true, false) => rest[1..].trim_start_matches(' '),
                _ => rest.trim_start(),
            };
        }
        Ok(fields)
    }
}

/// A first line that names the columns: NIST's, or our own score files'. Of `num_fields` those that
/// are kept.
fn header(fields: &[&str], num_fields: usize, commas: bool) -> Option<Layout> {
    let find = |names: &[&str]| {
        let is_one = |field: &&str| names.contains(&field.to_ascii_lowercase().as_str());
        fields.iter().position(is_one)
    };
    Some(Layout {
        num_fields,
        enrol: find(&[
            "modelid",
            "model_id",
            "model",
            "enroll",
            "enrol",
            "enrollment",
            "enrolment",
        ])?,
        test: find(&[
            "segmentid",
            "segment_id",
            "segment",
            "test",
            "testid",
            "test_id",
        ])?,
        label: find(&["targettype", "target_type", "label", "key"]),
        side: find(&["side", "channel"]),
        has_header: true,
        commas,
        is_plain: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let mut lines = TrialLines::new(text.as_bytes(), Path::new("list"));
        let mut trials = vec![];
        while let Some(trial) = lines.next_trial()? {
            trials.push((trial.enrol.to_string(), trial.test.to_string()));
        }
        Ok(trials)
    }

    #[test]
    fn a_line_of_more_fields_than_are_kept_is_counted_right() {
        let more: String = (0..11).map(|i| format!(",c{i}")).collect();
        let list = format!("enrol,test,label{more}\na,b,target{more}\nc,d,nontarget{more}\n");
        let wanted = [("a", "b"), ("c", "d")].map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(read(&list).unwrap(), wanted);
        let refused = read(&list.replace("c,d,", "c,d,e,")).unwrap_err();
        assert!(refused.to_string().contains("15 fields"), "{refused}");
        let refused = read("1 a b c d e f g h i j k l m n\n").unwrap_err();
        assert!(refused.to_string().contains("15 fields"), "{refused}");
    }
}
