//! Reads trial lists and score files of any length, one [`Trial`] at a time, in constant memory.
//!
//! The form is recognized by the content. It may be lines of fields, with or without a header
//! (`Layout` says what each field holds), JSON lines (`{"enroll":…,"test":…,"score":…,"label":…}`),
//! or Parquet with columns of these names. A line that begins with `#` is a comment, and so is what
//! follows a `#` after the last field. A score that is `nan`, `null` or empty means that a
//! recording was refused.

use super::{
    json_trial::JsonTrial,
    layout::Layout,
    lines::Lines,
    parquet_opening::{self, is_parquet},
    parquet_trials,
    trial::{Expected, LineProblem, Trial},
};
use crate::{Error, Result};
use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

/// Calls `on_trial` with each trial of `source`, which errors name `path`. Returns true if the list
/// names channels, as NIST's lists do.
///
/// # Errors
/// [`Error::Io`], [`Error::List`] with the line, and the errors of `on_trial`.
pub fn for_each_trial(
    mut source: impl Read,
    path: &Path,
    expected: Expected,
    mut on_trial: impl FnMut(Trial) -> Result<()>,
) -> Result<bool> {
    let failed = |e| Error::io(path, "read", e);
    let mut start = vec![];
    let mut opening = source.by_ref().take(parquet_opening::OPENING_BYTES);
    opening.read_to_end(&mut start).map_err(failed)?;
    if is_parquet(&start) {
        if !path.is_file() {
            return Err(Error::list(
                path,
                1,
                "Parquet from a pipe",
                "give the file itself; only text is read from a pipe",
            ));
        }
        let has_sides = parquet_trials::read(path, &mut on_trial)?;
        // Read to the end: the caller may hash the source as it is read.
        io::copy(&mut source, &mut io::sink()).map_err(failed)?;
        return Ok(has_sides);
    }
    let mut lines = Lines::new(Cursor::new(start).chain(source), path);
    let mut form = None;
    let mut has_sides = false;
    while lines.advance()? {
        let text = lines.text().trim_ascii_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let refuse = |problem: LineProblem| lines.refuse(problem.fact, problem.remedy);
        if form.is_none() {
            let found = Form::of_first_line(lines.text(), expected).map_err(refuse)?;
            let has_header = matches!(found, Form::Fields(layout) if layout.has_header());
            has_sides = matches!(found, Form::Fields(layout) if layout.has_sides());
            form = Some(found);
            if has_header {
                continue;
            }
        }
        let number = lines.number();
        let trial = match &form {
            Some(Form::Fields(layout)) => {
                match layout.num_words().and_then(|count| lines.words(count)) {
                    Some(words) => layout.trial_of_words(words, number),
                    None => layout.trial_of_line(lines.text(), number),
                }
            }
            _ => JsonTrial::parse(text).and_then(|json| {
                has_sides |= json.has_side();
                json.trial(number)
            }),
        };
        on_trial(trial.map_err(refuse)?)?;
    }
    Ok(has_sides)
}

/// As [`for_each_trial`], for the file at `path`.
///
/// # Errors
/// As [`for_each_trial`].
pub fn for_each_trial_of_file(
    path: &Path,
    expected: Expected,
    on_trial: impl FnMut(Trial) -> Result<()>,
) -> Result<bool> {
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    for_each_trial(file, path, expected, on_trial)
}

/// How the lines are written.
#[derive(Clone, Copy)]
enum Form {
    JsonLines,
    Fields(Layout),
}

impl Form {
    fn of_first_line(line: &str, expected: Expected) -> std::result::Result<Self, LineProblem> {
        match line.trim_ascii_start().starts_with('{') {
            true => Ok(Form::JsonLines),
            false => Layout::of_first_line(line, expected).map(Form::Fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let mut trials = vec![];
        for_each_trial(
            text.as_bytes(),
            Path::new("list"),
            Expected::Pairs,
            |trial| {
                trials.push((trial.enroll.to_string(), trial.test.to_string()));
                Ok(())
            },
        )?;
        Ok(trials)
    }

    #[test]
    fn a_line_of_many_fields_is_read() {
        let more: String = (0..17).map(|i| format!(",c{i}")).collect();
        let list = format!("enroll,test,label{more}\na,b,target{more}\nc,d,nontarget{more}\n");
        let wanted = [("a", "b"), ("c", "d")].map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(read(&list).unwrap(), wanted);
        let refused = read(&list.replace("c,d,", "c,d,e,")).unwrap_err();
        assert!(refused.to_string().contains("21 fields"), "{refused}");
        let refused = read("1 a b c d e f g h i j k l m n o p q\n").unwrap_err();
        assert!(refused.to_string().contains("18 fields"), "{refused}");
    }

    #[test]
    fn a_text_that_begins_as_parquet_does_is_a_text() {
        let wanted = [("PAR1001".to_string(), "PAR1002".to_string())];
        assert_eq!(read("PAR1001 PAR1002\n").unwrap(), wanted);
        let refused = read("PAR1\u{15}\0").unwrap_err().to_string();
        assert!(refused.contains("list"), "{refused}");
    }
}
