//! What is written to a file of vectors: a row for each recording, and facts about the whole file.

use crate::{
    Result,
    batch::outcome::{AudioHash, Outcome},
    verifier::ModelId,
};

/// The row of one recording.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name in the list.
    pub id: String,
    /// Hash of its file, if that could be read.
    pub audio: Option<AudioHash>,
    /// Its embedding, or why there is none.
    pub outcome: Outcome,
}

/// Facts about the whole file.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The model of the embeddings.
    pub model: ModelId,
    /// The size of an embedding, D.
    pub size: usize,
    /// Every id, in the order of the rows.
    pub ids: &'a [String],
}

/// Rows in order, each given once to the writer.
pub type Rows<'r> = dyn FnMut(&mut dyn FnMut(Row) -> Result<()>) -> Result<()> + 'r;
