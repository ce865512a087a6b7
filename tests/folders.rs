//! Folders of recordings in the place of files, for the commands that take several.

mod program;

use program::Place;
use std::path::Path;

/// `anna/` with two recordings and a note, `calls/` with four files, of which two give no score.
fn prepared() -> Place {
    let place = Place::new();
    place.copy("anna-1", "anna/1.wav");
    place.copy("anna-2", "anna/more/2.wav");
    place.write("anna/notes.txt", "of Monday");
    place.copy("anna-3", "calls/1.wav");
    place.copy("boris-1", "calls/2.wav");
    place.copy("silence", "calls/3.wav");
    place.write("calls/4.wav", "no sound at all, only text");
    let answer = place.done("enroll --force anna anna");
    assert!(
        answer.stdout.contains("2 added, 2 in all"),
        "{}",
        answer.stdout
    );
    place
}

#[test]
fn a_folder_is_verified_with_a_line_for_each_recording() {
    let place = prepared();
    let answer = place.say("verify --threshold -1e9 anna calls");
    // The highest code, as of several recordings.
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let begins = [
        "ACCEPT  anna  calls/1.wav  LLR ",
        "ACCEPT  anna  calls/2.wav  LLR ",
        "INCONCLUSIVE  anna  calls/3.wav: ",
        "ERROR  calls/4.wav: ",
    ];
    assert_eq!(lines.len(), begins.len(), "{}", answer.stdout);
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    let answer = place.say("verify --json --threshold 1e9 anna calls/1.wav calls/2.wav");
    assert_eq!(answer.code, 1);
    let json = answer.json();
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    // The score is the one that the recording has alone.
    let alone = place.json("verify --threshold 1e9 anna calls/1.wav");
    assert_eq!(results[0]["llr"], alone["llr"]);
    assert_eq!(
        (&results[0]["path"], &results[0]["decision"]),
        (&"calls/1.wav".into(), &"reject".into())
    );
    // One file that cannot be read is the command's error.
    assert_eq!(place.say("verify anna calls/4.wav").stdout, "");
}

#[test]
fn a_folder_is_searched_for_recording_by_recording() {
    let place = prepared();
    let answer = place.say("identify --threshold -1e9 calls");
    assert_eq!(
        (answer.code, answer.stdout.lines().count()),
        (3, 4),
        "{}",
        answer.stdout
    );
    assert!(answer.stdout.starts_with("IDENTIFIED  calls/1.wav  anna"));
}

#[test]
fn a_folder_without_recordings_is_refused() {
    let place = prepared();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.write("empty/notes.txt", "");
    for line in ["verify anna empty", "enroll boris empty", "identify empty"] {
        let fact = "empty: no recordings in this folder";
        place.refused(line, 2, fact);
    }
}

#[test]
fn two_files_of_one_name_are_compared_by_their_paths() {
    let place = Place::new();
    place.copy("anna-1", "monday/call.wav");
    place.copy("anna-2", "friday/call.wav");
    let answer = place.say("compare --threshold -1e9 monday/call.wav friday/call.wav");
    let shown = format!(
        "ACCEPT  {} ~ {}  LLR",
        Path::new("monday/call.wav").display(),
        Path::new("friday/call.wav").display()
    );
    assert!(answer.stdout.starts_with(&shown), "{}", answer.stdout);
}
