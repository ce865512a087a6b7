//! `spkver score` and `spkver embed` on lists, as a user sees them.

mod interrupted;
mod lists;
mod outputs;
#[path = "../program/mod.rs"]
mod program;
mod stream;
mod vectors;

use program::Place;
use std::fs;

const VOICES: [&str; 6] = [
    "anna-1", "anna-2", "boris-1", "boris-2", "chloe-1", "chloe-2",
];

/// A folder with copies of the repository's voices.
fn place() -> Place {
    let place = Place::new();
    for name in VOICES.iter().chain(&["silence"]) {
        place.copy(name, format!("{name}.wav"));
    }
    place
}

impl Place {
    /// The rows of a list, on stdout.
    #[track_caller]
    fn rows(&self, line: &str) -> Vec<String> {
        let rows = self.done(line).stdout;
        rows.lines().map(String::from).collect()
    }

    /// The score that `compare` gives, as JSON has it.
    fn compare(&self, a: &str, b: &str) -> String {
        self.json(&format!("compare {a} {b}"))["llr"].to_string()
    }

    /// Nothing of an unfinished run is left.
    fn is_tidy(&self) -> bool {
        let mut names = fs::read_dir(self.path("")).unwrap();
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
        let link = place.path(format!("many/{i:05}.wav"));
        fs::hard_link(place.path(source), link).unwrap();
    }
    let list: String = (0..count)
        .map(|i| format!("many/{i:05}.wav many/{:05}.wav\n", (i * 7 + 1) % count))
        .collect();
    place.write("trials", list);
}
