//! `calibrate` with speakers who are in no trial: a cohort of them, or a pair head fitted on them.

mod cohort;
mod new_head;
#[path = "../program/mod.rs"]
mod program;

use program::{Place, voice};
use std::fs;

impl Place {
    /// A calibration that is refused, and writes nothing.
    #[track_caller]
    fn no_model(&self, line: &str, fact: &str) {
        self.refused(line, 2, fact);
        assert!(!self.path("out.safetensors").exists());
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
