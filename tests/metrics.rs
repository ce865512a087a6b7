//! Compares metrics with values computed by hand, by NumPy, and by brute force from the
//! definitions.

use proptest::prelude::*;
use spkver::eval::bootstrap::{self, Interval};
use spkver::eval::metrics::{Costs, ErrorRates, Figures, Points};
use spkver::eval::ranking::{Ranking, ScoredTrial};
use spkver::eval::report::{Plan, Report};
use spkver::eval::speakers::Speakers;
use spkver::eval::sweep::Sweep;
use spkver::eval::table::ScoreTable;

const EVEN: Costs = Costs {
    p_target: 0.5,
    c_miss: 1.0,
    c_fa: 1.0,
};

fn ranking(targets: &[f64], nontargets: &[f64]) -> Ranking {
    let scores = [targets, nontargets].concat();
    let is_target: Vec<bool> = (0..scores.len()).map(|i| i < targets.len()).collect();
    Ranking::new(&scores, &is_target).unwrap()
}

/// The figures at one prior.
#[derive(Debug)]
struct Metrics {
    eer: f64,
    min_dcf: f64,
    act_dcf: f64,
    cllr: f64,
    min_cllr: f64,
}

trait Measure {
    fn metrics(&self, costs: &Costs) -> Metrics;
    fn error_rates(&self, threshold: f64) -> ErrorRates;
}

impl Measure for Ranking {
    fn metrics(&self, costs: &Costs) -> Metrics {
        let figures = figures(self, &at(costs, &[]));
        Metrics {
            eer: figures.eer,
            min_dcf: figures.dcf[0].min,
            act_dcf: figures.dcf[0].act,
            cllr: figures.cllr,
            min_cllr: figures.min_cllr,
        }
    }

    /// By the definition: scores ≥ `threshold` are accepted.
    fn error_rates(&self, threshold: f64) -> ErrorRates {
        let rejected = self.scored().partition_point(|t| t.score < threshold);
        let targets = self.scored()[..rejected].iter();
        let missed = targets.filter(|t| t.is_target()).count();
        let accepted = self.num_nontargets() - (rejected - missed);
        ErrorRates {
            miss: missed as f64 / self.num_targets() as f64,
            false_alarm: accepted as f64 / self.num_nontargets() as f64,
        }
    }
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() < 1e-12
}

#[test]
fn perfect_scores_and_useless_scores() {
    let perfect = ranking(&[1.0, 2.0], &[-1.0, -2.0, -3.0]).metrics(&EVEN);
    assert_eq!(perfect.eer, 0.0);
    assert_eq!(perfect.min_dcf, 0.0);
    assert_eq!(perfect.act_dcf, 0.0);
    assert_eq!(perfect.min_cllr, 0.0);
    let useless = ranking(&[0.0; 4], &[0.0; 7]).metrics(&EVEN);
    assert_eq!(useless.eer, 0.5); // a coin
    assert_eq!(useless.min_dcf, 1.0);
    assert_eq!(useless.act_dcf, 1.0); // 0 ≥ ln 1: accepts all
    assert_eq!(useless.cllr, 1.0);
    assert_eq!(useless.min_cllr, 1.0);
    let upside_down = ranking(&[-1.0, -2.0], &[1.0, 2.0]).metrics(&EVEN);
    assert_eq!(upside_down.eer, 1.0);
    assert_eq!(upside_down.min_dcf, 1.0); // answers always the same
    assert_eq!(upside_down.min_cllr, 1.0);
}

/// NumPy 2, the definitions spelt out:
///
/// ```python
/// th = np.r_[-np.inf, midpoints of np.unique(scores), np.inf]
/// miss = np.array([(tar < x).mean() for x in th]); fa = np.array([(non >= x).mean() for x in th])
/// d = miss - fa; i = np.argmax(d >= 0); a = -d[i-1] / (d[i] - d[i-1])
/// eer = miss[i-1] + a * (miss[i] - miss[i-1])
/// dcf = (cm * p * miss + cf * (1-p) * fa) / min(cm * p, cf * (1-p))
/// cllr = .5 * (np.log2(1 + np.exp(-tar)).mean() + np.log2(1 + np.exp(non)).mean())
/// post = isotonic regression of the labels on the scores (min-max formula)
/// ```
///
/// EER by hand: at 0 < t ≤ 0.5 P_miss = 1/5 and P_fa = 2/8; above 0.5 (a target and a nontarget
/// share that score) 2/5 and 1/8. The line between crosses P_miss = P_fa at 1/5 + 1/5·(0.05/0.325).
#[test]
fn figures_agree_with_hand_and_numpy() {
    let trials = ranking(
        &[2.0, 1.0, 0.5, 3.0, -0.5],
        &[0.0, 1.5, -1.0, -2.0, 0.5, -3.0, -0.25, -4.0],
    );
    let even = trials.metrics(&EVEN);
    assert!(close(even.eer, 3.0 / 13.0));
    assert!(close(even.min_dcf, 0.45));
    assert!(close(even.act_dcf, 0.575));
    assert!(close(even.cllr, 0.6808252347058382));
    assert!(close(even.min_cllr, 0.5353940099985346));
    let rare = trials.metrics(&Costs {
        p_target: 0.01,
        ..EVEN
    });
    assert!(close(rare.min_dcf, 0.6));
    assert!(close(rare.act_dcf, 1.0));
    let costly = trials.metrics(&Costs {
        p_target: 0.1,
        c_miss: 1.0,
        c_fa: 2.0,
    });
    assert!(close(costly.min_dcf, 0.6));
    assert!(close(costly.act_dcf, 0.8));
    let rates = trials.error_rates(0.0);
    assert_eq!((rates.miss, rates.false_alarm), (0.2, 3.0 / 8.0)); // LLR 0 is accepted
}

#[test]
fn no_error_rate_without_both_kinds() {
    assert!(Ranking::new(&[1.0, 2.0], &[true, true]).is_none());
    assert!(Ranking::new(&[1.0, 2.0], &[false, false]).is_none());
    assert!(Ranking::new(&[], &[]).is_none());
}

#[test]
fn nan_and_minus_infinity_are_rejected_at_every_threshold() {
    for refused in [f64::NAN, f64::NEG_INFINITY] {
        let trials = ranking(&[refused, 2.0, 3.0, 4.0], &[refused, -1.0]);
        let rates = trials.error_rates(-1e300);
        assert_eq!((rates.miss, rates.false_alarm), (0.25, 0.5));
        assert_eq!(trials.metrics(&EVEN).eer, 0.25);
    }
}

#[test]
fn extreme_llrs_cost_what_they_should() {
    // log2(1 + e^2000) = 2000/ln 2, not infinity.
    let wrong = ranking(&[-2000.0], &[2000.0]).metrics(&EVEN);
    assert!(close(wrong.cllr / (2000.0 / std::f64::consts::LN_2), 1.0));
    assert_eq!(ranking(&[2000.0], &[-2000.0]).metrics(&EVEN).cllr, 0.0);
}

/// O(N²) and worse, straight from the definitions.
fn brute_force(targets: &[f64], nontargets: &[f64], costs: &Costs) -> Metrics {
    let share = |scores: &[f64], keep: &dyn Fn(f64) -> bool| {
        scores.iter().filter(|&&s| keep(s)).count() as f64 / scores.len() as f64
    };
    let rates = |t: f64| (share(targets, &|s| s < t), share(nontargets, &|s| s >= t));
    let dcf = |(miss, fa): (f64, f64)| {
        let (a, b) = (
            costs.c_miss * costs.p_target,
            costs.c_fa * (1.0 - costs.p_target),
        );
        (a * miss + b * fa) / a.min(b)
    };
    let mut values = [targets, nontargets].concat();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let thresholds: Vec<f64> = values.iter().copied().chain([f64::INFINITY]).collect();
    let points: Vec<(f64, f64)> = thresholds.iter().map(|&t| rates(t)).collect();
    let min_dcf = points.iter().map(|&p| dcf(p)).fold(f64::INFINITY, f64::min);
    // The only line that meets the diagonal: P_miss − P_fa rises from point to point.
    let eer = points
        .windows(2)
        .find_map(|pair| {
            let ((m0, f0), (m1, f1)) = (pair[0], pair[1]);
            let along = (f0 - m0) / ((f0 - m0) + (m1 - f1));
            (m0 < f0 && m1 >= f1).then_some(m0 + along * (m1 - m0))
        })
        .unwrap();
    let bits = |scores: &[f64], sign: f64| {
        let sum: f64 = scores.iter().map(|s| (sign * s).exp().ln_1p()).sum();
        sum / scores.len() as f64 / std::f64::consts::LN_2
    };

    // Isotonic regression by its min-max formula: max over a ≤ i of min over b ≥ i of the share
    // of targets among scores a..=b.
    let count = |scores: &[f64], v: f64| scores.iter().filter(|&&s| s == v).count() as f64;
    let groups: Vec<(f64, f64)> = values
        .iter()
        .map(|&v| (count(targets, v), count(nontargets, v)))
        .collect();
    let mut min_cllr = 0.0;
    for i in 0..groups.len() {
        let mut posterior: f64 = 0.0;
        for a in 0..=i {
            let mut least: f64 = 1.0;
            for b in i..groups.len() {
                let (t, n) = groups[a..=b]
                    .iter()
                    .fold((0.0, 0.0), |s, g| (s.0 + g.0, s.1 + g.1));
                least = least.min(t / (t + n));
            }
            posterior = posterior.max(least);
        }
        let prior_odds = targets.len() as f64 / nontargets.len() as f64;
        let odds = posterior / (1.0 - posterior) / prior_odds;
        if groups[i].0 > 0.0 {
            min_cllr += 0.5 * groups[i].0 / targets.len() as f64 * (1.0 / odds).ln_1p();
        }
        if groups[i].1 > 0.0 {
            min_cllr += 0.5 * groups[i].1 / nontargets.len() as f64 * odds.ln_1p();
        }
    }
    Metrics {
        eer,
        min_dcf,
        act_dcf: dcf(rates(costs.threshold())),
        cllr: 0.5 * (bits(targets, -1.0) + bits(nontargets, 1.0)),
        min_cllr: min_cllr / std::f64::consts::LN_2,
    }
}

/// Small integers, halved, so that scores tie often and sit on thresholds.
fn some_scores() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-12i32..12).prop_map(|s| f64::from(s) / 2.0), 1..20)
}

proptest! {
    #[test]
    fn figures_agree_with_brute_force(
        targets in some_scores(),
        nontargets in some_scores(),
        p_target in 0.01f64..0.99,
        c_fa in 0.1f64..10.0,
    ) {
        let costs = Costs { p_target, c_miss: 1.0, c_fa };
        let fast = ranking(&targets, &nontargets).metrics(&costs);
        let slow = brute_force(&targets, &nontargets, &costs);
        prop_assert!(close(fast.eer, slow.eer), "{fast:?} {slow:?}");
        prop_assert!(close(fast.min_dcf, slow.min_dcf), "{fast:?} {slow:?}");
        prop_assert!(close(fast.act_dcf, slow.act_dcf), "{fast:?} {slow:?}");
        prop_assert!(close(fast.cllr, slow.cllr), "{fast:?} {slow:?}");
        prop_assert!(close(fast.min_cllr, slow.min_cllr), "{fast:?} {slow:?}");
        prop_assert!(fast.min_cllr <= fast.cllr + 1e-12);
        prop_assert!(fast.min_dcf <= fast.act_dcf);
    }

    #[test]
    fn a_weight_is_as_many_copies(
        trials in prop::collection::vec((-6i32..6, any::<bool>(), 0usize..4), 1..30),
    ) {
        let scores: Vec<f64> = trials.iter().map(|t| f64::from(t.0)).collect();
        let is_target: Vec<bool> = trials.iter().map(|t| t.1).collect();
        let copies = |of: bool| -> Vec<f64> {
            let kept = trials.iter().filter(|t| t.1 == of);
            kept.flat_map(|t| std::iter::repeat_n(f64::from(t.0), t.2)).collect()
        };
        if let Some(weighted) = Ranking::new(&scores, &is_target) {
            let points = at(&EVEN, &[0.0, 2.5]);
            let weight = |t: &ScoredTrial| trials[t.enroll() as usize].2 as f64;
            let weighted = Sweep::new(&weighted, &points).weighted(weight);
            let (targets, nontargets) = (copies(true), copies(false));
            if targets.is_empty() || nontargets.is_empty() {
                prop_assert_eq!(weighted, None);
            } else {
                let copied = figures(&ranking(&targets, &nontargets), &points);
                for (w, c) in weighted.unwrap().values().zip(copied.values()) {
                    prop_assert!(close(*w, *c), "{} {}", w, c);
                }
            }
        }
    }

    #[test]
    fn rates_of_the_sweep_are_rates_of_the_definition(
        targets in some_scores(),
        nontargets in some_scores(),
        threshold in -14i32..14,
    ) {
        let threshold = f64::from(threshold) / 2.0;
        let trials = ranking(&targets, &nontargets);
        let swept = figures(&trials, &at(&EVEN, &[threshold])).rates[0];
        prop_assert_eq!(swept, trials.error_rates(threshold));
        let missed = targets.iter().filter(|s| **s < threshold).count();
        prop_assert!(close(swept.miss, missed as f64 / targets.len() as f64));
    }

    #[test]
    fn the_threshold_for_a_false_match_rate_keeps_it_and_no_lower_one_does(
        targets in some_scores(),
        nontargets in prop::collection::vec((-12i32..12).prop_map(|s| f64::from(s) / 2.0), 10..40),
        wanted in 0.3f64..0.9,
    ) {
        let trials = ranking(&targets, &nontargets);
        let (threshold, miss) = trials.at_false_match(wanted).unwrap();
        let kept = trials.error_rates(threshold);
        prop_assert!(kept.false_alarm <= wanted);
        prop_assert!(close(kept.miss, miss));
        let below = targets.iter().chain(&nontargets).copied().filter(|s| *s < threshold);
        let next = below.fold(f64::NEG_INFINITY, f64::max);
        if next.is_finite() {
            prop_assert!(trials.error_rates(next).false_alarm > wanted);
        }
    }
}

fn at(costs: &Costs, thresholds: &[f64]) -> Points {
    Points {
        costs: vec![*costs],
        thresholds: thresholds.to_vec(),
    }
}

fn figures(ranking: &Ranking, points: &Points) -> Figures {
    Sweep::new(ranking, points).figures()
}

/// Every pair among `num_speakers` × 4 recordings; each speaker has its own mean target score. And
/// the speaker of each recording.
fn speaker_trials(num_speakers: usize) -> (Ranking, Vec<u32>) {
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43758.5453).fract() * 3.0;
    let mut trials = vec![];
    for a in 0..4 * num_speakers {
        for b in a + 1..4 * num_speakers {
            let same = a / 4 == b / 4;
            let ease = if same { 2.0 + noise(a / 4) } else { -2.0 };
            let score = ease + noise(1000 + a * 4 * num_speakers + b);
            trials.push(ScoredTrial::new(a as u32, b as u32, same, Some(score)));
        }
    }
    let speaker_of = (0..4 * num_speakers as u32).map(|r| r / 4).collect();
    (Ranking::of(trials).unwrap(), speaker_of)
}

#[test]
fn bootstrap_holds_the_figure_and_narrows_with_speakers() {
    let width = |interval: Interval| interval.high - interval.low;
    let of = |num_speakers: usize| {
        let (ranking, speaker_of) = speaker_trials(num_speakers);
        let points = at(&EVEN, &[0.0]);
        let sweep = Sweep::new(&ranking, &points);
        let found = bootstrap::intervals(&sweep, &speaker_of, num_speakers, 400, 1).unwrap();
        for (value, interval) in sweep.figures().values().zip(found.values()) {
            assert!(
                interval.low <= *value && *value <= interval.high,
                "{value} {interval:?}"
            );
        }
        width(found.eer)
    };
    let (few, many) = (of(10), of(90));
    assert!(many < 0.7 * few, "{few} with 10 speakers, {many} with 90");
}

#[test]
fn bootstrap_is_the_same_at_any_thread_count_and_differs_by_seed() {
    let with_threads = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (ranking, speaker_of) = speaker_trials(8);
            let points = at(&EVEN, &[0.0]);
            let sweep = Sweep::new(&ranking, &points);
            bootstrap::intervals(&sweep, &speaker_of, 8, 200, seed).unwrap()
        })
    };
    assert_eq!(with_threads(1, 7), with_threads(3, 7));
    assert_ne!(with_threads(1, 7), with_threads(1, 8));
}

#[test]
fn too_few_speakers_give_no_interval() {
    // All three of three speakers are drawn in 6 of 27 replicates; the others lack a kind.
    let trials = vec![
        ScoredTrial::new(0, 1, true, Some(1.0)),
        ScoredTrial::new(2, 3, false, Some(0.0)),
    ];
    let ranking = Ranking::of(trials).unwrap();
    let points = at(&EVEN, &[0.0]);
    let sweep = Sweep::new(&ranking, &points);
    assert_eq!(bootstrap::intervals(&sweep, &[0, 0, 1, 2], 3, 400, 1), None);
}

/// A table read from the text of a file.
fn table(text: &str) -> spkver::Result<ScoreTable> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, text).unwrap();
    ScoreTable::read(&path)
}

#[test]
fn a_report_counts_refused_trials_and_rejects_them() {
    let text = "a/1 a/2 2 1\na/1 a/3 nan 1\na/1 b/1 -1 0\na/2 b/1 nan 0\nb/1 b/2 0 1\n";
    let plan = Plan {
        points: at(&EVEN, &[0.0]),
        num_replicates: 100,
        seed: 1,
        num_worst: 5,
    };
    let mut list = table(text).unwrap();
    let speakers = Speakers::of_table(&list);
    let report = Report::new(&mut list, speakers.as_ref(), None, &[], &plan).unwrap();
    let counts = report.counts;
    assert_eq!(
        (counts.trials, counts.targets, counts.nontargets),
        (5, 3, 2)
    );
    assert_eq!((counts.refused_targets, counts.refused_nontargets), (1, 1));
    assert_eq!(
        (report.speakers, report.target_speakers),
        (Some(2), Some(2))
    );
    // a/2 has a score with a/1; only a/3 has none at all.
    assert_eq!(
        (report.enrolment.recordings, report.enrolment.refused),
        (3, 0)
    );
    assert_eq!((report.test.recordings, report.test.refused), (4, 1));
    assert_eq!(report.figures.eer, 0.0);
    // All trials: a third of the targets is missed at every threshold but accept-all, half of
    // the nontargets accepted up to −1: (1/3, 1/2) to (1/3, 0).
    assert!(close(report.eer_with_refused, 1.0 / 3.0));
    assert!(close(report.rates_with_refused[0].miss, 1.0 / 3.0));
    let mut refused = table("a b nan 1\na c 1 0\n").unwrap();
    assert_eq!(Report::new(&mut refused, None, None, &[], &plan), None);
}

fn names(table: &ScoreTable) -> Vec<&str> {
    table.names().collect()
}

#[test]
fn both_formats_say_the_same() {
    let voxceleb = table("1 a/1.wav a/2.wav\n0 a/1.wav b/1.wav\n").unwrap();
    let kaldi = table("a/1.wav a/2.wav target\r\n\r\na/1.wav\tb/1.wav\tnontarget\r\n").unwrap();
    assert_eq!(names(&voxceleb), ["a/1.wav", "a/2.wav", "b/1.wav"]);
    assert_eq!(names(&kaldi), names(&voxceleb));
    let of = |table: &ScoreTable| -> Vec<_> {
        let trials = table.trials().iter();
        trials
            .map(|t| (t.enroll(), t.test(), t.is_target()))
            .collect()
    };
    assert_eq!(of(&kaldi), [(0, 1, true), (0, 2, false)]);
    assert_eq!(of(&kaldi), of(&voxceleb));
}

#[test]
fn twice_counts_twice_and_tabs_allow_spaces() {
    let list = table("1\tmy voice.wav\tb.wav\n1\tmy voice.wav\tb.wav").unwrap();
    assert_eq!(list.trials().len(), 2);
    assert_eq!(names(&list), ["my voice.wav", "b.wav"]);
}

#[test]
fn bad_lines_are_named_with_the_remedy() {
    for (text, start, contains) in [
        ("", "list.txt:1: no trials", "enroll test"),
        (
            "1 a b\n\n1 my voice.wav b\n",
            "list.txt:3: 4 fields",
            "tabs",
        ),
        (
            "1 a b\nyes a b\n",
            "list.txt:2: label \"yes\"",
            "label every trial as the first",
        ),
        (
            "a b target\na b maybe\n",
            "list.txt:2: label \"maybe\"",
            "label every trial as the first",
        ),
    ] {
        let error = table(text).unwrap_err().to_string();
        assert!(error.contains(start) && error.contains(contains), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.txt");
    std::fs::write(&path, b"1 a b\n1 a \xe9\n").unwrap();
    let error = ScoreTable::read(&path).unwrap_err().to_string();
    assert!(error.contains(":2: not UTF-8"), "{error}");
    std::fs::write(&path, "\u{feff}1 a b\n").unwrap();
    assert_eq!(ScoreTable::read(&path).unwrap().names().len(), 2);
}

#[test]
fn speakers_come_from_the_folder_that_agrees_with_the_labels() {
    let flat = table("1 dev/a/1.wav dev/a/2.wav\n0 dev/a/1.wav dev/b/1.wav").unwrap();
    assert_eq!(Speakers::of_table(&flat).unwrap().count(), 2);
    let voxceleb = table("1 id1/x/1.wav id1/y/1.wav\n0 id1/x/1.wav id2/z/1.wav").unwrap();
    let speakers = Speakers::of_table(&voxceleb).unwrap();
    assert_eq!(
        (speakers.count(), speakers.of(0), speakers.of(1)),
        (2, 0, 0)
    );
    let without_folders = table("1 a1.wav a2.wav\n0 a1.wav b1.wav").unwrap();
    assert_eq!(Speakers::of_table(&without_folders), None);
}

#[test]
fn utt2spk_must_name_every_recording() {
    let list = table("1 a1 a2\n0 a1 b1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("utt2spk");
    std::fs::write(&path, "a1 anna\na2 anna\nb1 bert\nc1 carla\n").unwrap();
    let speakers = Speakers::read_utt2spk(&path, names(&list).into_iter()).unwrap();
    assert_eq!(
        (speakers.count(), speakers.of(0), speakers.of(2)),
        (2, 0, 1)
    );
    std::fs::write(&path, "a1 anna\na2 anna\n").unwrap();
    let error = Speakers::read_utt2spk(&path, names(&list).into_iter())
        .unwrap_err()
        .to_string();
    assert!(error.contains(":2: b1 is missing"), "{error}");
}

#[test]
fn scores_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (list, scores) = (folder.path().join("list"), folder.path().join("scores"));
    std::fs::write(&list, "1\tmy voice\tb\n0\tb\tc\n1\tmy voice\tb\n").unwrap();
    let mut written = ScoreTable::read(&list).unwrap();
    let refused = written.trials()[1].enroll();
    written.set_scores(|enrol, _| if enrol == refused { f64::NAN } else { 1.5 });
    written
        .write_scores(
            std::borrow::Cow::Borrowed,
            &mut std::fs::File::create(&scores).unwrap(),
        )
        .unwrap();
    let mut read = ScoreTable::read(&list).unwrap();
    read.join(&scores, &list).unwrap();
    let of = |table: &ScoreTable| -> Vec<_> {
        let trials = table.trials().iter();
        trials.map(|t| t.is_scored().then_some(t.score)).collect()
    };
    assert_eq!(of(&read), [Some(1.5), None, Some(1.5)]);
    assert_eq!(of(&read), of(&written));
}

#[test]
fn score_files_with_gaps_or_nonsense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (list, path) = (
        folder.path().join("list.txt"),
        folder.path().join("scores.txt"),
    );
    std::fs::write(&list, "1 a b\n0 a c\n").unwrap();
    for (text, contains) in [
        ("a b 1\n", "list.txt:2: "),
        ("a b 1\na c inf\n", ":2: score \"inf\""),
        ("a b 1\na c\n", ":2: 2 fields"),
        ("a b 1\na c 0\na b 2\n", ":3: a b has another score"),
    ] {
        std::fs::write(&path, text).unwrap();
        let mut table = ScoreTable::read(&list).unwrap();
        let error = table.join(&path, &list).unwrap_err().to_string();
        assert!(error.contains(contains), "{error}");
    }
}
