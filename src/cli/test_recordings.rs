//! Reads the recordings that `identify` searches for, or their embeddings from a NumPy file.

use super::{
    output::{Output, printable},
    recordings::{self, Files},
    remedy,
};
use clap::builder::Resettable;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    answer::{Recording, identification, json_of},
    batch::vectors::Array,
    scoring::{Reason, gallery::Probe},
    verifier::{Embedding, Verifier},
};
use std::path::{Path, PathBuf};

/// What to search for.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Recordings to test, or folders of them; - listens to standard input
    #[arg(required_unless_present = "embeddings", help_heading = Resettable::Reset)]
    pub files: Vec<PathBuf>,
    /// Array (N, D) of embeddings, as `spkver embed -o` writes it, instead of recordings
    #[arg(long, value_name = "FILE.npy", conflicts_with = "files")]
    #[arg(help_heading = "Recordings")]
    embeddings: Option<PathBuf>,
    #[command(flatten)]
    pub recordings: recordings::Args,
}

/// A recording to search for.
pub struct TestRecording {
    /// The path as given. For a row of an array, the path and the number of the row, from 0.
    pub label: String,
    /// The quality facts, if there was a recording.
    pub quality: Value,
    /// The embedding with its form for the search, or why there is none.
    pub embedding: std::result::Result<(Embedding, Probe), Unfit>,
}

/// Why a recording cannot be searched for.
pub enum Unfit {
    /// It allows no decision.
    Inconclusive(Reason),
    /// It cannot be read.
    Unreadable(Error),
}

impl Args {
    /// Reads all recordings. A file that cannot be read fails the command only if no other file is
    /// named.
    ///
    /// # Errors
    /// The error of that file; errors of the array.
    pub fn read(&self, verifier: &Verifier, output: &Output) -> Result<Vec<TestRecording>> {
        if let Some(path) = &self.embeddings {
            let mut array = open_array(path, verifier)?;
            let rows = 0..array.num_rows();
            let tests = rows.map(|row| {
                let embedding = Embedding::new(array.row(row)?, verifier.id());
                Ok(TestRecording {
                    label: format!("{}[{row}]", path.to_string_lossy()),
                    quality: Value::Null,
                    embedding: probe(embedding, verifier),
                })
            });
            return tests.collect();
        }
        let files = Files::named(&self.files)?;
        let read = self.recordings.embed_each(&files.paths, verifier, output);
        let tests = files.paths.iter().zip(read).map(|(path, read)| {
            let label = path.to_string_lossy().into_owned();
            Ok(match read {
                Ok(recording) => TestRecording::of(recording, verifier),
                Err(error) if files.is_one => return Err(error),
                Err(error) => TestRecording {
                    label,
                    quality: Value::Null,
                    embedding: Err(Unfit::Unreadable(error)),
                },
            })
        });
        tests.collect()
    }
}

impl TestRecording {
    /// A recording that could be read.
    pub fn of(recording: Recording, verifier: &Verifier) -> Self {
        TestRecording {
            label: recording.path.to_string_lossy().into_owned(),
            quality: json_of(&recording.quality),
            embedding: probe(recording.embedding, verifier),
        }
    }
}

impl Unfit {
    /// The line for people, without the file's name at the beginning.
    pub fn line(&self, label: &str) -> String {
        match self {
            Unfit::Inconclusive(reason) => format!(
                "INCONCLUSIVE  {}: {reason}; {}",
                printable(label),
                remedy::words(&reason.remedy())
            ),
            Unfit::Unreadable(error) => format!("ERROR  {}", printable(&remedy::text(error))),
        }
    }

    /// The outcome as JSON, for machines.
    pub fn json(&self) -> Value {
        match self {
            Unfit::Inconclusive(reason) => identification::inconclusive(*reason),
            Unfit::Unreadable(error) => json!({
                "outcome": "error",
                "error": remedy::text(error),
                "code": error.code(),
            }),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Unfit::Inconclusive(_) => 3,
            Unfit::Unreadable(error) => error.exit_code(),
        }
    }
}

fn probe(
    embedding: std::result::Result<Embedding, Reason>,
    verifier: &Verifier,
) -> std::result::Result<(Embedding, Probe), Unfit> {
    identification::probe(embedding, verifier).map_err(Unfit::Inconclusive)
}

/// Opens a float32 array `(N, D)` of the model's embeddings.
///
/// # Errors
/// [`Error::Io`], and [`Error::Usage`] for an array of another kind.
pub fn open_array(path: &Path, verifier: &Verifier) -> Result<Array> {
    let array = Array::open(path)?;
    let size = verifier.model().head.embedding_size();
    if array.size() != size {
        return Err(Error::Usage(format!(
            "{}: {} numbers a row; the model's embeddings have {size}",
            path.display(),
            array.size(),
        )));
    }
    Ok(array)
}
