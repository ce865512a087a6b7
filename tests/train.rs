//! `spkver train` on synthetic voices with a tiny network: an interrupted run ends with the same
//! model, byte for byte, as an uninterrupted one, at any thread count.

mod program;

use program::{Answer, Place, has, words};
use serde_json::{Value, json};
use spkver::{Verifier, storage::model};
use std::{
    fs,
    process::{Command, Stdio},
};

const SPEAKERS: [&str; 6] = ["anna", "boris", "chloe", "david", "edith", "felix"];

/// A folder with six voices, three recordings each, in a folder per speaker, and with the options of
/// a tiny network.
fn place() -> Place {
    let place = Place::new();
    for (name, file) in recordings() {
        place.copy(&file, format!("speech/{name}/{file}.wav"));
    }
    options(&place, |_| ());
    place
}

/// Speaker and name of each recording.
fn recordings() -> impl Iterator<Item = (&'static str, String)> {
    let of = |name| (1..=3).map(move |n| (name, format!("{name}-{n}")));
    SPEAKERS.into_iter().flat_map(of)
}

/// Writes the options of a tiny network, changed.
fn options(place: &Place, change: impl FnOnce(&mut Value)) {
    let mut options = json!({
        "architecture": {"channels": 8, "embedding_size": 8, "residual": null},
        "augment": {
            "num_rooms": 3, "reverberation": 0.5, "babble": 0.5, "codec": 0.5, "band_limit": 0.5
        },
        "pitch": 0.5,
        "overlap": {"channels": 8, "steps_percent": 100}, "warps_percent": [100, 90],
        "num_steps": 12, "batch_size": 4, "crop_seconds": [0.5, 1.0],
        "head": {"size": 4, "crops_per_utterance": 2, "bce_steps": 5, "crop_seconds": [0.5, 1.0]}
    });
    change(&mut options);
    place.write("o.json", options.to_string());
}

/// Writes what another system might say of the recordings, and of one of them in another voice: vectors
/// of up to 5 numbers.
fn teacher(place: &Place, size: usize) {
    let line = |id: &str, vector: [f32; 5]| {
        let numbers: Vec<String> = vector[..size].iter().map(f32::to_string).collect();
        format!("{id} {}\n", numbers.join(" "))
    };
    let mut text = line("anna/anna-1.wav@100@90", [0.5, 0.1, 0.2, 0.4, 0.6]);
    for (index, (name, file)) in recordings().enumerate() {
        let angle = (index / 3) as f32 + 0.1 * (index % 3 + 1) as f32;
        let (sin, cos) = angle.sin_cos();
        let (sin_2, cos_2) = (2.0 * angle).sin_cos();
        text += &line(&format!("{name}/{file}.wav"), [sin, cos, 0.3, sin_2, cos_2]);
    }
    place.write("teacher.txt", text);
}

/// Options and vectors for a network that learns from speakers and teacher, on features with the means
/// in channels of their own.
fn taught(place: &Place) {
    options(place, |options| {
        options["front_end"] = json!({"mean_channels": true});
        options["speaker_weight"] = 0.5.into();
        options["teacher_weight"] = 10.into();
    });
    teacher(place, 3);
}

/// Options and vectors for a joint embedding of 4 dimensions; `change` changes how it is fitted.
fn joint(place: &Place, change: impl FnOnce(&mut Value)) {
    options(place, |options| {
        options["joint"] = json!({
            "copies": 2, "copy_seconds": [0.5, 1.0], "size": 4,
            "overlap": {"examples": 40, "seconds": [0.5, 1.0]}
        });
        change(&mut options["joint"]);
    });
    teacher(place, 5);
}

/// The line that trains with the [`options`].
fn train(flags: &str) -> String {
    format!("train speech --options o.json --checkpoint-every 1 {flags}")
}

/// The line that trains with a [`teacher`], too.
fn learn(flags: &str) -> String {
    train(&format!("--teacher teacher.txt {flags}"))
}

/// The line that fits a [`joint`] embedding onto a model.
fn onto(model: &str, flags: &str) -> String {
    format!("train speech --options o.json --teacher teacher.txt --onto {model} {flags}")
}

fn load(place: &Place, name: &str) -> Verifier {
    model::load(&place.path(name)).unwrap()
}

#[test]
fn a_detector_of_overlapped_speech_comes_from_another_model_and_is_trained_on() {
    let place = place();
    place.done(&train("-o first"));
    let weights = |name| {
        let model = load(&place, name);
        let overlap = model.model().overlap.as_ref().unwrap();
        overlap.weights().clone()
    };
    options(&place, |all| all["overlap"] = Value::Null);
    place.done(&train("--overlap-of first -o as-it-is"));
    assert_eq!(weights("as-it-is"), weights("first"));

    // At this learning rate no weight changes in F16, so these are the weights that training began with.
    options(&place, |all| all["learning_rate"] = 1e-9.into());
    place.done(&train("--overlap-of first -o begun"));
    assert_eq!(weights("begun"), weights("first"));
    options(&place, |_| ());
    place.done(&train("--overlap-of first -o trained-on"));
    assert_ne!(weights("trained-on"), weights("first"));

    options(&place, |all| all["overlap"]["channels"] = 9.into());
    let fact = "first: its detector of overlapped speech has other layers";
    place.refused(&train("--overlap-of first -o refused"), 2, fact);

    // 12 steps of the network, then the detector.
    options(&place, |_| ());
    place.done(&train("--overlap-of first -o stopped --stop-after 14"));
    let other = place.say(&train("--overlap-of trained-on -o stopped"));
    other.refused(4, "stopped.ckpt.overlap: belongs to a run");
    other.warns("--overlap-of");
    place.done(&train("--overlap-of first -o stopped"));
    assert_eq!(weights("stopped"), weights("trained-on"));
}

#[test]
fn a_joint_embedding_is_fitted_the_same_with_any_number_of_threads() {
    let place = place();
    // The network's own embedding has 4 dimensions.
    place.done(&train("-o one"));
    joint(&place, |joint| joint["size"] = 3.into());
    place.refused(&onto("one", "-o no"), 2, "a multiple of 4");
    joint(&place, |_| ());
    place.refused(&onto("one", "-o no --steps 5"), 2, "cannot be used with");
    teacher(&place, 3);
    place.refused(&onto("one", "-o no"), 2, "LDA to 4 dimensions");
    teacher(&place, 5);
    place.done(&onto("one", "-o two --threads 1"));
    place.done(&onto("one", "-o again --threads 2"));
    let is_same = place.bytes("two") == place.bytes("again");
    assert!(is_same, "threads change the bits");
    let groups = |name| {
        let model = load(&place, name);
        let head = &model.model().head;
        let groups = (head.voice_size(), head.projection.groups);
        (groups, model.model().has_overlap_term)
    };
    assert_eq!(groups("one"), ((4, 1), false));
    assert_eq!(groups("two"), ((8, 2), true));
    place.refused(&onto("two", "-o no"), 2, "that has none yet");
    place.write("speech/anna/broken.wav", "no sound");
    place.done(&onto("one", "-o without-it"));
}

#[test]
fn a_residual_network_is_trained_gets_a_joint_embedding_and_is_exported() {
    let place = place();
    teacher(&place, 5);
    let residual = |stride_bins: usize| {
        options(&place, |options| {
            options["architecture"]["residual"] = json!({
                "channels": 4, "stride_bins": 3, "stages": [
                    {"channels": 4, "blocks": 1, "stride": 1, "stride_bins": 1},
                    {"channels": 8, "blocks": 1, "stride": 2, "stride_bins": stride_bins}
                ]
            });
            options["teacher_weight"] = 10.into();
        });
    };
    residual(11);
    let refused = place.say(&learn("-o no"));
    refused.refused(2, "architecture.residual.stages: ");
    refused.warns("strides from 1 to 10");
    residual(2);
    place.done(&learn("-o one --threads 1"));
    place.done(&learn("-o two --threads 2"));
    let is_same = place.bytes("one") == place.bytes("two");
    assert!(is_same, "threads change the bits");
    starts_from_a_model(&place);
    joint(&place, |_| ());
    place.done(&onto("one", "-o joint"));
    // 4 dimensions of its own, and as many towards the teacher.
    let model = load(&place, "joint");
    assert_eq!(model.model().head.projection.groups, 2);
    place.done("--model joint model export --onnx joint.onnx");
    assert!(place.exists("joint.onnx"));
}

/// Starts a run from the model `one`, and takes one step at a rate that changes nothing to speak of.
fn starts_from_a_model(place: &Place) {
    let small = "--steps 1 --learning-rate 1e-9 --start-from one --seed 8";
    place.done(&learn(&format!("-o again {small}")));
    let [one, again] = ["one", "again"].map(|name| load(place, name));
    let [one, again] = [&one, &again].map(|model| model.model().network.weights());
    // All large tensors: the map to log mels, the convolutions and the Linear. A model file rounds them to 11
    // bits.
    let convolutions = |name: &&String| name.ends_with(".weight") && one[*name].len() > 16;
    let compared: Vec<&String> = one.keys().filter(convolutions).collect();
    assert!(compared.len() >= 7, "{compared:?}");
    let differing = compared.into_iter().filter(|name| {
        let pairs = one[*name].iter().zip(&again[*name]);
        let error: f32 = pairs.map(|(a, b)| (a - b).abs()).sum();
        error > 0.01 * one[*name].iter().map(|a| a.abs()).sum::<f32>()
    });
    let differing: Vec<&String> = differing.collect();
    let last = one
        .keys()
        .filter_map(|name| name.split('.').next()?.parse::<usize>().ok())
        .max();
    assert_eq!(
        differing,
        [&format!("{}.weight", last.unwrap())],
        "only what follows the pooling is new"
    );
    options(place, |options| {
        options["architecture"]["channels"] = 6.into()
    });
    let refused = place.say(&train("-o no --start-from one"));
    refused.refused(2, "--start-from");
}

#[test]
fn options_are_shown_with_the_digits_that_were_given() {
    let place = place();
    place.done(&train("-o two"));
    joint(&place, |joint| joint["share"] = 0.3.into());
    place.done(&onto("two", "-o three"));
    let recipe = &load(&place, "three").model().card.recipe.clone();
    let printed = place.done(&onto("two", "-o three --print-options --json"));
    for shown in [recipe, &printed.stdout] {
        has(shown, "\"share\":0.3,");
    }
}

#[test]
fn a_run_stopped_or_killed_continues_bit_for_bit_with_any_number_of_threads() {
    let place = place();
    taught(&place);
    place.done(&learn("-o whole --threads 1"));
    let whole = place.bytes("whole");

    let stopped = place.done(&learn("-o stopped --stop-after 5 --threads 2"));
    stopped.prints("continues from");
    assert!(!place.exists("stopped"));
    place.done(&learn("-o stopped --threads 2"));
    assert!(place.bytes("stopped") == whole, "stopped and continued");

    // 12 steps of the network, then those of the detector of overlapped speech.
    place.done(&learn("-o late --stop-after 16 --threads 2"));
    assert!(place.exists("late.ckpt.overlap") && !place.exists("late"));
    place.done(&learn("-o late --threads 1"));
    let is_same = place.bytes("late") == whole;
    assert!(is_same, "stopped in the detector and continued");
    assert!(load(&place, "whole").model().overlap.is_some());

    let mut run = place.command(words(&learn("-o killed")));
    let run = run.stderr(Stdio::null()).stdout(Stdio::null());
    let mut child = run.spawn().unwrap();
    while !place.exists("killed.ckpt") && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap(); // SIGKILL, wherever it is
    child.wait().unwrap();
    place.done(&learn("-o killed"));
    assert!(place.bytes("killed") == whole, "killed and continued");

    let compare = "compare speech/anna/anna-1.wav speech/boris/boris-1.wav";
    let compared = place.say(&format!("--model whole {compare}"));
    // A speech detector of so few steps may find no speech.
    assert!(matches!(compared.code, 0 | 1 | 3), "the model decides");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let place = place();
    place.done(&train("-o a --stop-after 1"));
    place.refused(&train("-o a --seed 6"), 4, "other options");
    place.refused(&train("-o a --steps 13"), 4, "other options");
    fs::remove_file(place.path("speech/anna/anna-3.wav")).unwrap();
    place.refused(&train("-o a"), 4, "another list");
}

/// A tensor of a checkpoint.
fn tensor(place: &Place, checkpoint: &str, name: &str) -> Vec<f32> {
    let bytes = place.bytes(checkpoint);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (values, _) = file.tensor(name).unwrap().data().as_chunks();
    values.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[test]
fn a_run_starts_from_the_weights_of_another_where_they_fit() {
    let place = place();
    let from = |flags: &str| train(&format!("--seed 8 --start-from first.ckpt {flags}"));
    place.refused(&from("-o no"), 5, "first.ckpt");
    place.done(&train("-o first"));
    // One step at a rate that changes nothing to speak of.
    let small = "--steps 1 --learning-rate 1e-9";
    place.done(&from(&format!("-o second {small}")));
    for name in ["w:0.weight", "w:17.weight", "speakers"] {
        let [first, second] = ["first.ckpt", "second.ckpt"].map(|c| tensor(&place, c, name));
        let nearly = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert_eq!(first.len(), second.len());
        assert!(first.iter().zip(&second).all(nearly), "{name}");
    }
    // A larger embedding is new; what comes before it is not.
    place.done(&from(&format!("-o larger {small} --embedding-size 9")));
    let [first, larger] = ["first.ckpt", "larger.ckpt"].map(|c| tensor(&place, c, "w:0.weight"));
    let change: f32 = first.iter().zip(larger).map(|(a, b)| (a - b).abs()).sum();
    assert!(change < 1e-4, "{change}");
    let bias = tensor(&place, "larger.ckpt", "w:17.bias");
    assert_eq!(bias.len(), 9, "the Linear after the pooling");
    place.write("first.ckpt", "no checkpoint");
    let refused = place.say(&from("-o no"));
    refused.refused(4, "first.ckpt");
    refused.warns("that --checkpoint named");
}

#[test]
fn bad_options_and_lists_are_refused_before_any_work() {
    let place = place();
    for (flags, fact) in [
        ("--pool max", "choose stats, mean or flatten"),
        ("--activation gelu", "choose relu"),
        ("--learning-rate 0", "learning_rate: above 0"),
        ("--batch-size 1", "batch_size: 2 or more"),
        ("--channels 0", "above 0"),
    ] {
        place.refused(&train(&format!("-o x {flags}")), 2, fact);
    }
    for (options, fact) in [
        (r#"{"warps_percent": [90, 100]}"#, "the first must be 100"),
        (r#"{"warps_percent": [100, 90, 90]}"#, "each once"),
        (r#"{"warps_percent": [100, 200]}"#, "from 70 to 140"),
        (r#"{"pitch": 2}"#, "pitch: a share, from 0 to 1"),
        (r#"{"speaker_weight": 0}"#, "not both 0"),
        (
            r#"{"augment": {"noise": 2}}"#,
            "augment probabilities: from 0 to 1",
        ),
        (r#"{"members": []}"#, r#"unknown option "members""#),
        (r#"{"head": {"shrinkage": -0.5}}"#, "head.shrinkage"),
        (r#"{"speeds_percent": [100, 300]}"#, "from 50 to 200"),
        (r#"{"overlap": {"steps": 5}}"#, r#"unknown option "steps""#),
    ] {
        println!("{options}"); // shown if it is not refused
        place.write("senseless.json", options);
        place.refused("train speech -o x --options senseless.json", 2, fact);
    }
    fs::remove_dir_all(place.path("speech")).unwrap();
    fs::create_dir_all(place.path("speech/only-one")).unwrap();
    place.refused(&train("-o x"), 2, "at least 2");
}

#[test]
fn a_teacher_that_is_missing_unasked_or_knows_too_little_is_told_before_any_work() {
    let place = place();
    teacher(&place, 3);
    place.refused(&learn("-o x"), 2, "no network learns from it");
    taught(&place);
    let text = place.read("teacher.txt");
    place.write("teacher.txt", text.replace(".wav", ".flac"));
    place.refused(&learn("-o x"), 2, "no vector of any recording");
    place.refused("train speech -o x --options o.json", 2, "--teacher");
    assert!(!place.exists("x.ckpt"));
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = place();
    place.done(&train("-o a --stop-after 2"));
    let mut bytes = place.bytes("a.ckpt");
    let at = bytes.len() - 100;
    bytes[at] ^= 4;
    place.write("a.ckpt", bytes);
    place.refused(&train("-o a"), 4, "a.ckpt: is damaged");
    assert!(!place.exists("a"));
}

#[test]
fn one_bad_recording_is_left_out_and_named() {
    let place = place();
    let png = b"\x89PNG\r\n\x1a\n no sound in here";
    place.write("speech/anna/broken.wav", png);
    let answer = place.done(&train("-o a"));
    answer.warns("left out: ");
    answer.warns("broken.wav: is a PNG");
    assert!(place.exists("a"));
}

#[test]
fn places_that_cannot_be_written_are_told_before_any_work() {
    let place = place();
    place.refused(&train("-o speech"), 2, "is a folder");
    place.refused(&train("-o nowhere/model"), 2, "there is no folder");
}

#[test]
fn a_run_that_diverges_says_so() {
    let answer = place().say(&train("-o a --learning-rate 1e30"));
    answer.refused(2, "diverged");
    answer.warns("--learning-rate");
}

#[cfg(unix)]
#[test]
fn a_model_name_that_is_not_utf_8_is_written_and_told_as_json() {
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    let out = place.path(std::ffi::OsStr::from_bytes(b"mod\xffel"));
    let mut command = place.command(words("train speech --options o.json --json -o"));
    let answer = Answer::of(command.arg(&out));
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(out.exists());
    assert_eq!(answer.json()["command"], "train");
}

#[test]
fn every_head_activation_and_pooling_trains() {
    let place = place();
    let all = [
        "--head bce",
        "--head softmax",
        "--head mse",
        "--activation relu",
        "--activation leaky-relu",
        "--activation tanh",
        "--activation sigmoid",
        "--activation identity",
        "--pool mean",
    ];
    for (i, flags) in all.into_iter().enumerate() {
        let line = train(&format!("-o model-{i} --steps 3 --json {flags}"));
        let json = place.done(&line).json();
        assert!(json["head"]["after"].is_number(), "{flags}: {json}");
        let is_mse = flags == "--head mse";
        assert_eq!(json["head"]["pearson"].is_number(), is_mse);
        let compare = "compare speech/anna/anna-1.wav speech/anna/anna-2.wav";
        let answer = place.say(&format!("--model model-{i} {compare}"));
        // A speech detector of so few steps may find no speech.
        assert!(matches!(answer.code, 0 | 1 | 3), "{flags}");
    }
}

#[test]
fn flatten_trains_a_network() {
    place().done(&train("-o a --pool flatten --steps 3"));
}

#[test]
fn softmax_over_one_output_is_refused_with_the_reason() {
    let place = place();
    for (flags, fact) in [
        ("--head softmax --head-outputs 1", "always answers class 0"),
        ("--head bce --head-outputs 3", "BCE takes one logit"),
        ("--head mse --head-outputs 2", "one linear output"),
        ("--head hinge --head-outputs 1", "bce, softmax or mse"),
        (
            "--pool max --activation relu",
            "choose stats, mean or flatten",
        ),
    ] {
        place.refused(&train(&format!("-o a {flags}")), 2, fact);
    }
}

#[test]
fn heads_are_compared_on_one_trunk() {
    let place = place();
    let files: Vec<(&str, String)> = recordings().collect();
    let mut list = String::new();
    for (i, (a, from)) in files.iter().enumerate() {
        for (b, to) in &files[i + 1..] {
            list += &format!("{} {a}/{from}.wav {b}/{to}.wav\n", u8::from(a == b));
        }
    }
    place.write("trials", list);
    // So many steps that the cosine tells the speakers apart.
    let compare = train("-o model --steps 60 --compare-heads trials --root speech");
    place.done(&compare);
    // From the finished run: only the heads are fitted again.
    let table = place.done(&compare);
    for head in ["cosine", "LDA and PLDA", "one logit", "two outputs", "MSE"] {
        table.prints(head);
    }
    let json = place.done(&format!("{compare} --json")).json();
    let of = |name: &str| {
        let mut heads = json["heads"].as_array().unwrap().iter();
        let head = heads.find(|h| h["head"].as_str().unwrap().contains(name));
        head.unwrap()["lists"][0].clone()
    };
    // A scale and an offset change no order.
    let eer = |name| of(name)["figures"]["eer"].clone();
    assert_eq!(eer("cosine"), eer("cosine, scale"));
    let apart = of("softmax")["largest_difference_from_bce"].as_f64();
    assert!(apart.unwrap() < 1e-4, "{apart:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_state_and_says_how_to_go_on() {
    let place = place();
    let run = train("-o model --steps 100000");
    // This is said after the first step.
    let (begun, said) = interrupted(&place, &run, "steps in all");
    // Each network's, and those of both detectors.
    let steps: usize = begun.split(' ').next().unwrap().parse().unwrap();
    assert!(steps > 100_000, "{begun}");
    has(&said, "the same command continues from");
    assert!(place.exists("model.ckpt") && !place.exists("model"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_of_a_fit_onto_a_model_names_no_checkpoint() {
    let place = place();
    place.done(&train("-o two"));
    joint(&place, |joint| {
        joint["overlap"]["examples"] = 1_000_000.into();
    });
    let run = onto("two", "-o three --json");
    // After this is said, the overlap term is fitted.
    let (_, said) = interrupted(&place, &run, "embeddings for the head");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["checkpoint"], Value::Null);
    assert!(!place.exists("three.ckpt") && !place.exists("three"));
}

/// Interrupts a run as soon as it says `begun`. Returns the line in which it says so, and its result.
#[cfg(unix)]
fn interrupted(place: &Place, run: &str, begun: &str) -> (String, String) {
    use std::io::{BufRead, BufReader};
    let mut run = place.command(words(run));
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains(begun));
    let process = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &process]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (line.unwrap().unwrap(), said)
}
