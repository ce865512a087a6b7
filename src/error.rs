//! The error type of the crate. Its text names the file, the fact and the remedy. Inputs are
//! checked where they enter the program (files, flags, models, stores); inner code has no `Result`.

use std::path::{Path, PathBuf};

/// Why something was refused. The text names the file, the fact and the remedy.
///
/// ```
/// let error = spkver::Recording::open("no-such.wav", &Default::default()).unwrap_err();
/// assert!(error.to_string().starts_with("no-such.wav: cannot read: "));
/// assert!(error.to_string().ends_with("; check the path"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An audio file that cannot be used.
    #[error("{}: {fact}; {remedy}", path.display())]
    Audio {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: String,
    },
    /// Another file (manifest, trial list, model, output) that could not be read or written.
    #[error("{}: cannot {doing}: {source}; {remedy}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed: "read", "write", "create".
        doing: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
        /// What the user can do.
        remedy: &'static str,
    },
    /// A model file that is damaged, of another version, or inconsistent.
    #[error("model {}: {fact}; {remedy}", path.display())]
    Model {
        /// Path of the model file (`<embedded>` for the built-in one).
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: String,
    },
    /// A layer whose input shape does not fit.
    #[error("layer {index} ({kind}): got {got}, wanted {wanted}; {remedy}")]
    Layer {
        /// Index in the layer list, from 0.
        index: usize,
        /// Kind of the layer, as in the model file.
        kind: &'static str,
        /// Shape of its input.
        got: String,
        /// Shape that the layer needs.
        wanted: String,
        /// The number to change, and where.
        remedy: String,
    },
    /// A store of voiceprints that is damaged or cannot be opened.
    #[error("store {}: {fact}; {remedy}", path.display())]
    Store {
        /// Path of the store.
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: String,
    },
    /// No speaker of this name is in the store.
    #[error("speaker {name:?} is not enrolled in {}; enroll with `spkver enroll` or see `spkver list`", store.display())]
    UnknownSpeaker {
        /// The requested name.
        name: String,
        /// Path of the store.
        store: PathBuf,
    },
    /// The voiceprint was made by another model.
    #[error(
        "voiceprint of {name:?} was made by model {voiceprint_model}, this is model {model}; \
         use `--model` with the old model, or enroll {name:?} again"
    )]
    ModelMismatch {
        /// The speaker's name.
        name: String,
        /// Id of the model that made the voiceprint.
        voiceprint_model: String,
        /// Id of the model in use.
        model: String,
    },
    /// A bad line in a manifest or trial list.
    #[error("{}:{line}: {fact}; {remedy}", path.display())]
    List {
        /// Path of the list.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with the line.
        fact: String,
        /// What the line should contain.
        remedy: String,
    },
    /// Errors of several files.
    #[error("{}", .0.iter().map(Error::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
    /// A flag, option or configuration value that is not valid.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// An [`Error::Io`] for `path`, with a remedy that matches the kind of error.
    pub fn io(path: &Path, doing: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let remedy = match source.kind() {
            ErrorKind::NotFound if path == Path::new("-") => {
                "standard input is not read: give a file"
            }
            ErrorKind::NotFound => "check the path",
            ErrorKind::InvalidData => "is this a text file?",
            ErrorKind::PermissionDenied => "check the permissions",
            ErrorKind::StorageFull => "free some space",
            _ => "check the disk and the path",
        };
        Error::Io {
            path: path.to_path_buf(),
            doing,
            source,
            remedy,
        }
    }

    /// No speaker of this name is in the store at `store`.
    pub fn unknown_speaker(name: &str, store: &Path) -> Self {
        Error::UnknownSpeaker {
            name: name.into(),
            store: store.into(),
        }
    }

    /// What went wrong, in one word that stays the same from version to version.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Usage(_) => "usage",
            Error::List { .. } => "list",
            Error::Audio { .. } => "audio",
            Error::Model { .. } | Error::Layer { .. } => "model",
            Error::Store { .. } => "store",
            Error::UnknownSpeaker { .. } => "unknown_speaker",
            Error::ModelMismatch { .. } => "model_mismatch",
            Error::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => "not_found",
                std::io::ErrorKind::StorageFull => "disk_full",
                _ => "io",
            },
            // The code of the error that decides the exit code.
            Error::Several(errors) => {
                let worst = errors.iter().rev().max_by_key(|error| error.exit_code());
                worst.map_or("audio", Error::code)
            }
        }
    }

    /// Exit code of the process: 2 usage, 3 input refused, 4 model, store or speaker, 5 I/O.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::List { .. } => 2,
            Error::Audio { .. } => 3,
            Error::Model { .. }
            | Error::Layer { .. }
            | Error::Store { .. }
            | Error::UnknownSpeaker { .. }
            | Error::ModelMismatch { .. } => 4,
            Error::Io { .. } => 5,
            Error::Several(errors) => errors.iter().map(Error::exit_code).max().unwrap_or(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_text_is_asked_about() {
        let binary = std::io::Error::from(std::io::ErrorKind::InvalidData);
        let error = Error::io(Path::new("list.txt"), "read", binary);
        assert!(error.to_string().starts_with("list.txt: cannot read: "));
        assert!(error.to_string().ends_with("; is this a text file?"));
    }
}
