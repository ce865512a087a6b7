//! What the readers of vector files share: the receiver of the vectors, and why a file could not be
//! read.

use crate::{Error, remedy::Remedy};
use std::path::Path;

/// Receives each id and its vector.
pub(super) type Take<'t> = dyn FnMut(&str, &[f32]) -> std::result::Result<(), Refusal> + 't;

/// Why a file could not be read.
pub(super) enum Refusal {
    Io(std::io::Error),
    Fact(String),
    /// The file holds vectors without ids.
    NoIds,
    /// The error of another file, such as the list of ids.
    Other(Error),
}

impl Refusal {
    /// The error about the file at `path`, and what is `wanted` in its place.
    pub fn of_file(self, path: &Path, wanted: &str) -> Error {
        match self {
            Refusal::Io(error) => Error::io(path, "read", error),
            Refusal::Other(error) => error,
            Refusal::NoIds => Error::refused(
                format!("{}: a NumPy array without ids", path.display()),
                Remedy::Option(&["name a file with ", "ids", ", one id per line"]),
            ),
            Refusal::Fact(fact) => Error::Usage(format!("{}: {fact}; {wanted}", path.display())),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Other(error)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::Io(error)
    }
}

impl From<String> for Refusal {
    fn from(fact: String) -> Self {
        Refusal::Fact(fact)
    }
}

impl From<&str> for Refusal {
    fn from(fact: &str) -> Self {
        Refusal::Fact(fact.into())
    }
}
