//! Reads facts about recordings from a CSV with a `path` and any other columns, and looks them up for
//! the recordings of a trial list.

use crate::{Error, Result};
use indexmap::IndexSet;
use std::{collections::HashMap, path::Path};

/// The columns of a metadata file, for the recordings of one list.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    columns: Vec<Column>,
}

/// One column, of every recording of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As in the header.
    pub name: String,
    /// The different texts; an empty field is the text "".
    pub groups: IndexSet<String>,
    /// For each recording, the index of its text in `groups`.
    pub group_of: Vec<u32>,
    /// For each recording its number, NaN if the field is empty; none if the column holds no quantities.
    pub numbers: Option<Vec<f64>>,
}

/// Fewest different numbers in a column of quantities. Fewer, such as 8 and 16 kHz, are names of groups.
const QUANTITY_FROM: usize = 9;

impl Metadata {
    /// Reads the file; `names` are the recordings of the list, in its order.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a file without a `path` column, a line with another number
    /// of fields, a path given twice, or a recording of the list that is missing.
    pub fn read<'a>(path: &Path, names: impl ExactSizeIterator<Item = &'a str>) -> Result<Self> {
        let refuse = |line: usize, fact: String| {
            Error::list(
                path,
                line,
                fact,
                "write a CSV whose header has `path` (the recording, as in the trials) and \
                 other columns, and a line for every recording",
            )
        };
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, "read", e))?;
        let mut reader = csv::Reader::from_reader(file);
        let failed = |e: csv::Error| {
            let line = e.position().map_or(1, |p| p.line() as usize);
            match e.into_kind() {
                csv::ErrorKind::Io(source) => Error::io(path, "read", source),
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => refuse(line, format!("{len} fields instead of {expected_len}")),
                _ => refuse(line, "not UTF-8 text".into()),
            }
        };
        let header = reader.headers().map_err(failed)?.clone();
        let is_path = |name: &str| {
            let name = name.trim_start_matches('\u{feff}').trim();
            ["path", "recording", "file"].contains(&name.to_ascii_lowercase().as_str())
        };
        let key = header.iter().position(is_path);
        let key = key.ok_or_else(|| refuse(1, "no column `path`".into()))?;
        let numbers: HashMap<&str, usize> = names.zip(0..).collect();
        let others: Vec<usize> = (0..header.len()).filter(|c| *c != key).collect();
        let mut texts: Vec<(IndexSet<String>, Vec<u32>)> =
            vec![(IndexSet::new(), vec![u32::MAX; numbers.len()]); others.len()];
        let mut found = vec![false; numbers.len()];
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let line = record.position().map_or(1, |p| p.line() as usize);
            let Some(&recording) = numbers.get(&record[key]) else {
                continue;
            };
            if std::mem::replace(&mut found[recording], true) {
                return Err(refuse(
                    line,
                    format!("{} stands above already", &record[key]),
                ));
            }
            for ((distinct, of), column) in texts.iter_mut().zip(&others) {
                let text = record[*column].trim();
                let index = distinct.get_index_of(text);
                let index = index.unwrap_or_else(|| distinct.insert_full(text.into()).0);
                of[recording] = index as u32;
            }
        }
        if let Some(missing) = found.iter().position(|found| !found) {
            let missing = numbers.iter().find(|(_, number)| **number == missing);
            let name = missing.map_or("", |(name, _)| name);
            return Err(refuse(1, format!("{name} is missing")));
        }
        let columns = others
            .iter()
            .zip(texts)
            .map(|(column, (groups, group_of))| Column {
                name: header[*column].trim().to_string(),
                numbers: numbers_of(&groups, &group_of),
                groups,
                group_of,
            });
        Ok(Metadata {
            columns: columns.collect(),
        })
    }

    /// The columns in the order of the header, without the path.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name; upper and lower case count the same.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

impl Column {
    /// The text of each recording, if no field is empty.
    pub fn texts(&self) -> Option<impl Iterator<Item = &str>> {
        let text = |group: &u32| self.groups[*group as usize].as_str();
        (!self.groups.contains("")).then(|| self.group_of.iter().map(text))
    }
}

fn numbers_of(groups: &IndexSet<String>, group_of: &[u32]) -> Option<Vec<f64>> {
    let number = |text: &String| match text.as_str() {
        "" => Some(f64::NAN),
        text => text.parse().ok().filter(|v: &f64| v.is_finite()),
    };
    let numbers: Vec<f64> = groups.iter().map(number).collect::<Option<_>>()?;
    let distinct = numbers.iter().filter(|v| !v.is_nan()).count();
    (distinct >= QUANTITY_FROM).then(|| {
        group_of
            .iter()
            .map(|group| numbers[*group as usize])
            .collect()
    })
}
