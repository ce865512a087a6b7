//! The fuzz targets on stable Rust: every input that ever broke one, then mutations of valid files.
//!
//! Each target gets a fixed number of mutations, 500 or `SPKVER_FUZZ_MUTATIONS`, from the seed
//! `SPKVER_FUZZ_SEED`. With `SPKVER_FUZZ_SECONDS` (CI: a minute), each gets as many as fit into
//! that time. `SPKVER_FUZZ_TARGET` selects one target; `SPKVER_FUZZ_FILES` is a folder of more
//! seeds. An input that breaks a target is written to the folder for temporary files: move it to
//! `fixtures/crashes/TARGET/`.

#[path = "../fuzz/targets.rs"]
mod targets;

mod program;
mod random_model;

use peak_alloc::PeakAlloc;
use program::Place;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use targets::{TARGETS, Target};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn setting(name: &str) -> Option<String> {
    std::env::var(format!("SPKVER_FUZZ_{name}")).ok()
}

/// Contents of the files in a folder, sorted by name. Empty if the folder does not exist.
fn files_in(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    let files = paths.iter().filter(|path| path.is_file());
    files.map(|path| fs::read(path).unwrap()).collect()
}

/// Valid inputs.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect();
    let mut seeds: Vec<Vec<u8>> = match target {
        "wav" => files_in(&fixtures().join("wav")),
        "audio" => [
            files_in(&fixtures().join("audio")),
            files_in(&fixtures().join("formats")),
        ]
        .concat(),
        "model" => {
            let graph = fixtures().join("golden/campplus.safetensors");
            let graph = spkver::storage::import::network(&graph).unwrap();
            let id = spkver::verifier::ModelId::of(b"graph");
            let graph = spkver::Verifier::new(id, graph).unwrap();
            vec![
                spkver::storage::model::to_bytes(&random_model::random_model(7, 2, 3)),
                spkver::storage::model::to_bytes(graph.model()),
                spkver::storage::model::to_bytes(&graph.to_int8().unwrap()),
            ]
        }
        "import" => ["xvec", "campplus", "ecapa", "resnet"]
            .map(|name| fs::read(fixtures().join(format!("golden/{name}.safetensors"))).unwrap())
            .into(),
        "voiceprint" => vec![a_store()],
        "trials" => {
            let lists = texts(&[
                "1 a.wav b.wav\n0 a.wav c.wav\n",
                "a.wav b.wav target\nc.wav d.wav nontarget\n",
                "1\ta b.wav\tc d.wav\r\n\r\n0\te\tf\n",
            ]);
            [
                lists,
                written_by("score trials", &["parquet", "csv", "jsonl"]),
            ]
            .concat()
        }
        "vectors" => written_by(
            "embed --list list",
            &["npy", "npz", "ark", "parquet", "jsonl", "txt"],
        ),
        "config" => vec![
            serde_json::to_vec(&spkver::features::MfccConfig::default()).unwrap(),
            serde_json::to_vec(&spkver::train::options::TrainOptions::default()).unwrap(),
        ],
        other => panic!("no seeds for {other}"),
    };
    assert!(!seeds.is_empty());
    seeds.extend(setting("FILES").map_or(vec![], |folder| files_in(Path::new(&folder))));
    seeds.retain(|seed| seed.len() <= 1 << 20);
    seeds
}

/// Output of the program for a few recordings, in the given formats.
fn written_by(command: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let place = Place::new();
    // Copies, so that the seeds do not depend on where the project is.
    let [a, b, c] = ["anna-1", "anna-2", "boris-1"].map(|name| {
        let file = format!("{name}.wav");
        place.copy(name, &file);
        file
    });
    place.write("trials", format!("1\t{a}\t{b}\n0\t{a}\t{c}\n"));
    place.write("list", format!("{a}\n{b}\n{c}\n"));
    let written = |ending: &&str| {
        place.done(&format!("{command} -o out.{ending}"));
        place.bytes(format!("out.{ending}"))
    };
    endings.iter().map(written).collect()
}

/// A store with one speaker, written by the program.
fn a_store() -> Vec<u8> {
    let place = Place::new();
    place.done("enroll --quiet --force anna --store store @anna-1 @anna-2");
    place.bytes("store")
}

/// Mutates a seed as fuzzers do: changes bits, bytes and numbers; cuts, repeats, moves and
/// exchanges pieces. Half of the mutations hit the first 100 bytes, where headers are.
fn mutate(seeds: &[Vec<u8>], random: &mut impl Rng) -> Vec<u8> {
    let mut below = |limit: usize| (random.next_u64() as usize) % limit.max(1);
    let mut bytes = seeds[below(seeds.len())].clone();
    for _ in 0..1 + below(6) {
        let len = bytes.len();
        let reach = if below(2) == 0 { len.min(100) } else { len };
        let longest = [4, 64, 1000][below(3)];
        let (at, span) = (below(reach), 1 + below(longest));
        let end = (at + span).min(len);
        let odd = [
            0,
            1,
            0x7F,
            0x80,
            0xFF,
            0xFFFE,
            0xFFFF_FFFF,
            0x7FFF_FFFF,
            1 << 63,
        ][below(9)];
        match below(10) {
            _ if len == 0 => bytes.push(below(256) as u8),
            0..3 => bytes[at] ^= 1 << below(8),
            3 => bytes[at] = below(256) as u8,
            4..6 => {
                let width = [1, 2, 4, 8][below(4)];
                let number = if below(2) == 0 {
                    odd
                } else {
                    below(4096) as u64
                };
                for (to, from) in bytes[at..].iter_mut().zip(&number.to_le_bytes()[..width]) {
                    *to = *from;
                }
            }
            6 => bytes.truncate(at),
            7 => drop(bytes.drain(at..end)),
            8 => {
                let piece = bytes[at..end].to_vec();
                let to = below(len);
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = &seeds[below(seeds.len())];
                let from = below(other.len());
                let piece = &other[from..(from + span).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

/// What is wrong with the outcome of an input, if anything.
fn fault((name, run): Target, bytes: &[u8]) -> Option<String> {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(bytes)));
    let heap = HEAP.peak_usage().saturating_sub(before);
    if outcome.is_err() {
        return Some("a panic".into());
    }
    // A short file may hold minutes of audio; text and packed columns take more memory once parsed.
    let bound = match name {
        "wav" | "audio" => Some((64 << 20) + 4 * bytes.len()),
        "trials" | "vectors" => Some((16 << 20) + 64 * bytes.len()),
        _ => None,
    };
    let too_much = bound.is_some_and(|bound| heap > bound);
    too_much.then(|| format!("{} bytes took {heap} bytes of heap", bytes.len()))
}

// A single test, so that nothing else uses the heap at the same time.
#[test]
fn nothing_breaks_a_target() {
    let count: usize = setting("MUTATIONS").map_or(500, |n| n.parse().unwrap());
    let seconds: Option<u64> = setting("SECONDS").map(|n| n.parse().unwrap());
    let seed: u64 = setting("SEED").map_or(1, |n| n.parse().unwrap());
    let only = setting("TARGET");
    // Inputs that broke a target before must not be printed on every run.
    let mut faults = vec![];
    for target @ (name, _) in TARGETS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let seeds = seeds(name);
        let crashes = files_in(&fixtures().join("crashes").join(name));
        for (i, bytes) in seeds.iter().chain(&crashes).enumerate() {
            if let Some(fault) = fault(target, bytes) {
                faults.push(format!("{name}, file {i}: {fault}"));
            }
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        // A store costs SQLite a millisecond or more.
        let count = if name == "voiceprint" {
            count / 5
        } else {
            count
        };
        let began = Instant::now();
        let goes_on = |i: usize| match seconds {
            Some(seconds) => began.elapsed() < Duration::from_secs(seconds),
            None => i < count,
        };
        let mut num_done = 0;
        for i in (0..).take_while(|i| goes_on(*i)) {
            num_done = i + 1;
            let bytes = mutate(&seeds, &mut random);
            if setting("KEEP").is_some() {
                // For inputs that no test survives: an abort or an endless loop.
                fs::write(std::env::temp_dir().join("spkver-fuzz-last"), &bytes).unwrap();
            }
            if let Some(fault) = fault(target, &bytes) {
                let path = std::env::temp_dir().join(format!("spkver-{name}-{seed}-{i}"));
                fs::write(&path, &bytes).unwrap();
                faults.push(format!("{}: {fault}", path.display()));
            }
        }
        eprintln!("{name}: {num_done} mutations");
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
