//! What enrollment says of doubtful and doubled recordings, and how one recording is dropped.

mod program;
mod random_model;

use program::{Place, has, voice};
use random_model::random_model;
use serde_json::Value;
use spkver::storage::model;

#[test]
fn a_recording_given_twice_is_said_to_machines_too() {
    let place = Place::new();
    let enrolled = place.done("enroll --force --json anna @anna-1 @anna-2 @anna-1");
    let findings = enrolled.json()["findings"].clone();
    assert_eq!(findings[0]["code"], "given-twice");
    let again = place.say("enroll --force --json anna @anna-1");
    assert_eq!(again.json()["findings"][0]["code"], "already-enrolled");
}

#[test]
fn somebody_else_enrolled_by_force_is_said_to_machines_too() {
    let place = Place::new();
    let enrolled = place.say("enroll --force --json anna @anna-1 @anna-2 @boris-1");
    let findings = enrolled.json()["findings"].clone();
    let mut codes = findings.as_array().unwrap().iter().map(|f| &f["code"]);
    let is_found = codes.any(|code| code == "odd" || code == "doubtful");
    assert!(is_found, "{findings}");
    enrolled.warns("sound");
}

#[test]
fn too_little_speech_is_said_with_what_is_missing() {
    let place = Place::new();
    let enrolled = place.say("enroll --json anna @anna-1");
    let json = enrolled.json();
    let seconds = |key: &str| json[key].as_f64().unwrap();
    assert!(seconds("speech_seconds") < 5.0);
    assert!((seconds("speech_seconds") + seconds("missing_seconds") - 5.0).abs() < 0.02);
}

#[test]
fn one_recording_is_listed_and_dropped() {
    let place = Place::new();
    place.say("enroll --force anna @anna-1 @boris-1 @anna-2");
    let listed = place.say("list anna");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.stdout);
    assert!(lines[1].starts_with("2  boris-1.wav  ") && lines[1].contains("LLR "));
    place.done("remove anna --recording 2");
    let listed = place.say("list anna --json");
    let json = listed.json();
    let recordings = json["recordings"].as_array().unwrap().iter();
    let files: Vec<&Value> = recordings.map(|recording| &recording["file"]).collect();
    assert_eq!(files, ["anna-1.wav", "anna-2.wav"]);
    place.refused("remove anna --recording 3", 2, "1 to 2");
    place.say("remove anna --recording 1");
    place.refused("remove anna --recording 1", 2, "one recording");
    assert_eq!(place.say("list nobody").code, 4);
}

#[test]
fn enrolling_adds_replaces_and_leaves_doubles_out() {
    let place = Place::new();
    place.say("enroll anna @anna-1");
    let added = place.say("enroll --force anna @anna-2");
    added.prints("1 added, 2 in all");
    let again = place.done("enroll --force anna @anna-2");
    again.prints("0 added, 2 in all");
    let warning = format!(
        "warning: {}: already enrolled, as anna-2.wav; left out\n",
        voice("anna-2").display()
    );
    assert_eq!(again.stderr, warning);
    let twice = place.say("enroll twice @anna-1 @anna-1");
    twice.warns("anna-1.wav: given twice; left out");
    place.copy("anna-1", "copy.wav");
    let copied = place.say("enroll copied @anna-1 copy.wav");
    copied.warns("copy.wav: the same recording as /");
    let replaced = place.say("enroll --replace anna @anna-3");
    replaced.prints("1 added, 1 in all");
}

/// `--model` with a head that gives every pair the same LLR.
fn contrary(place: &Place, llr: f32) -> String {
    let mut parts = random_model(3, 4, 4);
    parts.head.weight.fill(0.0);
    parts.head.bias = llr;
    let path = place.path("contrary.safetensors");
    model::save(&path, &parts).unwrap();
    format!("--model {}", path.display())
}

#[test]
fn doubtful_recordings_are_enrolled_with_a_warning() {
    let place = Place::new();
    let model = contrary(&place, -1.5);
    let answer = place.done(&format!("{model} enroll anna @anna-1 @anna-2"));
    answer.prints("2 added");
    for name in ["anna-1", "anna-2"] {
        let doubt = "hardly sounds like the others (LLR -1.50)";
        answer.warns(&format!("{}: {doubt}", voice(name).display()));
    }
    // Only of what this command adds.
    let later = place.say(&format!("{model} enroll anna @anna-3"));
    assert_eq!((later.code, later.stderr.lines().count()), (0, 1));
    later.warns("anna-3.wav: hardly sounds");
}

#[test]
fn recordings_that_disagree_are_not_enrolled() {
    let place = Place::new();
    let model = contrary(&place, -5.0);
    let answer = place.say(&format!("{model} enroll anna @anna-1 @boris-1"));
    answer.refused(3, "boris-1.wav: does not sound like the other recordings");
    answer.warns("anna-1.wav: does not sound");
    answer.warns("--force");
    assert_eq!(place.say(&format!("{model} list")).stdout, "");

    let line = format!("{model} enroll --force anna @anna-1 @boris-1");
    let forced = place.done(&line);
    forced.warns("does not sound like the others");
    // A recording that comes later is held to the voiceprint as well.
    let answer = place.say(&format!("{model} enroll anna @anna-2"));
    let new = format!(": {}: does not sound like", voice("anna-2").display());
    answer.refused(3, &new);
    // What is in the store cannot be left out of the command line.
    let lines = answer.stderr.lines();
    let enrolled: Vec<&str> = lines.filter(|l| !l.contains("anna-2.wav")).collect();
    assert!(!enrolled.is_empty());
    for line in enrolled {
        has(line, ": already enrolled, does not sound");
        assert!(line.contains("--replace") && !line.contains("leave out"));
    }
    let answer = place.say(&format!("{model} verify anna @anna-3"));
    assert_eq!(answer.code, 1);
    answer.prints("LLR -5.00 (p 0.007 at prior 0.5, threshold +0.00)");
}
