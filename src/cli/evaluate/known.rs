//! What is known of the recordings, by the flags: metadata, speakers, and the conditions of trials.

use spkver::{
    Error, Result,
    eval::{conditions::Conditions, metadata::Metadata, speakers::Speakers, table::ScoreTable},
};
use std::path::PathBuf;

/// Files that say who speaks, and how.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// CSV with `path` and other columns for every recording: errors by each of these
    #[arg(long, value_name = "CSV")]
    metadata: Option<PathBuf>,
    /// Only by these columns of the metadata
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "metadata",
        value_delimiter = ','
    )]
    by: Vec<String>,
    /// Where to cut a column of numbers, as `seconds=2,5,10` [default: quartiles]
    #[arg(long, value_name = "COLUMN=EDGES", requires = "metadata", value_parser = edges)]
    bins: Vec<(String, Vec<f64>)>,
    /// Speaker of each recording (`recording speaker` a line) [default: from the metadata's column
    /// `speaker`, or from the folders]
    #[arg(long, value_name = "FILE")]
    utt2spk: Option<PathBuf>,
}

fn edges(text: &str) -> std::result::Result<(String, Vec<f64>), String> {
    let wanted = || "write COLUMN=EDGE,EDGE,… with rising numbers".to_string();
    let (column, list) = text.split_once('=').ok_or_else(wanted)?;
    let parsed: std::result::Result<Vec<f64>, _> =
        list.split(',').map(|edge| edge.trim().parse()).collect();
    let edges = parsed.map_err(|_| wanted())?;
    let rising = edges.windows(2).all(|w| w[0] < w[1]) && edges.iter().all(|e| e.is_finite());
    rising
        .then(|| (column.to_string(), edges))
        .ok_or_else(wanted)
}

impl Args {
    /// The files themselves.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.metadata.iter().chain(&self.utt2spk)
    }

    /// Of every recording of the table.
    pub fn metadata(&self, table: &ScoreTable) -> Result<Option<Metadata>> {
        let path = self.metadata.as_deref();
        path.map(|path| Metadata::read(path, table.names()))
            .transpose()
    }

    /// From the flag's file, the metadata or the folders.
    pub fn speakers(
        &self,
        table: &ScoreTable,
        metadata: Option<&Metadata>,
    ) -> Result<Option<Speakers>> {
        if let Some(path) = &self.utt2spk {
            let names: Vec<&str> = table.names().collect();
            return Speakers::read_utt2spk(path, names.into_iter()).map(Some);
        }
        let column = metadata.and_then(|m| m.column("speaker"));
        let told = column.and_then(|column| column.texts());
        Ok(match told {
            Some(names) => Some(Speakers::number(names)),
            None => Speakers::of_table(table),
        })
    }

    /// Of every column that was asked for.
    pub fn conditions(&self, metadata: Option<&Metadata>) -> Result<Vec<Conditions>> {
        let Some(metadata) = metadata else {
            return Ok(vec![]);
        };
        let named = self.by.iter().chain(self.bins.iter().map(|(name, _)| name));
        if let Some(unknown) = named
            .into_iter()
            .find(|name| metadata.column(name).is_none())
        {
            let known = metadata.columns().iter().map(|c| c.name.as_str());
            return Err(Error::Usage(format!(
                "the metadata have no column {unknown:?}; they have {}",
                known.collect::<Vec<_>>().join(", ")
            )));
        }
        let is_wanted = |name: &str| {
            let listed = self.by.iter().any(|by| by.eq_ignore_ascii_case(name));
            listed || self.by.is_empty() && !name.eq_ignore_ascii_case("speaker")
        };
        let columns = metadata.columns().iter().filter(|c| is_wanted(&c.name));
        let conditions = columns.map(|column| {
            let mut bins = self.bins.iter();
            let bins = bins.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            if let Some((name, _)) = bins
                && column.numbers.is_none()
            {
                return Err(Error::Usage(format!(
                    "--bins {name}: the column does not hold nine different numbers or more"
                )));
            }
            Ok(Conditions::new(column, bins.map(|(_, edges)| &edges[..])))
        });
        conditions.collect()
    }
}
