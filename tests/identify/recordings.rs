//! The speakers of recordings are found, or the reason is told.

use crate::{
    Crowd, LENIENT, STRICT,
    program::{Place, voice},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn a_voice_is_found_and_its_score_is_that_of_verify() {
    let place = Place::new();
    for name in ["anna", "boris", "chloe"] {
        let files = [voice(&format!("{name}-1")), voice(&format!("{name}-2"))];
        place.done(&format!("enroll --force {name}"), &[&files[0], &files[1]]);
    }
    let test = voice("anna-4");
    let line = format!("identify --top 5 {LENIENT}");
    let found = place.json(&line, &[&test]);
    let result = &found["results"][0];
    assert_eq!(result["outcome"], "identified");
    let candidates = result["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 3, "all there are");
    for candidate in candidates {
        let name = candidate["speaker"].as_str().unwrap();
        let verified = place.json(&format!("verify {name}"), &[&test]);
        // The same decimals: the same bits.
        assert_eq!(candidate["llr"], verified["llr"], "{name}");
    }
    let llrs: Vec<f64> = candidates
        .iter()
        .map(|c| c["llr"].as_f64().unwrap())
        .collect();
    assert!(llrs.is_sorted_by(|a, b| a >= b), "{llrs:?}");

    let told = place.say(&line, &[&test]);
    assert_eq!(told.code, 0);
    assert!(told.stdout.starts_with("IDENTIFIED  "), "{}", told.stdout);
    let told = place.say(&format!("identify {STRICT}"), &[&test]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.starts_with("UNKNOWN  "), "{}", told.stdout);
    let unknown = place.json(&format!("identify {STRICT}"), &[&test]);
    assert_eq!(unknown["results"][0]["speaker"], Value::Null);
}

#[test]
fn several_recordings_each_have_their_outcome() {
    let place = Place::new();
    place.done("enroll anna", &[&voice("anna-1")]);
    let missing = place.path("missing.wav");
    let files = [voice("anna-1"), voice("silence"), missing, voice("boris-1")];
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let line = format!("identify {LENIENT}");
    let found = place.json(&line, &files);
    let outcomes = found["results"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        outcomes,
        ["identified", "inconclusive", "error", "identified"]
    );
    assert_eq!(found["results"][1]["reason"], "silence");
    let told = place.say(&line, &files);
    assert_eq!(told.code, 5, "the highest, that of the missing file");
    assert_eq!(told.stdout.lines().count(), 4);
    assert_eq!(place.say(&line, &files[..2]).code, 3);
    let alone = place.say(&line, &files[2..3]);
    assert_eq!((alone.code, alone.stdout.as_str()), (5, ""));
}

#[test]
fn nobody_enrolled_is_no_unknown_speaker() {
    let place = Place::new();
    let told = place.say("identify", &[&voice("anna-1")]);
    assert_eq!(told.code, 4);
    assert!(
        told.stderr.contains("nobody is enrolled"),
        "{}",
        told.stderr
    );
    place.done("enroll anna", &[&voice("anna-1")]);
    place.done("remove anna", &[]);
    assert_eq!(place.say("identify", &[&voice("anna-1")]).code, 4);
}

#[test]
fn voiceprints_of_another_model_are_left_out_and_told() {
    let crowd = Crowd::new(3);
    crowd.place.done("enroll anna", &[&voice("anna-1")]);
    let found = crowd
        .place
        .say(&format!("identify {LENIENT}"), &[&voice("anna-2")]);
    assert_eq!(found.code, 0);
    assert!(
        found.stderr.contains("3 voiceprints of other models"),
        "{}",
        found.stderr
    );
    assert!(found.stdout.contains("anna"), "{}", found.stdout);
}
