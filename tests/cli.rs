//! The program as a user sees it: exit codes, the result on stdout, messages on stderr.

mod program;
mod random_model;

use program::{Answer, Place, has, voice, waveform};
use random_model::random_model;
use serde_json::Value;
use spkver::{OperatingPoint, storage::model};
use std::{ffi::OsStr, iter, path::Path, process::Stdio};

/// The samples of a voice as its file has them.
fn samples(name: &str) -> impl Iterator<Item = i16> {
    let reader = hound::WavReader::open(voice(name)).unwrap();
    reader.into_samples().map(Result::unwrap)
}

/// Accept or reject whatever the score: these tests are not about the model.
const LENIENT: &str = "--threshold -1e9";
const STRICT: &str = "--threshold 1e9";

// ---- decisions

#[test]
fn enrol_list_verify_remove() {
    let place = Place::new();
    let enrolled = place.done("enroll --force Zoë @anna-1 @anna-2");
    let told = "ENROLLED  Zoë  2 added, 2 in all, ";
    assert!(enrolled.stdout.starts_with(told));
    let listed = place.done("list");
    assert!(listed.stdout.starts_with("Zoë  2 recordings, "));
    assert_eq!(listed.stdout.lines().count(), 1);
    let listed = place.say("list --json").json();
    let seconds = listed["speakers"][0]["speech_seconds"].to_string();
    assert!(seconds.len() <= "00.00".len(), "{seconds}");
    place.say("enroll one @anna-1");
    place.say("list").prints("one  1 recording, ");
    place.say("remove one");

    let accepted = place.done(&format!("verify {LENIENT} Zoë @anna-3"));
    assert!(accepted.stdout.starts_with("ACCEPT  Zoë  LLR "));
    let rejected = place.say(&format!("verify {STRICT} Zoë @anna-3"));
    assert_eq!(rejected.code, 1);
    assert!(rejected.stdout.starts_with("REJECT  Zoë  LLR "));
    // The same name in Unicode's other spelling.
    place.done(&format!("verify {LENIENT} Zoe\u{308} @anna-3"));

    assert_eq!(place.done("remove Zoë").stdout, "REMOVED  Zoë\n");
    place.refused("remove Zoë", 4, "\"Zoë\" is not enrolled");
    place.refused("verify Zoë @anna-3", 4, "\"Zoë\" is not enrolled");
    let listed = place.done("list");
    assert_eq!(listed.stdout, "");
    listed.warns("nobody is enrolled");
}

#[test]
fn verify_compare_and_library_give_the_same_bits() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let verified = place.json("verify anna @boris-1");
    let compared = place.json("compare @anna-1 @boris-1");
    let swapped = place.json("compare @boris-1 @anna-1");
    assert!(verified["llr"].is_number(), "{verified}");
    for key in ["llr", "p", "decision", "threshold", "model"] {
        assert_eq!(verified[key], compared[key]);
        assert_eq!(verified[key], swapped[key]);
    }
    let verifier = model::embedded().unwrap();
    let [a, b] = ["anna-1", "boris-1"].map(|name| verifier.embed(&waveform(name)).unwrap());
    let of_library = verifier.compare(&a, &b, &OperatingPoint::default());
    let outcome = of_library.unwrap();
    let llr = verified["llr"].as_f64().unwrap() as f32;
    assert_eq!(outcome.llr.unwrap().value().to_bits(), llr.to_bits());
    assert_eq!(verified["model"], verifier.file_id().to_string());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let place = Place::new();
    let embed = "embed @anna-1 @boris-1 @chloe-1 @david-1";
    let one = place.done(&format!("--threads 1 {embed}"));
    let two = place.done(&format!("--threads 2 {embed}"));
    assert_eq!(one.stdout, two.stdout);
    assert_eq!(one.stdout.lines().count(), 4);
    assert!(one.stdout.lines().nth(1).unwrap().contains("boris-1.wav "));
    place.refused("--threads 0 list", 2, "--threads");
}

#[test]
fn json_tells_everything_once() {
    let place = Place::new();
    let answer = place.say("compare --json --p-target 0.1 @anna-1 @anna-2");
    assert_eq!(answer.stdout.lines().count(), 1);
    let json = answer.json();
    assert_eq!(json["command"], "compare");
    assert_eq!(json["p_target"], 0.1);
    assert!((json["threshold"].as_f64().unwrap() - 9f64.ln()).abs() < 1e-6);
    assert_eq!(json["reason"], Value::Null);
    assert_eq!(json["files"][1]["quality"]["original_rate_hz"], 16_000);
    let path = json["files"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("anna-1.wav"));
    // The exit code and the decision say the same.
    let code = if json["decision"] == "accept" { 0 } else { 1 };
    assert_eq!(answer.code, code);

    let error = place.say("verify nobody --json @anna-1");
    assert_eq!(error.code, 4);
    assert_eq!(error.json()["exit_code"], 4);
    assert!(error.json()["error"].as_str().unwrap().contains("nobody"));
    error.warns("nobody");
}

#[test]
fn senseless_flags_are_usage_errors() {
    let place = Place::new();
    for (line, fact) in [
        ("compare --p-target 1", "p_target is 1"),
        ("compare --c-fa 0", "c_fa is 0"),
        ("compare --threshold nan", "threshold is NaN"),
        ("compare --threshold 1 --c-fa 2", "cannot be used with"),
        ("compare --c-miss x", "invalid value"),
        ("frobnicate", "unrecognized subcommand"),
        ("compare -q -v", "cannot be used with"),
    ] {
        let line = format!("{line} @anna-1 @anna-2");
        place.refused(&line, 2, fact);
    }
    for (name, fact) in [
        ("", "is empty"),
        ("a\x1b[2J", "control character"),
        ("an\u{200b}na", "invisible one, U+200B"),
    ] {
        // A line of words has none that are empty.
        Answer::of(&mut place.command(["enroll", name, "x.wav"])).refused(2, fact);
    }
    assert_eq!(place.say("--help").code, 0);
    assert_eq!(place.say("--version").code, 0);
}

#[test]
fn machines_are_told_of_usage_errors_as_well() {
    let place = Place::new();
    for (line, fact) in [
        ("--json frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("compare --json a.wav", "<OTHER>"),
        ("compare a.wav b.wav --json --c-miss x", "invalid value 'x'"),
        ("--threads 1025 list --json", "1..=1024"),
        (
            "evaluate --segment -1 list --json",
            "--segment -1; give a positive number",
        ),
        ("compare --p-target -1 a b --json", "p_target is -1"),
    ] {
        let answer = place.say(line);
        assert_eq!(answer.code, 2, "{line}");
        let json = answer.json();
        assert_eq!(json["exit_code"], 2);
        let error = json["error"].as_str().unwrap();
        has(error, fact);
        assert!(!error.contains('\n') && !error.contains("Usage"), "{error}");
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
    }
    let help = place.done("--json --help");
    help.prints("Usage: spkver");
    // After `--` it is a file.
    place.refused("compare -- --json", 2, "<OTHER>");
}

#[test]
fn lists_and_models_are_not_read_from_standard_input() {
    let place = Place::new();
    for line in ["evaluate -", "--model - model info"] {
        place.refused(line, 5, "standard input is not read");
    }
}

#[test]
fn extreme_priors_are_shown_short() {
    let place = Place::new();
    let answer = place.say("compare --p-target 1e-300 @anna-1 @anna-2");
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    answer.prints("at prior 1e-300, ");
}

// ---- recordings

#[test]
fn files_that_are_no_recording_are_refused_with_the_fact() {
    let place = Place::new();
    let good = std::fs::read(voice("anna-1")).unwrap();
    let mut no_channels = good.clone();
    no_channels[22..24].copy_from_slice(&[0, 0]);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";
    for (path, code) in [
        (place.path("missing.wav"), 5),
        (place.path(""), 3),
        (place.write("empty.wav", b""), 3),
        (place.write("picture.wav", png), 3),
        (place.write("no-channels.wav", &no_channels), 3),
        (place.write("header-only.wav", &good[..44]), 3),
    ] {
        let path = path.display().to_string();
        let answer = place.say(&format!("compare {path} @anna-1"));
        answer.refused(code, &path);
        // The fact and a remedy, on one line.
        assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
        answer.warns("; ");
    }
}

#[test]
fn a_truncated_recording_is_used_with_a_warning() {
    let place = Place::new();
    let good = std::fs::read(voice("anna-1")).unwrap();
    place.write("cut.wav", &good[..good.len() - 16_000]);
    let line = format!("compare {LENIENT} cut.wav @anna-1");
    let answer = place.done(&line);
    assert!(answer.stderr.starts_with("warning: "), "{}", answer.stderr);
    answer.warns("cut.wav");
    let quiet = place.say(&format!("-q {line}"));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
}

#[test]
fn recordings_without_speech_are_inconclusive() {
    let place = Place::new();
    place.say("enroll anna @anna-1");
    let samples = samples("anna-1");
    let short = place.wav("short.wav", 16_000, samples.skip(16_000).take(1_600));
    let silent = place.wav("silent.wav", 16_000, iter::repeat_n(0, 32_000));
    for (path, codes) in [
        (&short, ["too_little_speech", "no_speech"]),
        (&silent, ["silence", "silence"]),
        (&voice("noise"), ["no_speech", "no_speech"]),
    ] {
        // However lenient: no speech, no accept.
        let path = path.display();
        let answer = place.say(&format!("verify {LENIENT} --json anna {path}"));
        assert_eq!(answer.code, 3, "{}", answer.stdout);
        let json = answer.json();
        assert_eq!(json["decision"], "inconclusive");
        assert!(codes.contains(&json["reason"].as_str().unwrap()), "{json}");
        assert_eq!(json["llr"], Value::Null);
        let answer = place.say(&format!("verify {LENIENT} anna {path}"));
        assert!(answer.stdout.starts_with("INCONCLUSIVE  anna  "));
        let answer = place.say(&format!("compare {path} {path}"));
        assert_eq!(answer.code, 3);
    }
}

#[test]
fn a_voice_that_is_clipped_hard_is_told_so() {
    let place = Place::new();
    let samples = samples("anna-1");
    place.wav("loud.wav", 16_000, samples.map(|s| s.saturating_mul(2000)));
    let answer = place.say("compare --json loud.wav @anna-2");
    assert_eq!(answer.code, 3);
    assert_eq!(answer.json()["reason"], "clipping");
}

#[test]
fn one_bad_file_and_nothing_is_enrolled_and_all_bad_ones_are_named() {
    let place = Place::new();
    place.wav("silent.wav", 16_000, iter::repeat_n(0, 32_000));
    place.write("notes.wav", b"not a recording");
    let answer = place.say("enroll anna @anna-1 missing.wav notes.wav");
    answer.refused(5, "missing.wav: cannot read");
    answer.warns("notes.wav: ");
    let answer = place.say("enroll --force anna @anna-1 silent.wav");
    answer.refused(3, "silent.wav: the recording is silent");
    assert!(!place.exists("data"), "no store was made");
}

#[cfg(target_os = "linux")]
#[test]
fn paths_need_not_be_text_and_do_not_act_on_the_terminal() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let path = place.path(OsStr::from_bytes(b"a\xff\x1b[31m.wav"));
    std::fs::copy(voice("anna-1"), &path).unwrap();
    let compare = |path: &Path| {
        let mut command = place.command("compare --threshold -1e9".split(' '));
        Answer::of(command.args([path, &voice("anna-1")]))
    };
    let answer = compare(&path);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(!answer.stdout.contains('\x1b'));
    answer.prints("a\u{fffd}\\u{1b}[31m.wav");
    let missing = place.path(OsStr::from_bytes(b"b\xff\x1b[31m.wav"));
    let answer = compare(&missing);
    answer.refused(5, "\\u{1b}[31m.wav");
    assert!(!answer.stderr.contains('\x1b'));
}

#[test]
fn embeddings_come_as_text_and_as_an_array() {
    let place = Place::new();
    let text = place.say("embed @anna-1 @boris-1");
    let answer = place.done("embed -o e.npy @anna-1 @boris-1");
    assert_eq!(answer.stdout, "EMBEDDED  e.npy  2 recordings\n");
    let bytes = place.bytes("e.npy");
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let size = model::embedded().unwrap().model().head.embedding_size();
    let head_size = bytes.len() - 2 * size * 4;
    let head = String::from_utf8_lossy(&bytes[..head_size]).into_owned();
    has(&head, "'<f4'");
    has(&head, &format!("(2, {size})"));
    let (array, _) = bytes[head_size..].as_chunks();
    let array: Vec<f32> = array.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let words = text.stdout.lines().flat_map(|line| line.split(' ').skip(1));
    let values: Vec<f32> = words.map(|v| v.parse().unwrap()).collect();
    assert_eq!(array, values, "text has every digit");

    let line = "embed --features -o f.npy @anna-1";
    place.done(line);
    let head = place.bytes("f.npy")[..128].to_vec();
    let channels = model::embedded().unwrap().mfcc().num_channels();
    let columns = format!(", {channels})");
    has(&String::from_utf8_lossy(&head), &columns);
    let two = format!("{line} @boris-1");
    place.refused(&two, 2, "--features takes one recording");
    let told = place.json(line);
    assert_eq!(told["command"], "embed");
    assert_eq!(told["features"]["channels"], channels);
    assert_eq!(told["output"], "f.npy");
    // Features are for cross-checks: silence has them, too.
    place.wav("silent.wav", 16_000, iter::repeat_n(0, 32_000));
    place.done("embed --features -o f.npy silent.wav");
}

#[test]
fn a_reader_that_leaves_early_changes_nothing() {
    let place = Place::new();
    let mut command = place.command(["model", "info"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

// ---- model and store

#[test]
fn damaged_and_wrong_models_are_refused() {
    let place = Place::new();
    let good = model::to_bytes(&random_model(3, 4, 4));
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, fact) in [
        (&flipped[..], "the checksum does not match"),
        (&good[..good.len() / 2], "not a safetensors file"),
        (b"", "not a safetensors file"),
    ] {
        place.write("m", bytes);
        place.refused("compare --model m @anna-1 @anna-2", 4, fact);
    }
    let missing = "compare --model none @anna-1 @anna-2";
    place.refused(missing, 5, "none: cannot read");
    let info = place.done("model info");
    let verifier = model::embedded().unwrap();
    for id in [verifier.id(), verifier.file_id()] {
        info.prints(&id.to_string());
    }
}

#[test]
fn a_voiceprint_of_another_model_is_named() {
    let place = Place::new();
    model::save(&place.path("other"), &random_model(3, 4, 4)).unwrap();
    place.done("enroll anna @anna-1");
    for line in ["verify anna @anna-1", "enroll anna @anna-2"] {
        let fact = "voiceprint of \"anna\" was made by model";
        place.refused(&format!("--model other {line}"), 4, fact);
    }
    place.done("--model other enroll --replace anna @anna-1");
    place.done(&format!("--model other verify {LENIENT} anna @anna-1"));
}

#[test]
fn a_damaged_store_is_refused() {
    let place = Place::new();
    place.write("store", "this is no database ".repeat(100));
    for (line, fact) in [
        ("list", "store "),
        ("verify anna @anna-1", "damaged"),
        ("enroll anna @anna-1", "damaged"),
    ] {
        place.refused(&format!("--store store {line}"), 4, fact);
    }
    let still = place.read("store");
    assert!(still.starts_with("this is no database"), "left as it was");
}
