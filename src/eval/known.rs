//! What the user knows about the recordings of a trial list: who speaks, and metadata to divide the
//! trials by.

use super::{conditions::Conditions, metadata::Metadata, speakers::Speakers, table::ScoreTable};
use crate::{Error, Result};
use std::path::PathBuf;

/// Where the facts about recordings are, and which of them to use.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// CSV with `path` and other columns for every recording.
    pub metadata: Option<PathBuf>,
    /// Columns of the metadata to divide the trials by. If empty, all columns but `speaker`.
    pub by: Vec<String>,
    /// Edges of the bins of columns with numbers. Other columns with numbers are divided at the
    /// quartiles.
    pub bins: Vec<(String, Vec<f64>)>,
    /// Speaker of each recording, as Kaldi's `utt2spk`.
    pub utt2spk: Option<PathBuf>,
}

/// The facts about one table's recordings.
pub struct Facts {
    /// The speakers; none if neither the files nor the folders tell them.
    pub speakers: Option<Speakers>,
    /// The recordings' condition in each column.
    pub conditions: Vec<Conditions>,
}

impl Known {
    /// The files that these facts are read from.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.metadata.iter().chain(&self.utt2spk)
    }

    /// Reads what is known about the recordings of `table`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`]; [`Error::Usage`] for a column that does not exist, or bins of
    /// a column without numbers.
    pub fn of(&self, table: &ScoreTable) -> Result<Facts> {
        let metadata = self.metadata.as_deref();
        let metadata = metadata.map(|path| Metadata::read(path, table.names()));
        let metadata = metadata.transpose()?;
        Ok(Facts {
            speakers: self.speakers(table, metadata.as_ref())?,
            conditions: self.conditions(metadata.as_ref())?,
        })
    }

    /// The speakers, from `utt2spk`, else from the metadata's column `speaker`, else from the folders.
    fn speakers(
        &self,
        table: &ScoreTable,
        metadata: Option<&Metadata>,
    ) -> Result<Option<Speakers>> {
        if let Some(path) = &self.utt2spk {
            return Speakers::read_utt2spk(path, table.names()).map(Some);
        }
        let column = metadata.and_then(|m| m.column("speaker"));
        let names = column.and_then(|column| column.texts());
        Ok(match names {
            Some(names) => Some(Speakers::number(names)),
            None => Speakers::of_table(table),
        })
    }

    fn conditions(&self, metadata: Option<&Metadata>) -> Result<Vec<Conditions>> {
        let Some(metadata) = metadata else {
            return Ok(vec![]);
        };
        let mut named = self.by.iter().chain(self.bins.iter().map(|(name, _)| name));
        if let Some(unknown) = named.find(|name| metadata.column(name).is_none()) {
            let known = metadata.columns().iter().map(|c| c.name.as_str());
            return Err(Error::Usage(format!(
                "the metadata has no column {unknown:?}; it has {}",
                known.collect::<Vec<_>>().join(", ")
            )));
        }
        let is_chosen = |name: &str| {
            let listed = self.by.iter().any(|by| by.eq_ignore_ascii_case(name));
            listed || self.by.is_empty() && !name.eq_ignore_ascii_case("speaker")
        };
        let columns = metadata.columns().iter().filter(|c| is_chosen(&c.name));
        let conditions = columns.map(|column| {
            let mut bins = self.bins.iter();
            let bins = bins.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            if let Some((name, _)) = bins
                && column.numbers.is_none()
            {
                return Err(Error::option(
                    "bins",
                    name,
                    "the column does not hold at least nine different numbers",
                ));
            }
            Ok(Conditions::new(column, bins.map(|(_, edges)| &edges[..])))
        });
        conditions.collect()
    }
}
