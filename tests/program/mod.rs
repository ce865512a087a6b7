//! Runs the program as a user would: in a folder with its own home and store. The test files add
//! methods of their own.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A separate folder for each test, with home, store and files.
pub struct Place(tempfile::TempDir);

/// Result of a command.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program in this folder, with an empty stdin.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
        command
            .args(args)
            .env("HOME", self.0.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env_remove("SPKVER_MODEL")
            .env_remove("SPKVER_STORE")
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }
}

impl Answer {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let answer = Answer {
            code: output.status.code().expect("an exit, no signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        answer
    }
}

/// A recording of `fixtures/voices`.
pub fn voice(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
    folder.join(format!("{name}.wav"))
}
