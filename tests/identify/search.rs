//! The best of many are exactly those of a search by brute force.

use crate::{Crowd, SIZE, llr, noise, project, random_model::random_model};
use serde_json::Value;
use spkver::scoring::{
    PairHead,
    gallery::{Gallery, PANEL_ROWS, panel_bytes, vector, write_panel},
};
use std::fs;

#[test]
fn among_thousands_the_best_are_those_of_brute_force_at_any_number_of_threads() {
    // More than are read at once.
    let crowd = Crowd::new(5001);
    let tests = noise(40, SIZE, 2);
    crowd.place.npy("tests.npy", &tests);
    let wanted = crowd.brute_force(7, &tests);
    // The first run makes the index, the second finds it.
    for line in [
        "identify --top 7",
        "identify --top 7 --threads 1",
        "identify --top 7 --threads 3",
    ] {
        let found = crowd.json(&format!("{line} --embeddings tests.npy"));
        assert_eq!(found["num_speakers"], 5001);
        assert!(crowd.place.index().is_file());
        let first = place_of_first(&found);
        assert_eq!(
            first,
            wanted.iter().map(|w| w[0].clone()).collect::<Vec<_>>()
        );
    }
    assert_eq!(crowd.best(7, "tests.npy"), wanted);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(crowd.place.index())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "voiceprints are for their owner");
    }
}

fn place_of_first(found: &Value) -> Vec<String> {
    let results = found["results"].as_array().unwrap().iter();
    let first = results.map(|r| r["candidates"][0]["speaker"].as_str().unwrap().to_string());
    first.collect()
}

#[test]
fn the_threshold_rises_with_the_logarithm_of_the_number_enrolled() {
    let (few, many) = (Crowd::new(2), Crowd::new(1500));
    let threshold = |crowd: &Crowd| {
        crowd.place.npy("test.npy", &noise(1, SIZE, 3));
        let found = crowd.json("identify --embeddings test.npy");
        found["threshold"].as_f64().unwrap()
    };
    assert!((threshold(&few) - 2.0_f64.ln()).abs() < 1e-6);
    assert!((threshold(&many) - 1500.0_f64.ln()).abs() < 1e-6);
    assert!(!few.place.index().exists(), "a small store needs no index");
}

/// Points and panels in memory.
struct Held {
    panels: Vec<f32>,
    rows: Vec<f32>,
    largest_magnitude: f32,
}

fn held(head: &PairHead, points: &[Vec<f32>]) -> Held {
    let size = head.weight.len() / 2;
    let rows = points.concat();
    let words = panel_bytes(size) / 4;
    let mut panels = vec![0.0f32; points.len().div_ceil(PANEL_ROWS) * words];
    let mut largest_magnitude = 0.0f32;
    let pairs = panels.chunks_mut(words).zip(rows.chunks(PANEL_ROWS * size));
    for (panel, rows) in pairs {
        largest_magnitude =
            largest_magnitude.max(write_panel(head, rows, bytemuck::cast_slice_mut(panel)));
    }
    Held {
        panels,
        rows,
        largest_magnitude,
    }
}

#[test]
fn the_search_is_exact_whatever_the_head() {
    for (size, scale) in [(1, 1.0), (13, 1.0), (48, 1e-3), (48, 1e6), (48, 1e36)] {
        let mut random = random_model(3, 2, size).head;
        random.weight.iter_mut().for_each(|w| *w *= scale);
        for n in [0, 1, 31, 32, 33, 700] {
            let mut points: Vec<Vec<f32>> = noise(n, size, n as u64)
                .outer_iter()
                .map(|row| project(&random, row.to_vec()))
                .collect();
            // Two of the same: the first comes first. And one that is no point.
            if n > 40 {
                points[40] = points[3].clone();
                points[7][0] = f32::NAN;
            }
            let held = held(&random, &points);
            let gallery = Gallery {
                panels: bytemuck::cast_slice(&held.panels),
                rows: &held.rows,
                largest_magnitude: held.largest_magnitude,
                head: &random,
            };
            let tests = noise(17, size, 99);
            let tests: Vec<Vec<f32>> = tests
                .outer_iter()
                .map(|row| project(&random, row.to_vec()))
                .collect();
            let probes: Vec<_> = tests.iter().map(|b| random.probe(b)).collect();
            for top in [1, 5, 64] {
                for (b, hits) in tests.iter().zip(gallery.search(&probes, top)) {
                    let mut wanted: Vec<usize> = (0..n).filter(|&i| n <= 40 || i != 7).collect();
                    let scores: Vec<f64> = points.iter().map(|a| llr(&random, a, b)).collect();
                    // Sums in another order differ in the last bits: not for two of the same.
                    wanted.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]).then(i.cmp(&j)));
                    wanted.truncate(top);
                    let found: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
                    if size > 1 {
                        assert_eq!(found, wanted, "L {size}, scale {scale}, N {n}, top {top}");
                    } else {
                        // On a line all are ±1: the scores tie.
                        assert_eq!(found.len(), wanted.len());
                    }
                }
            }
        }
    }
}

#[test]
fn the_inner_product_of_the_vectors_is_the_llr() {
    let head = random_model(3, 2, 48).head;
    let tests = noise(2, 48, 7);
    let [a, b] = [0, 1].map(|i| project(&head, tests.row(i).to_vec()));
    let product: f64 = vector(&head, &a)
        .zip(head.probe(&b).vector())
        .map(|(a, b)| f64::from(a) * f64::from(b))
        .sum();
    assert!((product - llr(&head, &a, &b)).abs() < 1e-4);
}
