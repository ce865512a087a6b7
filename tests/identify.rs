//! `spkver identify` and `spkver store`: the right speaker, the right score, and never an outdated
//! answer.

mod program;
mod random_model;

use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt;
use program::{Answer, Place, voice};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use random_model::random_model;
use serde_json::Value;
use spkver::{
    scoring::{
        PairHead,
        gallery::{Gallery, PANEL_ROWS, panel_bytes, vector, write_panel},
    },
    storage::{index::Index, model, voiceprints::Store},
    verifier::SpeakerName,
};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

impl Place {
    fn index(&self) -> PathBuf {
        self.path("store.sqlite.index")
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn npy(&self, name: &str, array: &Array2<f32>) -> PathBuf {
        let mut bytes = vec![];
        array.write_npy(&mut bytes).unwrap();
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Words without blanks in them, then files.
    fn say(&self, line: &str, files: &[&Path]) -> Answer {
        let store = self.path("store.sqlite");
        let mut command = self.command(line.split(' '));
        command.args(files);
        Answer::of(command.args([OsStr::new("--store"), store.as_os_str()]))
    }

    #[track_caller]
    fn done(&self, line: &str, files: &[&Path]) -> Answer {
        let answer = self.say(line, files);
        assert_eq!(answer.code, 0, "{line}: {}", answer.stderr);
        answer
    }

    #[track_caller]
    fn json(&self, line: &str, files: &[&Path]) -> Value {
        let answer = self.say(&format!("--json {line}"), files);
        serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{}", answer.stderr))
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

// ---- recordings

#[test]
fn a_voice_is_found_and_its_score_is_that_of_verify() {
    let place = Place::new();
    for name in ["anna", "boris", "chloe"] {
        let files = [voice(&format!("{name}-1")), voice(&format!("{name}-2"))];
        place.done(&format!("enroll --force {name}"), &[&files[0], &files[1]]);
    }
    let test = voice("anna-4");
    let line = format!("identify --top 5 {LENIENT}");
    let found = place.json(&line, &[&test]);
    let result = &found["results"][0];
    assert_eq!(result["outcome"], "identified");
    let candidates = result["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 3, "all there are");
    for candidate in candidates {
        let name = candidate["speaker"].as_str().unwrap();
        let verified = place.json(&format!("verify {name}"), &[&test]);
        // The same decimals: the same bits.
        assert_eq!(candidate["llr"], verified["llr"], "{name}");
    }
    let llrs: Vec<f64> = candidates
        .iter()
        .map(|c| c["llr"].as_f64().unwrap())
        .collect();
    assert!(llrs.is_sorted_by(|a, b| a >= b), "{llrs:?}");

    let told = place.say(&line, &[&test]);
    assert_eq!(told.code, 0);
    assert!(told.stdout.starts_with("IDENTIFIED  "), "{}", told.stdout);
    let told = place.say(&format!("identify {STRICT}"), &[&test]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.starts_with("UNKNOWN  "), "{}", told.stdout);
    let unknown = place.json(&format!("identify {STRICT}"), &[&test]);
    assert_eq!(unknown["results"][0]["speaker"], Value::Null);
}

/// A program that serves identify and enrol requests, while `spkver` is used on the same store: what
/// either was told is enrolled stays so. (On Unix a process that closes any handle of a file loses all
/// its locks on it, SQLite's too.)
#[test]
fn looking_for_the_index_takes_no_lock_from_an_open_store() {
    let place = Place::new();
    place.done("enroll anna", &[&voice("anna-1")]);
    let verifier = model::embedded().unwrap();
    let mut store = Store::open_or_create(&place.path("store.sqlite"), None).unwrap();
    let name = |name: &str| SpeakerName::new(name).unwrap();
    let anna = store.get(&name("anna")).unwrap();
    for round in 0..3 {
        assert!(Index::find(&store, &verifier).is_none());
        drop(Index::build(&store, &verifier).unwrap());
        // The other program ends, and would tidy up the store if nobody else had it open.
        place.done(&format!("enroll theirs-{round}"), &[&voice("boris-1")]);
        let ours = name(&format!("ours-{round}"));
        assert!(
            store
                .add(&ours, verifier.id(), 0, &anna.utterances)
                .unwrap()
        );
    }
    // As if it were killed here: nothing is put in order.
    std::mem::forget(store);
    let listed = place.done("list", &[]).stdout;
    for round in 0..3 {
        for whose in ["ours", "theirs"] {
            let wanted = format!("{whose}-{round}");
            assert!(listed.contains(&wanted), "{wanted} is lost:\n{listed}");
        }
    }
}

#[test]
fn several_recordings_each_have_their_outcome() {
    let place = Place::new();
    place.done("enroll anna", &[&voice("anna-1")]);
    let missing = place.path("missing.wav");
    let files = [voice("anna-1"), voice("silence"), missing, voice("boris-1")];
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let line = format!("identify {LENIENT}");
    let found = place.json(&line, &files);
    let outcomes = found["results"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        outcomes,
        ["identified", "inconclusive", "error", "identified"]
    );
    assert_eq!(found["results"][1]["reason"], "silence");
    let told = place.say(&line, &files);
    assert_eq!(told.code, 5, "the highest, that of the missing file");
    assert_eq!(told.stdout.lines().count(), 4);
    assert_eq!(place.say(&line, &files[..2]).code, 3);
    let alone = place.say(&line, &files[2..3]);
    assert_eq!((alone.code, alone.stdout.as_str()), (5, ""));
}

#[test]
fn nobody_enrolled_is_no_unknown_speaker() {
    let place = Place::new();
    let told = place.say("identify", &[&voice("anna-1")]);
    assert_eq!(told.code, 4);
    assert!(
        told.stderr.contains("nobody is enrolled"),
        "{}",
        told.stderr
    );
    place.done("enroll anna", &[&voice("anna-1")]);
    place.done("remove anna", &[]);
    assert_eq!(place.say("identify", &[&voice("anna-1")]).code, 4);
}

// ---- many

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
        let names = crowd.place.file("names.txt", &names);
        let array = crowd.place.npy("enrolled.npy", &vectors);
        crowd.done("store import-vectors", &[&array, &names]);
        crowd
    }

    fn line(&self, line: &str) -> String {
        format!(
            "--model {} {line}",
            self.place.path("m.safetensors").display()
        )
    }

    #[track_caller]
    fn done(&self, line: &str, files: &[&Path]) -> Answer {
        self.place.done(&self.line(line), files)
    }

    /// Names of the best for each row of an array.
    #[track_caller]
    fn best(&self, top: usize, array: &Path) -> Vec<Vec<String>> {
        let line = self.line(&format!("identify --top {top} --embeddings"));
        let found = self.place.json(&line, &[array]);
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
    head.project_enrolment(std::iter::once(embedding.as_slice()))
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

#[test]
fn among_thousands_the_best_are_those_of_brute_force_at_any_number_of_threads() {
    // More than are read at once.
    let crowd = Crowd::new(5001);
    let tests = noise(40, SIZE, 2);
    let array = crowd.place.npy("tests.npy", &tests);
    let wanted = crowd.brute_force(7, &tests);
    // The first run makes the index, the second finds it.
    for line in [
        "identify --top 7",
        "identify --top 7 --threads 1",
        "identify --top 7 --threads 3",
    ] {
        let found = crowd
            .place
            .json(&crowd.line(&format!("{line} --embeddings")), &[&array]);
        assert_eq!(found["num_speakers"], 5001);
        assert!(crowd.place.index().is_file());
        let first = place_of_first(&found);
        assert_eq!(
            first,
            wanted.iter().map(|w| w[0].clone()).collect::<Vec<_>>()
        );
    }
    assert_eq!(crowd.best(7, &array), wanted);
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
fn the_index_follows_the_store() {
    let crowd = Crowd::new(1200);
    let place = &crowd.place;
    let newcomer = noise(1, SIZE, 9);
    let array = place.npy("newcomer.npy", &newcomer);
    let before = crowd.best(1, &array);
    assert!(place.index().is_file());
    // As long as nothing changes it is made once.
    let line = crowd.line("identify -v --embeddings");
    let answer = place.say(&line, &[&array]);
    assert!(!answer.stderr.contains("indexed"), "{}", answer.stderr);
    fs::remove_file(place.index()).unwrap();
    let answer = place.say(&line, &[&array]);
    let said = "1200 voiceprints indexed, beside the store";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);

    let name = place.file("name.txt", "newcomer\n");
    crowd.done("store import-vectors", &[&array, &name]);
    assert_eq!(crowd.best(1, &array), [["newcomer"]]);
    // Erased from the store is erased from the index, at once.
    place.done("remove newcomer", &[]);
    assert!(!place.index().exists());
    assert_eq!(crowd.best(1, &array), before);

    // Damage: cut short, a header of another version, another place's index, somebody's text.
    let good = fs::read(place.index()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for bad in [
        good[..good.len() - 1].to_vec(),
        good[..100].to_vec(),
        vec![],
        b"text".to_vec(),
        flipped(0),
        flipped(9),
        flipped(60),
        flipped(90),
        flipped(110),
    ] {
        fs::write(place.index(), &bad).unwrap();
        assert_eq!(crowd.best(1, &array), before);
        assert_eq!(fs::read(place.index()).unwrap(), good, "made anew");
    }
    // Numbers that are not the store's: the points of all rows negated.
    let points_at = good.len() - 1200 * SIZE * 4;
    let mut bad = good.clone();
    for byte in bad[points_at..].iter_mut().skip(3).step_by(4) {
        *byte ^= 0x80;
    }
    fs::write(place.index(), &bad).unwrap();
    assert_eq!(crowd.best(1, &array), before);
    assert_eq!(fs::read(place.index()).unwrap(), good, "made anew");

    // Where it cannot be written it is done without; but nobody is erased as long as it stays.
    fs::remove_file(place.index()).unwrap();
    fs::create_dir(place.index()).unwrap();
    assert_eq!(crowd.best(1, &array), before);
    let answer = place.say("remove s7", &[]);
    assert_eq!(answer.code, 5, "{}", answer.stderr);
    assert!(answer.stderr.contains("store.sqlite.index: cannot remove"));
    fs::remove_dir(place.index()).unwrap();
    place.done("remove s7", &[]);
}

#[test]
fn a_thousand_speakers_are_worth_a_file() {
    for (num_speakers, kept, told) in [
        (999, false, "999 voiceprints indexed, in memory"),
        (1000, true, "1000 voiceprints indexed, beside the store"),
    ] {
        let crowd = Crowd::new(num_speakers);
        let array = crowd.place.npy("test.npy", &noise(1, SIZE, 3));
        let line = crowd.line("--verbose identify --embeddings");
        let answer = crowd.place.say(&line, &[&array]);
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
        assert_eq!(crowd.place.index().exists(), kept);
    }
}

#[test]
fn the_threshold_rises_with_the_logarithm_of_the_number_enrolled() {
    let (few, many) = (Crowd::new(2), Crowd::new(1500));
    let threshold = |crowd: &Crowd| {
        let array = crowd.place.npy("test.npy", &noise(1, SIZE, 3));
        let found = crowd
            .place
            .json(&crowd.line("identify --embeddings"), &[&array]);
        found["threshold"].as_f64().unwrap()
    };
    assert!((threshold(&few) - 2.0_f64.ln()).abs() < 1e-6);
    assert!((threshold(&many) - 1500.0_f64.ln()).abs() < 1e-6);
    assert!(!few.place.index().exists(), "a small store needs no index");
}

#[test]
fn voiceprints_of_another_model_are_left_out_and_told() {
    let crowd = Crowd::new(3);
    crowd.place.done("enroll anna", &[&voice("anna-1")]);
    let found = crowd
        .place
        .say(&format!("identify {LENIENT}"), &[&voice("anna-2")]);
    assert_eq!(found.code, 0);
    assert!(
        found.stderr.contains("3 voiceprints of other models"),
        "{}",
        found.stderr
    );
    assert!(found.stdout.contains("anna"), "{}", found.stdout);
}

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

// ---- the search itself

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

// ---- for other engines

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

/// A process that closes any descriptor of a file lets go of all its locks on it, SQLite's too.
#[cfg(target_os = "linux")]
#[test]
fn looking_for_an_index_keeps_the_locks_on_the_store() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    place.done("enroll anna", &[&voice("anna-1")]);
    let path = place.path("store.sqlite");
    let inode = format!(":{} ", fs::metadata(&path).unwrap().ino());
    let num_locks = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().filter(|line| line.contains(&inode)).count()
    };
    let verifier = model::embedded().unwrap();
    let store = Store::open_or_create(&path, None).unwrap();
    assert_eq!(store.list().unwrap().speakers.len(), 1);
    let before = num_locks();
    assert!(before > 0, "SQLite locks a file that it has open");
    assert!(Index::find(&store, &verifier).is_none());
    Index::build(&store, &verifier).unwrap();
    assert_eq!(num_locks(), before);
    drop(store);
    assert_eq!(num_locks(), 0);
}
