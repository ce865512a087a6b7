//! The secret of an encrypted store: from a file, the environment or the terminal.

use spkver::{
    Error, Result,
    storage::{
        secret::{Secret, SecretKind},
        voiceprints,
    },
};
use std::{
    env,
    io::{IsTerminal, stderr, stdin},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What opens an encrypted store.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Store")]
pub struct Args {
    /// File with the key of an encrypted store [env: SPKVER_KEY holds the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    #[arg(conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// File whose first line is the passphrase of an encrypted store [env: SPKVER_PASSPHRASE holds
    /// the passphrase itself] [default: you are asked for it]
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Args {
    /// The files that hold the secret.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.key_file.iter().chain(&self.passphrase_file)
    }

    /// The secret that the flags or the environment give, if any.
    pub fn secret(&self) -> Result<Option<Secret>> {
        given(
            self.key_file.as_deref(),
            self.passphrase_file.as_deref(),
            ["SPKVER_KEY", "SPKVER_PASSPHRASE"],
        )
    }

    /// The secret for this store: the given one, or one that the user types if the store has a
    /// passphrase.
    pub fn secret_for(&self, store: &Path) -> Result<Option<Secret>> {
        match self.secret()? {
            None if voiceprints::wanted_secret(store)? == Some(SecretKind::Passphrase) => {
                asked("Passphrase of the store: ")
            }
            given => Ok(given),
        }
    }
}

/// The secret that one of two flags or one of two variables gives. Flags take precedence.
pub fn given(
    key_file: Option<&Path>,
    passphrase_file: Option<&Path>,
    variables: [&str; 2],
) -> Result<Option<Secret>> {
    if let Some(path) = key_file {
        return Secret::from_key_file(path).map(Some);
    }
    if let Some(path) = passphrase_file {
        return Secret::from_passphrase_file(path).map(Some);
    }
    let [key_name, words_name] = variables;
    match (variable(key_name), variable(words_name)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Error::Usage(format!(
            "{key_name} and {words_name} are both set; set one"
        ))),
        (Some(text), None) => Secret::from_hex(&text).map(Some).ok_or_else(|| {
            Error::Usage(format!(
                "{key_name} holds no key; a key is 64 hexadecimal digits"
            ))
        }),
        (None, Some(text)) => std::str::from_utf8(&text)
            .ok()
            .and_then(Secret::from_passphrase)
            .map(Some)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "{words_name} holds no passphrase; a passphrase is 1 to {} bytes of UTF-8",
                    Secret::MAX_PASSPHRASE_BYTES
                ))
            }),
    }
}

/// A passphrase that the user types, if there is a terminal.
pub fn asked(prompt: &str) -> Result<Option<Secret>> {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(None);
    }
    let text = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|e| Error::io(Path::new("<terminal>"), "read", e))?;
    Ok(Secret::from_passphrase(&text))
}

/// A new passphrase, which the user types twice.
pub fn asked_twice(prompt: &str) -> Result<Option<Secret>> {
    let (first, again) = (asked(prompt)?, asked("The same again: ")?);
    match (&first, &again) {
        (Some(Secret::Passphrase(a)), Some(Secret::Passphrase(b))) if a != b => {
            Err(Error::Usage("the two passphrases differ".into()))
        }
        _ => Ok(first),
    }
}

/// The value of a variable. It stays readable in the environment as long as the program runs.
fn variable(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    env::var_os(name).map(|value| Zeroizing::new(value.into_encoded_bytes()))
}
