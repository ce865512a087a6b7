//! `spkver train` on synthetic voices with a tiny network: an interrupted run ends with the same
//! model, byte for byte, as an uninterrupted one, at any thread count.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Six voices, three recordings each, as a folder per speaker.
fn speech(dir: &Path) -> PathBuf {
    let root = dir.join("speech");
    for name in ["anna", "boris", "chloe", "david", "edith", "felix"] {
        fs::create_dir_all(root.join(name)).unwrap();
        for n in 1..=3 {
            let file = format!("{name}-{n}.wav");
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fixtures/voices")
                .join(&file);
            fs::copy(from, root.join(name).join(file)).unwrap();
        }
    }
    root
}

fn options(dir: &Path) -> PathBuf {
    let path = dir.join("options.json");
    let text = r#"{
        "architecture": {"channels": 8, "embedding_size": 8, "residual": null},
        "augment": {"num_rooms": 3, "reverberation": 0.5, "babble": 0.5, "codec": 0.5, "band_limit": 0.5},
        "pitch": 0.5,
        "overlap": {"channels": 8, "steps_percent": 100}, "warps_percent": [100, 90],
        "num_steps": 12, "batch_size": 4, "crop_seconds": [0.5, 1.0],
        "head": {"size": 4, "crops_per_utterance": 2, "bce_steps": 5, "crop_seconds": [0.5, 1.0]}
    }"#;
    fs::write(&path, text).unwrap();
    path
}

/// Changes the options of [`options`], and writes them to another file. Returns its path.
fn changed_options(dir: &Path, change: impl FnOnce(&mut serde_json::Value)) -> PathBuf {
    let text = fs::read_to_string(options(dir)).unwrap();
    let mut options: serde_json::Value = serde_json::from_str(&text).unwrap();
    change(&mut options);
    let path = dir.join("changed.json");
    fs::write(&path, options.to_string()).unwrap();
    path
}

/// What another system might say of the recordings, and of one of them in another voice: vectors of up to 5
/// numbers.
fn teacher(dir: &Path, size: usize) -> PathBuf {
    let path = dir.join("teacher.txt");
    let line = |id: &str, vector: [f32; 5]| {
        let numbers: Vec<String> = vector[..size].iter().map(f32::to_string).collect();
        format!("{id} {}\n", numbers.join(" "))
    };
    let mut text = line("anna/anna-1.wav@100@90", [0.5, 0.1, 0.2, 0.4, 0.6]);
    for (speaker, name) in ["anna", "boris", "chloe", "david", "edith", "felix"]
        .iter()
        .enumerate()
    {
        for n in 1..=3 {
            let angle = speaker as f32 + 0.1 * n as f32;
            let (sin, cos) = angle.sin_cos();
            let (sin_2, cos_2) = (2.0 * angle).sin_cos();
            text += &line(
                &format!("{name}/{name}-{n}.wav"),
                [sin, cos, 0.3, sin_2, cos_2],
            );
        }
    }
    fs::write(&path, text).unwrap();
    path
}

/// [`command`] with a network that learns from speakers and teacher, on features with the means in
/// channels of their own.
fn taught(dir: &Path, out: &str) -> Command {
    let options = changed_options(dir, |options| {
        options["front_end"] = serde_json::json!({"mean_channels": true});
        options["speaker_weight"] = 0.5.into();
        options["teacher_weight"] = 10.into();
    });
    let mut command = with_options(dir, out, &options);
    command.args(["--checkpoint-every", "1"]);
    command.arg("--teacher").arg(teacher(dir, 3));
    command
}

fn command(dir: &Path, out: &str) -> Command {
    let mut command = with_options(dir, out, &options(dir));
    command.args(["--checkpoint-every", "1"]);
    command
}

/// Trains on [`speech`] with these options.
fn with_options(dir: &Path, out: &str, options: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
    command.arg("train").arg("-o").arg(dir.join(out));
    command.arg("--options").arg(options);
    command.arg(dir.join("speech"));
    command
}

/// Fits a joint embedding of 4 dimensions onto `model`; `change` changes how.
fn onto(
    dir: &Path,
    model: &str,
    out: &str,
    change: impl FnOnce(&mut serde_json::Value),
) -> Command {
    let options = changed_options(dir, |options| {
        options["joint"] = serde_json::json!({
            "copies": 2, "copy_seconds": [0.5, 1.0], "size": 4,
            "overlap": {"examples": 40, "seconds": [0.5, 1.0]}
        });
        change(&mut options["joint"]);
    });
    let mut command = with_options(dir, out, &options);
    command.arg("--onto").arg(dir.join(model));
    command.arg("--teacher").arg(teacher(dir, 5));
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[track_caller]
fn refused(command: &mut Command, code: i32, facts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(facts.iter().all(|fact| text.contains(fact)), "{text}");
}

#[test]
fn a_detector_of_overlapped_speech_comes_from_another_model_and_is_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(&mut command(dir, "first"));
    let weights = |name: &str| {
        let model = spkver::storage::model::load(&dir.join(name)).unwrap();
        let overlap = model.model().overlap.as_ref().unwrap();
        overlap.weights().clone()
    };
    let begun_from = |of: &str, out: &str, change: fn(&mut serde_json::Value)| {
        let mut command = with_options(dir, out, &changed_options(dir, change));
        command.args(["--checkpoint-every", "1"]);
        command.arg("--overlap-of").arg(dir.join(of));
        command
    };
    let with = |out: &str, change: fn(&mut serde_json::Value)| begun_from("first", out, change);
    succeed(&mut with("as-it-is", |all| {
        all["overlap"] = serde_json::Value::Null
    }));
    assert_eq!(weights("as-it-is"), weights("first"));

    // At this learning rate no weight changes in F16, so these are the weights that training began with.
    succeed(&mut with("begun", |all| all["learning_rate"] = 1e-9.into()));
    assert_eq!(weights("begun"), weights("first"));
    succeed(&mut with("trained-on", |_| ()));
    assert_ne!(weights("trained-on"), weights("first"));

    refused(
        &mut with("refused", |all| all["overlap"]["channels"] = 9.into()),
        2,
        &["first: its detector of overlapped speech has other layers"],
    );

    // 12 steps of the network, then the detector.
    succeed(with("stopped", |_| ()).args(["--stop-after", "14"]));
    refused(
        &mut begun_from("trained-on", "stopped", |_| ()),
        4,
        &["stopped.ckpt.overlap: belongs to a run", "--overlap-of"],
    );
    succeed(&mut with("stopped", |_| ()));
    assert_eq!(weights("stopped"), weights("trained-on"));
}

#[test]
fn a_joint_embedding_is_fitted_the_same_with_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    // The network's own embedding has 4 dimensions.
    succeed(&mut command(dir, "one"));
    let onto = |model: &str, out: &str, size: usize| {
        onto(dir, model, out, |joint| joint["size"] = size.into())
    };
    let refuse = |command: &mut Command, fact: &str| refused(command, 2, &[fact]);
    refuse(&mut onto("one", "no", 3), "a multiple of 4");
    let mut command = onto("one", "no", 4);
    teacher(dir, 3);
    refuse(&mut command, "LDA to 4 dimensions");
    refuse(
        onto("one", "no", 4).args(["--steps", "5"]),
        "cannot be used with",
    );
    succeed(onto("one", "two", 4).args(["--threads", "1"]));
    succeed(onto("one", "again", 4).args(["--threads", "2"]));
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert!(bytes("two") == bytes("again"), "threads change the bits");
    let groups = |name: &str| {
        let model = spkver::storage::model::load(&dir.join(name)).unwrap();
        let head = &model.model().head;
        let groups = (head.voice_size(), head.projection.groups);
        (groups, model.model().has_overlap_term)
    };
    assert_eq!(groups("one"), ((4, 1), false));
    assert_eq!(groups("two"), ((8, 2), true));
    refuse(&mut onto("two", "no", 4), "that has none yet");
    fs::write(dir.join("speech/anna/broken.wav"), "no sound").unwrap();
    succeed(&mut onto("one", "without-it", 4));
}

#[test]
fn a_residual_network_is_trained_gets_a_joint_embedding_and_is_exported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let residual = |out: &str, stride_bins: usize| {
        let options = changed_options(dir, |options| {
            options["architecture"]["residual"] = serde_json::json!({
                "channels": 4, "stride_bins": 3, "stages": [
                    {"channels": 4, "blocks": 1, "stride": 1, "stride_bins": 1},
                    {"channels": 8, "blocks": 1, "stride": 2, "stride_bins": stride_bins}
                ]
            });
            options["teacher_weight"] = 10.into();
        });
        let mut command = with_options(dir, out, &options);
        command.arg("--teacher").arg(teacher(dir, 5));
        command
    };
    refused(
        &mut residual("no", 11),
        2,
        &["architecture.residual.stages: ", "strides from 1 to 10"],
    );
    succeed(residual("one", 2).args(["--threads", "1"]));
    succeed(residual("two", 2).args(["--threads", "2"]));
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert!(bytes("one") == bytes("two"), "threads change the bits");
    succeed(&mut onto(dir, "one", "joint", |_| ()));
    let model = spkver::storage::model::load(&dir.join("joint")).unwrap();
    // 4 dimensions of its own, and as many towards the teacher.
    assert_eq!(model.model().head.projection.groups, 2);
    let mut spkver = Command::new(env!("CARGO_BIN_EXE_spkver"));
    spkver.arg("--model").arg(dir.join("joint"));
    succeed(
        spkver
            .args(["model", "export", "--onnx"])
            .arg(dir.join("joint.onnx")),
    );
    assert!(dir.join("joint.onnx").exists());
}

#[test]
fn options_are_shown_with_the_digits_that_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(&mut command(dir, "two"));
    let mut onto = onto(dir, "two", "three", |joint| joint["share"] = 0.3.into());
    succeed(&mut onto);
    let model = spkver::storage::model::load(&dir.join("three")).unwrap();
    let card = &model.model().card.recipe;
    let printed = succeed(onto.args(["--print-options", "--json"])).stdout;
    for shown in [card, &String::from_utf8(printed).unwrap()] {
        assert!(shown.contains("\"share\":0.3,"), "{shown}");
    }
}

#[test]
fn a_run_stopped_or_killed_continues_bit_for_bit_with_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let command = taught;
    succeed(command(dir, "whole").args(["--threads", "1"]));
    let whole = fs::read(dir.join("whole")).unwrap();

    let stopped = succeed(command(dir, "stopped").args(["--stop-after", "5", "--threads", "2"]));
    assert!(String::from_utf8_lossy(&stopped.stdout).contains("continues from"));
    assert!(!dir.join("stopped").exists());
    succeed(command(dir, "stopped").args(["--threads", "2"]));
    assert!(
        fs::read(dir.join("stopped")).unwrap() == whole,
        "stopped and continued"
    );

    // 12 steps of the network, then those of the detector of overlapped speech.
    succeed(command(dir, "late").args(["--stop-after", "16", "--threads", "2"]));
    assert!(dir.join("late.ckpt.overlap").exists() && !dir.join("late").exists());
    succeed(command(dir, "late").args(["--threads", "1"]));
    assert!(
        fs::read(dir.join("late")).unwrap() == whole,
        "stopped in the detector and continued"
    );
    let trained = spkver::storage::model::load(&dir.join("whole")).unwrap();
    assert!(trained.model().overlap.is_some());

    let mut child = command(dir, "killed")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !dir.join("killed.ckpt").exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap(); // SIGKILL, wherever it is
    child.wait().unwrap();
    succeed(&mut command(dir, "killed"));
    assert!(
        fs::read(dir.join("killed")).unwrap() == whole,
        "killed and continued"
    );

    let model = dir.join("whole");
    let compared = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .arg("--model")
        .arg(&model)
        .arg("compare")
        .args([
            dir.join("speech/anna/anna-1.wav"),
            dir.join("speech/boris/boris-1.wav"),
        ])
        .output()
        .unwrap();
    assert!(
        // A speech detector of so few steps may find no speech.
        matches!(compared.status.code(), Some(0 | 1 | 3)),
        "the model decides"
    );
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(command(dir, "a").args(["--stop-after", "1"]));
    for (change, fact) in [
        (["--seed", "6"], "other options"),
        (["--steps", "13"], "other options"),
    ] {
        let output = command(dir, "a").args(change).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(String::from_utf8_lossy(&output.stderr).contains(fact));
    }
    fs::remove_file(dir.join("speech/anna/anna-3.wav")).unwrap();
    let output = command(dir, "a").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another list"));
}

/// A tensor of the checkpoint `name`.
fn tensor(dir: &Path, name: &str, tensor: &str) -> Vec<f32> {
    let bytes = fs::read(dir.join(name)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (values, _) = file.tensor(tensor).unwrap().data().as_chunks();
    values.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[test]
fn a_run_starts_from_the_weights_of_another_where_they_fit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let from = |out: &str, rest: &[&str]| {
        let mut command = command(dir, out);
        command.args(["--seed", "8"]).args(rest);
        command.arg("--start-from").arg(dir.join("first.ckpt"));
        command
    };
    refused(&mut from("no", &[]), 5, &["first.ckpt"]);
    succeed(&mut command(dir, "first"));
    // One step at a rate that changes nothing to speak of.
    let small = ["--steps", "1", "--learning-rate", "1e-9"];
    succeed(&mut from("second", &small));
    for name in ["w:0.weight", "w:17.weight", "speakers"] {
        let (first, second) = (
            tensor(dir, "first.ckpt", name),
            tensor(dir, "second.ckpt", name),
        );
        let nearly = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert_eq!(first.len(), second.len());
        assert!(first.iter().zip(&second).all(nearly), "{name}");
    }
    // A larger embedding is new; what comes before it is not.
    succeed(&mut from(
        "larger",
        &[&small[..], &["--embedding-size", "9"]].concat(),
    ));
    let (first, larger) = ("first.ckpt", "larger.ckpt");
    let change: f32 = tensor(dir, first, "w:0.weight")
        .iter()
        .zip(tensor(dir, larger, "w:0.weight"))
        .map(|(a, b)| (a - b).abs())
        .sum();
    assert!(change < 1e-4, "{change}");
    assert_eq!(
        tensor(dir, larger, "w:17.bias").len(),
        9,
        "the Linear after the pooling"
    );
    fs::write(dir.join("first.ckpt"), "no checkpoint").unwrap();
    refused(
        &mut from("no", &[]),
        4,
        &["first.ckpt", "that --checkpoint named"],
    );
}

#[test]
fn bad_options_and_lists_are_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    for (args, fact) in [
        (["--pool", "max"], "choose stats, mean or flatten"),
        (["--activation", "gelu"], "choose relu"),
        (["--learning-rate", "0"], "learning_rate: above 0"),
        (["--batch-size", "1"], "batch_size: 2 or more"),
        (["--channels", "0"], "above 0"),
    ] {
        let output = command(dir, "x").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(fact), "{args:?}: {text}");
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
        let file = dir.join("senseless.json");
        fs::write(&file, options).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
        command.arg("train").arg(dir.join("speech")).arg("-o");
        command.arg(dir.join("x")).arg("--options").arg(&file);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(fact), "{options}: {text}");
    }
    fs::remove_dir_all(dir.join("speech")).unwrap();
    fs::create_dir_all(dir.join("speech/only-one")).unwrap();
    let output = command(dir, "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("at least 2"));
}

#[test]
fn a_teacher_that_is_missing_unasked_or_knows_too_little_is_told_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let refuse = |command: &mut Command, fact: &str| refused(command, 2, &[fact]);
    let vectors = teacher(dir, 3);
    refuse(
        command(dir, "x").arg("--teacher").arg(&vectors),
        "no network learns from it",
    );
    let mut with_teacher = taught(dir, "x");
    let text = fs::read_to_string(&vectors).unwrap();
    fs::write(&vectors, text.replace(".wav", ".flac")).unwrap();
    refuse(&mut with_teacher, "no vector of any recording");
    refuse(
        &mut with_options(dir, "x", &dir.join("changed.json")),
        "--teacher",
    );
    assert!(!dir.join("x.ckpt").exists());
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(command(dir, "a").args(["--stop-after", "2"]));
    let path = dir.join("a.ckpt");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 4;
    fs::write(&path, bytes).unwrap();
    refused(&mut command(dir, "a"), 4, &["a.ckpt: is damaged"]);
    assert!(!dir.join("a").exists());
}

#[test]
fn one_bad_recording_is_left_out_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let root = speech(dir);
    fs::write(
        root.join("anna/broken.wav"),
        b"\x89PNG\r\n\x1a\n no sound in here",
    )
    .unwrap();
    let output = succeed(&mut command(dir, "a"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("left out: ") && text.contains("broken.wav: is a PNG"),
        "{text}"
    );
    assert!(dir.join("a").exists());
}

#[test]
fn places_that_cannot_be_written_are_told_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    for (out, fact) in [
        ("speech", "is a folder"),
        ("nowhere/model", "there is no folder"),
    ] {
        let output = command(dir, out).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{out}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(fact), "{text}");
    }
}

#[test]
fn a_run_that_diverges_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let output = command(dir, "a")
        .args(["--learning-rate", "1e30"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("diverged") && text.contains("--learning-rate"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_model_name_that_is_not_utf_8_is_written_and_told_as_json() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let out = dir.join(std::ffi::OsStr::from_bytes(b"mod\xffel"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
    command
        .args(["train", "--json", "--options"])
        .arg(options(dir))
        .arg(dir.join("speech"));
    let output = succeed(command.arg("-o").arg(&out));
    assert!(out.exists());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["command"], "train");
}

#[test]
fn every_head_activation_and_pooling_trains() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let mut flags: Vec<[&str; 2]> = vec![];
    flags.extend(["bce", "softmax", "mse"].map(|head| ["--head", head]));
    let activations = ["relu", "leaky-relu", "tanh", "sigmoid", "identity"];
    flags.extend(activations.map(|activation| ["--activation", activation]));
    flags.push(["--pool", "mean"]);
    for (i, flag) in flags.iter().enumerate() {
        let out = format!("model-{i}");
        let output = succeed(
            command(dir, &out)
                .args(["--steps", "3", "--json"])
                .args(flag),
        );
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json["head"]["after"].is_number(), "{flag:?}: {json}");
        assert_eq!(
            json["head"]["pearson"].is_number(),
            *flag == ["--head", "mse"]
        );
        let mut verify = Command::new(env!("CARGO_BIN_EXE_spkver"));
        let file = |name: &str| dir.join("speech/anna").join(name);
        verify.arg("--model").arg(dir.join(out)).arg("compare");
        let output = verify
            .args([file("anna-1.wav"), file("anna-2.wav")])
            .output()
            .unwrap();
        // A speech detector of so few steps may find no speech.
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{flag:?}");
    }
}

#[test]
fn flatten_trains_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(command(dir, "a").args(["--pool", "flatten", "--steps", "3"]));
}

#[test]
fn softmax_over_one_output_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    for (flags, fact) in [
        (
            ["--head", "softmax", "--head-outputs", "1"],
            "always answers class 0",
        ),
        (
            ["--head", "bce", "--head-outputs", "3"],
            "BCE takes one logit",
        ),
        (
            ["--head", "mse", "--head-outputs", "2"],
            "one linear output",
        ),
        (
            ["--head", "hinge", "--head-outputs", "1"],
            "bce, softmax or mse",
        ),
        (
            ["--pool", "max", "--activation", "relu"],
            "choose stats, mean or flatten",
        ),
    ] {
        let output = command(dir, "a").args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(fact), "{text}");
    }
}

#[test]
fn heads_are_compared_on_one_trunk() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let root = speech(dir);
    let mut list = String::new();
    let files: Vec<(&str, String)> = ["anna", "boris", "chloe", "david", "edith", "felix"]
        .iter()
        .flat_map(|name| (1..=3).map(move |n| (*name, format!("{name}/{name}-{n}.wav"))))
        .collect();
    for (i, (a, from)) in files.iter().enumerate() {
        for (b, to) in &files[i + 1..] {
            list += &format!("{} {from} {to}\n", u8::from(a == b));
        }
    }
    let trials = dir.join("trials");
    fs::write(&trials, list).unwrap();
    // So many steps that the cosine tells the speakers apart.
    let compare = || {
        let mut command = command(dir, "model");
        command.args(["--steps", "60", "--compare-heads"]);
        command.arg(&trials).arg("--root").arg(&root);
        command
    };
    succeed(&mut compare());
    // From the finished run: only the heads are fitted again.
    let mut again = compare();
    let table = String::from_utf8(succeed(&mut again).stdout).unwrap();
    for head in ["cosine", "LDA and PLDA", "one logit", "two outputs", "MSE"] {
        assert!(table.contains(head), "{head} in {table}");
    }
    let output = succeed(again.arg("--json"));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        let heads = json["heads"].as_array().unwrap();
        let head = heads
            .iter()
            .find(|h| h["head"].as_str().unwrap().contains(name));
        head.unwrap()["lists"][0].clone()
    };
    // A scale and an offset change no order.
    assert_eq!(
        of("cosine")["figures"]["eer"],
        of("cosine, scale")["figures"]["eer"]
    );
    let apart = of("softmax")["largest_difference_from_bce"]
        .as_f64()
        .unwrap();
    assert!(apart < 1e-4, "{apart}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_state_and_says_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    let mut run = command(dir, "model");
    // This is said after the first step.
    let (begun, said) = interrupted(run.args(["--steps", "100000"]), "steps in all");
    // Each network's, and those of both detectors.
    let steps: usize = begun.split(' ').next().unwrap().parse().unwrap();
    assert!(steps > 100_000, "{begun}");
    assert!(said.contains("the same command continues from"), "{said}");
    assert!(dir.join("model.ckpt").exists() && !dir.join("model").exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_of_a_fit_onto_a_model_names_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    speech(dir);
    succeed(&mut command(dir, "two"));
    let mut run = onto(dir, "two", "three", |joint| {
        joint["overlap"]["examples"] = 1_000_000.into();
    });
    // After this is said, the overlap term is fitted.
    let (_, said) = interrupted(run.arg("--json"), "embeddings for the head");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["checkpoint"], serde_json::Value::Null);
    assert!(!dir.join("three.ckpt").exists() && !dir.join("three").exists());
}

/// Interrupts a run as soon as it says `begun`. Returns the line in which it says so, and its result.
#[cfg(unix)]
fn interrupted(run: &mut Command, begun: &str) -> (String, String) {
    use std::io::{BufRead, BufReader};
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
