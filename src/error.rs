//! The error type of the crate. Its text names the file, the fact and the remedy. Inputs are
//! checked where they enter the program (files, flags, models, stores); inner code has no `Result`.

use crate::{reason::Reason, remedy::Remedy};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why something was refused. The text names the file, the fact and the remedy.
///
/// ```
/// let error = spkver::Recording::open("no-such.wav", &Default::default()).unwrap_err();
/// assert!(error.to_string().starts_with("no-such.wav: cannot read: "));
/// assert!(error.to_string().ends_with("; check the path"));
///
/// // A reason why a recording is inconclusive becomes an error with `?`.
/// let error = spkver::Error::from(spkver::Reason::NoSpeech);
/// assert_eq!((error.code(), error.exit_code()), ("no_speech", 3));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An audio file that cannot be used.
    Audio {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: Remedy,
    },
    /// Another file (manifest, trial list, model, output) that could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed: "read", "write", "create".
        doing: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
        /// What the user can do.
        remedy: Remedy,
    },
    /// A model file that is damaged, of another version, or inconsistent.
    Model {
        /// Path of the model file (`<embedded>` for the built-in one).
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: Remedy,
    },
    /// A layer whose input shape does not fit.
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
        remedy: Remedy,
    },
    /// A store of voiceprints that is damaged or cannot be opened.
    Store {
        /// Path of the store.
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: Remedy,
    },
    /// No speaker of this name is in the store.
    UnknownSpeaker {
        /// The requested name.
        name: String,
        /// Path of the store.
        store: PathBuf,
    },
    /// The voiceprint was made by another model.
    ModelMismatch {
        /// The speaker's name.
        name: String,
        /// Id of the model that made the voiceprint.
        voiceprint_model: String,
        /// Id of the model in use.
        model: String,
    },
    /// A bad line in a manifest or trial list.
    List {
        /// Path of the list.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with the line.
        fact: String,
        /// What the line should contain.
        remedy: Remedy,
    },
    /// A recording that allows no decision.
    Inconclusive(#[from] Reason),
    /// Errors of several files.
    Several(Vec<Error>),
    /// A flag, option or configuration value that is not valid.
    Usage(String),
    /// A request that is refused as it stands, although each part of it is valid.
    Refused {
        /// What is wrong with it.
        fact: String,
        /// What the user can do.
        remedy: Remedy,
    },
    /// An option that does not fit the other options or the data.
    Option {
        /// Its name in the library; the program's flag has the same.
        option: &'static str,
        /// Its value, if this matters, or nothing.
        value: String,
        /// What is wrong with it.
        fact: String,
        /// What the user can do, unless the fact says it.
        remedy: Option<Remedy>,
    },
}

impl Error {
    /// An [`Error::Io`] for `path`, with a remedy that matches the kind of error.
    #[doc(hidden)]
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
        Error::io_with(path, doing, source, remedy)
    }

    /// An [`Error::Io`] with a remedy of its own.
    #[doc(hidden)]
    pub fn io_with(
        path: impl Into<PathBuf>,
        doing: &'static str,
        source: std::io::Error,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Error::Io {
            path: path.into(),
            doing,
            source,
            remedy: remedy.into(),
        }
    }

    /// An [`Error::Audio`].
    #[doc(hidden)]
    pub fn audio(
        path: impl Into<PathBuf>,
        fact: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Error::Audio {
            path: path.into(),
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Error::Model`].
    #[doc(hidden)]
    pub fn model(
        path: impl Into<PathBuf>,
        fact: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Error::Model {
            path: path.into(),
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Error::Store`].
    #[doc(hidden)]
    pub fn store(
        path: impl Into<PathBuf>,
        fact: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Error::Store {
            path: path.into(),
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Error::List`] about a line, counted from 1.
    #[doc(hidden)]
    pub fn list(
        path: impl Into<PathBuf>,
        line: usize,
        fact: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Error::List {
            path: path.into(),
            line,
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Error::Refused`].
    #[doc(hidden)]
    pub fn refused(fact: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Error::Refused {
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Error::Option`] whose fact says what the user can do. The value may be empty.
    #[doc(hidden)]
    pub fn option(option: &'static str, value: impl fmt::Display, fact: impl Into<String>) -> Self {
        Error::Option {
            option,
            value: value.to_string(),
            fact: fact.into(),
            remedy: None,
        }
    }

    /// The same error with this remedy. Errors that always have the same one keep it.
    #[doc(hidden)]
    pub fn with_remedy(mut self, new: impl Into<Remedy>) -> Self {
        match &mut self {
            Error::Audio { remedy, .. }
            | Error::Io { remedy, .. }
            | Error::Model { remedy, .. }
            | Error::Layer { remedy, .. }
            | Error::Store { remedy, .. }
            | Error::List { remedy, .. }
            | Error::Refused { remedy, .. } => *remedy = new.into(),
            Error::Option { remedy, .. } => *remedy = Some(new.into()),
            Error::UnknownSpeaker { .. }
            | Error::ModelMismatch { .. }
            | Error::Inconclusive(_)
            | Error::Several(_)
            | Error::Usage(_) => {}
        }
        self
    }

    /// What is wrong: the text of the error without the remedy.
    pub fn fact(&self) -> String {
        match self {
            Error::Audio { path, fact, .. } => format!("{}: {fact}", path.display()),
            Error::Io {
                path,
                doing,
                source,
                ..
            } => format!("{}: cannot {doing}: {source}", path.display()),
            Error::Model { path, fact, .. } => format!("model {}: {fact}", path.display()),
            Error::Layer {
                index,
                kind,
                got,
                wanted,
                ..
            } => format!("layer {index} ({kind}): got {got}, wanted {wanted}"),
            Error::Store { path, fact, .. } => format!("store {}: {fact}", path.display()),
            Error::UnknownSpeaker { name, store } => {
                format!("speaker {name:?} is not enrolled in {}", store.display())
            }
            Error::ModelMismatch {
                name,
                voiceprint_model,
                model,
            } => format!(
                "voiceprint of {name:?} was made by model {voiceprint_model}, this is model {model}"
            ),
            Error::List {
                path, line, fact, ..
            } => format!("{}:{line}: {fact}", path.display()),
            Error::Inconclusive(reason) => reason.to_string(),
            Error::Several(errors) => errors
                .iter()
                .map(Error::fact)
                .collect::<Vec<_>>()
                .join("\n"),
            Error::Usage(fact) | Error::Refused { fact, .. } => fact.clone(),
            Error::Option {
                option,
                value,
                fact,
                ..
            } => match value.is_empty() {
                true => format!("{option}: {fact}"),
                false => format!("{option} {value}: {fact}"),
            },
        }
    }

    /// What the user can do; none if the fact says it, or for several errors.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Audio { remedy, .. }
            | Error::Io { remedy, .. }
            | Error::Model { remedy, .. }
            | Error::Layer { remedy, .. }
            | Error::Store { remedy, .. }
            | Error::List { remedy, .. }
            | Error::Refused { remedy, .. } => Some(remedy.clone()),
            Error::Option { remedy, .. } => remedy.clone(),
            Error::Inconclusive(reason) => Some(reason.remedy()),
            Error::UnknownSpeaker { .. } => Some(Remedy::FindSpeaker),
            Error::ModelMismatch { name, .. } => Some(Remedy::OtherModel(name.clone())),
            Error::Several(_) | Error::Usage(_) => None,
        }
    }

    /// No speaker of this name is in the store at `store`.
    #[doc(hidden)]
    pub fn unknown_speaker(name: &str, store: &Path) -> Self {
        Error::UnknownSpeaker {
            name: name.into(),
            store: store.into(),
        }
    }

    /// What went wrong, in one word that stays the same from version to version.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Usage(_) | Error::Refused { .. } | Error::Option { .. } => "usage",
            Error::List { .. } => "list",
            Error::Audio { .. } => "audio",
            Error::Inconclusive(reason) => reason.code(),
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
    #[doc(hidden)]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Refused { .. } | Error::Option { .. } | Error::List { .. } => {
                2
            }
            Error::Audio { .. } | Error::Inconclusive(_) => 3,
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Error::Several(errors) = self {
            let texts: Vec<String> = errors.iter().map(Error::to_string).collect();
            return f.write_str(&texts.join("\n"));
        }
        f.write_str(&self.fact())?;
        self.remedy()
            .map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
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
