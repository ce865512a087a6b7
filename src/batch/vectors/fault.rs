//! What the readers of vector files share: who takes each vector, and why a file could not be read.

use crate::Error;

/// Takes each id and vector.
pub(super) type Take<'t> = dyn FnMut(&str, &[f32]) -> std::result::Result<(), Fault> + 't;

/// Why a file could not be read.
pub(super) enum Fault {
    Io(std::io::Error),
    Fact(String),
    /// Of another file.
    Other(Error),
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
