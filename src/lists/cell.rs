//! What a row of a list holds in a column, whatever the form of the list: text, JSON or Parquet.

use std::borrow::Cow;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A field of a line of text: a name, a word or a number.
    Field(&'a str),
    /// A text of JSON or Parquet, which is no number.
    Text(&'a str),
    /// A number of JSON or Parquet.
    Number(f64),
    /// A truth value of JSON.
    Bool(bool),
    /// No value.
    Null,
}

impl<'a> Cell<'a> {
    /// The value as a line of text would have it; empty if there is none.
    pub fn word(self) -> Cow<'a, str> {
        match self {
            Cell::Field(text) | Cell::Text(text) => Cow::Borrowed(text),
            Cell::Number(number) => number.to_string().into(),
            Cell::Bool(value) => value.to_string().into(),
            Cell::Null => Cow::Borrowed(""),
        }
    }
}
