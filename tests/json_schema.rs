//! Everything that `--json` prints is as `docs/schema.json` says: no key more, none less.

mod program;

use program::{Answer, Place, voice};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs};

/// A JSON Schema, of the words that ours uses; another word is a fault of the test.
struct Schema(Value);

impl Schema {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.json");
        Schema(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    }

    fn definition(&self, name: &str) -> &Value {
        let found = self.0["$defs"].get(name.replace("%20", " "));
        found.unwrap_or_else(|| panic!("no $defs/{name}"))
    }

    /// What is wrong with the value, if anything; `place` is where it is.
    fn faults(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        for (word, wanted) in schema.as_object().unwrap() {
            match word.as_str() {
                "description" => {}
                "$ref" => {
                    let name = wanted.as_str().unwrap().trim_start_matches("#/$defs/");
                    self.faults(self.definition(name), value, place)?;
                }
                "type" => {
                    let names = wanted.as_array().cloned();
                    let names = names.unwrap_or_else(|| vec![wanted.clone()]);
                    if !names.iter().any(|name| is_a(name.as_str().unwrap(), value)) {
                        return Err(format!("{place}: {value} is not {wanted}"));
                    }
                }
                "const" if value != wanted => {
                    return Err(format!("{place}: {value}, not {wanted}"));
                }
                "const" => {}
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    return Err(format!("{place}: {value}, not of {wanted}"));
                }
                "enum" => {}
                "anyOf" => {
                    let each = wanted.as_array().unwrap().iter();
                    let tried = each.map(|one| self.faults(one, value, place));
                    let faults: Vec<String> = tried.filter_map(Result::err).collect();
                    if faults.len() == wanted.as_array().unwrap().len() {
                        return Err(faults.join("\n  or "));
                    }
                }
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.faults(wanted, item, &format!("{place}[{i}]"))?;
                    }
                }
                "required" => {
                    let names = wanted.as_array().unwrap().iter();
                    for name in names.map(|name| name.as_str().unwrap()) {
                        if value.is_object() && value.get(name).is_none() {
                            return Err(format!("{place}: {name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, of_it) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.faults(of_it, value, &format!("{place}.{name}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let none = Map::new();
                    let known = schema.get("properties").and_then(Value::as_object);
                    let known = known.unwrap_or(&none);
                    for (name, value) in value.as_object().unwrap_or(&none) {
                        match (known.contains_key(name), wanted) {
                            (true, _) => {}
                            (false, Value::Bool(false)) => {
                                return Err(format!("{place}: {name} is not in the schema"));
                            }
                            (false, of_it) => self.faults(of_it, value, place)?,
                        }
                    }
                }
                word => panic!("the test does not know {word:?}"),
            }
        }
        Ok(())
    }

    #[track_caller]
    fn holds(&self, name: &str, value: &Value) {
        let held = self.faults(self.definition(name), value, name);
        assert!(held.is_ok(), "{}", held.unwrap_err());
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        name => panic!("the test does not know type {name:?}"),
    }
}

/// A folder with recordings, lists and options for every command.
fn prepared() -> Place {
    let place = Place::new();
    let copy = |name: &str, to: &str| {
        let to = place.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(voice(name), to).unwrap();
    };
    let mut trials = String::new();
    for speaker in ["anna", "boris", "chloe", "david"] {
        for number in 1..=3 {
            let name = format!("{speaker}-{number}");
            copy(&name, &format!("speech/{speaker}/{number}.wav"));
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
    fs::write(place.path("trials"), lines.join("\n")).unwrap();
    copy("silence", "silence.wav");
    fs::write(place.path("text.wav"), "no sound at all, only text").unwrap();
    let xvec = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/golden/xvec.safetensors"
    );
    fs::copy(xvec, place.path("xvec.safetensors")).unwrap();
    let options = json!({
        "front_end": {"num_ceps": 8, "num_mel_bins": 16},
        "architecture": {"channels": 8, "embedding_size": 8},
        "members": [], "overlap": null, "speech": null,
        "num_steps": 3, "batch_size": 4, "crop_seconds": [0.5, 1.0],
        "head": {"size": 4, "crops_per_utterance": 2, "bce_steps": 2, "crop_seconds": [0.5, 1.0]}
    });
    fs::write(place.path("options"), options.to_string()).unwrap();
    place
}

#[test]
fn what_listening_prints_is_as_the_schema_says() {
    let (schema, place) = (Schema::read(), prepared());
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
    (
        "model join",
        "model join t.safetensors t.safetensors -o j.safetensors",
        0,
    ),
    ("model info", "model info --model j.safetensors", 0),
    ("store export", "store export --npy v.npy", 0),
    ("store export", "store export --pgvector v.copy", 0),
    (
        "store query",
        "store query speech/anna/3.wav silence.wav",
        3,
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
    let (place, schema) = (prepared(), Schema::read());
    fs::write(place.path("words"), "correct horse battery staple\n").unwrap();
    fs::write(place.path("names"), "first\nsecond\n").unwrap();
    let mut seen = BTreeSet::new();
    for (name, line, code) in COMMANDS {
        let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let answer = Answer::of(&mut place.command(&args));
        assert_eq!(
            answer.code, *code,
            "{line}: {}{}",
            answer.stdout, answer.stderr
        );
        let value: Value = serde_json::from_str(&answer.stdout).unwrap();
        schema.holds(name, &value);
        seen.insert(*name);
    }
    let listed = schema.0["anyOf"].as_array().unwrap().iter();
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
    let schema = Schema::read();
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
