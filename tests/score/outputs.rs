//! Every form of output says the same, whatever the threads, shards and caches.

use crate::{all_pairs, place};
use serde_json::Value;
use std::fs;

#[test]
fn all_forms_of_output_say_the_same() {
    let place = place();
    let count = all_pairs(&place);
    for name in ["s.txt", "s.csv", "s.jsonl", "s.parquet"] {
        let answer = place.done(&format!("score trials -o {name}"));
        answer.prints(&format!("SCORED  {name}  {count} trials of 7"));
    }
    assert!(place.is_tidy());
    let errors = |command: &str| {
        let mut json = place.json(&format!("evaluate {command} --bootstrap 0"));
        let mut list = json["lists"][0].take();
        list["list"].take();
        let cllr = list["cllr"].take().as_f64().unwrap();
        (list, cllr)
    };
    let of_text = errors("trials --scores s.txt");
    for command in ["trials --scores s.parquet", "s.parquet", "s.csv", "s.jsonl"] {
        let found = errors(command);
        assert_eq!(found.0, of_text.0, "{command}");
        // Text holds the shortest digits that make the same f32, not its value.
        assert!((found.1 - of_text.1).abs() < 1e-6, "{command}");
    }
    let whole = place.bytes("s.parquet");
    place.write("cut.parquet", &whole[..whole.len() - 9]);
    let cut = place.say("evaluate cut.parquet");
    cut.refused(2, "cut.parquet");
    cut.warns("Parquet");
    let text = place.read("s.txt");
    let csv = place.read("s.csv");
    let json = place.read("s.jsonl");
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    for ((line, csv), json) in text.lines().zip(csv.records()).zip(json.lines()) {
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        let csv = csv.unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        let (enrol, test) = (fields[0], fields[1]);
        assert_eq!((&csv[0], &csv[1]), (enrol, test));
        assert_eq!(json["enroll"], enrol);
        match fields.get(3) {
            Some(why) => {
                assert_eq!((fields[2], &csv[3]), ("nan", ""));
                assert_eq!(json["score"], Value::Null);
                assert_eq!(format!("# {}", &csv[4]), *why);
                assert_eq!(json["error"], csv[4]);
            }
            None => {
                assert_eq!(fields[2], &csv[3]);
                assert_eq!(fields[2], json["score"].to_string());
            }
        }
        assert_eq!(json["label"], csv[2]);
    }
    assert_eq!(text.lines().count(), count);
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::RowAccessor,
    };
    let file = fs::File::open(place.path("s.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let mut num_rows = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(text.lines()) {
        let row = row.unwrap();
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        let names = [0, 1].map(|column| row.get_string(column).unwrap());
        assert_eq!(names, [fields[0], fields[1]]);
        match row.get_float(3) {
            Ok(score) => assert_eq!(score.to_bits(), fields[2].parse::<f32>().unwrap().to_bits()),
            Err(_) => assert_eq!(format!("# {}", row.get_string(4).unwrap()), fields[3]),
        }
        num_rows += 1;
    }
    assert_eq!(num_rows, count);
    // What is scored can be measured.
    for name in ["s.txt", "s.csv", "s.jsonl"] {
        let json = place.json(&format!("evaluate trials --scores {name} --bootstrap 0"));
        assert_eq!(json["lists"][0]["trials"], count);
    }
}

#[test]
fn bytes_do_not_depend_on_threads_shards_or_cache() {
    let place = place();
    all_pairs(&place);
    for format in ["txt", "csv", "jsonl"] {
        place.say(&format!("score trials -o whole.{format} --threads 1"));
        let two = format!("score trials -o two.{format} --threads 2");
        place.say(&format!("{two} --cache c.db"));
        let whole = place.read(format!("whole.{format}"));
        assert_eq!(place.read(format!("two.{format}")), whole);
        let mut joined = String::new();
        for i in 1..=3 {
            let out = format!("part{i}.{format}");
            place.done(&format!("score trials -o {out} --shard {i}/3 --cache c.db"));
            joined += &place.read(&out);
        }
        assert_eq!(joined, whole);
    }
    let bad = |flags: &str| place.say(&format!("score trials -o x {flags}"));
    assert_eq!(bad("--shard 0/3").code, 2);
    bad("--cache trials").warns("is not a file of this program");
    place.say("enroll --store s.db anna anna-1.wav");
    bad("--cache s.db").warns("but not a cache of embeddings");
}

/// EER by its definition on all thresholds, without anything of the crate.
fn eer(scores: &[(f64, bool)]) -> f64 {
    let mut thresholds: Vec<f64> = scores.iter().map(|s| s.0).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.push(f64::INFINITY);
    let share = |is_target: bool, rejected: &dyn Fn(f64) -> bool| {
        let of_kind: Vec<f64> = scores
            .iter()
            .filter(|s| s.1 == is_target)
            .map(|s| s.0)
            .collect();
        of_kind.iter().filter(|&&s| rejected(s)).count() as f64 / of_kind.len() as f64
    };
    let mut last = (0.0, 1.0);
    for t in thresholds {
        let (miss, fa) = (share(true, &|s| s < t), share(false, &|s| s >= t));
        if miss >= fa {
            let along = (last.1 - last.0) / ((last.1 - last.0) + (miss - fa));
            return last.0 + along * (miss - last.0);
        }
        last = (miss, fa);
    }
    unreachable!()
}

#[test]
fn the_figures_of_the_scores_are_right_to_nine_digits() {
    let place = place();
    // Vectors of ten speakers in a plane, so that errors occur.
    let (mut vectors, mut trials) = (String::new(), String::new());
    let angle = |i: usize| (i / 4) as f64 * 0.3 + (i * i % 17) as f64 * 0.05;
    for i in 0..40 {
        vectors += &format!("u{i} {} {}\n", angle(i).cos(), angle(i).sin());
        for j in 0..i {
            trials += &format!("{} u{i} u{j}\n", u8::from(i / 4 == j / 4));
        }
    }
    place.write("vectors", vectors);
    place.write("trials", &trials);
    place.say("score trials --embeddings vectors -o scores.txt");
    let scores = place.read("scores.txt");
    let scored: Vec<(f64, bool)> = scores
        .lines()
        .zip(trials.lines())
        .map(|(score, trial)| {
            let score = score.split(' ').next_back().unwrap();
            (score.parse().unwrap(), trial.starts_with('1'))
        })
        .collect();
    let told = place.json("evaluate trials --scores scores.txt --bootstrap 0");
    // Calibrated, the same ranks and a lower cost.
    place.done("calibrate trials --scores scores.txt -o cal.json");
    let line = "score trials --embeddings vectors --calibration cal.json -o llrs.txt";
    place.done(line);
    let after = place.json("evaluate trials --scores llrs.txt --bootstrap 0");
    let cllr = |told: &Value| told["lists"][0]["cllr"].as_f64().unwrap();
    assert!(cllr(&after) < cllr(&told), "{after} {told}");
    let answer = place.say("score trials --embeddings vectors --calibration trials");
    answer.warns("no calibration of scores");

    let told = told["lists"][0]["eer"].as_f64().unwrap();
    let expected = eer(&scored);
    assert!(expected > 0.01);
    assert!((told - expected).abs() < 1e-9, "{told} {expected}");
}
