//! Finds out from the first line of a list what each field holds.
//!
//! | kind | line |
//! | --- | --- |
//! | VoxCeleb list | `1 enroll test` |
//! | Kaldi list | `enroll test target` or `nontarget` |
//! | pairs | `enroll test` |
//! | scores | `enroll test score` |
//! | scores with labels | `enroll test score label`, `enroll test target score`, `1 enroll test score` |
//! | scores with labels, nameless | `score label` |
//! | with a header | columns by name, NIST's as well |
//!
//! Fields stand between blanks, tabs, commas or semicolons.

use super::{
    cell::Cell,
    fields::{Fields, Separator, is_comment},
    trial::{Expected, LineProblem, Trial, WAYS},
    words::{Column, is_label_word, label, score},
};

/// What each field holds; fields are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    separator: Separator,
    /// Fields of a line.
    count: usize,
    /// The field of each column.
    places: [Option<usize>; Column::ALL.len()],
    has_header: bool,
}

impl Layout {
    /// The layout of a list whose first line, apart from blank lines and comments, is `line`.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn of_first_line(line: &str, expected: Expected) -> Result<Self, LineProblem> {
        let [comma, semicolon] = [b',', b';'].map(Separator::Char);
        let split = |separator| {
            let mut fields = Fields::split(line, separator)?;
            let comment = (0..)
                .zip(fields.iter())
                .find(|(i, field)| is_comment(*i, field));
            let end = comment.map_or(fields.count(), |(i, _)| i);
            fields.truncate(end);
            Ok(fields)
        };
        for separator in Separator::OF_HEADERS {
            if let Ok(names) = split(separator)
                && let Some(layout) = Layout::of_header(&names, separator)
            {
                return layout.known(expected);
            }
        }
        let by_blanks = split(Separator::Blank).map_err(|fact: &str| LineProblem::new(fact, WAYS));
        // A path may contain a comma or a blank, so a pair of names is the last guess.
        for may_be_pair in [false, true] {
            for separator in [Separator::Blank, comma, semicolon] {
                let Ok(fields) = split(separator) else {
                    continue;
                };
                let layout = match may_be_pair {
                    false => Layout::with_values(&fields, separator, expected),
                    true => Layout::of_pair(&fields, separator),
                };
                if let Some(layout) = layout {
                    return layout.known(expected);
                }
            }
        }
        let fields = by_blanks?;
        let fact = match fields.count() {
            3 => format!(
                "3 fields without a label or a score: neither {:?} nor {:?} is one",
                &fields[0], &fields[2]
            ),
            4 => "4 fields without a label and a score".into(),
            count => format!("{count} fields instead of 2 to 4"),
        };
        Err(LineProblem::new(fact, WAYS))
    }

    fn new(fields: &Fields, separator: Separator) -> Self {
        Layout {
            separator,
            count: fields.count(),
            places: [None; _],
            has_header: false,
        }
    }

    fn of_header(names: &Fields, separator: Separator) -> Option<Self> {
        let place = |column| {
            let mut columns = names.iter().map(Column::named);
            columns.position(|found| found == Some(column))
        };
        let layout = Layout {
            places: Column::ALL.map(place),
            has_header: true,
            ..Layout::new(names, separator)
        };
        let has = |column| layout.place(column).is_some();
        let is_nameless = has(Column::Label) && has(Column::Score);
        (layout.has_names() || is_nameless).then_some(layout)
    }

    /// The layout of fields that include a label or a score.
    fn with_values(fields: &Fields, separator: Separator, expected: Expected) -> Option<Self> {
        let layout = |names: Option<[usize; 2]>, label, score| {
            let mut layout = Layout::new(fields, separator);
            layout.put_names(names);
            layout.places[Column::Label as usize] = label;
            layout.places[Column::Score as usize] = score;
            Some(layout)
        };
        let is_bit = |at: usize| matches!(&fields[at], "0" | "1");
        let is_word = |at: usize| is_label_word(&fields[at]);
        let is_score = |at: usize| score(&fields[at]).is_some();
        match fields.count() {
            // In a list of recordings to score, 17 and 1 may be names.
            2 if expected == Expected::Trials && is_score(0) && label(&fields[1]).is_some() => {
                layout(None, Some(1), Some(0))
            }
            2 if is_score(0) && is_word(1) => layout(None, Some(1), Some(0)),
            3 if is_word(2) => layout(Some([0, 1]), Some(2), None),
            3 if expected == Expected::Scores && is_score(2) => layout(Some([0, 1]), None, Some(2)),
            3 if is_bit(0) => layout(Some([1, 2]), Some(0), None),
            3 if is_bit(2) => layout(Some([0, 1]), Some(2), None),
            3 if is_word(0) => layout(Some([1, 2]), Some(0), None),
            3 if is_score(2) => layout(Some([0, 1]), None, Some(2)),
            4 if is_word(2) && is_score(3) => layout(Some([0, 1]), Some(2), Some(3)),
            4 if is_score(2) && label(&fields[3]).is_some() => {
                layout(Some([0, 1]), Some(3), Some(2))
            }
            4 if label(&fields[0]).is_some() && is_score(3) => {
                layout(Some([1, 2]), Some(0), Some(3))
            }
            _ => None,
        }
    }

    fn of_pair(fields: &Fields, separator: Separator) -> Option<Self> {
        let mut layout = Layout::new(fields, separator);
        layout.put_names(Some([0, 1]));
        (fields.count() == 2).then_some(layout)
    }

    fn put_names(&mut self, names: Option<[usize; 2]>) {
        self.places[Column::Enroll as usize] = names.map(|[enroll, _]| enroll);
        self.places[Column::Test as usize] = names.map(|[_, test]| test);
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    fn has_names(&self) -> bool {
        self.place(Column::Enroll).is_some() && self.place(Column::Test).is_some()
    }

    /// Refuses a list without names, unless its scores are to be evaluated.
    fn known(self, expected: Expected) -> Result<Self, LineProblem> {
        if self.has_names() || expected == Expected::Trials {
            return Ok(self);
        }
        let fact = "scores with labels, and no names of recordings";
        Err(LineProblem::new(fact, WAYS))
    }

    /// Whether the first line has the names of the columns instead of a trial.
    pub fn has_header(&self) -> bool {
        self.has_header
    }

    /// Whether the list names channels.
    pub fn has_sides(&self) -> bool {
        self.place(Column::Side).is_some()
    }

    /// Number of words in a plain line; `None` if the list has no plain lines. A plain line is
    /// words with one blank between them.
    pub fn num_words(&self) -> Option<usize> {
        let is_plain = self.separator == Separator::Blank && !self.has_sides();
        (is_plain && self.count <= 4).then_some(self.count)
    }

    /// The trial in a line of [`Self::num_words`] words.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trial_of_words<'a>(
        &self,
        words: [&'a str; 4],
        line: usize,
    ) -> Result<Trial<'a>, LineProblem> {
        let name = |column| Some(words[self.place(column)?].into());
        let names = [name(Column::Enroll), name(Column::Test)];
        let cell = |column| Some(Cell::Field(words[self.place(column)?]));
        Trial::of_row(names, cell, line)
    }

    /// The trial in any line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trial_of_line<'a>(&self, text: &'a str, line: usize) -> Result<Trial<'a>, LineProblem> {
        let mut fields =
            Fields::split(text, self.separator).map_err(|fact| LineProblem::new(fact, WAYS))?;
        if fields.count() > self.count
            && self.separator == Separator::Blank
            && fields[self.count].starts_with('#')
        {
            fields.truncate(self.count);
        }
        if fields.count() != self.count {
            let fact = format!("{} fields instead of {}", fields.count(), self.count);
            return Err(LineProblem::new(fact, WAYS));
        }
        let mut name = |column| Some(fields.take(self.place(column)?));
        let names = [name(Column::Enroll), name(Column::Test)];
        let cell = |column| Some(Cell::Field(&fields[self.place(column)?]));
        Trial::of_row(names, cell, line)
    }
}
