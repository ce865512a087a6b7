//! Reads facts about recordings from a CSV with a `path` and any other columns, and looks them up for
//! the recordings of a trial list.

use crate::{
    Error, Result,
    lists::{fields::Fields, header::Header, lines::for_each_line},
};
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

const REMEDY: &str = "write a CSV whose header has `path` (the recording, as in the trials) and other \
                      columns, and a line for every recording";

/// The columns of a table.
struct Places {
    path: usize,
    /// Every other column, with its name.
    others: Vec<(usize, String)>,
}

impl Places {
    fn find(names: &Fields) -> Option<Self> {
        let is_path = |name: &str| {
            let known = ["path", "recording", "file"];
            known.iter().any(|path| path.eq_ignore_ascii_case(name))
        };
        let path = names.iter().position(is_path)?;
        let names = (0..).zip(names.iter().map(String::from));
        Some(Places {
            path,
            others: names.filter(|(at, _)| *at != path).collect(),
        })
    }
}

impl Metadata {
    /// Reads the file; `names` are the recordings of the list, in its order.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a file without a `path` column, a line with another number
    /// of fields, a path given twice, or a recording of the list that is missing.
    pub fn read<'a>(path: &Path, names: impl ExactSizeIterator<Item = &'a str>) -> Result<Self> {
        let numbers: HashMap<&str, usize> = names.zip(0..).collect();
        let mut header: Option<Header<Places>> = None;
        let mut texts: Vec<(IndexSet<String>, Vec<u32>)> = vec![];
        let mut found = vec![false; numbers.len()];
        for_each_line(path, REMEDY, |line| {
            let Some(header) = &header else {
                let first = Header::of_line(line, Places::find).ok_or("no column `path`")?;
                let unknown = (IndexSet::new(), vec![u32::MAX; numbers.len()]);
                texts = vec![unknown; first.columns.others.len()];
                header = Some(first);
                return Ok(());
            };
            let row = header.row(line)?;
            let name = &row[header.columns.path];
            let Some(&recording) = numbers.get(name) else {
                return Ok(());
            };
            if std::mem::replace(&mut found[recording], true) {
                return Err(format!("{name} stands above already"));
            }
            for ((distinct, of), (column, _)) in texts.iter_mut().zip(&header.columns.others) {
                let text = &row[*column];
                let index = distinct.get_index_of(text);
                let index = index.unwrap_or_else(|| distinct.insert_full(text.into()).0);
                of[recording] = index as u32;
            }
            Ok(())
        })?;
        let refuse = |fact: String| Error::list(path, 1, fact, REMEDY);
        let header = header.ok_or_else(|| refuse("no column `path`".into()))?;
        if let Some(missing) = found.iter().position(|found| !found) {
            let missing = numbers.iter().find(|(_, number)| **number == missing);
            let name = missing.map_or("", |(name, _)| name);
            return Err(refuse(format!("{name} is missing")));
        }
        let columns = header.columns.others.into_iter().zip(texts);
        let columns = columns.map(|((_, name), (groups, group_of))| Column {
            name,
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
