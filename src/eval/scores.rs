//! Score files: one `enrol test score` a line, in and out; `nan` where a recording was refused.

use super::trials::{TrialList, numbered_fields, read_text};
use crate::{Error, Result};
use std::{collections::HashMap, fmt::Write as _, path::Path};

/// The score of each trial of `list`, in its order; `None` for `nan`. The file may hold more, in
/// any order.
///
/// # Errors
/// [`Error::Io`], or [`Error::List`]: in the score file for a line that is not `enrol test score`
/// or repeats a pair with another score, in `list_path` for a trial without a score.
pub fn read(path: &Path, list: &TrialList, list_path: &Path) -> Result<Vec<Option<f64>>> {
    let text = read_text(path)?;
    let refuse = |line: usize, fact: String| Error::List {
        path: path.to_path_buf(),
        line,
        fact,
        remedy: "write one `enrol test score` a line, the score a finite number, or nan for none"
            .into(),
    };
    let mut scores: HashMap<(&str, &str), Option<f64>> = HashMap::new();
    for (line, fields) in numbered_fields(&text) {
        let &[enrol, test, score] = fields.as_slice() else {
            return Err(refuse(
                line,
                format!("{} fields instead of 3", fields.len()),
            ));
        };
        let score = match score.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(value),
            Ok(value) if value.is_nan() => None,
            _ => return Err(refuse(line, format!("score {score:?}"))),
        };
        if let Some(earlier) = scores.insert((enrol, test), score)
            && earlier != score
        {
            return Err(refuse(
                line,
                format!("{enrol} {test} has another score above"),
            ));
        }
    }
    let find = |trial| {
        let names = list.names(trial);
        scores.get(&names).copied().ok_or_else(|| Error::List {
            path: list_path.to_path_buf(),
            line: trial.line,
            fact: format!("{} has no score of {} {}", path.display(), names.0, names.1),
            remedy: "score this trial, or take it off the list".into(),
        })
    };
    list.trials().iter().map(find).collect()
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
