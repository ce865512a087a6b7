//! Vectors of other systems come in, and vectors for other search engines go out.

use crate::{Crowd, LENIENT, SIZE, noise};
use std::fs;

#[test]
fn what_is_no_array_or_list_of_names_is_told() {
    let crowd = Crowd::new(2);
    let place = &crowd.place;
    place.npy("wide.npy", &noise(2, 3, 1));
    place.npy("two.npy", &noise(2, SIZE, 1));
    let mut holes = noise(2, SIZE, 1);
    holes[(1, 3)] = f32::NAN;
    place.npy("holes.npy", &holes);
    place.write("text.npy", "no array");
    place.write("names", "a\nb\n");
    place.write("one", "a\n");
    place.write("blank", "a\n\n");
    for (files, code, fact) in [
        ("wide.npy names", 2, "embeddings have 24"),
        ("text.npy names", 2, "float32 array"),
        ("missing names", 5, "cannot read"),
        ("two.npy one", 2, "1 names for 2 rows"),
        ("two.npy blank", 2, "blank:2: "),
        ("holes.npy names", 2, "row 1 is not finite"),
    ] {
        let told = crowd.say(&format!("store import-vectors {files}"));
        told.refused(code, fact);
    }
    let listed = place.json("list");
    assert_eq!(
        listed["speakers"].as_array().unwrap().len(),
        2,
        "all or none"
    );
    // A test without a number is inconclusive, never somebody.
    let told = crowd.say(&format!("identify {LENIENT} --embeddings holes.npy"));
    assert_eq!(told.code, 3);
    assert!(told.stdout.contains("INCONCLUSIVE  "), "{}", told.stdout);
}

#[test]
fn exported_vectors_give_the_scores_of_identify() {
    let crowd = Crowd::new(50);
    let place = &crowd.place;
    crowd.done("store export --npy out.npy");
    let told = crowd.done("store export --pgvector out.copy");
    assert!(told.stdout.contains("vector(26)"), "{}", told.stdout);
    let rows: Vec<Vec<f64>> = place
        .read("out.copy")
        .lines()
        .map(|line| numbers(line.split('\t').nth(2).unwrap()))
        .collect();
    assert_eq!(rows.len(), 50);
    let names = place.read("out.npy.names");
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names.len(), 50);
    assert_eq!(
        fs::read(place.path("out.npy")).unwrap().len(),
        128 + 50 * 26 * 4
    );

    place.npy("tests.npy", &noise(4, SIZE, 2));
    let queries = crowd.done("store query --embeddings tests.npy").stdout;
    let found = crowd.json("identify --top 50 --embeddings tests.npy");
    for (query, result) in queries.lines().zip(found["results"].as_array().unwrap()) {
        let query = numbers(query);
        for candidate in result["candidates"].as_array().unwrap() {
            let speaker = candidate["speaker"].as_str().unwrap();
            let row = names.iter().position(|name| *name == speaker).unwrap();
            let product: f64 = rows[row].iter().zip(&query).map(|(a, b)| a * b).sum();
            let llr = candidate["llr"].as_f64().unwrap();
            assert!((product - llr).abs() < 1e-4, "{product} for {llr}");
        }
    }
}

fn numbers(literal: &str) -> Vec<f64> {
    let inner = literal.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    let values = inner.unwrap().split(',');
    values.map(|v| v.parse().unwrap()).collect()
}
