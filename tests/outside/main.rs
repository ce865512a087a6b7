//! `calibrate` with speakers who are in no trial: a cohort of them, or a pair head fitted on them.

mod cohort;
mod new_head;
#[path = "../program/mod.rs"]
mod program;

use program::{Answer, Place, voice};
use serde_json::Value;
use std::{ffi::OsStr, fs};

impl Place {
    fn say(&self, line: &str) -> Answer {
        let store = self.path("store.sqlite");
        let mut command = self.command(line.split(' '));
        Answer::of(command.args([OsStr::new("--store"), store.as_os_str()]))
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let answer = self.say(&format!("--json {line}"));
        serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{line}: {}", answer.stderr))
    }

    #[track_caller]
    fn refused(&self, line: &str) -> String {
        let answer = self.say(line);
        assert_eq!(answer.code, 2, "{line}: {}", answer.stderr);
        assert!(!self.path("out.safetensors").exists());
        answer.stderr
    }

    /// A folder for each of these voices.
    fn folder(&self, folder: &str, voices: &[&str]) {
        for name in voices {
            let to = self.path(folder).join(name);
            fs::create_dir_all(&to).unwrap();
            for n in 1..=4 {
                let from = voice(&format!("{name}-{n}"));
                if from.exists() {
                    fs::copy(from, to.join(format!("{n}.wav"))).unwrap();
                }
            }
        }
    }
}
