//! `spkver evaluate` on given scores, as a user sees it. Needs no audio.

mod program;

use program::{Answer, Place, has};
use serde_json::{Value, json};

const TRIALS: &str = "1 a/1 a/2\n1 b/1 b/2\n1 c/1 c/2\n0 a/1 b/1\n0 a/1 c/1\n0 b/1 c/1\n";

#[test]
fn figures_of_given_scores_with_a_refused_trial() {
    let place = Place::new();
    place.write("trials.txt", TRIALS);
    let scores = "a/1 a/2 5\nb/1 b/2 -1\nc/1 c/2 nan\na/1 b/1 -4\na/1 c/1 1\nb/1 c/1 -3\n";
    place.write("scores.txt", scores);
    let line = "evaluate trials.txt --scores scores.txt --json --p-target 0.5";
    let answer = place.done(line);
    let list = &answer.json()["lists"][0];
    assert_eq!(list["trials"], 6);
    assert_eq!(list["speakers"], 3);
    assert_eq!(list["refused_targets"], 1);
    // 5, −1 against −4, −3, 1: P_miss and P_fa meet between (0, 1/3) and (1/2, 1/3).
    assert!((list["eer"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(list["at_threshold"]["miss"], 0.5);
    assert_eq!(answer.stdout, place.done(line).stdout);
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    place.write("trials.txt", TRIALS);
    place.write("scores.txt", "a/1 a/2 5\n");
    let line = "evaluate trials.txt --scores scores.txt";
    place.refused(line, 2, "trials.txt:2: ");
    let answer = place.say("evaluate trials.txt");
    answer.refused(2, "trials.txt:1: there is no file");
    answer.refused(2, "check --root");
    assert_eq!(place.say("evaluate trials.txt --segment -1").code, 2);
}

#[track_caller]
fn evaluated(place: &Place, line: &str) -> Value {
    let line = format!("evaluate {line} --json --bootstrap 50");
    place.done(&line).json()
}

/// The figures of the first list.
#[track_caller]
fn first(place: &Place, line: &str) -> Value {
    evaluated(place, line)["lists"][0].take()
}

/// 6 speakers × 3 recordings, all pairs: (enrol, test, score, label).
fn trials() -> Vec<(String, String, f64, bool)> {
    let name = |i: usize| format!("set/s{}/{}.wav", i / 3, i % 3);
    let mut trials = vec![];
    for a in 0..18 {
        for b in a + 1..18 {
            let same = a / 3 == b / 3;
            let wave = ((a * 31 + b * 17) as f64).sin() * 3.0;
            trials.push((name(a), name(b), wave + if same { 2.0 } else { -2.0 }, same));
        }
    }
    trials
}

fn lines(line: impl Fn(&(String, String, f64, bool)) -> String) -> String {
    trials().iter().map(|t| line(t) + "\n").collect()
}

#[test]
fn the_order_of_scores_and_the_number_of_threads_change_nothing() {
    let place = Place::new();
    let bit = |label: bool| u8::from(label);
    let text = lines(|(e, t, s, l)| format!("{e} {t} {s} {}", bit(*l)));
    place.write("text", text);
    place.write("list", lines(|(e, t, _, l)| format!("{} {e} {t}", bit(*l))));
    let scores = lines(|(e, t, s, _)| format!("{e} {t} {s}"));
    let backwards: Vec<&str> = scores.lines().rev().collect();
    place.write("backwards", backwards.join("\n"));
    let of_text = first(&place, "text");
    assert_eq!(of_text["speakers"], 6);
    for line in ["list --scores backwards", "text --threads 3"] {
        let mut list = first(&place, line);
        list["list"] = of_text["list"].clone();
        assert_eq!(list, of_text, "{line}");
    }
}

#[test]
fn several_priors_and_thresholds_and_the_refused() {
    let place = Place::new();
    let text = lines(|(e, t, s, l)| {
        let refused = t.ends_with("s5/2.wav");
        let score = if refused { "nan".into() } else { s.to_string() };
        format!("{e} {t} {score} {}", u8::from(*l))
    });
    place.write("scores", text);
    let list = first(&place, "scores --p-target 0.01,0.5 --threshold -1,0,2");
    assert_eq!(list["dcf"].as_array().unwrap().len(), 2);
    assert_eq!(list["rates"].as_array().unwrap().len(), 3);
    assert_eq!(list["intervals"]["rates"].as_array().unwrap().len(), 3);
    assert_eq!(list["test"]["refused"], 1); // FTA: s5/2 has no score at all
    assert_eq!(list["enrolment"]["refused"], 0);
    assert_eq!(list["refused_targets"], 2);
    assert_eq!(list["refused_nontargets"], 15);
    let miss = |i: usize| list["rates"][i]["miss"].as_f64().unwrap();
    assert!(miss(0) <= miss(1) && miss(1) <= miss(2));
    let with = &list["rates_with_refused"][1];
    assert!(with["miss"].as_f64().unwrap() > miss(1));
    assert_eq!(place.say("evaluate scores --p-target 1.5").code, 2);
}

#[test]
fn conditions_come_from_any_column() {
    let place = Place::new();
    let scores = lines(|(e, t, s, l)| format!("{e} {t} {s} {}", u8::from(*l)));
    place.write("scores", scores);
    let mut csv = "path,speaker,seconds,gender,session\n".to_string();
    for i in 0..18 {
        let (speaker, gender) = (i / 3, if i < 9 { "F" } else { "M" });
        let path = format!("set/s{speaker}/{}.wav", i % 3);
        csv += &format!("{path},{speaker},{i}.5,{gender},day {i}\n");
    }
    place.write("meta.csv", &csv);
    let line = "scores --metadata meta.csv --bins seconds=5,10";
    let answer = place.done(&format!("evaluate {line}"));
    for shown in ["by seconds", "5 ≤ seconds < 10", "by gender", "F × M"] {
        answer.prints(shown);
    }
    answer.prints("different session");
    let list = first(&place, line);
    assert_eq!(list["speakers"], 6); // from the column
    let of = |label: &str| {
        let all = list["conditions"].as_array().unwrap();
        all.iter().find(|c| c["label"] == label).unwrap().clone()
    };
    // Within nine recordings of three speakers: 9 target and 27 nontarget pairs; across: none.
    assert_eq!(of("F")["targets"], 9);
    assert_eq!(of("F")["nontargets"], 27);
    assert_eq!(of("F × M")["targets"], 0);
    assert_eq!(of("F × M")["nontargets"], 81);
    assert!(of("F × M")["figures"].is_null());
    assert!(of("F × M")["false_alarm"].is_number());
    // The lower of two decides: pairs with one of 0.5 to 4.5 s.
    let low = of("seconds < 5");
    let trials = low["targets"].as_u64().unwrap() + low["nontargets"].as_u64().unwrap();
    assert_eq!(trials, 18 * 17 / 2 - 13 * 12 / 2);
    for column in ["seconds", "gender", "session"] {
        let all = list["conditions"].as_array().unwrap().iter();
        let own = all.filter(|c| c["column"] == column);
        let sum: u64 = own.map(|c| c["trials"].as_u64().unwrap()).sum();
        assert_eq!(sum, 153, "{column}");
    }
    let only = first(&place, &format!("{line} --by gender"));
    let conditions = only["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|c| c["column"] == "gender"));

    place.write("meta.csv", csv.replace(',', ";"));
    assert_eq!(first(&place, line), list);

    let unknown = format!("evaluate {line} --by age");
    place.refused(&unknown, 2, "speaker, seconds, gender, session");
    place.write("meta.csv", csv.replace("set/s0/1.wav", "set/s0/9.wav"));
    let line = format!("evaluate {line}");
    place.refused(&line, 2, "set/s0/1.wav is missing");
    place.write("meta.csv", csv.replace(",day 0", ",\"day\n0\""));
    place.refused(&line, 2, "meta.csv:2: a quote that is not closed");
}

#[test]
fn plots_and_a_page_that_needs_nothing_else() {
    let place = Place::new();
    let evil = "<script>alert(1)</script>&\"\u{202e}";
    let text = lines(|(e, t, s, l)| {
        let rename = |name: &str| name.replace("set/s0", &format!("set/{evil}"));
        format!("{}\t{}\t{s}\t{}", rename(e), rename(t), u8::from(*l))
    });
    place.write("scores & more", text);
    let evaluate = |flags: &str| {
        let mut command = place.command(["evaluate", "scores & more"]);
        Answer::of(command.args(flags.split(' ')))
    };
    let flags = "--report r.html --det d.svg --roc r.PNG --histogram h.png --bootstrap 20 \
                 --threshold -9";
    let answer = evaluate(flags);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let html = place.read("r.html");
    assert!(html.to_lowercase().starts_with("<!doctype html>"));
    for shown in [
        "&lt;script&gt;",
        "scores &amp; more",
        "prefers-color-scheme: dark",
        "At threshold -9, ",
        "genuine attempt",
        "Pairs of speakers that are confused most",
    ] {
        has(&html, shown);
    }
    assert!(!html.contains("<script") && !html.contains('\u{202e}'));
    assert_eq!(html.matches("<svg").count(), 3);
    let quoted = html.replace("&apos;", "'");
    has(&quoted, "evaluate 'scores &amp; more'");
    // Nothing is fetched: the only addresses are names of XML.
    let count = |text: &str| html.matches(text).count();
    assert_eq!(count("://"), count("http://www.w3.org/2000/svg"));
    let svg = place.read("d.svg");
    has(&svg, "EER");
    has(&svg, "</svg>");
    for name in ["r.PNG", "h.png"] {
        let bytes = place.bytes(name);
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (720, 540));
        // The caption is drawn without a font of the system: dark pixels in the top rows.
        let top = &pixels[..720 * 3 * 40];
        assert!(top.chunks(3).filter(|p| p.iter().all(|v| *v < 100)).count() > 100);
    }
    assert_eq!(evaluate(flags).code, 0);
    let again = place.read("r.html");
    let undated = |html: &str| {
        let (before, rest) = html.split_once("<time>").unwrap();
        before.to_string() + rest.split_once("</time>").unwrap().1
    };
    assert_eq!(undated(&again), undated(&html));
    evaluate("--det d.gif").refused(2, ".svg or .png");
}

#[test]
fn curves_of_perfect_useless_and_tiny_lists_are_drawn() {
    let place = Place::new();
    for (name, text) in [
        ("perfect", "a/1 a/2 9 1\na/1 b/1 -9 0\n"),
        ("useless", "a/1 a/2 0 1\na/1 b/1 0 0\n"),
        ("upside", "a/1 a/2 -1e300 1\na/1 b/1 1e300 0\n"),
    ] {
        place.write(name, text);
        let charts = "--det d.svg --roc r.svg --histogram h.svg --report r.html";
        place.done(&format!("evaluate {name} {charts}"));
        let svg = place.read("d.svg");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

#[test]
fn a_pair_listed_twice_counts_twice_and_needs_one_score() {
    let place = Place::new();
    place.write("list", "1 a b\n1 a b\n0 a c\n1 a d\n");
    for text in [
        "a b 1\na c 2\na d 3\n",
        "a d 3\na c 2\na b 1\n",
        "a b 1\na b 1\na c 2\na d 3\n",
    ] {
        place.write("scores", text);
        let list = first(&place, "list --scores scores");
        assert_eq!(list["targets"], 3);
        assert_eq!(list["nontargets"], 1);
        // 1, 1, 3 against 2.
        assert!((list["eer"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }
}

#[test]
fn the_worst_served_speaker_is_named() {
    let place = Place::new();
    let text = lines(|(e, t, s, l)| {
        let score = if *l && e.contains("s4") { -9.0 } else { *s };
        format!("{e} {t} {score} {}", u8::from(*l))
    });
    place.write("scores", text);
    let list = first(&place, "scores --worst 2");
    let worst = list["worst_speakers"].as_array().unwrap();
    assert_eq!(worst.len(), 2);
    assert_eq!(worst[0]["speaker"], "s4");
    assert_eq!(worst[0]["missed"], 3);
    let answer = place.done("evaluate scores --worst 2 --bootstrap 0");
    answer.prints("worst served speakers");
    answer.prints("3 of 3");
}

/// What `spkver score` writes, and NIST's lists with two channels a recording.
#[test]
fn comments_empty_labels_sides_and_quotes_are_read() {
    let place = Place::new();
    let key = "modelid\tsegmentid\tside\ttargettype\nm1\ts1\ta\ttarget\nm1\ts1\tb\tnontarget\n\
               m2\ts2\ta\ttarget\n";
    place.write("key", key);
    for scores in [
        "m1 s1 2.5\nm1 s1:b -1\nm2 s2 nan # too little speech: 0.1 s, wanted 0.4 s\n",
        "enroll,test,label,score,error\nm1,s1,,2.5,\nm1,s1:b,,-1,\nm2,s2,,,\"too little, \"\"really\"\"\"\n",
        "{\"enroll\":\"m1\",\"test\":\"s1\",\"label\":null,\"score\":2.5,\"error\":null}\n\
         {\"enroll\":\"m1\",\"test\":\"s1:b\",\"label\":null,\"score\":-1}\n\
         {\"enroll\":\"m2\",\"test\":\"s2\",\"score\":null,\"error\":\"silence\"}\n",
    ] {
        place.write("scores", scores);
        let list = first(&place, "key --scores scores");
        assert_eq!(list["targets"], 2);
        assert_eq!(list["refused_targets"], 1);
        assert_eq!(list["eer"], 0.0);
    }
    place.write("quoted", "1 \"my voice\" b\n0 \"my voice\" c\n");
    place.write("scores", "my voice\tb\t1\nmy voice\tc\t0\n");
    let list = first(&place, "quoted --scores scores");
    assert_eq!(list["recordings"], 3);
}

#[test]
fn two_speakers_who_are_one_are_the_pair_that_is_confused_most() {
    let place = Place::new();
    let text = lines(|(e, t, s, l)| {
        let is_pair = e.contains("s1/") && t.contains("s4/");
        let score = if is_pair { 9.0 } else { *s };
        format!("{e} {t} {score} {}", u8::from(*l))
    });
    place.write("scores", text);
    let list = first(&place, "scores --worst 3");
    let pairs = list["confused_pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);
    assert_eq!(pairs[0]["speakers"], json!(["s1", "s4"]));
    for (key, value) in [("nontargets", 9), ("accepted", 9)] {
        assert_eq!(pairs[0][key], value, "{key}");
    }
    for key in ["mean_score", "highest_score"] {
        assert_eq!(pairs[0][key], 9.0, "{key}");
    }
    let answer = place.done("evaluate scores --worst 3 --bootstrap 0");
    answer.prints("scores: most confused pairs");
    answer.prints("s1 and s4");
}

#[test]
fn two_systems_on_the_same_trials_are_compared() {
    let place = Place::new();
    let written = |name: &str, better: f64, backwards: bool| {
        let rows = lines(|(e, t, s, l)| {
            let sign = if *l { 1.0 } else { -1.0 };
            format!("{e} {t} {} {}", s + better * sign, u8::from(*l))
        });
        let mut rows: Vec<&str> = rows.lines().collect();
        if backwards {
            rows.reverse();
        }
        place.write(name, rows.join("\n"));
    };
    written("a", 0.0, false);
    written("b", 3.0, false);
    written("b2", 3.0, true);
    let others = "0 x/1 y/1 1\n1 x/1 x/2 2\n1 y/1 y/2 2\n0 x/2 y/2 3\n";
    place.write("others", others);
    let found = evaluated(&place, "a b b2 a others");
    let differences = found["differences"].as_array().unwrap();
    // Other speakers cannot be paired with these.
    assert_eq!(differences.len(), 3, "{differences:?}");
    let [better, in_other_order, same] = [0, 1, 2].map(|i| &differences[i]);
    assert_eq!(better["list"], "b");
    assert_eq!(better["against"], "a");
    let eer = |i: usize| found["lists"][i]["eer"].as_f64().unwrap();
    assert_eq!(better["eer"].as_f64().unwrap(), eer(1) - eer(0));
    let high = better["interval"]["high"].as_f64().unwrap();
    assert!(high < 0.0, "{better}");
    // The draws are of the same speakers, in whatever order the lists name them.
    assert_eq!(better["interval"], in_other_order["interval"]);
    assert_eq!(same["eer"], 0.0);
    assert_eq!(same["interval"], json!({"low": 0.0, "high": 0.0}));
    let answer = place.done("evaluate a b --report r.html --bootstrap 50");
    answer.prints("b against a: EER -");
    has(&place.read("r.html"), "more than chance explains");
}
