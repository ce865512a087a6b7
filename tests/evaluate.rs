//! `spkver evaluate` on given scores: what a user sees, no audio needed.

use std::{fs, path::Path, process::Command};

const TRIALS: &str = "1 a/1 a/2\n1 b/1 b/2\n1 c/1 c/2\n0 a/1 b/1\n0 a/1 c/1\n0 b/1 c/1\n";

/// Exit code, stdout, stderr.
fn evaluate(folder: &Path, scores: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    fs::write(folder.join("trials.txt"), TRIALS).unwrap();
    fs::write(folder.join("scores.txt"), scores).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .current_dir(folder)
        .args(["evaluate", "trials.txt"])
        .args(flags)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn figures_of_given_scores_with_a_refused_trial() {
    let folder = tempfile::tempdir().unwrap();
    let scores = "a/1 a/2 5\nb/1 b/2 -1\nc/1 c/2 nan\na/1 b/1 -4\na/1 c/1 1\nb/1 c/1 -3\n";
    let flags = ["--scores", "scores.txt", "--json", "--p-target", "0.5"];
    let (code, out, _) = evaluate(folder.path(), scores, &flags);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let list = &json["lists"][0];
    assert_eq!(list["trials"], 6);
    assert_eq!(list["speakers"], 3);
    assert_eq!(list["refused_targets"], 1);
    // 5, −1 against −4, −3, 1: P_miss and P_fa meet between (0, 1/3) and (1/2, 1/3).
    assert!((list["eer"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(list["at_threshold"]["miss"], 0.5);
    let (_, again, _) = evaluate(folder.path(), scores, &flags);
    assert_eq!(out, again);
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = evaluate(folder.path(), "a/1 a/2 5\n", &["--scores", "scores.txt"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("trials.txt:2: "), "{err}");
    let (code, _, err) = evaluate(folder.path(), "", &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("trials.txt:1: there is no file"), "{err}");
    assert!(err.contains("check --root"), "{err}");
    let (code, _, _) = evaluate(folder.path(), "", &["--segment", "-1"]);
    assert_eq!(code, Some(2));
}
