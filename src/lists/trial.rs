//! A trial: two recordings, and what a list says about them.

use super::{
    cell::Cell,
    words::{self, Column},
};
use std::borrow::Cow;

/// How to write a list.
pub const WAYS: &str = "write `1 enroll test`, `enroll test target|nontarget` or `enroll test` for \
     trials, `enroll test score` for scores, with a label after it where there is no list; with tabs \
     between the fields or quotes around them, paths may hold spaces";

/// What one line of a list says.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial<'a> {
    /// The enrolled recording or model. In a list of only scores and labels this is empty, and so
    /// is `test`.
    pub enroll: Cow<'a, str>,
    /// The test recording; it ends in `:b` if the list says that it is NIST's side b.
    pub test: Cow<'a, str>,
    /// Whether it is a target trial, if the list says so.
    pub is_target: Option<bool>,
    /// The score, if the list has scores; NaN for a refused recording.
    pub score: Option<f64>,
    /// Line in the file, or row of a Parquet file, from 1.
    pub line: usize,
}

/// What the list is read for. It decides what an ambiguous line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Recordings to score: `17 1` are two names.
    Pairs,
    /// Trials to evaluate: `a b 1` is a target trial, `17 1` a score and a label.
    Trials,
    /// Scores of trials that another list labels: `a b 1` is a score.
    Scores,
}

/// Fact and remedy, for an error that names the line.
#[derive(Debug)]
pub struct LineProblem {
    /// What is wrong.
    pub fact: Cow<'static, str>,
    /// What to do.
    pub remedy: &'static str,
}

impl<'a> Trial<'a> {
    /// Whether the trial is from a list of only scores and labels, without names.
    pub fn is_nameless(&self) -> bool {
        self.enroll.is_empty()
    }

    /// The trial in a row of a list: from what it holds in [`Column::NAMES`], and in the other columns.
    /// A row without columns for the recordings has only a score and a label.
    ///
    /// # Errors
    /// What is wrong with the row.
    #[inline(always)] // a list has millions of rows
    pub(super) fn of_row<'c>(
        names: [Option<Cow<'a, str>>; 2],
        cell: impl Fn(Column) -> Option<Cell<'c>>,
        line: usize,
    ) -> Result<Self, LineProblem> {
        let mut trial = Trial {
            enroll: Cow::Borrowed(""),
            test: Cow::Borrowed(""),
            is_target: cell(Column::Label).map_or(Ok(None), label)?,
            score: cell(Column::Score).map(score).transpose()?,
            line,
        };
        let [Some(enroll), Some(test)] = names else {
            return Ok(trial);
        };
        if enroll.is_empty() || test.is_empty() {
            return Err(LineProblem::new("a recording without a name", WAYS));
        }
        (trial.enroll, trial.test) = (enroll, test);
        if cell(Column::Side).map_or(Ok(false), is_side_b)? {
            trial.test = format!("{}:b", trial.test).into();
        }
        Ok(trial)
    }
}

#[inline(always)]
fn label(cell: Cell) -> Result<Option<bool>, LineProblem> {
    let label = |text: &str| match words::label(text) {
        None if !text.is_empty() => Err(LineProblem::of_label(text)),
        is_target => Ok(is_target),
    };
    match cell {
        Cell::Field(text) => label(text),
        other => label(&other.word()),
    }
}

/// A score; NaN if there is none.
#[inline(always)]
fn score(cell: Cell) -> Result<f64, LineProblem> {
    let score = match cell {
        Cell::Field(text) => words::score(text),
        Cell::Number(score) => (!score.is_infinite()).then_some(score),
        Cell::Null => Some(f64::NAN),
        Cell::Text(_) | Cell::Bool(_) => None,
    };
    score.ok_or_else(|| LineProblem::of_score(&cell.word()))
}

fn is_side_b(cell: Cell) -> Result<bool, LineProblem> {
    let side = cell.word();
    let is_b = words::is_side_b(&side);
    is_b.ok_or_else(|| LineProblem::new(format!("side {side:?}"), "write a or b"))
}

impl LineProblem {
    pub(super) fn new(fact: impl Into<Cow<'static, str>>, remedy: &'static str) -> Self {
        LineProblem {
            fact: fact.into(),
            remedy,
        }
    }
    #[cold]
    fn of_label(text: &str) -> Self {
        LineProblem::new(
            format!("label {text:?}"),
            "label every trial as the first: 1 or target (same speaker), 0 or nontarget",
        )
    }

    #[cold]
    fn of_score(text: &str) -> Self {
        LineProblem::new(
            format!("score {text:?}"),
            "write `enroll test score` on each line; a score is a finite number, or nan for none",
        )
    }
}
