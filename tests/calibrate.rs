//! `spkver calibrate`: scores become log-likelihood ratios on the given trials, and the rest of the
//! model does not change.

mod program;

use program::Place;
use serde_json::Value;
use spkver::scoring::percent;

const SPEAKERS: [&str; 6] = ["anna", "boris", "chloe", "david", "edith", "felix"];

/// Three recordings of each speaker, in a folder of their own (`anna/1.wav`) or not (`anna-1.wav`), and two
/// lists of all pairs of them: `trials`, and `swapped` with the wrong labels.
fn place(with_folders: bool) -> Place {
    let place = Place::new();
    let gap = if with_folders { '/' } else { '-' };
    let of_each = SPEAKERS.map(|s| [1, 2, 3].map(|n| (s, format!("{s}{gap}{n}.wav"))));
    let files = of_each.as_flattened();
    for (_, file) in files {
        let from = file.replace('/', "-");
        place.copy(from.trim_end_matches(".wav"), file);
    }
    for (list, right) in [("trials", true), ("swapped", false)] {
        let mut text = String::new();
        for (i, (a, enrol)) in files.iter().enumerate() {
            for (b, test) in &files[i + 1..] {
                text += &format!("{} {enrol} {test}\n", i32::from((a == b) == right));
            }
        }
        place.write(list, text);
    }
    place
}

#[track_caller]
fn told(place: &Place, line: &str) -> Value {
    place.done(&format!("--json {line}")).json()
}

#[test]
fn calibrated_scores_cost_no_more_and_rank_the_same() {
    let place = place(false);
    let json = told(&place, "calibrate trials -o out");
    assert_eq!(
        (json["targets"].as_i64(), json["nontargets"].as_i64()),
        (Some(18), Some(135))
    );

    let evaluate = |flags: &str| {
        let line = format!("evaluate trials --bootstrap 0 {flags}");
        told(&place, &line)["lists"][0].take()
    };
    let (before, after) = (evaluate(""), evaluate("--model out"));
    assert_eq!(before["eer"], after["eer"]);
    assert!(
        after["cllr"].as_f64() <= before["cllr"].as_f64(),
        "{before} {after}"
    );

    let info = told(&place, "model info --model out");
    let calibration = info["card"]["calibration"].as_str().unwrap();
    assert!(
        calibration.contains("18 target and 135 nontarget"),
        "{calibration}"
    );
    assert!(calibration.contains("trials (BLAKE3 "), "{calibration}");
}

#[test]
fn swapped_labels_are_refused() {
    let place = place(false);
    place.refused("calibrate swapped -o out", 2, "check the labels");
    assert!(!place.path("out").exists());
}

#[test]
fn a_wanted_false_accept_rate_finds_its_threshold_or_is_refused() {
    let place = place(true);
    place.done("calibrate trials -o out");

    let compare = "compare @anna-1 @anna-2 --model out --far";
    let at_5 = place.json(&format!("{compare} 5%"));
    let expected = &at_5["expected"]["false_accept"];
    assert!(
        (expected["rate"].as_f64().unwrap() - 0.05).abs() < 1e-6,
        "{at_5}"
    );
    assert!(expected["low"].as_f64() <= expected["rate"].as_f64());
    // People read it in per cent, with the interval.
    let told = place.say(&format!("{compare} 5%")).stdout;
    let end = |key: &str| percent(expected[key].as_f64().unwrap()).replace(" %", "");
    let accepts = format!("false accepts 5.0 % [{}, {}]", end("low"), end("high"));
    assert!(told.contains(&accepts), "{told} {accepts}");
    let at_30 = place.json(&format!("{compare} 0.3"));
    assert!(at_30["threshold"].as_f64() < at_5["threshold"].as_f64());

    // 135 nontarget trials: 3/135 = 2.2 %.
    let answer = place.say(&format!("{compare} 1%"));
    answer.refused(2, "135");
    answer.refused(2, "rule of three");
    for senseless in ["0", "-1%", "100%", "150%", "nan", "inf", "x", ""] {
        let answer = place.say(&format!("{compare}={senseless}"));
        assert_eq!(answer.code, 2, "{senseless}");
    }
}

#[test]
fn quality_terms_are_fitted_kept_and_carried_by_the_embeddings() {
    let place = place(true);
    let calibrate = |flags: &str, out: &str| {
        place.done(&format!("calibrate trials -o {out} {flags}"));
        told(&place, &format!("model info --model {out}"))
    };
    let info = calibrate("--quality", "fitted");
    let quality = &info["head"]["quality"];
    assert!(quality["seconds"].as_f64().is_some(), "{info}");
    let text = info["card"]["calibration"].as_str().unwrap();
    assert!(text.contains("per ln of seconds"), "{text}");
    let below = info["head"]["lower_slope_below"].as_f64();
    assert_eq!(text.contains("a nat counts as 0.25"), below.is_some());
    // Below that of every recording in the list: so few do not tell how steady one voice is.
    assert!(info["limits"]["min_parts_llr"].is_number(), "{info}");
    for name in [
        "anna-1", "boris-2", "chloe-3", "david-1", "edith-2", "felix-3",
    ] {
        place.done(&format!("embed @{name} --model fitted -o x.txt"));
    }

    // The embedding ends in ln t.
    place.done("embed @anna-1 --model fitted -o embedding.txt");
    let text = place.read("embedding.txt");
    let values: Vec<&str> = text.split_whitespace().skip(1).collect();
    assert_eq!(Some(values.len() as u64), info["embedding_size"].as_u64());
    let seconds = values[values.len() - 1].parse::<f64>().unwrap().exp();
    assert!((0.4..10.0).contains(&seconds), "{seconds}");

    // Scale and offset alone leave the order of the scores, terms and all.
    let info = calibrate("--model fitted", "scaled");
    let ratio = |key: &str| {
        let new = info["head"]["quality"][key].as_f64().unwrap();
        new / quality[key].as_f64().unwrap()
    };
    assert!((ratio("seconds") - ratio("length")).abs() < 1e-3 * ratio("length").abs());
    let eer = |model: &str| {
        let line = format!("evaluate trials --bootstrap 0 --model {model}");
        told(&place, &line)["lists"][0]["eer"].take()
    };
    assert_eq!(eer("fitted"), eer("scaled"));
}
