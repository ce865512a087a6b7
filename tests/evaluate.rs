//! `spkver evaluate` on given scores, as a user sees it. Needs no audio.

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

/// Exit code, stdout, stderr.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_spkver"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[track_caller]
fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    let (code, out, err) = run(folder, &[args, &["--json", "--bootstrap", "50"]].concat());
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap()
}

/// 6 speakers × 3 recordings, all pairs: (enrol, test, score, label).
fn trials() -> Vec<(String, String, f64, bool)> {
    let name = |i: usize| format!("set/s{}/{}.wav", i / 3, i % 3);
    let mut trials = vec![];
    for a in 0..18 {
        for b in a + 1..18 {
            let same = a / 3 == b / 3;
            let wave = ((a * 31 + b * 17) as f64).sin() * 3.0;
            trials.push((name(a), name(b), wave + if same { 2.0 } else { -2.0 }, same));
        }
    }
    trials
}

fn lines(line: impl Fn(&(String, String, f64, bool)) -> String) -> String {
    trials().iter().map(|t| line(t) + "\n").collect()
}

#[test]
fn every_format_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bit = |label: bool| u8::from(label);
    let word = |label: bool| if label { "target" } else { "nontarget" };
    let files = [
        (
            "text",
            lines(|(e, t, s, l)| format!("{e} {t} {s} {}", bit(*l))),
        ),
        (
            "words",
            lines(|(e, t, s, l)| format!("{e}\t{t}\t{s}\t{}", word(*l))),
        ),
        (
            "front",
            lines(|(e, t, s, l)| format!("{} {e} {t} {s}", bit(*l))),
        ),
        (
            "csv",
            "score,label,enrol,test,error\r\n".to_string()
                + &lines(|(e, t, s, l)| format!("{s},{},\"{e}\",{t},\r", bit(*l))),
        ),
        (
            "nist.tsv",
            "modelid\tsegmentid\tside\ttargettype\tLLR\n".to_string()
                + &lines(|(e, t, s, l)| format!("{e}\t{t}\ta\t{}\t{s}", word(*l))),
        ),
        (
            "jsonl",
            lines(|(e, t, s, l)| {
                format!(
                    "{{\"enrol\":\"{e}\",\"test\":\"{t}\",\"score\":{s},\"label\":{l},\"x\":[1]}}"
                )
            }),
        ),
        ("list", lines(|(e, t, _, l)| format!("{} {e} {t}", bit(*l)))),
        (
            "kaldi",
            "\u{feff}".to_string() + &lines(|(e, t, _, l)| format!("{e} {t} {}", word(*l))),
        ),
    ];
    for (name, text) in &files {
        fs::write(folder.join(name), text).unwrap();
    }
    let scores = lines(|(e, t, s, _)| format!("{e} {t} {s}"));
    let mut backwards: Vec<&str> = scores.lines().collect();
    backwards.reverse();
    fs::write(folder.join("scores"), &scores).unwrap();
    fs::write(folder.join("backwards"), backwards.join("\n")).unwrap();
    let first = json(folder, &["evaluate", "text"])["lists"][0].clone();
    assert_eq!(first["speakers"], 6);
    let same = |args: &[&str]| {
        let mut list = json(folder, args)["lists"][0].clone();
        list["list"] = first["list"].clone();
        assert_eq!(list, first, "{args:?}");
    };
    for name in ["words", "front", "csv", "nist.tsv", "jsonl"] {
        same(&["evaluate", name]);
    }
    for list in ["list", "kaldi"] {
        same(&["evaluate", list, "--scores", "scores"]);
        same(&["evaluate", list, "--scores", "backwards"]);
        same(&["evaluate", list, "--scores", "jsonl"]);
    }
    same(&["evaluate", "text", "--threads", "3"]);
}

#[test]
fn several_priors_and_thresholds_and_the_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = lines(|(e, t, s, l)| {
        let refused = t.ends_with("s5/2.wav");
        let score = if refused { "nan".into() } else { s.to_string() };
        format!("{e} {t} {score} {}", u8::from(*l))
    });
    fs::write(folder.join("scores"), text).unwrap();
    let args = [
        "evaluate",
        "scores",
        "--p-target",
        "0.01,0.5",
        "--threshold",
        "-1,0,2",
    ];
    let list = &json(folder, &args)["lists"][0];
    assert_eq!(list["dcf"].as_array().unwrap().len(), 2);
    assert_eq!(list["rates"].as_array().unwrap().len(), 3);
    assert_eq!(list["intervals"]["rates"].as_array().unwrap().len(), 3);
    assert_eq!(list["test"]["refused"], 1); // FTA: s5/2 has no score at all
    assert_eq!(list["enrolment"]["refused"], 0);
    assert_eq!(list["refused_targets"], 2);
    assert_eq!(list["refused_nontargets"], 15);
    let miss = |i: usize| list["rates"][i]["miss"].as_f64().unwrap();
    assert!(miss(0) <= miss(1) && miss(1) <= miss(2));
    let with = &list["rates_with_refused"][1];
    assert!(with["miss"].as_f64().unwrap() > miss(1));
    let (code, _, err) = run(folder, &["evaluate", "scores", "--p-target", "1.5"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn conditions_come_from_any_column() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("scores"),
        lines(|(e, t, s, l)| format!("{e} {t} {s} {}", u8::from(*l))),
    )
    .unwrap();
    let mut csv = "path,speaker,seconds,gender,session\n".to_string();
    for i in 0..18 {
        let (speaker, gender) = (i / 3, if i < 9 { "F" } else { "M" });
        csv += &format!(
            "set/s{speaker}/{}.wav,{speaker},{i}.5,{gender},day {i}\n",
            i % 3
        );
    }
    fs::write(folder.join("meta.csv"), &csv).unwrap();
    let args = [
        "evaluate",
        "scores",
        "--metadata",
        "meta.csv",
        "--bins",
        "seconds=5,10",
    ];
    let (code, out, err) = run(folder, &args);
    assert_eq!(code, Some(0), "{err}");
    for shown in [
        "by seconds",
        "5 ≤ seconds < 10",
        "by gender",
        "F × M",
        "different session",
    ] {
        assert!(out.contains(shown), "{shown} in {out}");
    }
    let list = &json(folder, &args)["lists"][0];
    assert_eq!(list["speakers"], 6); // from the column
    let of = |label: &str| {
        let all = list["conditions"].as_array().unwrap();
        all.iter().find(|c| c["label"] == label).unwrap().clone()
    };
    // Within nine recordings of three speakers: 9 target and 27 nontarget pairs; across: none.
    assert_eq!(
        (&of("F")["targets"], &of("F")["nontargets"]),
        (&9.into(), &27.into())
    );
    assert_eq!(of("F × M")["targets"], 0);
    assert_eq!(of("F × M")["nontargets"], 81);
    assert!(of("F × M")["figures"].is_null());
    assert!(of("F × M")["false_alarm"].is_number());
    // The lower of two decides: pairs with one of 0.5 to 4.5 s.
    let low = of("seconds < 5");
    let trials = low["targets"].as_u64().unwrap() + low["nontargets"].as_u64().unwrap();
    assert_eq!(trials, 18 * 17 / 2 - 13 * 12 / 2);
    for column in ["seconds", "gender", "session"] {
        let all = list["conditions"].as_array().unwrap().iter();
        let own = all.filter(|c| c["column"] == column);
        let sum: u64 = own.map(|c| c["trials"].as_u64().unwrap()).sum();
        assert_eq!(sum, 153, "{column}");
    }
    let only = json(folder, &[&args[..], &["--by", "gender"]].concat());
    let conditions = only["lists"][0]["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|c| c["column"] == "gender"));

    let (code, _, err) = run(folder, &[&args[..], &["--by", "age"]].concat());
    assert_eq!(code, Some(2));
    assert!(err.contains("speaker, seconds, gender, session"), "{err}");
    fs::write(
        folder.join("meta.csv"),
        csv.replace("set/s0/1.wav", "set/s0/9.wav"),
    )
    .unwrap();
    let (code, _, err) = run(folder, &args);
    assert_eq!(code, Some(2));
    assert!(err.contains("set/s0/1.wav is missing"), "{err}");
}

#[test]
fn plots_and_a_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let evil = "<script>alert(1)</script>&\"\u{202e}";
    let text = lines(|(e, t, s, l)| {
        let rename = |name: &str| name.replace("set/s0", &format!("set/{evil}"));
        format!("{}\t{}\t{s}\t{}", rename(e), rename(t), u8::from(*l))
    });
    fs::write(folder.join("scores & more"), text).unwrap();
    let args = [
        "evaluate",
        "scores & more",
        "--report",
        "r.html",
        "--det",
        "d.svg",
        "--roc",
        "r.PNG",
        "--histogram",
        "h.png",
        "--bootstrap",
        "20",
        "--threshold",
        "-9",
    ];
    let (code, _, err) = run(folder, &args);
    assert_eq!(code, Some(0), "{err}");
    let html = fs::read_to_string(folder.join("r.html")).unwrap();
    assert!(html.to_lowercase().starts_with("<!doctype html>"));
    assert!(html.contains("&lt;script&gt;") && html.contains("scores &amp; more"));
    assert!(!html.contains("<script") && !html.contains('\u{202e}'));
    assert_eq!(html.matches("<svg").count(), 3);
    assert!(html.contains("prefers-color-scheme: dark"));
    assert!(
        html.contains("evaluate &apos;scores &amp; more&apos;")
            || html.contains("evaluate 'scores &amp; more'")
    );
    assert!(html.contains("At threshold -9, ") && html.contains("genuine attempt"));
    assert!(html.contains("Pairs of speakers that are confused most"));
    // Nothing is fetched: the only addresses are names of XML.
    let addresses = html.matches("://").count();
    assert_eq!(
        addresses,
        html.matches("http://www.w3.org/2000/svg").count()
    );
    let svg = fs::read_to_string(folder.join("d.svg")).unwrap();
    assert!(svg.contains("EER") && svg.contains("</svg>"));
    for name in ["r.PNG", "h.png"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (720, 540));
        // The caption is drawn without a font of the system: dark pixels in the top rows.
        let top = &pixels[..720 * 3 * 40];
        assert!(top.chunks(3).filter(|p| p.iter().all(|v| *v < 100)).count() > 100);
    }
    let again = run(folder, &args);
    assert_eq!(again.0, Some(0));
    let again = fs::read_to_string(folder.join("r.html")).unwrap();
    let undated = |html: &str| {
        let (before, rest) = html.split_once("<time>").unwrap();
        before.to_string() + rest.split_once("</time>").unwrap().1
    };
    assert_eq!(undated(&again), undated(&html));
    let (code, _, err) = run(folder, &["evaluate", "scores & more", "--det", "d.gif"]);
    assert_eq!(code, Some(2));
    assert!(err.contains(".svg or .png"), "{err}");
}

#[test]
fn curves_of_perfect_useless_and_tiny_lists_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text) in [
        ("perfect", "a/1 a/2 9 1\na/1 b/1 -9 0\n"),
        ("useless", "a/1 a/2 0 1\na/1 b/1 0 0\n"),
        ("upside", "a/1 a/2 -1e300 1\na/1 b/1 1e300 0\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let args = [
            "evaluate",
            name,
            "--det",
            "d.svg",
            "--roc",
            "r.svg",
            "--histogram",
            "h.svg",
            "--report",
            "r.html",
        ];
        let (code, _, err) = run(folder, &args);
        assert_eq!(code, Some(0), "{name}: {err}");
        let svg = fs::read_to_string(folder.join("d.svg")).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

#[test]
fn a_pair_listed_twice_counts_twice_and_needs_one_score() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("list"), "1 a b\n1 a b\n0 a c\n1 a d\n").unwrap();
    for text in [
        "a b 1\na c 2\na d 3\n",
        "a d 3\na c 2\na b 1\n",
        "a b 1\na b 1\na c 2\na d 3\n",
    ] {
        fs::write(folder.join("scores"), text).unwrap();
        let list = &json(folder, &["evaluate", "list", "--scores", "scores"])["lists"][0];
        assert_eq!(
            (&list["targets"], &list["nontargets"]),
            (&3.into(), &1.into())
        );
        // 1, 1, 3 against 2.
        assert!((list["eer"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }
}

#[test]
fn the_worst_served_speaker_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = lines(|(e, t, s, l)| {
        let score = if *l && e.contains("s4") { -9.0 } else { *s };
        format!("{e} {t} {score} {}", u8::from(*l))
    });
    fs::write(folder.join("scores"), text).unwrap();
    let list = &json(folder, &["evaluate", "scores", "--worst", "2"])["lists"][0];
    let worst = list["worst_speakers"].as_array().unwrap();
    assert_eq!(worst.len(), 2);
    assert_eq!(
        (&worst[0]["speaker"], &worst[0]["missed"]),
        (&"s4".into(), &3.into())
    );
    let (_, out, _) = run(
        folder,
        &["evaluate", "scores", "--worst", "2", "--bootstrap", "0"],
    );
    assert!(
        out.contains("worst served speakers") && out.contains("3 of 3"),
        "{out}"
    );
}

/// What `spkver score` writes, and NIST's lists with two channels a recording.
#[test]
fn comments_empty_labels_sides_and_quotes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = "modelid\tsegmentid\tside\ttargettype\nm1\ts1\ta\ttarget\nm1\ts1\tb\tnontarget\n\
               m2\ts2\ta\ttarget\n";
    fs::write(folder.join("key"), key).unwrap();
    for scores in [
        "m1 s1 2.5\nm1 s1:b -1\nm2 s2 nan # too little speech: 0.1 s, wanted 0.4 s\n",
        "enroll,test,label,score,error\nm1,s1,,2.5,\nm1,s1:b,,-1,\nm2,s2,,,\"too little, \"\"really\"\"\"\n",
        "{\"enroll\":\"m1\",\"test\":\"s1\",\"label\":null,\"score\":2.5,\"error\":null}\n\
         {\"enroll\":\"m1\",\"test\":\"s1:b\",\"label\":null,\"score\":-1}\n\
         {\"enroll\":\"m2\",\"test\":\"s2\",\"score\":null,\"error\":\"silence\"}\n",
    ] {
        fs::write(folder.join("scores"), scores).unwrap();
        let list = &json(folder, &["evaluate", "key", "--scores", "scores"])["lists"][0];
        assert_eq!(
            (&list["targets"], &list["refused_targets"]),
            (&2.into(), &1.into())
        );
        assert_eq!(list["eer"], 0.0);
    }
    fs::write(
        folder.join("quoted"),
        "1 \"my voice\" b\n0 \"my voice\" c\n",
    )
    .unwrap();
    fs::write(folder.join("scores"), "my voice\tb\t1\nmy voice\tc\t0\n").unwrap();
    let list = &json(folder, &["evaluate", "quoted", "--scores", "scores"])["lists"][0];
    assert_eq!(list["recordings"], 3);
}

#[test]
fn two_speakers_who_are_one_are_the_pair_that_is_confused_most() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = lines(|(e, t, s, l)| {
        let is_pair = e.contains("s1/") && t.contains("s4/");
        format!(
            "{e} {t} {} {}",
            if is_pair { 9.0 } else { *s },
            u8::from(*l)
        )
    });
    fs::write(folder.join("scores"), text).unwrap();
    let list = &json(folder, &["evaluate", "scores", "--worst", "3"])["lists"][0];
    let pairs = list["confused_pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);
    assert_eq!(pairs[0]["speakers"], serde_json::json!(["s1", "s4"]));
    assert_eq!(
        (&pairs[0]["nontargets"], &pairs[0]["accepted"]),
        (&9.into(), &9.into())
    );
    assert_eq!(
        (&pairs[0]["mean_score"], &pairs[0]["highest_score"]),
        (&9.0.into(), &9.0.into())
    );
    let (_, out, _) = run(
        folder,
        &["evaluate", "scores", "--worst", "3", "--bootstrap", "0"],
    );
    assert!(
        out.contains("scores: most confused pairs") && out.contains("s1 and s4"),
        "{out}"
    );
}

#[test]
fn two_systems_on_the_same_trials_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let written = |name: &str, better: f64, backwards: bool| {
        let mut rows: Vec<String> = trials()
            .iter()
            .map(|(e, t, s, l)| {
                let sign = if *l { 1.0 } else { -1.0 };
                format!("{e} {t} {} {}\n", s + better * sign, u8::from(*l))
            })
            .collect();
        if backwards {
            rows.reverse();
        }
        fs::write(folder.join(name), rows.concat()).unwrap();
    };
    written("a", 0.0, false);
    written("b", 3.0, false);
    written("b2", 3.0, true);
    fs::write(
        folder.join("others"),
        "0 x/1 y/1 1\n1 x/1 x/2 2\n1 y/1 y/2 2\n0 x/2 y/2 3\n",
    )
    .unwrap();
    let found = json(folder, &["evaluate", "a", "b", "b2", "a", "others"]);
    let differences = found["differences"].as_array().unwrap();
    // Other speakers cannot be paired with these.
    assert_eq!(differences.len(), 3, "{differences:?}");
    let [better, in_other_order, same] = [0, 1, 2].map(|i| &differences[i]);
    assert_eq!(
        (&better["list"], &better["against"]),
        (&"b".into(), &"a".into())
    );
    let eer = |i: usize| found["lists"][i]["eer"].as_f64().unwrap();
    assert_eq!(better["eer"].as_f64().unwrap(), eer(1) - eer(0));
    assert!(
        better["interval"]["high"].as_f64().unwrap() < 0.0,
        "{better}"
    );
    // The draws are of the same speakers, in whatever order the lists name them.
    assert_eq!(better["interval"], in_other_order["interval"]);
    assert_eq!(same["eer"], 0.0);
    assert_eq!(
        same["interval"],
        serde_json::json!({"low": 0.0, "high": 0.0})
    );
    let (_, out, _) = run(
        folder,
        &[
            "evaluate",
            "a",
            "b",
            "--report",
            "r.html",
            "--bootstrap",
            "50",
        ],
    );
    assert!(out.contains("b against a: EER -"), "{out}");
    let page = fs::read_to_string(folder.join("r.html")).unwrap();
    assert!(page.contains("more than chance explains"), "{page}");
}
