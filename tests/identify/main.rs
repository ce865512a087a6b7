//! `spkver identify` and `spkver store`: the right speaker, the right score, and never an outdated
//! answer.

mod index;
#[path = "../program/mod.rs"]
mod program;
#[path = "../random_model/mod.rs"]
mod random_model;
mod recordings;
mod search;
mod vectors;

use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt;
use program::{Answer, Place};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use random_model::random_model;
use serde_json::Value;
use spkver::{scoring::PairHead, storage::model};
use std::path::PathBuf;

impl Place {
    fn store(&self) -> PathBuf {
        self.path("data/spkver/voiceprints.sqlite")
    }

    fn index(&self) -> PathBuf {
        self.path("data/spkver/voiceprints.sqlite.index")
    }

    fn npy(&self, name: &str, array: &Array2<f32>) {
        let mut bytes = vec![];
        array.write_npy(&mut bytes).unwrap();
        self.write(name, bytes);
    }
}

fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    // A sum of four is bell-shaped enough.
    let mut unit = || (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    Array2::from_shape_fn((rows, columns), |_| unit() + unit() + unit() + unit())
}

const LENIENT: &str = "--threshold -1e9";

const STRICT: &str = "--threshold 1e9";

/// A place with a random model and speakers of random embeddings.
struct Crowd {
    place: Place,
    head: PairHead,
    points: Vec<Vec<f32>>,
}

const SIZE: usize = 24;

impl Crowd {
    fn new(num_speakers: usize) -> Self {
        let place = Place::new();
        let mut random = random_model(5, 2, SIZE);
        // Not all weights alike.
        for (i, weight) in random.head.weight.iter_mut().enumerate() {
            *weight *= 1.0 + (i % 7) as f32 / 7.0;
        }
        model::save(&place.path("m.safetensors"), &random).unwrap();
        let vectors = noise(num_speakers, SIZE, 1);
        let head = random.head;
        let crowd = Crowd {
            points: vectors
                .outer_iter()
                .map(|row| project(&head, row.to_vec()))
                .collect(),
            head,
            place,
        };
        let names: String = (0..num_speakers).map(|i| format!("s{i}\n")).collect();
        crowd.place.write("names.txt", names);
        crowd.place.npy("enrolled.npy", &vectors);
        crowd.done("store import-vectors enrolled.npy names.txt");
        crowd
    }

    fn say(&self, line: &str) -> Answer {
        self.place.say(&format!("--model m.safetensors {line}"))
    }

    #[track_caller]
    fn done(&self, line: &str) -> Answer {
        self.place.done(&format!("--model m.safetensors {line}"))
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        self.place.json(&format!("--model m.safetensors {line}"))
    }

    /// Names of the best for each row of an array.
    #[track_caller]
    fn best(&self, top: usize, array: &str) -> Vec<Vec<String>> {
        let found = self.json(&format!("identify --top {top} --embeddings {array}"));
        let names = |result: &Value| {
            let candidates = result["candidates"].as_array().unwrap().iter();
            candidates
                .map(|c| c["speaker"].as_str().unwrap().to_string())
                .collect()
        };
        found["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(names)
            .collect()
    }

    /// The same by f64 sums over everybody.
    fn brute_force(&self, top: usize, tests: &Array2<f32>) -> Vec<Vec<String>> {
        let of = |test: Array1<f32>| {
            let b = project(&self.head, test.to_vec());
            let mut all: Vec<usize> = (0..self.points.len()).collect();
            let scores: Vec<f64> = self.points.iter().map(|a| llr(&self.head, a, &b)).collect();
            all.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]).then(i.cmp(&j)));
            all[..top].iter().map(|i| format!("s{i}")).collect()
        };
        tests.outer_iter().map(|row| of(row.to_owned())).collect()
    }
}

fn project(head: &PairHead, embedding: Vec<f32>) -> Vec<f32> {
    head.project_enrollment(std::iter::once(embedding.as_slice()))
}

fn llr(head: &PairHead, a: &[f32], b: &[f32]) -> f64 {
    let (product, squares) = head.weight.split_at(a.len());
    let sum: f64 = (0..a.len())
        .map(|i| {
            let (a, b) = (f64::from(a[i]), f64::from(b[i]));
            f64::from(product[i]) * a * b + f64::from(squares[i]) * (a * a + b * b)
        })
        .sum();
    sum + f64::from(head.bias)
}
