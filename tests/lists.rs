//! Every form of list means the same trials to every command that reads lists.

mod program;

use program::{Answer, Place};
use serde_json::Value;
use std::fs;

const NUM_SPEAKERS: usize = 5;
const RECORDINGS: usize = 3;

/// A trial: both names, its score, and whether it is a target trial.
type Trial = (String, String, f64, bool);

fn name(recording: usize) -> String {
    format!("s{}/{}.wav", recording / RECORDINGS, recording % RECORDINGS)
}

/// All pairs of recordings, with some scores on the wrong side of others.
fn trials() -> Vec<Trial> {
    let all = NUM_SPEAKERS * RECORDINGS;
    let pairs = (0..all).flat_map(|a| (a + 1..all).map(move |b| (a, b)));
    let trial = |(a, b): (usize, usize)| {
        let same = a / RECORDINGS == b / RECORDINGS;
        let noise = ((a * 31 + b * 17) as f64).sin() * 3.0;
        let score = noise + if same { 2.0 } else { -2.0 };
        // As many digits as every form keeps.
        let score = (score * 1000.0).round() / 1000.0;
        (name(a), name(b), score, same)
    };
    pairs.map(trial).collect()
}

fn lines(line: impl Fn(&Trial) -> String) -> String {
    trials().iter().map(|trial| line(trial) + "\n").collect()
}

/// What a list can be used for.
#[derive(Clone, Copy, PartialEq)]
enum Has {
    /// Trials to score, not to judge.
    Names,
    /// Trials to judge with other scores.
    Labels,
    /// Scores for trials of another list.
    Scores,
    /// Scores to judge.
    Both,
}

/// Name, text, and what there is in it.
fn forms() -> Vec<(&'static str, String, Has)> {
    let words = |yes: &'static str, no: &'static str| {
        lines(|(e, t, _, same)| format!("{e} {t} {}", if *same { yes } else { no }))
    };
    let bit = |same: &bool| u8::from(*same);
    let word = |same: &bool| if *same { "target" } else { "nontarget" };
    let voxceleb = lines(|(e, t, _, l)| format!("{} {e} {t}", bit(l)));
    let windows = voxceleb.replace('\n', "\r\n\r\n");
    let header = |header: &str, rows: String| format!("{header}\n{rows}");
    use Has::*;
    vec![
        ("VoxCeleb", voxceleb.clone(), Labels),
        ("Kaldi", words("target", "nontarget"), Labels),
        (
            "no last line feed",
            words("1", "0").trim_end().into(),
            Labels,
        ),
        ("tgt, imp", words("tgt", "imp"), Labels),
        ("True, False", words("True", "False"), Labels),
        ("same, different", words("same", "different"), Labels),
        ("TARGET, NON", words("TARGET", "NON"), Labels),
        (
            "word first",
            lines(|(e, t, _, l)| format!("{} {e} {t}", word(l))),
            Labels,
        ),
        ("Windows", format!("\u{feff}{windows}"), Labels),
        ("tabs", voxceleb.replace(' ', "\t"), Labels),
        ("several blanks", voxceleb.replace(' ', "   "), Labels),
        ("commas", voxceleb.replace(' ', ","), Labels),
        ("semicolons", voxceleb.replace(' ', ";"), Labels),
        (
            "quotes",
            lines(|(e, t, _, l)| format!("{} \"{e}\" \"{t}\"", bit(l))),
            Labels,
        ),
        (
            "comments",
            format!("# label enroll test\n#\n{voxceleb}  # the end\n"),
            Labels,
        ),
        (
            "comments behind",
            voxceleb.replace('\n', " # checked\n"),
            Labels,
        ),
        (
            "CSV of paths",
            header(
                "enrol_path,test_path,label",
                lines(|(e, t, _, l)| format!("{e},{t},{}", bit(l))),
            ),
            Labels,
        ),
        (
            "CSV with semicolons",
            header(
                "Label;Enroll;Test;note",
                lines(|(e, t, _, l)| format!("{};{e};\"{t}\";", word(l))),
            ),
            Labels,
        ),
        (
            "NIST",
            header(
                "modelid\tsegmentid\tside\ttargettype",
                lines(|(e, t, _, l)| format!("{e}\t{t}\ta\t{}", word(l))),
            ),
            Labels,
        ),
        (
            "NIST key",
            header("model_id segment_id key", words("target", "nontarget")),
            Labels,
        ),
        (
            "NIST key with another column",
            header(
                "modelid\tsegment\ttargettype\tgender",
                lines(|(e, t, _, l)| format!("{e}\t{t}\t{}\tf", word(l))),
            ),
            Labels,
        ),
        (
            "JSON lines",
            lines(|(e, t, _, l)| format!(r#"{{"enrol":"{e}","test":"{t}","label":{}}}"#, bit(l))),
            Labels,
        ),
        (
            "JSON lines of NIST",
            lines(|(e, t, _, l)| {
                format!(r#"{{"x":[{{}}],"key":{l},"model_id":"{e}","segment_id":"{t}"}}"#)
            }),
            Labels,
        ),
        ("pairs", lines(|(e, t, ..)| format!("{e} {t}")), Names),
        (
            "CSV of pairs",
            lines(|(e, t, ..)| format!("{e},{t}")),
            Names,
        ),
        (
            "NIST's trials",
            header(
                "modelid\tsegmentid\tside",
                lines(|(e, t, ..)| format!("{e}\t{t}\ta")),
            ),
            Names,
        ),
        (
            "header without labels",
            header("enroll,test", lines(|(e, t, ..)| format!("{e},{t}"))),
            Names,
        ),
        (
            "scores",
            lines(|(e, t, s, _)| format!("{e} {t} {s}")),
            Scores,
        ),
        (
            "CSV of scores",
            header(
                "enroll,test,label,score,error",
                lines(|(e, t, s, _)| format!("{e},\"{t}\",,{s},")),
            ),
            Scores,
        ),
        (
            "NIST's scores",
            header(
                "modelid\tsegmentid\tside\tLLR",
                lines(|(e, t, s, _)| format!("{e}\t{t}\ta\t{s}")),
            ),
            Scores,
        ),
        (
            "score, label",
            lines(|(e, t, s, l)| format!("{e} {t} {s} {}", bit(l))),
            Both,
        ),
        (
            "label, score",
            lines(|(e, t, s, l)| format!("{e} {t} {} {s}", word(l))),
            Both,
        ),
        (
            "score, tgt or imp",
            lines(|(e, t, s, l)| format!("{e} {t} {s} {}", if *l { "tgt" } else { "imp" })),
            Both,
        ),
        (
            "label first, score last",
            lines(|(e, t, s, l)| format!("{} {e} {t} {s}", bit(l))),
            Both,
        ),
        (
            "CSV of scores and labels",
            header(
                "score,label,enrol,test,error\r",
                lines(|(e, t, s, l)| format!("{s},{},\"{e}\",{t},\r", bit(l))),
            ),
            Both,
        ),
        (
            "NIST's scores with the key",
            header(
                "modelid\tsegmentid\tside\ttargettype\tLLR",
                lines(|(e, t, s, l)| format!("{e}\t{t}\ta\t{}\t{s}", word(l))),
            ),
            Both,
        ),
        (
            "JSON lines of scores",
            lines(|(e, t, s, l)| {
                format!(r#"{{"enroll":"{e}","test":"{t}","score":{s},"label":{l}}}"#)
            }),
            Both,
        ),
    ]
}

/// A folder with a vector for each recording, so that nothing has to be heard.
fn place() -> Place {
    let place = Place::new();
    let vector = |recording: usize| {
        let values = (0..4).map(|i| ((recording * 7 + i * 3) as f64).cos().to_string());
        let values = values.collect::<Vec<_>>().join(",");
        format!(
            "{{\"id\":\"{}\",\"embedding\":[{values}]}}\n",
            name(recording)
        )
    };
    let vectors: String = (0..NUM_SPEAKERS * RECORDINGS).map(vector).collect();
    place.write("vectors.jsonl", vectors);
    place
}

fn say(place: &Place, args: &[&str]) -> Answer {
    Answer::of(&mut place.command(args))
}

/// The rows of `score`.
fn scored(place: &Place, list: &str) -> Answer {
    say(place, &["score", list, "--embeddings", "vectors.jsonl"])
}

/// What `evaluate` says of a list, but for its name.
#[track_caller]
fn judged(place: &Place, args: &[&str]) -> Value {
    let flags = ["--bootstrap", "50", "--json"];
    let answer = say(place, &[&["evaluate"], args, &flags].concat());
    assert_eq!(answer.code, 0, "{args:?}: {}", answer.stderr);
    let mut list = answer.json()["lists"][0].take();
    list["list"].take();
    list
}

/// What `calibrate` writes.
#[track_caller]
fn calibrated(place: &Place, list: &str, scores: &str) -> String {
    let args = ["calibrate", list, "--scores", scores, "-o", "calibration"];
    let answer = say(place, &args);
    assert_eq!(answer.code, 0, "{list}: {}", answer.stderr);
    let written = place.read("calibration");
    fs::remove_file(place.path("calibration")).unwrap();
    written
}

#[track_caller]
fn refused(answer: &Answer, fact: &str) {
    assert_eq!(answer.code, 2, "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stderr.contains(fact), "{fact}: {}", answer.stderr);
}

#[test]
fn every_form_of_list_is_the_same_trials_to_every_command() {
    let place = place();
    for (form, text, _) in forms() {
        place.write(form, text);
    }
    // What `score` writes in Parquet has scores of its own, which `calibrate` does not look at.
    let args = ["--embeddings", "vectors.jsonl", "-o", "scored.parquet"];
    assert_eq!(
        say(&place, &[&["score", "VoxCeleb"], &args[..]].concat()).code,
        0
    );
    let mut forms: Vec<(&str, Has)> = forms().iter().map(|(form, _, has)| (*form, *has)).collect();
    forms.push(("scored.parquet", Has::Labels));

    let rows = scored(&place, "VoxCeleb").stdout;
    assert_eq!(rows.lines().count(), trials().len());
    let figures = judged(&place, &["VoxCeleb", "--scores", "scores"]);
    assert_eq!(figures["trials"], trials().len());
    assert_eq!(figures["speakers"], NUM_SPEAKERS);
    assert_ne!(figures["eer"], 0.0);
    let calibration = calibrated(&place, "VoxCeleb", "scores");
    for (form, has) in forms {
        let answer = scored(&place, form);
        assert_eq!(
            (answer.code, &answer.stdout),
            (0, &rows),
            "{form}: {}",
            answer.stderr
        );
        match has {
            Has::Labels if form == "scored.parquet" => {
                let found = judged(&place, &[form]);
                for key in ["trials", "targets", "nontargets"] {
                    assert_eq!(found[key], figures[key], "{form}");
                }
            }
            Has::Labels => {
                let found = judged(&place, &[form, "--scores", "scores"]);
                assert_eq!(found, figures, "{form}");
            }
            Has::Both => assert_eq!(judged(&place, &[form]), figures, "{form}"),
            Has::Names | Has::Scores => {
                refused(&say(&place, &["evaluate", form]), "without a label");
                let args = ["calibrate", form, "--scores", "scores", "-o", "calibration"];
                refused(&say(&place, &args), "without a label");
            }
        }
        if matches!(has, Has::Scores | Has::Both) {
            let found = judged(&place, &["VoxCeleb", "--scores", form]);
            assert_eq!(found, figures, "{form}");
            assert_eq!(calibrated(&place, "VoxCeleb", form), calibration, "{form}");
        }
        if matches!(has, Has::Labels | Has::Both) {
            assert_eq!(calibrated(&place, form, "scores"), calibration, "{form}");
        }
    }
}

#[test]
fn a_file_of_scores_and_labels_alone_is_judged() {
    let place = place();
    place.write(
        "named",
        lines(|(e, t, s, l)| format!("{e} {t} {s} {}", u8::from(*l))),
    );
    let figures =
        |list: Value| ["trials", "targets", "nontargets", "eer"].map(|key| list[key].clone());
    let wanted = figures(judged(&place, &["named"]));
    let bare =
        |yes: &str, no: &str| lines(|(.., s, l)| format!("{s} {}", if *l { yes } else { no }));
    for text in [
        bare("1", "0"),
        bare("tgt", "imp"),
        format!("score,label\n{}", bare("True", "False").replace(' ', ",")),
    ] {
        place.write("bare", text);
        assert_eq!(figures(judged(&place, &["bare"])), wanted);
    }
    refused(
        &scored(&place, "bare"),
        "bare:1: scores with labels, and no names",
    );
    let calibrate = ["calibrate", "bare", "-o", "model"];
    refused(
        &say(&place, &calibrate),
        "bare:1: scores with labels, and no names",
    );
}

#[test]
fn a_trial_that_is_target_and_nontarget_is_named() {
    let place = place();
    place.write("list", "1 a b\n0 a c\n# again\n0 a b\n");
    place.write("scores", "a b 1\na c 0\n");
    let fact = "list:4: a b is a target trial in line 1 and a nontarget trial in line 4";
    refused(
        &say(&place, &["evaluate", "list", "--scores", "scores"]),
        fact,
    );
    let calibrate = [
        "calibrate",
        "list",
        "--scores",
        "scores",
        "-o",
        "calibration",
    ];
    refused(&say(&place, &calibrate), fact);
}

#[test]
fn long_lines_have_one_limit() {
    let place = place();
    let list = |length: usize| {
        let name = "x".repeat(length);
        place.write(
            "list",
            format!("{name} s0/0.wav 1 1\ns0/0.wav {name} 0 0\n"),
        );
    };
    list(200_000);
    assert_eq!(judged(&place, &["list"])["trials"], 2);
    assert_eq!(scored(&place, "list").stdout.lines().count(), 2);
    list(3 << 20);
    refused(
        &say(&place, &["evaluate", "list"]),
        "list:1: longer than 1 MiB",
    );
    refused(&scored(&place, "list"), "list:1: longer than 1 MiB");
}

#[test]
fn broken_lists_are_named_by_line() {
    let place = place();
    let cases: &[(&[u8], &str)] = &[
        (b"a b 1.5\n", "a score without a label"),
        (b"a b 1 1\na b inf 1\n", "list:2: score \"inf\""),
        (b"a b 1 1\na b 1 maybe\n", "list:2: label \"maybe\""),
        (b"a b 1 1\na b 1\n", "list:2: 3 fields instead of 4"),
        (b"1 a b\n1 a \xe9\n", "list:2: not UTF-8"),
        (
            b"enrol,test,score,label\na,b,1\n",
            "list:2: 3 fields instead of 4",
        ),
        (
            b"{\"enrol\":\"a\",\"test\":\"b\",\"label\":1}\n{\"enrol\":1}\n",
            "list:2: ",
        ),
        (
            b"{\"enrol\":\"a\",\"test\":\"b\",\"label\":1}\n[]\n",
            "list:2: ",
        ),
        (b"a b c d e\n", "list:1: 5 fields"),
    ];
    for (bytes, wanted) in cases {
        place.write("list", bytes);
        let answer = say(&place, &["evaluate", "list"]);
        refused(&answer, wanted);
        assert_eq!(answer.stdout, "");
    }
    fs::write(place.path("list"), vec![b'a'; 1 << 20]).unwrap();
    refused(&say(&place, &["evaluate", "list"]), "longer than");
    // Two scores for one pair; the list's second trial in no line.
    place.write("list", "1 a b\n0 a c\n");
    for (text, wanted) in [
        ("a c 1\na b 2\na c 3\n", "scores:3: a c has another score"),
        ("a b 2\n", "list:2: scores has no score of this trial"),
        ("a c 1\n", "list:1: scores has no score of this trial"),
    ] {
        place.write("scores", text);
        let answer = say(&place, &["evaluate", "list", "--scores", "scores"]);
        refused(&answer, wanted);
    }
}

#[test]
fn lists_that_mean_nothing_are_refused_alike() {
    let place = place();
    for (text, fact) in [
        ("", "list:1: no trials"),
        ("a b c\n", "list:1: 3 fields without a label or a score"),
        ("1 my voice.wav b\n", "list:1: 4 fields"),
        ("a b target\nc d\n", "list:2: 2 fields instead of 3"),
        ("a\n", "list:1: 1 fields instead of 2 to 4"),
        ("1 a \"b\n", "list:1: a quote that is not closed"),
        ("1 a b\n\nmaybe a b\n", "list:3: label \"maybe\""),
        ("a b 1.5 1\na b x 1\n", "list:2: score \"x\""),
        (
            "enroll,test,label\na,,1\n",
            "list:2: a recording without a name",
        ),
        ("enroll\ttest\tside\na\tb\tc\n", "list:2: side \"c\""),
        ("{\"enroll\":\"a\",\"label\":1}\n", "list:1: no \"test\""),
    ] {
        place.write("list", text);
        for answer in [scored(&place, "list"), say(&place, &["evaluate", "list"])] {
            refused(&answer, fact);
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let place = place();
    let bytes = "\u{feff}missing.wav\nmissing.wav\n";
    place.write("paths", bytes);
    let stream = fs::File::open(place.path("paths")).unwrap();
    let answer = Answer::of(place.command(["score", "--jsonl", "--stdin"]).stdin(stream));
    let rows: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);

    // Two vectors of one number.
    let mut array = b"\x93NUMPY\x01\0\x76\0".to_vec();
    array.extend(
        format!(
            "{:117}\n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"
        )
        .bytes(),
    );
    array.extend([1.0f32, -1.0].iter().flat_map(|v| v.to_le_bytes()));
    place.write("v.npy", array);
    place.write("ids", "\u{feff}a\r\nb\r\n");
    place.write("pairs", "a b\n");
    let args = ["score", "pairs", "--embeddings", "v.npy", "--ids", "ids"];
    assert_eq!(say(&place, &args).stdout, "a b -1.0\n");
}

#[test]
fn an_id_of_two_files_and_a_command_are_refused_in_every_list() {
    let place = place();
    fs::create_dir(place.path("data")).unwrap();
    let scp = |text: &str| {
        place.write("wav.scp", text);
        place.write("data/wav.scp", text);
    };
    let embed = |from: &[&str]| say(&place, &[&["embed", "-v", "-o", "o.jsonl"], from].concat());
    let ways: [&[&str]; 2] = [&["--list", "wav.scp"], &["--data", "data"]];
    scp("a1 anna-1.wav\na1 boris-1.wav\n");
    for from in ways {
        refused(
            &embed(from),
            "wav.scp:2: a line above gives a1 the file anna-1.wav, this line boris-1.wav",
        );
    }
    scp("a1 sox anna-1.wav -t wav - |\n");
    for from in ways {
        let answer = embed(from);
        assert_eq!(answer.code, 3, "{}", answer.stderr);
        let said = &answer.stderr;
        assert!(
            said.contains("`sox anna-1.wav -t wav - |`") && said.contains("commands are not run"),
            "{said}"
        );
    }
    scp("a1 nowhere/anna-1.wav\na1 nowhere/anna-1.wav\n");
    for from in ways {
        let answer = embed(from);
        assert!(
            answer.stderr.contains("nowhere/anna-1.wav): cannot read"),
            "{}",
            answer.stderr
        );
        let rows = place.read("o.jsonl");
        assert_eq!(rows.lines().count(), 1, "{rows}");
    }
}
