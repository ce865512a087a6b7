//! Hostile speaker names. Whatever the name, no file appears outside the store, no voiceprint is
//! confused with another, and no output affects a terminal, a web page or a log.

mod program;

use program::{Place, voice};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use spkver::{
    storage::voiceprints::Store,
    verifier::{Embedding, ModelId, SpeakerName, Utterance, is_unseen},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Output,
};

#[rustfmt::skip]
const PIECES: &[&str] = &[
    // Path components that lead out of a folder.
    "..", "/", "\\", "../../../../tmp/evil", "/etc/passwd", "C:\\Windows", "~", "%2e%2e%2f",
    "CON", "\u{ff0f}", "\u{2215}", "-", "--store", ".", "*", "?", "$(touch evil)",
    "`touch evil`", "|", ";", "$HOME",
    // Characters that end a string early.
    "\0", "'", "\"", "' OR 1=1 --", "'; DROP TABLE speaker; --", "%s%n", "{}",
    "${jndi:ldap://x}",
    // Sequences that control a terminal or a log.
    "\x1b[2J", "\x1b]0;evil\x07", "\r", "\n", "\t", "\x08", "\x7f", "\u{9b}31m", "\u{85}",
    "\u{2028}",
    // Characters that reverse or hide text.
    "\u{202e}", "\u{2066}", "\u{200f}", "\u{200b}", "\u{feff}", "\u{ad}", "\u{2060}",
    "\u{e0041}", "\u{34f}", "\u{3164}", "\u{200d}", "\u{fe0f}", "\u{a0}", "\u{3000}",
    "\u{2003}",
    // Text that is active in a spreadsheet or a web page.
    "=1+1", "=cmd|' /C calc'!A0", "+1", "@SUM(1)", "-1", "<script>alert(1)</script>",
    "<img src=x>", "&amp;", "</td>", "-->", "javascript:", "[x](y)",
    // Lookalikes.
    "anna", "аnna", "ａｎｎａ", "anna ", "Anna", "ann\u{430}", "e\u{301}", "\u{e9}", "\u{212b}",
    "\u{c5}", "K", "\u{212a}", "ﬁ", "ß", "ǆ", "1", "l", "I", "\u{1d5ba}", "\u{10ffff}",
    "\u{fffd}", "\u{e000}",
    // Ordinary names in other scripts, and others.
    "李小龍", "محمد", "אבגד", "👩‍🚀", "null", "NaN", "true", "0", "__proto__", " ", "  ",
];

/// Makes `count` names from one to four pieces, some of them repeated to many kilobytes.
fn names(seed: u64, count: usize) -> Vec<String> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |n: usize| (random.next_u64() % n as u64) as usize;
    let mut names: Vec<String> = PIECES.iter().map(|p| p.to_string()).collect();
    names.push(String::new());
    while names.len() < count {
        let mut name: String = (0..1 + below(4))
            .map(|_| PIECES[below(PIECES.len())])
            .collect();
        if below(50) == 0 {
            name = name.repeat(1 + 10_240 / name.len().max(1));
        }
        names.push(name);
    }
    names
}

/// All files below a folder.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        }
        files.insert(path);
    }
    files
}

#[test]
fn a_name_is_a_row_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/c/store");
    let mut store = Store::open_or_create(&path, None).unwrap();
    let model = ModelId::of(b"a model");
    let utterance = |number: usize| {
        let embedding = Embedding::new(vec![number as f32, 1.0], model).unwrap();
        Utterance::without_quality("x", embedding, 1.0)
    };
    let mut enrolled: Vec<(SpeakerName, usize)> = vec![];
    let mut keys = BTreeSet::new();
    let (mut num_refused, mut num_same) = (0, 0);
    for (number, text) in names(1, 4000).iter().enumerate() {
        let name = match SpeakerName::new(text.clone()) {
            Ok(name) => name,
            Err(error) => {
                num_refused += 1;
                assert_eq!(error.exit_code(), 2);
                let told = error.to_string();
                assert!(told.len() < 1000 && !told.contains(is_unseen), "{told:?}");
                continue;
            }
        };
        assert!(!text.contains(is_unseen), "{text:?}");
        assert!(text.len() <= SpeakerName::MAX_BYTES);
        if !keys.insert(name.key()) {
            num_same += 1;
            continue;
        }
        assert!(store.add(&name, model, 0, &[utterance(number)]).unwrap());
        enrolled.push((name, number));
    }
    assert!(num_refused > 500 && num_same > 20 && enrolled.len() > 500);
    for (name, number) in &enrolled {
        let voiceprint = store.get(name).unwrap();
        assert_eq!(voiceprint.name.as_str(), name.as_str());
        assert_eq!(voiceprint.utterances, [utterance(*number)]);
    }
    let listing = store.list().unwrap();
    assert_eq!(listing.speakers.len(), enrolled.len());
    drop(store);
    let below = |p: &str| folder.path().join(p);
    let expected = ["a", "a/b", "a/b/c", "a/b/c/store"].map(below);
    assert_eq!(files_below(folder.path()), BTreeSet::from(expected));
}

#[test]
fn names_that_look_alike_are_told_apart_or_are_one() {
    let name = |text: &str| SpeakerName::new(text).unwrap().key();
    // The same text in two encodings.
    assert_eq!(name("e\u{301}"), name("\u{e9}"));
    assert_eq!(name("\u{212b}"), name("\u{c5}"));
    // Different letters that look alike.
    let alike = ["anna", "аnna", "ａｎｎａ", "Anna", "ann\u{430}", "𝖺nna"];
    let keys: BTreeSet<String> = alike.iter().map(|text| name(text)).collect();
    assert_eq!(keys.len(), alike.len());
    // Invisible characters do not make a different name: they are refused.
    let refused = "an\u{200d}na|anna\u{fe0f}|an\u{34f}na|anna\u{a0}b|anna  b|anna\u{2003}b|\
                   an\u{200c}na|\u{2800}|an\u{e0061}na|anna\u{e0100}";
    for text in refused.split('|') {
        assert!(SpeakerName::new(text).is_err(), "{text:?}");
    }
    // They are allowed in scripts that need them.
    for text in [
        "علی\u{200c}رضا",
        "👩\u{200d}🚀",
        "क्\u{200d}ष",
        "☎\u{fe0f}",
        "山田\u{3000}太郎",
    ] {
        assert!(SpeakerName::new(text).is_ok(), "{text:?}");
    }
}

/// A folder with home and store. The working folder is deeper, so that paths can climb out of it.
fn place() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path("a/b/c")).unwrap();
    place
}

impl Place {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        command.current_dir(self.path("a/b/c")).output().unwrap()
    }
}

/// Checks that output contains only plain text and line ends.
#[track_caller]
fn harmless(bytes: &[u8], what: &str) -> String {
    let text = std::str::from_utf8(bytes).expect(what);
    let acts = text.chars().find(|&c| c != '\n' && is_unseen(c));
    assert_eq!(acts, None, "{what}: {text:?}");
    assert!(!text.contains("panicked"), "{what}: {text:?}");
    text.to_string()
}

#[test]
fn nothing_unescaped_comes_out() {
    let place = place();
    // A store with every allowed name, as enrolling would create it.
    let path = place.path("data/spkver/voiceprints.sqlite");
    let mut store = Store::open_or_create(&path, None).unwrap();
    let model = ModelId::of(b"a model");
    let mut enrolled = BTreeSet::new();
    let texts = names(2, 160);
    for text in &texts {
        let Ok(name) = SpeakerName::new(text.clone()) else {
            continue;
        };
        let embedding = Embedding::new(vec![1.0, 2.0], model).unwrap();
        // A label is whatever the file was called.
        let of = Utterance::without_quality(text.clone(), embedding, 1.0);
        if store.add(&name, model, 0, &[of]).unwrap() {
            enrolled.insert(name.as_str().to_string());
        }
    }
    drop(store);
    let before = files_below(&place.path(""));

    let listed = place.run(&["list"]);
    assert_eq!(listed.status.code(), Some(0));
    let lines = harmless(&listed.stdout, "list");
    assert_eq!(lines.lines().count(), enrolled.len());
    let listed = harmless(&place.run(&["list", "--json"]).stdout, "list --json");
    assert!(!listed.contains(['<', '>', '&']));
    let json: Value = serde_json::from_str(&listed).unwrap();
    let speakers = json["speakers"].as_array().unwrap().iter();
    let names: BTreeSet<String> = speakers
        .map(|s| s["name"].as_str().unwrap().into())
        .collect();
    assert_eq!(names, enrolled, "read back exactly");

    for text in texts.iter().filter(|text| !text.contains('\0')) {
        for args in [
            &["remove", "--", text][..],
            &["--json", "verify", "--", text, "/none.wav"],
            &["--json", "compare", "--", text, "/none.wav"],
            &["enroll", "--", "anna", text],
            &["--json", text],
            &[text],
            &["list", text],
            &["--threads", text, "list"],
        ] {
            let output = place.run(args);
            let what = format!("{args:?}");
            let stderr = harmless(&output.stderr, &what);
            let stdout = harmless(&output.stdout, &what);
            let code = output.status.code();
            assert!(code.is_some_and(|code| code <= 5), "{what}: {stderr}");
            if args[0] == "--json" && output.status.code() != Some(0) {
                let json: Value = serde_json::from_str(&stdout).expect(&what);
                assert!(json["error"].is_string(), "{what}: {json}");
            }
        }
    }
    let after = files_below(&place.path(""));
    assert_eq!(after, before, "no file appears anywhere");
    let listed = place.run(&["list"]).stdout;
    assert!(listed.is_empty(), "each was removed by its name");
}

#[test]
fn enrolling_under_a_hostile_name_works_as_under_any() {
    let place = place();
    // The recording has a hostile name, too.
    let file = place.path("=1+1<b>\u{202e}\x1b[2J.wav");
    std::fs::copy(voice("anna-1"), &file).unwrap();
    let file = file.to_str().unwrap();
    for name in [
        "../../../evil",
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "аnna",
    ] {
        for json in [&["--json"][..], &[]] {
            for args in [
                &["enroll", name, file][..],
                &["verify", "--threshold=-1e9", name, file],
            ] {
                let output = place.run(&[json, args].concat());
                assert_eq!(output.status.code(), Some(0), "{output:?}");
                harmless(&output.stderr, name);
                let told = harmless(&output.stdout, name);
                if !json.is_empty() {
                    let json: Value = serde_json::from_str(&told).unwrap();
                    assert_eq!(json["speaker"], name);
                    assert!(!told.contains(['<', '>']), "{told}");
                }
            }
        }
    }
    let mut found = files_below(&place.path("")).into_iter();
    assert_eq!(found.find(|path| path.ends_with("evil")), None);
}
