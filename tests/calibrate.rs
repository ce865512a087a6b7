//! `spkver calibrate`: scores become log-likelihood ratios on the given trials, and the rest of the
//! model does not change.

use spkver::scoring::percent;
use std::{fs, path::Path, process::Command};

fn say(args: &[&str]) -> (i32, serde_json::Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .arg("--json")
        .output()
        .unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), json, text)
}

/// All pairs of the fixtures' voices, `right` or with the labels swapped.
fn trials(path: &Path, right: bool) {
    let voices = ["anna", "boris", "chloe", "david", "edith", "felix"];
    let files: Vec<(usize, String)> = (0..6)
        .flat_map(|v| (1..=3).map(move |n| (v, n)))
        .map(|(v, n)| (v, format!("fixtures/voices/{}-{n}.wav", voices[v])))
        .collect();
    let mut text = String::new();
    for (i, (a, enrol)) in files.iter().enumerate() {
        for (b, test) in &files[i + 1..] {
            text += &format!("{} {enrol} {test}\n", i32::from((a == b) == right));
        }
    }
    fs::write(path, text).unwrap();
}

#[test]
fn calibrated_scores_cost_no_more_and_rank_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("voices.txt");
    let out = dir.path().join("calibrated.safetensors");
    let (list, out) = (list.to_str().unwrap(), out.to_str().unwrap());
    trials(Path::new(list), true);
    let (code, json, text) = say(&["calibrate", list, "-o", out]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        (json["targets"].as_i64(), json["nontargets"].as_i64()),
        (Some(18), Some(135))
    );

    let evaluate = |model: &[&str]| {
        let args = [&["evaluate", list, "--bootstrap", "0"], model].concat();
        let (code, json, text) = say(&args);
        assert_eq!(code, 0, "{text}");
        json["lists"][0].clone()
    };
    let (before, after) = (evaluate(&[]), evaluate(&["--model", out]));
    assert_eq!(before["eer"], after["eer"]);
    assert!(
        after["cllr"].as_f64() <= before["cllr"].as_f64(),
        "{before} {after}"
    );

    let (_, info, _) = say(&["model", "info", "--model", out]);
    let calibration = info["card"]["calibration"].as_str().unwrap();
    assert!(
        calibration.contains("18 target and 135 nontarget"),
        "{calibration}"
    );
    assert!(calibration.contains("voices.txt (BLAKE3 "), "{calibration}");
}

#[test]
fn swapped_labels_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("swapped.txt");
    trials(&list, false);
    let out = dir.path().join("x");
    let (code, _, text) = say(&[
        "calibrate",
        list.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("check the labels"), "{text}");
    assert!(!out.exists());
}

/// The fixtures' voices with a folder for each speaker, and all pairs of them.
fn spoken_by_folder(dir: &Path) -> String {
    for voice in ["anna", "boris", "chloe", "david", "edith", "felix"] {
        fs::create_dir(dir.join(voice)).unwrap();
        for n in 1..=3 {
            let from = format!("fixtures/voices/{voice}-{n}.wav");
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
            fs::copy(from, dir.join(format!("{voice}/{n}.wav"))).unwrap();
        }
    }
    let list = dir.join("voices.txt");
    trials(&list, true);
    let mut text = fs::read_to_string(&list).unwrap();
    for voice in ["anna", "boris", "chloe", "david", "edith", "felix"] {
        text = text.replace(&format!("fixtures/voices/{voice}-"), &format!("{voice}/"));
    }
    fs::write(&list, text).unwrap();
    list.to_str().unwrap().into()
}

#[test]
fn a_wanted_false_accept_rate_finds_its_threshold_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let list = spoken_by_folder(dir.path());
    let root = dir.path().to_str().unwrap();
    let out = dir.path().join("calibrated.safetensors");
    let out = out.to_str().unwrap();
    let (code, _, text) = say(&["calibrate", &list, "--root", root, "-o", out]);
    assert_eq!(code, 0, "{text}");

    let (a, b) = ("fixtures/voices/anna-1.wav", "fixtures/voices/anna-2.wav");
    let compare = |far: &str| say(&["compare", a, b, "--model", out, "--far", far]);
    let (code, at_5, text) = compare("5%");
    assert!(code == 0 || code == 1, "{text}");
    let expected = &at_5["expected"]["false_accept"];
    assert!(
        (expected["rate"].as_f64().unwrap() - 0.05).abs() < 1e-6,
        "{at_5}"
    );
    assert!(expected["low"].as_f64() <= expected["rate"].as_f64());
    // People read it in per cent, with the interval.
    let told = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["compare", a, b, "--model", out, "--far", "5%"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let end = |key: &str| percent(expected[key].as_f64().unwrap()).replace(" %", "");
    let accepts = format!("false accepts 5.0 % [{}, {}]", end("low"), end("high"));
    assert!(told.contains(&accepts), "{told} {accepts}");
    let (_, at_30, _) = compare("0.3");
    assert!(at_30["threshold"].as_f64() < at_5["threshold"].as_f64());

    // 135 nontarget trials: 3/135 = 2.2 %.
    let (code, _, text) = compare("1%");
    assert_eq!(code, 2);
    assert!(
        text.contains("135") && text.contains("rule of three"),
        "{text}"
    );
    for senseless in ["0", "-1%", "100%", "150%", "nan", "inf", "x", ""] {
        assert_eq!(compare(senseless).0, 2, "{senseless}");
    }
}

#[test]
fn quality_terms_are_fitted_kept_and_carried_by_the_embeddings() {
    let dir = tempfile::tempdir().unwrap();
    let list = spoken_by_folder(dir.path());
    let root = dir.path().to_str().unwrap();
    let [fitted, scaled] = ["fitted", "scaled"].map(|name| {
        let path = dir.path().join(format!("{name}.safetensors"));
        path.to_str().unwrap().to_string()
    });
    let calibrate = |more: &[&str], out: &str| {
        let (code, _, text) =
            say(&[&["calibrate", &list, "--root", root, "-o", out], more].concat());
        assert_eq!(code, 0, "{text}");
        say(&["model", "info", "--model", out]).1
    };
    let info = calibrate(&["--quality"], &fitted);
    let quality = &info["head"]["quality"];
    assert!(quality["seconds"].as_f64().is_some(), "{info}");
    let text = info["card"]["calibration"].as_str().unwrap();
    assert!(text.contains("per ln of seconds"), "{text}");
    let below = info["head"]["lower_slope_below"].as_f64();
    assert_eq!(text.contains("a nat counts as 0.25"), below.is_some());
    // Below that of every recording in the list: so few do not tell how steady one voice is.
    let lowest = info["limits"]["min_parts_llr"].as_f64().unwrap();
    for name in [
        "anna-1", "boris-2", "chloe-3", "david-1", "edith-2", "felix-3",
    ] {
        let path = format!("fixtures/voices/{name}.wav");
        let args = ["embed", &path, "--model", &fitted, "-o"];
        let (code, _, error) =
            say(&[&args[..], &[dir.path().join("x.txt").to_str().unwrap()]].concat());
        assert_eq!(code, 0, "{lowest} {error}");
    }

    // The embedding ends in ln t.
    let voice = "fixtures/voices/anna-1.wav";
    let text = dir.path().join("embedding.txt");
    let (code, _, error) = say(&[
        "embed",
        voice,
        "--model",
        &fitted,
        "-o",
        text.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{error}");
    let text = fs::read_to_string(text).unwrap();
    let values: Vec<&str> = text.split_whitespace().skip(1).collect();
    assert_eq!(Some(values.len() as u64), info["embedding_size"].as_u64());
    let seconds = values[values.len() - 1].parse::<f64>().unwrap().exp();
    assert!((0.4..10.0).contains(&seconds), "{seconds}");

    // Scale and offset alone leave the order of the scores, terms and all.
    let info = calibrate(&["--model", &fitted], &scaled);
    let ratio = |key: &str| {
        let new = info["head"]["quality"][key].as_f64().unwrap();
        new / quality[key].as_f64().unwrap()
    };
    assert!((ratio("seconds") - ratio("length")).abs() < 1e-3 * ratio("length").abs());
    let eer = |model: &str| {
        let (_, json, _) = say(&[
            "evaluate",
            &list,
            "--root",
            root,
            "--bootstrap",
            "0",
            "--model",
            model,
        ]);
        json["lists"][0]["eer"].clone()
    };
    assert_eq!(eer(&fitted), eer(&scaled));
}
