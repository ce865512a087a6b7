//! Errors of the library as exceptions: those of `spkver/_errors.py`, which have a stable code.

use pyo3::prelude::*;
use spkver::Error;

/// The exception for an error.
pub fn raised(error: Error) -> PyErr {
    exception(error.code(), &error.to_string())
}

/// The exception for a wrong argument.
pub fn usage(message: &str) -> PyErr {
    exception("usage", message)
}

fn exception(code: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let new = py.import("spkver._errors")?.getattr("of")?;
        Ok(PyErr::from_value(new.call1((code, message))?))
    })
    .unwrap_or_else(|fault| fault)
}
