//! Where the secret of an encrypted store comes from: a file, the environment, the terminal.

use spkver::{
    Error, Result,
    storage::{
        secret::{Secret, SecretKind, read_short},
        voiceprints,
    },
};
use std::{
    env,
    io::{IsTerminal, stderr, stdin},
    path::{Path, PathBuf},
    sync::Mutex,
};
use zeroize::Zeroizing;

/// What opens an encrypted store.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Key of an encrypted store [or the key itself in SPKVER_KEY]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "passphrase_file"
    )]
    key_file: Option<PathBuf>,
    /// Passphrase of an encrypted store, in a file's first line [or itself in SPKVER_PASSPHRASE;
    /// else it is asked for]
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Args {
    /// The files that hold it.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.key_file.iter().chain(&self.passphrase_file)
    }

    /// The secret that the flags or the environment give.
    pub fn secret(&self) -> Result<Option<Secret>> {
        given(
            self.key_file.as_deref(),
            self.passphrase_file.as_deref(),
            ["SPKVER_KEY", "SPKVER_PASSPHRASE"],
        )
    }

    /// The secret for this store: given, or asked for if the store wants a passphrase.
    pub fn secret_for(&self, store: &Path) -> Result<Option<Secret>> {
        match self.secret()? {
            None if voiceprints::wanted_secret(store)? == Some(SecretKind::Passphrase) => {
                asked("Passphrase of the store: ")
            }
            given => Ok(given),
        }
    }
}

/// The secret that two flags and two variables may give, the flags first.
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
                "{key_name} holds no key; 64 hexadecimal digits are wanted"
            ))
        }),
        (None, Some(text)) => std::str::from_utf8(&text)
            .ok()
            .and_then(Secret::from_passphrase)
            .map(Some)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "{words_name} holds no passphrase; 1 to {} bytes of UTF-8 are wanted",
                    Secret::MAX_PASSPHRASE_BYTES
                ))
            }),
    }
}

/// A passphrase from the person at the terminal, if there is one.
pub fn asked(prompt: &str) -> Result<Option<Secret>> {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(None);
    }
    let text = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|e| Error::io(Path::new("<terminal>"), "read", e))?;
    Ok(Secret::from_passphrase(&text))
}

/// A new passphrase, typed twice.
pub fn asked_twice(prompt: &str) -> Result<Option<Secret>> {
    let (first, again) = (asked(prompt)?, asked("The same again: ")?);
    match (&first, &again) {
        (Some(Secret::Passphrase(a)), Some(Secret::Passphrase(b))) if a != b => {
            Err(Error::Usage("the two passphrases differ".into()))
        }
        _ => Ok(first),
    }
}

/// What was read of the pipes: each can be read once, and a command may ask twice.
static READ: Mutex<Vec<(String, Zeroizing<Vec<u8>>)>> = Mutex::new(vec![]);

/// Wipes what [`variable`] keeps; before the program ends.
pub fn forget() {
    READ.lock().unwrap_or_else(|e| e.into_inner()).clear();
}

fn variable(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut read = READ.lock().unwrap_or_else(|e| e.into_inner());
    if let Some((_, value)) = read.iter().find(|(known, _)| known == name) {
        return Some(value.clone());
    }
    let value = read_variable(name)?;
    read.push((name.to_string(), value.clone()));
    Some(value)
}

fn read_variable(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    if let Some(pipe) = env::var_os(pipe_of(name)) {
        // Set but not to be read is not unset: what is empty is no secret, and refused.
        let value = read_short(Path::new(&pipe), MAX_BYTES);
        return Some(value.unwrap_or_default());
    }
    env::var_os(name).map(|value| Zeroizing::new(value.into_encoded_bytes()))
}

/// Of a variable: more than any secret has, less than what a pipe holds without a reader.
const MAX_BYTES: usize = 4096;

/// The variable that names the pipe with the value of `name`.
fn pipe_of(name: &str) -> String {
    format!("{name}_PIPE")
}

const VARIABLES: [&str; 4] = [
    "SPKVER_KEY",
    "SPKVER_PASSPHRASE",
    "SPKVER_NEW_KEY",
    "SPKVER_NEW_PASSPHRASE",
];

/// Begins the program again without the secrets in its environment, which stays readable in its
/// memory and in /proc for as long as it runs; a pipe hands them on. Where that is not possible,
/// the program goes on as it is.
pub fn leave_environment() {
    #[cfg(unix)]
    {
        use std::{
            io::{Write, pipe},
            os::{fd::AsRawFd, unix::process::CommandExt},
            process::Command,
        };
        let Ok(program) = env::current_exe() else {
            return;
        };
        let mut arguments = env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments);
        let mut pipes = vec![];
        for name in VARIABLES {
            command.env_remove(pipe_of(name));
            let Some(value) = env::var_os(name) else {
                continue;
            };
            let value = Zeroizing::new(value.into_encoded_bytes());
            let Ok((reader, mut writer)) = pipe() else {
                return;
            };
            let inherited = rustix::io::fcntl_setfd(&reader, rustix::io::FdFlags::empty());
            // What is longer is no secret, and would wait for a reader.
            let fits = (..=MAX_BYTES).contains(&value.len());
            if !fits || inherited.is_err() || writer.write_all(&value).is_err() {
                return;
            }
            command.env_remove(name);
            command.env(pipe_of(name), format!("/dev/fd/{}", reader.as_raw_fd()));
            pipes.push(reader);
        }
        if !pipes.is_empty() {
            // Comes back only if it failed.
            let _ = command.exec();
        }
    }
}
