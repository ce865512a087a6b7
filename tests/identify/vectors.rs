//! Vectors of other systems come in, and vectors for other search engines go out.

use crate::{Crowd, LENIENT, SIZE, noise};
use std::fs;

#[test]
fn what_is_no_array_or_list_of_names_is_told() {
    let crowd = Crowd::new(2);
    let place = &crowd.place;
    let (wide, two) = (
        place.npy("w.npy", &noise(2, 3, 1)),
        place.npy("t.npy", &noise(2, SIZE, 1)),
    );
    let mut holes = noise(2, SIZE, 1);
    holes[(1, 3)] = f32::NAN;
    let holes = place.npy("h.npy", &holes);
    let text = place.file("text.npy", "no array");
    let names = place.file("n.txt", "a\nb\n");
    let one = place.file("o.txt", "a\n");
    let blank = place.file("b.txt", "a\n\n");
    let import = crowd.line("store import-vectors");
    for (files, code, fact) in [
        ([&wide, &names], 2, "embeddings have 24"),
        ([&text, &names], 2, "float32 array"),
        ([&place.path("missing"), &names], 5, "cannot read"),
        ([&two, &one], 2, "1 names for 2 rows"),
        ([&two, &blank], 2, "b.txt:2: "),
        ([&holes, &names], 2, "row 1 is not finite"),
    ] {
        let told = place.say(&import, &[files[0], files[1]]);
        assert_eq!(told.code, code, "{}", told.stderr);
        assert!(told.stderr.contains(fact), "{}", told.stderr);
    }
    let listed = place.json("list", &[]);
    assert_eq!(
        listed["speakers"].as_array().unwrap().len(),
        2,
        "all or none"
    );
    // A test without a number is inconclusive, never somebody.
    let told = place.say(
        &crowd.line(&format!("identify {LENIENT} --embeddings")),
        &[&holes],
    );
    assert_eq!(told.code, 3);
    assert!(told.stdout.contains("INCONCLUSIVE  "), "{}", told.stdout);
}

#[test]
fn exported_vectors_give_the_scores_of_identify() {
    let crowd = Crowd::new(50);
    let place = &crowd.place;
    let (array, text) = (place.path("out.npy"), place.path("out.copy"));
    crowd.done("store export --npy", &[&array]);
    let told = crowd.done("store export --pgvector", &[&text]);
    assert!(told.stdout.contains("vector(26)"), "{}", told.stdout);
    let rows: Vec<Vec<f64>> = fs::read_to_string(&text)
        .unwrap()
        .lines()
        .map(|line| numbers(line.split('\t').nth(2).unwrap()))
        .collect();
    assert_eq!(rows.len(), 50);
    let names = fs::read_to_string(place.path("out.npy.names")).unwrap();
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names.len(), 50);
    assert_eq!(fs::read(&array).unwrap().len(), 128 + 50 * 26 * 4);

    let tests = place.npy("tests.npy", &noise(4, SIZE, 2));
    let queries = crowd.done("store query --embeddings", &[&tests]).stdout;
    let line = crowd.line("identify --top 50 --embeddings");
    let found = place.json(&line, &[&tests]);
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
