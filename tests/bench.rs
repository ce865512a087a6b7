//! `--kernel` and `spkver bench`: all kernels decide alike, one that this CPU lacks is refused, and
//! the report is complete.

use serde_json::Value;
use spkver::kernels;
use std::process::{Command, Output};

fn spkver(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spkver"))
        .args(args)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{talk}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn voice(name: &str) -> String {
    format!("{}/fixtures/voices/{name}.wav", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_kernel_decides_alike() {
    for (a, b) in [("anna-1", "anna-2"), ("anna-1", "boris-1")] {
        let (a, b) = (voice(a), voice(b));
        let mut first: Option<(String, f64)> = None;
        let mut largest = 0.0f64;
        for table in kernels::instances() {
            let answer = json(&spkver(&[
                "--kernel", table.name, "compare", &a, &b, "--json",
            ]));
            let decision = answer["decision"].to_string();
            let llr = answer["llr"].as_f64().unwrap();
            let (wanted, score) = first.get_or_insert((decision.clone(), llr));
            assert_eq!(*wanted, decision, "{}", table.name);
            largest = largest.max((llr - *score).abs());
        }
        println!("{a} {b}: LLRs differ by up to {largest:.1e} between kernels");
        assert!(largest < 0.01, "{largest}");
    }
}

#[test]
fn a_kernel_that_is_not_here_is_refused_with_those_that_are() {
    let present: Vec<&str> = kernels::instances().iter().map(|t| t.name).collect();
    for name in kernels::NAMES {
        let output = spkver(&["--kernel", name, "model", "info"]);
        if present.contains(&name) {
            assert_eq!(output.status.code(), Some(0), "{name}");
        } else {
            assert_eq!(output.status.code(), Some(2), "{name}");
            let talk = String::from_utf8(output.stderr).unwrap();
            let list = format!("available: {}", present.join(", "));
            assert!(talk.contains(&list), "{talk}");
        }
    }
    assert_eq!(
        spkver(&["--kernel", "mmx", "model", "info"]).status.code(),
        Some(2)
    );
}

#[test]
fn the_benchmark_tells_everything() {
    let answer = json(&spkver(&["bench", "--json", "--seconds", "1"]));
    let positive = |pointer: &str| {
        let number = answer.pointer(pointer).and_then(Value::as_f64);
        assert!(number.is_some_and(|n| n > 0.0), "{pointer}: {number:?}");
    };
    let kernel = answer["kernel"].as_str().unwrap();
    assert_eq!(kernel, kernels::table().name);
    positive(&format!("/peak_gflops/{kernel}"));
    positive("/mfcc_ns_per_frame");
    for at in 0..5 {
        for (precision, beside) in [("f32", "conv_layers"), ("int8", "f32")] {
            for what in ["network", beside] {
                for number in ["ms", "gflops", "percent_of_peak"] {
                    positive(&format!(
                        "/precision/{precision}/one_core/{at}/{what}/{number}"
                    ));
                }
            }
        }
    }
    for number in [
        "file_to_decision/ms",
        "file_to_decision/times_real_time",
        "verify/p50_ms",
        "verify/p99_ms",
        "fresh_process/compare_ms",
        "fresh_process/bare_ms",
        "throughput/0/files_per_second",
        "throughput/0/speed_up",
    ] {
        positive(&format!("/precision/f32/{number}"));
        positive(&format!("/precision/int8/{number}"));
    }
    if cfg!(target_os = "linux") {
        positive("/precision/f32/fresh_process/peak_memory_kb");
    }
}

#[test]
fn the_benchmark_is_a_table_for_people() {
    let output = spkver(&["bench", "--seconds", "1", "--threads", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "FMA peak",
        "% of peak",
        "MFCC",
        "p99",
        "above a bare process",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(output.stderr.is_empty(), "no terminal, no progress");
    assert_eq!(spkver(&["bench", "--seconds", "0"]).status.code(), Some(2));
}
