//! `--kernel` and `spkver bench`: all kernels decide alike, one that this CPU lacks is refused, and
//! the report is complete.

mod program;

use program::Place;
use serde_json::Value;
use spkver::kernels;

#[test]
fn every_kernel_decides_alike() {
    let place = Place::new();
    for pair in ["@anna-1 @anna-2", "@anna-1 @boris-1"] {
        let mut first: Option<(String, f64)> = None;
        let mut largest = 0.0f64;
        for table in kernels::instances() {
            let answer = place.json(&format!("--kernel {} compare {pair}", table.name));
            let decision = answer["decision"].to_string();
            let llr = answer["llr"].as_f64().unwrap();
            let (wanted, score) = first.get_or_insert((decision.clone(), llr));
            assert_eq!(*wanted, decision, "{}", table.name);
            largest = largest.max((llr - *score).abs());
        }
        println!("{pair}: LLRs differ by up to {largest:.1e} between kernels");
        assert!(largest < 0.01, "{largest}");
    }
}

#[test]
fn a_kernel_that_is_not_here_is_refused_with_those_that_are() {
    let place = Place::new();
    let present: Vec<&str> = kernels::instances().iter().map(|t| t.name).collect();
    for name in kernels::NAMES {
        let line = format!("--kernel {name} model info");
        if present.contains(&name) {
            place.done(&line);
        } else {
            place.refused(&line, 2, &format!("available: {}", present.join(", ")));
        }
    }
    assert_eq!(place.say("--kernel mmx model info").code, 2);
}

#[test]
fn the_benchmark_tells_everything() {
    let answer = Place::new().done("bench --json --seconds 1").json();
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
    let place = Place::new();
    let output = place.done("bench --seconds 1 --threads 1");
    let text = output.stdout;
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
    assert_eq!(place.say("bench --seconds 0").code, 2);
}
