//! What enrollment says of doubtful and doubled recordings, and how one recording is dropped.

mod program;

use program::{Answer, Place, voice};
use serde_json::Value;

/// Runs the program with these words; `@NAME` stands for a recording of the fixtures.
fn run(place: &Place, line: &str) -> Answer {
    let words = line.split(' ').map(|word| match word.strip_prefix('@') {
        Some(name) => voice(name).into_os_string(),
        None => word.into(),
    });
    Answer::of(&mut place.command(words.collect::<Vec<_>>()))
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn a_recording_given_twice_is_said_to_machines_too() {
    let place = Place::new();
    let enrolled = run(&place, "enroll --force --json anna @anna-1 @anna-2 @anna-1");
    assert_eq!(enrolled.code, 0, "{}", enrolled.stderr);
    let findings = json(&enrolled)["findings"].clone();
    assert_eq!(findings[0]["code"], "given-twice");
    let again = run(&place, "enroll --force --json anna @anna-1");
    assert_eq!(json(&again)["findings"][0]["code"], "already-enrolled");
}

#[test]
fn somebody_else_enrolled_by_force_is_said_to_machines_too() {
    let place = Place::new();
    let enrolled = run(
        &place,
        "enroll --force --json anna @anna-1 @anna-2 @boris-1",
    );
    let findings = json(&enrolled)["findings"].clone();
    let codes: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(
        codes.contains(&"odd") || codes.contains(&"doubtful"),
        "{findings}"
    );
    assert!(enrolled.stderr.contains("sound"), "{}", enrolled.stderr);
}

#[test]
fn too_little_speech_is_said_with_what_is_missing() {
    let place = Place::new();
    let enrolled = run(&place, "enroll --json anna @anna-1");
    let json = json(&enrolled);
    let seconds = |key: &str| json[key].as_f64().unwrap();
    assert!(seconds("speech_seconds") < 5.0);
    assert!((seconds("speech_seconds") + seconds("missing_seconds") - 5.0).abs() < 0.02);
}

#[test]
fn one_recording_is_listed_and_dropped() {
    let place = Place::new();
    run(&place, "enroll --force anna @anna-1 @boris-1 @anna-2");
    let listed = run(&place, "list anna");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.stdout);
    assert!(lines[1].starts_with("2  boris-1.wav  ") && lines[1].contains("LLR "));
    let removed = run(&place, "remove anna --recording 2");
    assert_eq!(removed.code, 0, "{}", removed.stderr);
    let listed = run(&place, "list anna --json");
    let files: Vec<Value> = json(&listed)["recordings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|recording| recording["file"].clone())
        .collect();
    assert_eq!(files, ["anna-1.wav", "anna-2.wav"]);
    let refused = run(&place, "remove anna --recording 3");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("1 to 2"), "{}", refused.stderr);
    run(&place, "remove anna --recording 1");
    let refused = run(&place, "remove anna --recording 1");
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("one recording"),
        "{}",
        refused.stderr
    );
    assert_eq!(run(&place, "list nobody").code, 4);
}
