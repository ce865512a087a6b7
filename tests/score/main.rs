//! `spkver score` and `spkver embed` on lists, as a user sees them.

mod interrupted;
mod lists;
mod outputs;
mod stream;
mod vectors;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A folder with links to the repository's voices.
struct Place(tempfile::TempDir);

struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

const VOICES: [&str; 6] = [
    "anna-1", "anna-2", "boris-1", "boris-2", "chloe-1", "chloe-2",
];

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        let voices = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
        for name in VOICES.iter().chain(&["silence"]) {
            let file = format!("{name}.wav");
            fs::copy(voices.join(&file), place.path(&file)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
        command
            .args(line.split(' '))
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .stdin(Stdio::null());
        command
    }

    fn say(&self, line: &str) -> Answer {
        let output = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let answer = Answer {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        answer
    }

    /// The rows of a list, on stdout.
    #[track_caller]
    fn rows(&self, line: &str) -> Vec<String> {
        let answer = self.say(line);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        answer.stdout.lines().map(String::from).collect()
    }

    /// The score that `compare` gives, as JSON has it.
    fn compare(&self, a: &str, b: &str) -> String {
        let answer = self.say(&format!("compare --json {a} {b}"));
        let json: Value = serde_json::from_str(&answer.stdout).unwrap();
        json["llr"].to_string()
    }

    /// Nothing of an unfinished run is left.
    fn is_tidy(&self) -> bool {
        let mut names = fs::read_dir(self.0.path()).unwrap();
        !names.any(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.contains(".partial") || name.contains(".state") || name.starts_with(".spkver")
        })
    }
}

/// All pairs of the voices, with a missing file among them.
fn all_pairs(place: &Place) -> usize {
    let mut names: Vec<String> = VOICES.iter().map(|v| format!("{v}.wav")).collect();
    names.push("missing.wav".into());
    let mut text = String::new();
    for a in &names {
        for b in &names {
            let label = if a[..4] == b[..4] {
                "target"
            } else {
                "nontarget"
            };
            text += &format!("{a} {b} {label}\n");
        }
    }
    place.write("trials", text);
    names.len() * names.len()
}

/// Many links to few recordings, one in a hundred malformed.
fn many_recordings(place: &Place, count: usize) {
    fs::create_dir(place.path("many")).unwrap();
    place.write("bad.wav", b"RIFF\x24\0\0\0WAVEfmt broken");
    for i in 0..count {
        let source = match i % 100 {
            50 => "bad.wav".to_string(),
            _ => format!("{}.wav", VOICES[i % VOICES.len()]),
        };
        let link = place.path(&format!("many/{i:05}.wav"));
        fs::hard_link(place.path(&source), link).unwrap();
    }
    let list: String = (0..count)
        .map(|i| format!("many/{i:05}.wav many/{:05}.wav\n", (i * 7 + 1) % count))
        .collect();
    place.write("trials", list);
}
