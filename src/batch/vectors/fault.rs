//! What the readers of vector files share: the receiver of the vectors, and why a file could not be
//! read.

use crate::Error;
use std::path::Path;

/// Receives each id and its vector.
pub(super) type Take<'t> = dyn FnMut(&str, &[f32]) -> std::result::Result<(), Fault> + 't;

/// Why a file could not be read.
pub(super) enum Fault {
    Io(std::io::Error),
    Fact(String),
    /// The error of another file, such as the list of ids.
    Other(Error),
}

impl Fault {
    /// The error about the file at `path`, and what is `wanted` in its place.
    pub fn of_file(self, path: &Path, wanted: &str) -> Error {
        match self {
            Fault::Io(error) => Error::io(path, "read", error),
            Fault::Other(error) => error,
            Fault::Fact(fact) => Error::Usage(format!("{}: {fact}; {wanted}", path.display())),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Other(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<String> for Fault {
    fn from(fact: String) -> Self {
        Fault::Fact(fact)
    }
}

impl From<&str> for Fault {
    fn from(fact: &str) -> Self {
        Fault::Fact(fact.into())
    }
}
