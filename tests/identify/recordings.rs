//! The speakers of recordings are found, or the reason is told.

use crate::{Crowd, LENIENT, STRICT, program::Place};
use serde_json::Value;

#[test]
fn a_voice_is_found_and_its_score_is_that_of_verify() {
    let place = Place::new();
    for name in ["anna", "boris", "chloe"] {
        place.done(&format!("enroll --force {name} @{name}-1 @{name}-2"));
    }
    let line = format!("identify --top 5 {LENIENT} @anna-4");
    let found = place.json(&line);
    let result = &found["results"][0];
    assert_eq!(result["outcome"], "identified");
    let candidates = result["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 3, "all there are");
    for candidate in candidates {
        let name = candidate["speaker"].as_str().unwrap();
        let verified = place.json(&format!("verify {name} @anna-4"));
        // The same decimals: the same bits.
        assert_eq!(candidate["llr"], verified["llr"], "{name}");
    }
    let llrs: Vec<f64> = candidates
        .iter()
        .map(|c| c["llr"].as_f64().unwrap())
        .collect();
    assert!(llrs.is_sorted_by(|a, b| a >= b), "{llrs:?}");

    let told = place.done(&line);
    assert!(told.stdout.starts_with("IDENTIFIED  "), "{}", told.stdout);
    let line = format!("identify {STRICT} @anna-4");
    let told = place.say(&line);
    assert_eq!(told.code, 1);
    assert!(told.stdout.starts_with("UNKNOWN  "), "{}", told.stdout);
    let unknown = place.json(&line);
    assert_eq!(unknown["results"][0]["speaker"], Value::Null);
}

#[test]
fn several_recordings_each_have_their_outcome() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let identify = format!("identify {LENIENT}");
    let line = format!("{identify} @anna-1 @silence missing.wav @boris-1");
    let found = place.json(&line);
    let outcomes = found["results"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        outcomes,
        ["identified", "inconclusive", "error", "identified"]
    );
    assert_eq!(found["results"][1]["reason"], "silence");
    let told = place.say(&line);
    assert_eq!(told.code, 5, "the highest, that of the missing file");
    assert_eq!(told.stdout.lines().count(), 4);
    let two = place.say(&format!("{identify} @anna-1 @silence"));
    assert_eq!(two.code, 3);
    let alone = place.say(&format!("{identify} missing.wav"));
    assert_eq!((alone.code, alone.stdout.as_str()), (5, ""));
}

#[test]
fn nobody_enrolled_is_no_unknown_speaker() {
    let place = Place::new();
    let told = place.say("identify @anna-1");
    told.refused(4, "nobody is enrolled");
    place.done("enroll anna @anna-1");
    place.done("remove anna");
    assert_eq!(place.say("identify @anna-1").code, 4);
}

#[test]
fn voiceprints_of_another_model_are_left_out_and_told() {
    let crowd = Crowd::new(3);
    crowd.place.done("enroll anna @anna-1");
    let line = format!("identify {LENIENT} @anna-2");
    let found = crowd.place.done(&line);
    assert!(
        found.stderr.contains("3 voiceprints of other models"),
        "{}",
        found.stderr
    );
    assert!(found.stdout.contains("anna"), "{}", found.stdout);
}
