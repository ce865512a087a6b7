//! Compares metrics with a NumPy implementation of their definitions
//! (`fixtures/golden/make_metrics.py`).

use spkver::eval::{
    metrics::{Costs, Points},
    ranking::Ranking,
    report::{Plan, Report},
    sweep::Sweep,
    table::ScoreTable,
};
use std::path::Path;

/// f64 on both sides, summed in different orders.
const TOLERANCE: f64 = 1e-9;

#[test]
fn figures_agree_with_numpy() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let json = std::fs::read(golden.join("metrics.json")).unwrap();
    let wanted: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let numbers = |key: &str| -> Vec<f64> {
        let list = wanted[key].as_array().unwrap().iter();
        list.map(|v| v.as_f64().unwrap()).collect()
    };
    let costs = numbers("priors").into_iter().map(|p_target| Costs {
        p_target,
        c_miss: 1.0,
        c_fa: 1.0,
    });
    let plan = Plan {
        points: Points {
            costs: costs.collect(),
            thresholds: numbers("thresholds"),
        },
        num_replicates: 0,
        seed: 0,
        num_worst: 0,
    };
    let mut table = ScoreTable::read(&golden.join("scores.csv")).unwrap();
    let report = Report::new(&mut table, None, None, &[], &plan).unwrap();
    let found = serde_json::to_value(&report).unwrap();
    for key in [
        "targets",
        "nontargets",
        "refused_targets",
        "refused_nontargets",
    ] {
        assert_eq!(found[key], wanted[key], "{key}");
    }
    let close = |found: &serde_json::Value, wanted: &serde_json::Value, what: &str| {
        let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
        assert!(
            (found - wanted).abs() < TOLERANCE,
            "{what}: {found} {wanted}"
        );
    };
    for key in ["eer", "cllr", "min_cllr", "eer_with_refused"] {
        close(&found[key], &wanted[key], key);
    }
    for (at, kinds) in [("dcf", ["min", "act"]), ("rates", ["miss", "false_alarm"])] {
        for i in 0..3 {
            for kind in kinds {
                close(&found[at][i][kind], &wanted[at][i][kind], kind);
            }
        }
    }
}

/// The sums of a long list must not lose digits: every score of the list many times over has the
/// figures of once.
#[test]
fn a_long_list_has_the_figures_of_the_short_one() {
    let scores: Vec<f64> = (0..1000)
        .map(|i| ((i * 37) % 1000) as f64 / 50.0 - 10.0)
        .collect();
    let labels: Vec<bool> = (0..1000)
        .map(|i| (i * 37 % 1000) + (i * 7) % 300 > 700)
        .collect();
    let points = Points {
        costs: vec![],
        thresholds: vec![0.5],
    };
    let once = Ranking::new(&scores, &labels).unwrap();
    let often = Ranking::new(&scores.repeat(400), &labels.repeat(400)).unwrap();
    let (once, often) = (Sweep::new(&once, &points), Sweep::new(&often, &points));
    let (once, often) = (once.figures(), often.figures());
    for (a, b) in once.values().zip(often.values()) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}
