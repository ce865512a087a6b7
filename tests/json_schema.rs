//! Everything that `--json` prints is as `docs/schema.json` says: no key more, none less.

mod program;
mod schema;

use program::{Answer, Place};
use schema::Schema;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// A folder with recordings, lists and options for every command.
fn prepared() -> Place {
    let place = Place::new();
    let mut trials = String::new();
    for speaker in ["anna", "boris", "chloe", "david"] {
        for number in 1..=3 {
            let name = format!("{speaker}-{number}");
            place.copy(&name, format!("speech/{speaker}/{number}.wav"));
            trials += &format!("{speaker}/1.wav {speaker}/{number}.wav target\n");
            trials += &format!("anna/{number}.wav {speaker}/2.wav ");
            trials += if speaker == "anna" {
                "target\n"
            } else {
                "nontarget\n"
            };
        }
    }
    let mut lines: Vec<&str> = trials.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines.retain(|line| !line.starts_with("anna/2.wav anna/2.wav"));
    place.write("trials", lines.join("\n"));
    place.copy("silence", "silence.wav");
    place.write("text.wav", "no sound at all, only text");
    let xvec = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/golden/xvec.safetensors"
    );
    fs::copy(xvec, place.path("xvec.safetensors")).unwrap();
    let options = json!({
        "front_end": {"num_ceps": 8, "num_mel_bins": 16},
        "architecture": {"channels": 8, "embedding_size": 8, "residual": null},
        "overlap": null, "speech": null,
        "num_steps": 3, "batch_size": 4, "crop_seconds": [0.5, 1.0],
        "head": {"size": 4, "crops_per_utterance": 2, "bce_steps": 2, "crop_seconds": [0.5, 1.0]}
    });
    place.write("options", options.to_string());
    place
}

#[test]
fn what_listening_prints_is_as_the_schema_says() {
    let (schema, place) = (Schema::read("docs/schema.json", &["$defs"]), prepared());
    let run = |line: &str| {
        let file = fs::File::open(place.path("speech/anna/2.wav")).unwrap();
        Answer::of(place.command(line.split(' ')).stdin(file)).stdout
    };
    let enrolled = run("enroll anna - --json");
    schema.holds("enroll", &serde_json::from_str(&enrolled).unwrap());
    for line in ["verify anna - --json", "verify anna - --watch 2"] {
        let printed = run(line);
        assert!(!printed.is_empty());
        for line in printed.lines() {
            schema.holds("verify", &serde_json::from_str(line).unwrap());
        }
    }
}

/// (name in the schema, command line, exit code), in an order that builds on what came before.
const COMMANDS: &[(&str, &str, i32)] = &[
    ("list", "list", 0),
    (
        "enroll",
        "enroll anna speech/anna/1.wav speech/anna/2.wav speech/anna/1.wav",
        0,
    ),
    ("enroll", "enroll --force boris speech/boris", 0),
    ("list", "list", 0),
    ("list", "list anna", 0),
    (
        "verify",
        "verify --threshold -1e9 anna speech/anna/3.wav",
        0,
    ),
    ("verify", "verify anna silence.wav", 3),
    (
        "verify",
        "verify --threshold -1e9 anna speech/anna silence.wav text.wav",
        3,
    ),
    (
        "identify",
        "identify --threshold -1e9 --top 2 speech/anna/3.wav silence.wav text.wav",
        3,
    ),
    ("identify", "identify --threshold 1e9 speech/anna", 1),
    (
        "compare",
        "compare --threshold -1e9 speech/anna/1.wav speech/anna/3.wav",
        0,
    ),
    ("compare", "compare speech/anna/1.wav silence.wav", 3),
    ("embed", "embed speech/anna/1.wav", 0),
    (
        "embed",
        "embed speech/anna/1.wav speech/anna/2.wav -o e.npy",
        0,
    ),
    ("embed", "embed speech -o e.npz", 0),
    ("embed", "embed --features speech/anna/1.wav -o f.npy", 0),
    ("score", "score trials --root speech -o scores.csv", 0),
    ("model info", "model info", 0),
    ("model export", "model export --onnx n.onnx", 0),
    (
        "model import",
        "model import xvec.safetensors -o x.safetensors",
        0,
    ),
    ("model int8", "model int8 -o int8.safetensors", 0),
    (
        "evaluate",
        "evaluate scores.csv scores.csv --bootstrap 20",
        0,
    ),
    (
        "evaluate",
        "evaluate trials --root speech --segment 1 --bootstrap 0",
        0,
    ),
    (
        "calibrate",
        "calibrate trials --root speech -o c.safetensors",
        0,
    ),
    (
        "calibrate",
        "calibrate trials --scores scores.csv -o c.json",
        0,
    ),
    (
        "train",
        "train speech --options options -o t.safetensors --stop-after 1",
        0,
    ),
    (
        "train",
        "train speech --options options -o t.safetensors",
        0,
    ),
    ("train", "train speech --options options --print-options", 0),
    ("model info", "model info --model t.safetensors", 0),
    ("store export", "store export --npy v.npy", 0),
    ("store export", "store export --pgvector v.copy", 0),
    (
        "store query",
        "store query speech/anna/3.wav silence.wav",
        3,
    ),
    (
        "serve",
        "serve --tokens tokens --new-token desk --rights verify,list --scores",
        0,
    ),
    ("store new-key", "store new-key k.hex", 0),
    ("store encrypt", "store encrypt --key-file k.hex", 0),
    ("store new-key", "store new-key k2.hex", 0),
    (
        "store rekey",
        "store rekey --key-file k.hex --new-key-file k2.hex",
        0,
    ),
    ("store decrypt", "store decrypt --key-file k2.hex", 0),
    (
        "store backup",
        "store backup b.age --backup-passphrase-file words",
        0,
    ),
    (
        "store restore",
        "store restore b.age --replace --backup-passphrase-file words",
        0,
    ),
    (
        "store import-vectors",
        "--store i.sqlite store import-vectors e.npy names",
        0,
    ),
    ("remove", "remove anna --recording 1", 0),
    ("remove", "remove anna", 0),
    ("completions", "completions bash", 0),
    ("man", "man", 0),
    ("man", "man .", 0),
    ("bench", "bench --seconds 1", 0),
    ("error", "verify nobody silence.wav", 4),
    ("error", "verify", 2),
    ("error", "compare text.wav silence.wav", 3),
];

#[test]
fn every_command_prints_what_the_schema_says() {
    let (place, schema) = (prepared(), Schema::read("docs/schema.json", &["$defs"]));
    place.write("words", "correct horse battery staple\n");
    place.write("names", "first\nsecond\n");
    let mut seen = BTreeSet::new();
    for (name, line, code) in COMMANDS {
        let answer = place.say(&format!("{line} --json"));
        assert_eq!(
            answer.code, *code,
            "{line}: {}{}",
            answer.stdout, answer.stderr
        );
        schema.holds(name, &answer.json());
        seen.insert(*name);
    }
    let listed = schema.whole["anyOf"].as_array().unwrap().iter();
    for reference in listed.map(|one| one["$ref"].as_str().unwrap()) {
        let name = reference.trim_start_matches("#/$defs/").replace("%20", " ");
        assert!(
            seen.contains(&*name),
            "{name} is in the schema, and not tried"
        );
    }
}

#[test]
fn a_key_more_or_less_is_noticed() {
    let schema = Schema::read("docs/schema.json", &["$defs"]);
    let right = json!({"error": "no", "code": "usage", "exit_code": 2});
    schema.holds("error", &right);
    for (key, value) in [
        ("code", json!("other")),
        ("more", json!(1)),
        ("error", Value::Null),
    ] {
        let mut wrong = right.clone();
        wrong[key] = value;
        let fault = schema.faults(schema.definition("error"), &wrong, "error");
        assert!(fault.unwrap_err().contains(key), "{key}");
    }
    let less = json!({"error": "no", "exit_code": 2});
    assert!(
        schema
            .faults(schema.definition("error"), &less, "error")
            .is_err()
    );
}
