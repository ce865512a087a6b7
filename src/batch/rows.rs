//! Writes scored trials as text, CSV or JSON lines: one row per trial. If a trial has no score, its
//! row says why.
//!
//! ```text
//! text    enroll test score          or   enroll test nan # why     (tabs if a name has blanks)
//! CSV     enroll,test,label,score,error
//! JSON    {"enroll":…,"test":…,"label":…,"score":…,"error":…}
//! ```

use super::{escape, parquet_rows, scored_trial::ScoredTrial};
use crate::{Error, Result, storage::output::Form};
use std::{borrow::Cow, path::Path};

/// Format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `enroll test score`.
    Text,
    /// CSV with a header line.
    Csv,
    /// One object per line.
    JsonLines,
    /// The same columns as CSV.
    Parquet,
}

impl Format {
    /// Every format with its name.
    pub const NAMED: [(&str, Format); 4] = [
        ("text", Format::Text),
        ("csv", Format::Csv),
        ("jsonl", Format::JsonLines),
        ("parquet", Format::Parquet),
    ];

    /// The format of a file's ending; text if the ending is unknown.
    pub fn of(path: &Path) -> Self {
        let mut all = Self::NAMED.into_iter().map(|(_, format)| format);
        let named = all.find(|format| format.form().has_ending(path));
        named.unwrap_or(Format::Text)
    }

    /// The form of such a file.
    pub fn form(self) -> &'static Form {
        match self {
            Format::Text => &Form::SCORE_TEXT,
            Format::Csv => &Form::SCORE_CSV,
            Format::JsonLines => &Form::SCORE_JSON,
            Format::Parquet => &Form::PARQUET,
        }
    }

    /// The bytes before the first row.
    pub fn header(&self) -> &'static str {
        match self {
            Format::Csv => "enroll,test,label,score,error\n",
            _ => "",
        }
    }

    /// Appends the bytes of the rows. For Parquet these are a small file with one row group, joined
    /// with the others later.
    ///
    /// # Errors
    /// [`Error::Usage`] if the format cannot hold a row.
    pub fn encode<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = ScoredTrial<'a>>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        match self {
            Format::Text => rows.for_each(|row| row.text(bytes)),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(bytes);
                let mut rows = rows;
                let written = rows.try_for_each(|row| row.csv(&mut csv));
                written
                    .and_then(|()| Ok(csv.flush()?))
                    .map_err(|e| Error::Usage(e.to_string()))?;
            }
            Format::JsonLines => rows.for_each(|row| row.json(bytes)),
            Format::Parquet => *bytes = parquet_rows::encode(&rows.collect::<Vec<_>>())?,
        }
        Ok(())
    }
}

impl ScoredTrial<'_> {
    fn text(&self, bytes: &mut Vec<u8>) {
        let (enroll, test) = (escape::name(self.enroll), escape::name(self.test));
        let blank = |name: &str| memchr::memchr(b' ', name.as_bytes()).is_some();
        let gap = match blank(&enroll) || blank(&test) {
            true => b'\t',
            false => b' ',
        };
        bytes.extend_from_slice(enroll.as_bytes());
        bytes.push(gap);
        bytes.extend_from_slice(test.as_bytes());
        bytes.push(gap);
        match self.score {
            Ok(score) => {
                bytes.extend_from_slice(zmij::Buffer::new().format_finite(score).as_bytes())
            }
            Err(why) => {
                bytes.extend_from_slice(b"nan");
                bytes.push(gap);
                bytes.extend_from_slice(b"# ");
                let one_line = why.replace(['\n', '\r', '\t'], " ");
                let one_line = escape::name(&one_line);
                bytes.extend_from_slice(one_line.as_bytes());
            }
        }
        bytes.push(b'\n');
    }

    fn csv(&self, csv: &mut csv::Writer<&mut Vec<u8>>) -> csv::Result<()> {
        let mut buffer = zmij::Buffer::new();
        let label = self.label().unwrap_or_default();
        let (score, error) = match self.score {
            Ok(score) => (buffer.format_finite(score), ""),
            Err(why) => ("", why),
        };
        let (enroll, test) = (escape::name(self.enroll), escape::name(self.test));
        csv.write_record([&*enroll, &*test, label, score, &*escape::name(error)])
    }

    fn json(&self, bytes: &mut Vec<u8>) {
        #[derive(serde::Serialize)]
        struct Row<'a> {
            enroll: &'a str,
            test: &'a str,
            label: Option<&'a str>,
            score: Option<f32>,
            error: Option<&'a str>,
        }
        let row = Row {
            enroll: self.enroll,
            test: self.test,
            label: self.label(),
            score: self.score.ok(),
            error: self.score.err(),
        };
        let start = bytes.len();
        serde_json::to_writer(&mut *bytes, &row).expect("a Vec takes all");
        let line = std::str::from_utf8(&bytes[start..]).expect("JSON is UTF-8");
        if let Cow::Owned(escaped) = escape::json(line) {
            bytes.truncate(start);
            bytes.extend_from_slice(escaped.as_bytes());
        }
        bytes.push(b'\n');
    }
}
