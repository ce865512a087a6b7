//! A cohort in the model: `calibrate --cohort` fits it, keeps it only if it helps on lists that
//! were left out of the fit, and every command then gives the same score.

use crate::program::{Place, voice};
use serde_json::Value;
use spkver::{
    audio::{self, ReadOptions},
    scoring::Cohort,
    storage::model,
    train::rounding,
    verifier::{Embedding, Model, Verifier},
};
use std::{iter::once, path::Path};

/// Who is in the trials: eleven recordings.
const SPEAKERS: [&str; 3] = ["anna", "boris", "chloe"];
/// Who is not.
const OTHERS: [&str; 3] = ["david", "edith", "felix"];

fn embed(verifier: &Verifier, path: &Path) -> Embedding {
    let waveform = audio::read(path, &ReadOptions::default()).unwrap();
    verifier.embed(&waveform).unwrap()
}

/// The point of each of [`OTHERS`], as calibrate makes them.
fn cohort(verifier: &Verifier, top: usize) -> Cohort {
    let head = &verifier.model().head;
    let of = |name: &str| {
        let files = (1..=3).map(|n| embed(verifier, &voice(&format!("{name}-{n}"))));
        let files: Vec<Embedding> = files.collect();
        let mut point = head.project_enrollment(files.iter().map(Embedding::values));
        point.truncate(head.size());
        point
    };
    let mut points: Vec<f32> = OTHERS.into_iter().flat_map(of).collect();
    rounding::round(&mut points);
    Cohort { points, top }
}

/// The shipped model with a cohort.
fn save_model_with_cohort(path: &Path) -> Model {
    let verifier = model::embedded().unwrap().with_quality_terms();
    let cohort = cohort(&verifier, 2);
    let mut model = model::embedded().unwrap().into_model();
    let quality = model.head.quality.get_or_insert_default();
    (quality.weights.cohort, quality.cohort) = (-0.25, Some(cohort));
    model::save(path, &model).unwrap();
    model
}

#[test]
fn every_command_gives_the_same_score_of_a_model_with_a_cohort() {
    let place = Place::new();
    save_model_with_cohort(&place.path("m"));
    place.folder(".", &SPEAKERS);
    for name in SPEAKERS {
        let line = format!("enroll --force --model m {name} {name}/1.wav {name}/2.wav");
        place.done(&line);
    }
    // Several enrolled recordings: identify by its index, verify, the trials of models.
    let found = place.json("identify --model m --top 5 --threshold -1e9 anna/4.wav");
    let candidates = found["results"][0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 3);
    let vectors = place.done("store export --model m --pgvector x.copy");
    let query = numbers(&place.say("store query --model m anna/4.wav").stdout);
    let rows = place.read("x.copy");
    let info = place.json("model info --model m");
    let below = info["head"]["lower_slope_below"].as_f64();
    assert_eq!(vectors.stdout.contains("greatest"), below.is_some());
    let below = below.unwrap_or(f64::NEG_INFINITY);
    for candidate in candidates {
        let name = candidate["speaker"].as_str().unwrap();
        let llr = candidate["llr"].as_f64().unwrap();
        for threads in [1, 2] {
            let line = format!("verify --model m --threads {threads} {name} anna/4.wav");
            assert_eq!(place.json(&line)["llr"].as_f64(), Some(llr), "{name}");
        }
        let mut rows = rows.lines().map(|row| row.split('\t'));
        let row = rows.find_map(|mut row| (row.nth(1)? == name).then(|| row.next()));
        let product: f64 = numbers(row.unwrap().unwrap())
            .iter()
            .zip(&query)
            .map(|(a, b)| a * b)
            .sum();
        let line = product.max(0.25 * product + 0.75 * below);
        assert!((line - llr).abs() < 1e-3, "{product} for {llr}");
    }

    // Single recordings, in both precisions; and over vectors that were written before.
    let (a, b) = ("anna/1.wav", "boris/3.wav");
    place.write("trials", format!("0 {a} {b}\n1 {b} {b}\n"));
    for precision in ["f32", "int8"] {
        let model = format!("--model m --precision {precision}");
        let compared = place.json(&format!("compare {model} {a} {b}"))["llr"].clone();
        assert_ne!(
            compared,
            place.json(&format!("compare --precision {precision} {a} {b}"))["llr"]
        );
        let score = |more: &str| {
            place.done(&format!("score {model} trials -o s.jsonl{more}"));
            let lines = place.read("s.jsonl");
            let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
            first["score"].clone()
        };
        let scored = score("");
        assert_eq!(scored, compared, "{precision}");
        place.done(&format!("embed {model} {a} {b} -o e.npy --ids e.txt"));
        assert_eq!(score(" --embeddings e.npy --ids e.txt --head"), compared);
        // As evaluate has them.
        let saved = place.json(&format!(
            "evaluate {model} trials --bootstrap 0 --scores-out t.txt"
        ));
        assert!(saved["lists"][0].is_object(), "{saved}");
        let text = place.read("t.txt");
        let evaluated = text.lines().next().unwrap().split_whitespace().last();
        // The digits of an f64 there.
        let evaluated = evaluated.unwrap().parse::<f64>().unwrap() as f32;
        assert_eq!(evaluated, compared.as_f64().unwrap() as f32);
    }
}

fn numbers(literal: &str) -> Vec<f64> {
    let literal = literal.trim();
    let inner = literal.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    let values = inner.unwrap().split(',');
    values.map(|v| v.parse().unwrap()).collect()
}

/// All pairs of the speakers' recordings, a third of them called targets: those with the highest
/// score + `weight`·likeness to the cohort, both scaled to the same spread.
fn trials_by_likeness(verifier: &Verifier, weight: f32) -> String {
    let head = &verifier.model().head;
    let cohort = cohort(verifier, 1);
    let mut points = vec![];
    for name in SPEAKERS {
        for n in 1..=4 {
            let path = voice(&format!("{name}-{n}"));
            if path.exists() {
                let embedding = embed(verifier, &path);
                let point = head.project_enrollment(once(embedding.values()));
                points.push((format!("{name}/{n}.wav"), point));
            }
        }
    }
    let mut pairs = vec![];
    for (i, (a, x)) in points.iter().enumerate() {
        for (b, y) in &points[i + 1..] {
            let likeness = head.cohort_mean(&cohort, x) + head.cohort_mean(&cohort, y);
            pairs.push((format!("{a} {b}"), head.llr(x, y), likeness));
        }
    }
    let spread = |value: fn(&(String, f32, f32)) -> f32| {
        let mean = pairs.iter().map(value).sum::<f32>() / pairs.len() as f32;
        let squares = pairs.iter().map(|pair| (value(pair) - mean).powi(2));
        (squares.sum::<f32>() / pairs.len() as f32).sqrt()
    };
    let ratio = weight * spread(|pair| pair.1) / spread(|pair| pair.2);
    pairs.sort_by(|a, b| (b.1 + ratio * b.2).total_cmp(&(a.1 + ratio * a.2)));
    let labelled = pairs.iter().enumerate().map(|(rank, (pair, _, _))| {
        let label = i32::from(rank < pairs.len() / 3);
        format!("{label} {pair}\n")
    });
    labelled.collect()
}

#[test]
fn a_cohort_is_kept_where_it_helps_and_only_there() {
    let place = Place::new();
    place.folder(".", &SPEAKERS);
    place.folder("others", &OTHERS);
    place.copy("noise", "others/felix/noise.wav");
    let verifier = model::embedded().unwrap().with_quality_terms();
    let (less, more) = (
        trials_by_likeness(&verifier, -1.5),
        trials_by_likeness(&verifier, 3.0),
    );
    for (name, text) in [("a", &less), ("b", &less), ("c", &more)] {
        place.write(name, text);
    }
    let calibrate = |what: &str, out: &str| {
        let told = place.json(&format!("calibrate {what} -o {out}"));
        (told, place.json(&format!("model info --model {out}")))
    };
    let terms = "--quality --cohort others --cohort-top 1";

    let (told, info) = calibrate(&format!("a b {terms}"), "kept");
    let judged = &told["cohort"];
    assert_eq!(judged["kept"], true, "{told}");
    assert!(judged["cllr_with"].as_f64() < judged["cllr_without"].as_f64());
    assert_eq!(
        ["speakers", "refused", "top"].map(|key| judged[key].as_i64()),
        [Some(3), Some(1), Some(1)]
    );
    assert_eq!(info["head"]["cohort_top"], 1);
    let weight = |info: &Value| info["head"]["quality"]["cohort"].as_f64();
    assert!(weight(&info).unwrap() < 0.0, "{info}");
    let card = info["card"]["calibration"].as_str().unwrap();
    let figures = ["cllr_with", "cllr_without"].map(|key| judged[key].as_f64().unwrap());
    assert!(card.contains(&format!(
        "{:.4} with it, {:.4} without",
        figures[0], figures[1]
    )));
    assert!(
        card.contains("cohort kept") && card.contains("1 recordings refused"),
        "{card}"
    );

    // In the other list it is the other way round.
    let (told, info) = calibrate(&format!("a c {terms}"), "left");
    assert_eq!(told["cohort"]["kept"], false, "{told}");
    assert!(told["cohort"]["cllr_with"].as_f64() >= told["cohort"]["cllr_without"].as_f64());
    assert_eq!(info["head"]["cohort_top"], Value::Null);
    assert_eq!(weight(&info), None);
    assert!(
        info["card"]["calibration"]
            .as_str()
            .unwrap()
            .contains("cohort not kept")
    );
    // Nothing is left of it: the model is as one that never had a cohort.
    let mut base = model::embedded().unwrap().into_model();
    let quality = base.head.quality.get_or_insert_default();
    (quality.weights.cohort, quality.cohort) = (0.0, None);
    model::save(&place.path("base"), &base).unwrap();
    let (_, without) = calibrate("a c --quality --model base", "without");
    assert_eq!(info["head"], without["head"]);

    // It stays, whether scale and offset alone or all terms are fitted anew.
    let (_, scaled) = calibrate("a c --model kept", "scaled");
    assert_eq!(scaled["head"]["cohort_top"], 1);
    let new = weight(&scaled).unwrap() / weight(&place.json("model info --model kept")).unwrap();
    assert!((new - 1.0).abs() < 1e-6, "{new}");
    let eer = |model: &str| {
        let figures = place.json(&format!("evaluate a --bootstrap 0 --model {model}"));
        figures["lists"][0]["eer"].clone()
    };
    assert_eq!(eer("scaled"), eer("kept"));
    let (_, anew) = calibrate("a c --quality --model kept", "anew");
    assert_eq!(anew["head"]["cohort_top"], 1);
    assert!(weight(&anew).unwrap() < 0.0);
}

#[test]
fn a_cohort_of_the_trials_own_speakers_is_refused() {
    let place = Place::new();
    place.folder("speech", &SPEAKERS);
    place.folder("others", &OTHERS);
    let list = "1 anna/1.wav anna/2.wav\n0 anna/1.wav boris/1.wav\n";
    place.write("a", list);
    let list = "1 boris/1.wav boris/2.wav\n0 boris/1.wav chloe/1.wav\n";
    place.write("b", list);
    let calibrate = "calibrate --root speech --quality -o out.safetensors";

    place.folder("again", &["david", "chloe"]);
    place.no_model(
        &format!("{calibrate} a b --cohort again"),
        "--cohort again: speaker \"chloe\" is in the trials",
    );
    // The same recording by another name, of which the folders do not tell.
    let rows = "path,speaker,split\nothers/david/1.wav,d,train\nspeech/anna/2.wav,x,train\n";
    place.write("rows.csv", rows);
    place.no_model(
        &format!("{calibrate} a b --cohort rows.csv"),
        "anna/2.wav is in the trials",
    );
    // A row that is not for training is not looked at, and then one speaker is too few.
    place.write("rows.csv", rows.replace("x,train", "x,dev"));
    place.no_model(
        &format!("{calibrate} a b --cohort rows.csv"),
        "1 speaker(s) found",
    );

    place.no_model(
        &format!("{calibrate} a --cohort others"),
        "give two lists or more",
    );
    place.no_model(
        "calibrate a b --root speech -o out.safetensors --cohort others",
        "--quality",
    );
    place.no_model(
        &format!("{calibrate} a b --cohort others --cohort-top 0"),
        "--cohort-top",
    );
    place.copy("noise", "hiss/x/1.wav");
    place.copy("silence", "hiss/y/1.wav");
    place.no_model(
        &format!("{calibrate} a b --cohort hiss"),
        "none of its 2 recordings can be used",
    );
    let rows = "path,speaker\nothers/david/1.wav,d\nothers/nobody/1.wav,n\n";
    place.write("rows.csv", rows);
    let answer = place.say(&format!("{calibrate} a b --cohort rows.csv"));
    answer.refused(5, "others/nobody/1.wav: cannot read");
}
