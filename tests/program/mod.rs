//! Runs the program as a user would, in a folder with its own home and store, and finds or makes
//! recordings for it.

#![allow(dead_code, reason = "no test file uses all of it")]

use serde_json::Value;
use spkver::audio::{self, Waveform};
use std::{
    ffi::{OsStr, OsString},
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

    /// Writes a file. Returns its path.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Copies a recording of `fixtures/voices` to a file in this folder.
    pub fn copy(&self, recording: &str, to: impl AsRef<Path>) {
        let to = self.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(voice(recording), to).unwrap();
    }

    /// Writes a WAV file: 16 bits, mono. Returns its path.
    pub fn wav(&self, name: &str, rate_hz: u32, samples: impl Iterator<Item = i16>) -> PathBuf {
        let path = self.path(name);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate_hz,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        samples.for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn bytes(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn exists(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).exists()
    }

    /// The program in this folder, with an empty stdin.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(PROGRAM);
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

    /// Runs a line of [`words`].
    pub fn say(&self, line: &str) -> Answer {
        Answer::of(&mut self.command(words(line)))
    }

    /// Runs a line of [`words`] that must succeed.
    #[track_caller]
    pub fn done(&self, line: &str) -> Answer {
        let answer = self.say(line);
        assert_eq!(answer.code, 0, "{line}: {}", answer.stderr);
        answer
    }

    /// Runs a line of [`words`] that must be [refused](Answer::refused).
    #[track_caller]
    pub fn refused(&self, line: &str, code: i32, fact: &str) {
        println!("{line}"); // shown if it is not refused
        self.say(line).refused(code, fact);
    }

    /// What a line prints with `--json`.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        self.say(&format!("--json {line}")).json()
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

    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        json.unwrap_or_else(|e| panic!("{e}: {} {}", self.stdout, self.stderr))
    }

    /// Nothing came out but this fact.
    #[track_caller]
    pub fn refused(&self, code: i32, fact: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        self.warns(fact);
        assert_eq!(self.stdout, "");
    }

    /// The result holds this fact.
    #[track_caller]
    pub fn prints(&self, fact: &str) {
        has(&self.stdout, fact);
    }

    /// The messages hold this fact.
    #[track_caller]
    pub fn warns(&self, fact: &str) {
        has(&self.stderr, fact);
    }
}

/// Asserts that a text holds a fact. Shows the text if it does not.
#[track_caller]
pub fn has(text: &str, fact: &str) {
    assert!(text.contains(fact), "no {fact:?} in:\n{text}");
}

/// The path of the program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_spkver");

/// The words of a command line, none of which holds a blank; `@anna-1` is a recording of
/// `fixtures/voices`.
pub fn words(line: &str) -> impl Iterator<Item = OsString> {
    let words = line.split_ascii_whitespace();
    words.map(|word| match word.strip_prefix('@') {
        Some(name) => voice(name).into_os_string(),
        None => OsString::from(word),
    })
}

/// A recording of `fixtures/voices`.
pub fn voice(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
    folder.join(format!("{name}.wav"))
}

/// What [`voice`] holds.
pub fn waveform(name: &str) -> Waveform {
    audio::read(&voice(name), &audio::ReadOptions::default()).unwrap()
}

/// White noise from −1 to 1, the same for the same seed.
pub fn noise(num_samples: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..num_samples).map(|_| next()).collect()
}
