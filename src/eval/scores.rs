//! Score files in and out: one `enrol test score` a line, `nan` where there is none (what follows
//! a `#` says why). CSV with a header `enroll,test,…,score,…` and JSON lines
//! `{"enroll", "test", "score"}` are read as well, told by the first line.

use super::{
    lines::Lines,
    trial_lines::Fields,
    trials::{Trial, TrialList},
};
use crate::{Error, Result};
use rustc_hash::FxHashMap;
use std::{borrow::Cow, fmt::Write as _, fs::File, io::Read, path::Path};

const REMEDY: &str =
    "write one `enrol test score` a line, the score a finite number, or nan for none";

/// The score of each trial of `list`, in its order; `None` for `nan`. The file may hold more, in
/// any order; where it has the order of the list, no more than a block of it is in memory.
///
/// # Errors
/// [`Error::Io`], or [`Error::List`]: in the score file for a line that is not `enrol test score`
/// or repeats a pair with another score, in `list_path` for a trial without a score.
pub fn read(path: &Path, list: &TrialList, list_path: &Path) -> Result<Vec<Option<f64>>> {
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    let mut lines = ScoreLines::new(file, path);
    let trials = list.trials();
    let mut scores: Vec<Option<f64>> = Vec::with_capacity(trials.len());
    let mut others: Option<Others> = None;
    while let Some(scored) = lines.next_score()? {
        if others.is_none() {
            let next = trials.get(scores.len());
            if next.is_some_and(|trial| list.names(trial) == (&*scored.enrol, &*scored.test)) {
                scores.push(scored.score);
                continue;
            }
        }
        let others = others.get_or_insert_with(|| Others::new(list, &scores));
        if others.insert(&scored) {
            let fact = format!("{} {} has another score above", scored.enrol, scored.test);
            return Err(lines.refuse(fact));
        }
    }
    let missing = |trial: &Trial| {
        let names = list.names(trial);
        Error::List {
            path: list_path.to_path_buf(),
            line: trial.line,
            fact: format!("{} has no score of {} {}", path.display(), names.0, names.1),
            remedy: "score this trial, or take it off the list".into(),
        }
    };
    let in_order = scores.len();
    for trial in &trials[in_order..] {
        let found = others
            .as_ref()
            .and_then(|o| o.of.get(&(trial.enrol, trial.test)));
        scores.push(*found.ok_or_else(|| missing(trial))?);
    }
    Ok(scores)
}

/// One line per trial, `nan` for those without a score. Fields are separated by a blank, or by
/// tabs where a name holds one.
pub fn to_text(list: &TrialList, scores: &[Option<f64>]) -> String {
    let mut text = String::new();
    for (trial, score) in list.trials().iter().zip(scores) {
        let (enrol, test) = list.names(trial);
        let gap = if enrol.contains(' ') || test.contains(' ') {
            '\t'
        } else {
            ' '
        };
        let score = score.map_or("nan".to_string(), |s| s.to_string());
        writeln!(text, "{enrol}{gap}{test}{gap}{score}").expect("a String takes all");
    }
    text
}

/// Scores of pairs of the list's recordings, for files in another order than the list's.
struct Others<'a> {
    index_of: FxHashMap<&'a str, usize>,
    of: FxHashMap<(usize, usize), Option<f64>>,
}

impl<'a> Others<'a> {
    fn new(list: &'a TrialList, in_order: &[Option<f64>]) -> Self {
        let names = list.recordings().iter().map(String::as_str);
        let pairs = list.trials().iter().map(|t| (t.enrol, t.test));
        Others {
            index_of: names.zip(0..).collect(),
            of: pairs.zip(in_order.iter().copied()).collect(),
        }
    }

    /// True if the pair has another score already.
    fn insert(&mut self, scored: &Scored) -> bool {
        let index = |name: &str| self.index_of.get(name).copied();
        let (Some(enrol), Some(test)) = (index(&scored.enrol), index(&scored.test)) else {
            return false;
        };
        let earlier = self.of.insert((enrol, test), scored.score);
        earlier.is_some_and(|earlier| earlier != scored.score)
    }
}

/// One line of a score file.
struct Scored<'a> {
    enrol: Cow<'a, str>,
    test: Cow<'a, str>,
    score: Option<f64>,
}

struct ScoreLines<R> {
    lines: Lines<R>,
    layout: Option<Layout>,
}

/// Which form the file has.
#[derive(Clone, Copy)]
enum Layout {
    Text,
    JsonLines,
    /// Columns of enrol, test, score, and how many there are.
    Csv([usize; 3], usize),
}

impl<R: Read> ScoreLines<R> {
    fn new(source: R, path: &Path) -> Self {
        ScoreLines {
            lines: Lines::new(source, path),
            layout: None,
        }
    }

    fn next_score(&mut self) -> Result<Option<Scored<'_>>> {
        let layout = loop {
            if !self.lines.advance()? {
                return Ok(None);
            }
            if self.lines.text().trim_ascii().is_empty() {
                continue;
            }
            match self.layout {
                Some(layout) => break layout,
                None => {
                    let layout = Layout::of_first_line(self.lines.text());
                    self.layout = Some(layout);
                    if !matches!(layout, Layout::Csv(..)) {
                        break layout;
                    }
                }
            }
        };
        let text = self.lines.text();
        match layout {
            Layout::Text => self.text_line(text),
            Layout::JsonLines => self.json_line(text),
            Layout::Csv(columns, count) => {
                let fields = Fields::split(text, true).map_err(|fact| self.refuse(fact.into()))?;
                if fields.count != count {
                    let fact = format!("{} fields instead of {count}", fields.count);
                    return Err(self.refuse(fact));
                }
                let [enrol, test, score] = columns.map(|i| fields.of[i].clone());
                let score = match &*score {
                    "" => None,
                    score => self.score(score)?,
                };
                Ok(Scored { enrol, test, score })
            }
        }
        .map(Some)
    }

    fn text_line<'a>(&self, text: &'a str) -> Result<Scored<'a>> {
        let mut fields = [""; 4];
        let mut count = 0;
        let mut keep = |field: &'a str| {
            fields[count.min(3)] = if count > 3 { fields[3] } else { field };
            count += 1;
        };
        if memchr::memchr(b'\t', text.as_bytes()).is_some() {
            text.trim().split('\t').for_each(|f| keep(f.trim()));
        } else {
            text.split_ascii_whitespace().for_each(keep);
        }
        if !(count == 3 || count > 3 && fields[3].starts_with('#')) {
            return Err(self.refuse(format!("{count} fields instead of 3")));
        }
        Ok(Scored {
            enrol: fields[0].into(),
            test: fields[1].into(),
            score: self.score(fields[2])?,
        })
    }

    fn json_line<'a>(&self, text: &'a str) -> Result<Scored<'a>> {
        #[derive(serde::Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            enroll: Cow<'a, str>,
            #[serde(borrow)]
            test: Cow<'a, str>,
            score: Option<f64>,
        }
        let row: Row = serde_json::from_str(text).map_err(|e| self.refuse(e.to_string()))?;
        Ok(Scored {
            enrol: row.enroll,
            test: row.test,
            score: row.score,
        })
    }

    fn score(&self, score: &str) -> Result<Option<f64>> {
        match score.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            Ok(value) if value.is_nan() => Ok(None),
            _ => Err(self.refuse(format!("score {score:?}"))),
        }
    }

    fn refuse(&self, fact: String) -> Error {
        Error::List {
            path: self.lines.path().to_path_buf(),
            line: self.lines.number(),
            fact,
            remedy: REMEDY.into(),
        }
    }
}

impl Layout {
    fn of_first_line(text: &str) -> Self {
        if text.starts_with('{') {
            return Layout::JsonLines;
        }
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(name));
        let columns = (
            column(&["enroll", "enrol"]),
            column(&["test"]),
            column(&["score", "llr"]),
        );
        match columns {
            (Some(enrol), Some(test), Some(score)) => {
                Layout::Csv([enrol, test, score], names.len())
            }
            _ => Layout::Text,
        }
    }
}
