//! What the program says and how it ends: codes, numbers and warnings that users stumbled over.

mod program;

use program::{Answer, Place, voice};
use spkver::{audio::Quality, scoring::Reason};
use std::{fs, path::Path};

#[test]
fn far_too_many_threads_are_not_started() {
    let place = Place::new();
    let mut command = place.command(["model", "info"]);
    let answer = Answer::of(command.env("RAYON_NUM_THREADS", "99999"));
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let warning = "warning: RAYON_NUM_THREADS 99999: ";
    assert!(answer.stderr.contains(warning), "{}", answer.stderr);
    let answer = place.say("--threads 1024 list");
    let cores = std::thread::available_parallelism().unwrap().get();
    let is_warned = answer.stderr.contains("warning: --threads 1024: ");
    assert_eq!(is_warned, 8 * cores < 1024, "{}", answer.stderr);
}

#[test]
fn a_model_that_is_not_there_is_told_by_commands_that_need_none() {
    let answer = Place::new().say("--model nosuch list");
    answer.refused(5, "nosuch: cannot read");
}

#[test]
fn every_error_in_json_has_a_code_of_its_own() {
    let place = Place::new();
    place.write("text.wav", "no sound at all, only text");
    place.write("list", "one\n");
    place.write("s.sqlite", "no database ".repeat(100));
    place.done("enroll anna @anna-1");
    for (line, exit_code, code) in [
        ("verify", 2, "usage"),
        ("score list -o x.xlsx", 2, "list"),
        ("compare text.wav @anna-1", 3, "audio"),
        ("enroll boris @silence", 3, "audio"),
        ("verify nobody @anna-1", 4, "unknown_speaker"),
        ("--store s.sqlite list", 4, "store"),
        ("--model list model info", 4, "model"),
        ("compare none.wav @anna-1", 5, "not_found"),
    ] {
        let answer = place.say(&format!("--json {line}"));
        let json = answer.json();
        assert_eq!(json["code"], code, "{line}: {json}");
        assert_eq!(json["exit_code"], exit_code, "{line}: {json}");
        assert_eq!(answer.code, exit_code, "{line}");
    }
}

#[test]
fn too_little_speech_is_not_told_as_enough() {
    let told = |seconds: f32, wanted: f32| Reason::TooLittleSpeech { seconds, wanted }.to_string();
    assert_eq!(told(39.0 * 0.01, 0.4), "0.39 s of speech, 0.40 s needed");
    assert_eq!(told(0.3999, 0.4), "0.39 s of speech, 0.40 s needed");
    assert_eq!(told(0.4, 0.404), "0.40 s of speech, 0.41 s needed");
}

#[test]
fn seconds_of_speech_are_whole_hundredths_in_json() {
    let quality = spkver::audio::read(&voice("anna-1"), &Default::default());
    let quality: Quality = quality.unwrap().quality().clone();
    for frames in 1..1000u16 {
        let one = Quality {
            // As they are counted: 185 × 0.01 is 1.8499999 as f32.
            speech_seconds: f32::from(frames) * 0.01,
            ..quality.clone()
        };
        let json = serde_json::to_string(&one).unwrap();
        let shown = json.split_once("\"speech_seconds\":").unwrap().1;
        let shown = shown.split_once(',').unwrap().0;
        assert_eq!(
            shown,
            (f32::from(frames) / 100.0).to_string() + if frames % 100 == 0 { ".0" } else { "" }
        );
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_terminated_says_so_by_its_exit_code() {
    use std::{
        io::{BufRead, BufReader, Write},
        process::Stdio,
    };
    let place = Place::new();
    let mut command = place.command(["score", "--jsonl", "--stdin"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "none.wav").unwrap();
    // It answers, so it listens to signals.
    let mut answer = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut answer).unwrap();
    assert!(answer.contains("error"), "{answer}");
    // A reader that leaves would be another reason to stop, and one that rests would hold the run up.
    let reader = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    let kill = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status();
    assert!(kill.unwrap().success());
    // Until nobody reads any more: the end of the input would be another reason to stop.
    while writeln!(stdin, "none.wav").is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(143));
    reader.join().unwrap().unwrap();
}

/// Other languages cannot read the list in the source, so they have copies of it.
#[test]
fn every_list_of_refusals_has_every_code() {
    // File, what stands before its list, and how it writes a code. A list ends with a bracket or `;`.
    let lists = r#"
        docs/schema.json | a recording gets no answer | "{}"
        docs/openapi.json | a recording gets no answer | "{}"
        web/words.js | REMEDIES = { | {}:
        bindings/wasm/src/types.ts | interface Reason { | "{}"
        bindings/c/src/status.rs | c"panic"), | c"{}"
        bindings/c/include/spkver.h | SPKVER_STATUS_PANIC = 10, | spkver_status_{} ="#;
    for row in lists.trim().lines() {
        let [file, begin, form] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let file = file.trim();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let (_, list) = text.split_once(begin).expect(file);
        let list = list.split([']', '}', ';']).next().unwrap().to_lowercase();
        for code in Reason::CODES {
            let entry = form.replace("{}", code);
            assert!(list.contains(&entry), "{file} lacks the refusal {code}");
        }
    }
}
