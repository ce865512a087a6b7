//! Trial lists in, an embedding of every recording out, or why it has none.

use crate::cli::trial_scores::embed_names;
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::ReadOptions,
    eval::table::{ScoreTable, line_of},
    verifier::{Embedding, Verifier},
};
use std::path::Path;

/// Per recording of a table: its embedding, or why it has none.
pub type EmbeddedTable = Vec<std::result::Result<Embedding, String>>;

/// Embeds the recordings of all tables, each once.
pub fn embed_tables(
    tables: &[&ScoreTable],
    root: &Path,
    options: &ReadOptions,
    segment: Option<f32>,
    verifier: &Verifier,
) -> Result<Vec<EmbeddedTable>> {
    let names: Vec<&str> = tables.iter().flat_map(|table| table.names()).collect();
    let embeddings = embed_names(names, root, options, segment, verifier)?;
    let of_table = |table: &&ScoreTable| {
        let own = table.names().map(|name| embeddings[name].clone());
        own.collect()
    };
    Ok(tables.iter().map(of_table).collect())
}

/// A wrong `--root` should be known before an hour of embedding, and not pass as refusals.
pub fn find_recordings(list: &Path, table: &ScoreTable, root: &Path) -> Result<()> {
    let names: Vec<&str> = table.names().collect();
    let lost = names
        .par_iter()
        .find_first(|name| !root.join(name).exists());
    let Some(lost) = lost else { return Ok(()) };
    Err(Error::List {
        path: list.to_path_buf(),
        line: line_of(list, |row| row.enrol == *lost || row.test == **lost)?,
        fact: format!("there is no file {}", root.join(lost).display()),
        remedy: "check --root".into(),
    })
}
