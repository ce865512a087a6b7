//! The flags that name what is known about the recordings: metadata and speakers.

use spkver::eval::known::Known;
use std::path::PathBuf;

/// Files that say who speaks, and how.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Speakers and conditions")]
pub struct Args {
    /// CSV with the column `path` and any others, a row for each recording; error rates are then also
    /// given for each value, or range of values, in the other columns
    #[arg(long, value_name = "CSV")]
    metadata: Option<PathBuf>,
    /// Divide the error rates only by these columns of the metadata
    #[arg(long, value_name = "COLUMN", requires = "metadata")]
    #[arg(value_delimiter = ',')]
    by: Vec<String>,
    /// Where to divide a column of numbers into ranges, e.g. `seconds=2,5,10` [default: at its
    /// quartiles]
    #[arg(long, value_name = "COLUMN=EDGES", requires = "metadata", value_parser = edges)]
    bins: Vec<(String, Vec<f64>)>,
    /// File that names the speaker of each recording: each line `recording speaker` [default: from the
    /// metadata's column `speaker`, or from the folders]
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
    /// For the library.
    pub fn known(&self) -> Known {
        Known {
            metadata: self.metadata.clone(),
            by: self.by.clone(),
            bins: self.bins.clone(),
            utt2spk: self.utt2spk.clone(),
        }
    }
}
