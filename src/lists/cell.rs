//! What a row of a list holds in each column, whatever the form of the list: text, JSON or Parquet.

use super::words::Column;
use std::borrow::Cow;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// A field of a line of text: a name, a word or a number.
    Field(Cow<'a, str>),
    /// A text of JSON or Parquet, which is no number.
    Text(Cow<'a, str>),
    /// A number of JSON or Parquet.
    Number(f64),
    /// A truth value of JSON.
    Bool(bool),
    /// No value.
    Null,
}

impl Cell<'_> {
    /// The value as a line of text would have it; empty if there is none.
    pub fn word(&self) -> Cow<'_, str> {
        match self {
            Cell::Field(text) | Cell::Text(text) => Cow::Borrowed(text),
            Cell::Number(number) => number.to_string().into(),
            Cell::Bool(value) => value.to_string().into(),
            Cell::Null => Cow::Borrowed(""),
        }
    }
}

/// The values of a row by column (`column as usize`); `None` where the list has no such column.
pub type Row<'a> = [Option<Cell<'a>>; Column::ALL.len()];
