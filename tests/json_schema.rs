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
            let is_target = speaker == "anna";
            trials += if is_target { "target\n" } else { "nontarget\n" };
        }
    }
    let mut lines: Vec<&str> = trials.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines.retain(|line| !line.starts_with("anna/2.wav anna/2.wav"));
    place.write("trials", lines.join("\n"));
    place.copy("silence", "silence.wav");
    place.write("text.wav", "no sound at all, only text");
    let xvec = "fixtures/golden/xvec.safetensors";
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

/// Name in the schema, exit code, command line; in an order that builds on what came before.
const COMMANDS: &str = "
list                 | 0 | list
enroll               | 0 | enroll anna speech/anna/1.wav speech/anna/2.wav speech/anna/1.wav
enroll               | 0 | enroll --force boris speech/boris
list                 | 0 | list
list                 | 0 | list anna
verify               | 0 | verify --threshold -1e9 anna speech/anna/3.wav
verify               | 3 | verify anna silence.wav
verify               | 3 | verify --threshold -1e9 anna speech/anna silence.wav text.wav
identify             | 3 | identify --threshold -1e9 --top 2 speech/anna/3.wav silence.wav text.wav
identify             | 1 | identify --threshold 1e9 speech/anna
compare              | 0 | compare --threshold -1e9 speech/anna/1.wav speech/anna/3.wav
compare              | 3 | compare speech/anna/1.wav silence.wav
embed                | 0 | embed speech/anna/1.wav
embed                | 0 | embed speech/anna/1.wav speech/anna/2.wav -o e.npy
embed                | 0 | embed speech -o e.npz
embed                | 0 | embed --features speech/anna/1.wav -o f.npy
score                | 0 | score trials --root speech -o scores.csv
model info           | 0 | model info
model export         | 0 | model export --onnx n.onnx
model import         | 0 | model import xvec.safetensors -o x.safetensors
model int8           | 0 | model int8 -o int8.safetensors
evaluate             | 0 | evaluate scores.csv scores.csv --bootstrap 20
evaluate             | 0 | evaluate trials --root speech --segment 1 --bootstrap 0
calibrate            | 0 | calibrate trials --root speech -o c.safetensors
calibrate            | 0 | calibrate trials --scores scores.csv -o c.json
train                | 0 | train speech --options options -o t.safetensors --stop-after 1
train                | 0 | train speech --options options -o t.safetensors
train                | 0 | train speech --options options --print-options
model info           | 0 | model info --model t.safetensors
store export         | 0 | store export --npy v.npy
store export         | 0 | store export --pgvector v.copy
store query          | 3 | store query speech/anna/3.wav silence.wav
serve                | 0 | serve --tokens tokens --new-token desk --rights verify,list --scores
store new-key        | 0 | store new-key k.hex
store encrypt        | 0 | store encrypt --key-file k.hex
store new-key        | 0 | store new-key k2.hex
store rekey          | 0 | store rekey --key-file k.hex --new-key-file k2.hex
store decrypt        | 0 | store decrypt --key-file k2.hex
store backup         | 0 | store backup b.age --backup-passphrase-file words
store restore        | 0 | store restore b.age --replace --backup-passphrase-file words
store import-vectors | 0 | --store i.sqlite store import-vectors e.npy names
remove               | 0 | remove anna --recording 1
remove               | 0 | remove anna
completions          | 0 | completions bash
man                  | 0 | man
man                  | 0 | man .
bench                | 0 | bench --seconds 1
error                | 4 | verify nobody silence.wav
error                | 2 | verify
error                | 3 | compare text.wav silence.wav
";

#[test]
fn every_command_prints_what_the_schema_says() {
    let (place, schema) = (prepared(), Schema::read("docs/schema.json", &["$defs"]));
    place.write("words", "correct horse battery staple\n");
    place.write("names", "first\nsecond\n");
    let mut seen = BTreeSet::new();
    for row in COMMANDS.trim().lines() {
        let columns: Vec<&str> = row.splitn(3, '|').map(str::trim).collect();
        let [name, code, line] = columns[..] else {
            panic!("{row}");
        };
        let answer = place.say(&format!("{line} --json"));
        let said = format!("{line}: {}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.code.to_string(), code, "{said}");
        schema.holds(name, &answer.json());
        seen.insert(name);
    }
    let listed = schema.whole["anyOf"].as_array().unwrap().iter();
    for reference in listed.map(|one| one["$ref"].as_str().unwrap()) {
        let name = reference.trim_start_matches("#/$defs/").replace("%20", " ");
        let is_tried = seen.contains(&*name);
        assert!(is_tried, "{name} is in the schema, and not tried");
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
    let fault = schema.faults(schema.definition("error"), &less, "error");
    assert!(fault.is_err());
}
