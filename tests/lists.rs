//! Every form of list means the same trials to every command that reads lists.

mod program;

use program::{Answer, Place, words};
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
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// Name, what a list of this form has, its words for target and nontarget, the line of a trial, and
/// what stands above the lines. In the line, E and T are the recordings, S is the score and L the word.
const FORMS: &str = r#"
VoxCeleb                     | Labels | 1 0              | L E T           |
Kaldi                        | Labels | target nontarget | E T L           |
tgt, imp                     | Labels | tgt imp          | E T L           |
True, False                  | Labels | True False       | E T L           |
same, different              | Labels | same different   | E T L           |
TARGET, NON                  | Labels | TARGET NON       | E T L           |
word first                   | Labels | target nontarget | L E T           |
Windows                      | Labels | 1 0              | L E T\r\n\r     | BOM
tabs                         | Labels | 1 0              | L\tE\tT         |
several blanks               | Labels | 1 0              | L   E   T       |
commas                       | Labels | 1 0              | L,E,T           |
semicolons                   | Labels | 1 0              | L;E;T           |
quotes                       | Labels | 1 0              | L "E" "T"       |
comments                     | Labels | 1 0              | L E T\n  # next | # label enroll test\n#\n
comments behind              | Labels | 1 0              | L E T # checked |
CSV of paths                 | Labels | 1 0              | E,T,L           | enrol_path,test_path,label\n
CSV with semicolons          | Labels | target nontarget | L;E;"T";        | Label;Enroll;Test;note\n
NIST                         | Labels | target nontarget | E\tT\ta\tL      | modelid\tsegmentid\tside\ttargettype\n
NIST key                     | Labels | target nontarget | E T L           | model_id segment_id key\n
NIST key with another column | Labels | target nontarget | E\tT\tL\tf      | modelid\tsegment\ttargettype\tgender\n
JSON lines                   | Labels | 1 0              | {"enrol":"E","test":"T","label":L} |
JSON lines of NIST           | Labels | true false       | {"x":[{}],"key":L,"model_id":"E","segment_id":"T"} |
pairs                        | Names  | 1 0              | E T             |
CSV of pairs                 | Names  | 1 0              | E,T             |
NIST's trials                | Names  | 1 0              | E\tT\ta         | modelid\tsegmentid\tside\n
header without labels        | Names  | 1 0              | E,T             | enroll,test\n
scores                       | Scores | 1 0              | E T S           |
CSV of scores                | Scores | 1 0              | E,"T",,S,       | enroll,test,label,score,error\n
NIST's scores                | Scores | 1 0              | E\tT\ta\tS      | modelid\tsegmentid\tside\tLLR\n
score, label                 | Both   | 1 0              | E T S L         |
label, score                 | Both   | target nontarget | E T L S         |
score, tgt or imp            | Both   | tgt imp          | E T S L         |
label first, score last      | Both   | 1 0              | L E T S         |
CSV of scores and labels     | Both   | 1 0              | S,L,"E",T,\r    | score,label,enrol,test,error\r\n
NIST's scores with the key   | Both   | target nontarget | E\tT\ta\tL\tS   | modelid\tsegmentid\tside\ttargettype\tLLR\n
JSON lines of scores         | Both   | true false       | {"enroll":"E","test":"T","score":S,"label":L} |
"#;

/// A list of all trials, with such lines.
fn list(line: &str, words: &str) -> String {
    let (yes, no) = words.split_once(' ').unwrap();
    lines(|(enroll, test, score, same)| {
        let line = line.replace('E', enroll).replace('T', test);
        let line = line.replace('S', &score.to_string());
        line.replace('L', if *same { yes } else { no })
    })
}

/// Name, text, and what there is in it.
fn forms() -> Vec<(&'static str, String, Has)> {
    let plain = |column: &str| {
        let column = column.replace(r"\t", "\t").replace(r"\r", "\r");
        column.replace(r"\n", "\n").replace("BOM", "\u{feff}")
    };
    let form = |row: &'static str| {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, has, words, line, header] = columns[..] else {
            panic!("{row}");
        };
        let all = [Has::Names, Has::Labels, Has::Scores, Has::Both];
        let has = all.into_iter().find(|of| format!("{of:?}") == has);
        let text = plain(header) + &list(&plain(line), words);
        (name, text, has.unwrap())
    };
    let mut forms: Vec<_> = FORMS.trim().lines().map(form).collect();
    let last_line_open = list("E T L", "1 0").trim_end().to_string();
    forms.push(("no last line feed", last_line_open, Has::Labels));
    forms
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

/// The line that scores a list.
fn score(list: &str) -> String {
    format!("score {list} --embeddings vectors.jsonl")
}

/// The line that calibrates the scores of a list.
fn calibrate(list: &str) -> String {
    format!("calibrate {list} --scores scores -o calibration")
}

/// What `evaluate` says of a list, but for its name.
#[track_caller]
fn judged(place: &Place, list: &str) -> Value {
    let mut json = place.json(&format!("evaluate {list} --bootstrap 50"));
    let mut list = json["lists"][0].take();
    list["list"].take();
    list
}

/// What `calibrate` writes.
#[track_caller]
fn calibrated(place: &Place, list: &str, scores: &str) -> String {
    place.done(&format!(
        "calibrate {list} --scores {scores} -o calibration"
    ));
    let written = place.read("calibration");
    fs::remove_file(place.path("calibration")).unwrap();
    written
}

#[test]
fn every_form_of_list_is_the_same_trials_to_every_command() {
    let place = place();
    // Names of files without blanks.
    let forms = forms().into_iter().map(|(name, text, has)| {
        let file = name.replace(' ', "-");
        place.write(&file, text);
        (file, has)
    });
    let mut forms: Vec<(String, Has)> = forms.collect();
    // What `score` writes in Parquet has scores of its own, which `calibrate` does not look at.
    place.done(&format!("{} -o scored.parquet", score("VoxCeleb")));
    forms.push(("scored.parquet".to_string(), Has::Labels));

    let rows = place.done(&score("VoxCeleb")).stdout;
    assert_eq!(rows.lines().count(), trials().len());
    let figures = judged(&place, "VoxCeleb --scores scores");
    assert_eq!(figures["trials"], trials().len());
    assert_eq!(figures["speakers"], NUM_SPEAKERS);
    assert_ne!(figures["eer"], 0.0);
    let calibration = calibrated(&place, "VoxCeleb", "scores");
    for (form, has) in &forms {
        assert_eq!(place.done(&score(form)).stdout, rows, "{form}");
        match has {
            Has::Labels if form == "scored.parquet" => {
                let found = judged(&place, form);
                for key in ["trials", "targets", "nontargets"] {
                    assert_eq!(found[key], figures[key], "{form}");
                }
            }
            Has::Labels => {
                let found = judged(&place, &format!("{form} --scores scores"));
                assert_eq!(found, figures, "{form}");
            }
            Has::Both => assert_eq!(judged(&place, form), figures, "{form}"),
            Has::Names | Has::Scores => {
                place.refused(&format!("evaluate {form}"), 2, "without a label");
                place.refused(&calibrate(form), 2, "without a label");
            }
        }
        if matches!(has, Has::Scores | Has::Both) {
            let found = judged(&place, &format!("VoxCeleb --scores {form}"));
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
    place.write("named", list("E T S L", "1 0"));
    let figures =
        |list: Value| ["trials", "targets", "nontargets", "eer"].map(|key| list[key].clone());
    let wanted = figures(judged(&place, "named"));
    let csv = format!("score,label\n{}", list("S,L", "True False"));
    for text in [list("S L", "1 0"), list("S L", "tgt imp"), csv] {
        place.write("bare", text);
        assert_eq!(figures(judged(&place, "bare")), wanted);
    }
    let fact = "bare:1: scores with labels, and no names";
    place.refused(&score("bare"), 2, fact);
    place.refused("calibrate bare -o model", 2, fact);
}

#[test]
fn a_trial_that_is_target_and_nontarget_is_named() {
    let place = place();
    place.write("list", "1 a b\n0 a c\n# again\n0 a b\n");
    place.write("scores", "a b 1\na c 0\n");
    let fact = "list:4: a b is a target trial in line 1 and a nontarget trial in line 4";
    place.refused("evaluate list --scores scores", 2, fact);
    place.refused(&calibrate("list"), 2, fact);
}

#[test]
fn long_lines_have_one_limit() {
    let place = place();
    let list = |length: usize| {
        let name = "x".repeat(length);
        let lines = format!("{name} s0/0.wav 1 1\ns0/0.wav {name} 0 0\n");
        place.write("list", lines);
    };
    list(200_000);
    assert_eq!(judged(&place, "list")["trials"], 2);
    assert_eq!(place.say(&score("list")).stdout.lines().count(), 2);
    list(3 << 20);
    place.refused("evaluate list", 2, "list:1: longer than 1 MiB");
    place.refused(&score("list"), 2, "list:1: longer than 1 MiB");
}

#[test]
fn broken_lists_are_named_by_line() {
    let place = place();
    let trial = r#"{"enrol":"a","test":"b","label":1}"#;
    for (text, fact) in [
        ("a b 1.5\n", "a score without a label"),
        ("a b 1 1\na b inf 1\n", "list:2: score \"inf\""),
        ("a b 1 1\na b 1 maybe\n", "list:2: label \"maybe\""),
        ("a b 1 1\na b 1\n", "list:2: 3 fields instead of 4"),
        (
            "enrol,test,score,label\na,b,1\n",
            "list:2: 3 fields instead of 4",
        ),
        (&format!("{trial}\n{{\"enrol\":1}}\n"), "list:2: "),
        (&format!("{trial}\n[]\n"), "list:2: "),
        ("a b c d e\n", "list:1: 5 fields"),
        (&"a".repeat(1 << 20), "longer than"),
    ] {
        place.write("list", text);
        place.refused("evaluate list", 2, fact);
    }
    place.write("list", b"1 a b\n1 a \xe9\n");
    place.refused("evaluate list", 2, "list:2: not UTF-8");
    // Two scores for one pair; the list's second trial in no line.
    place.write("list", "1 a b\n0 a c\n");
    for (text, fact) in [
        ("a c 1\na b 2\na c 3\n", "scores:3: a c has another score"),
        ("a b 2\n", "list:2: scores has no score of this trial"),
        ("a c 1\n", "list:1: scores has no score of this trial"),
    ] {
        place.write("scores", text);
        place.refused("evaluate list --scores scores", 2, fact);
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
        place.refused(&score("list"), 2, fact);
        place.refused("evaluate list", 2, fact);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let place = place();
    let paths = place.write("paths", "\u{feff}missing.wav\nmissing.wav\n");
    let stream = fs::File::open(paths).unwrap();
    let answer = Answer::of(place.command(words("score --jsonl --stdin")).stdin(stream));
    let rows: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);

    // Two vectors of one number.
    let mut array = b"\x93NUMPY\x01\0\x76\0".to_vec();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
    array.extend(format!("{header:117}\n").bytes());
    array.extend([1.0f32, -1.0].iter().flat_map(|v| v.to_le_bytes()));
    place.write("v.npy", array);
    place.write("ids", "\u{feff}a\r\nb\r\n");
    place.write("pairs", "a b\n");
    let scored = place.say("score pairs --embeddings v.npy --ids ids");
    assert_eq!(scored.stdout, "a b -1.0\n");
}

#[test]
fn an_id_of_two_files_and_a_command_are_refused_in_every_list() {
    let place = place();
    fs::create_dir(place.path("data")).unwrap();
    let scp = |text: &str| {
        place.write("wav.scp", text);
        place.write("data/wav.scp", text);
    };
    let ways = ["--list wav.scp", "--data data"].map(|from| format!("embed -v -o o.jsonl {from}"));
    scp("a1 anna-1.wav\na1 boris-1.wav\n");
    for line in &ways {
        let fact = "wav.scp:2: a line above gives a1 the file anna-1.wav, this line boris-1.wav";
        place.refused(line, 2, fact);
    }
    scp("a1 sox anna-1.wav -t wav - |\n");
    for line in &ways {
        let answer = place.say(line);
        assert_eq!(answer.code, 3, "{}", answer.stderr);
        answer.warns("`sox anna-1.wav -t wav - |`");
        answer.warns("commands are not run");
    }
    scp("a1 nowhere/anna-1.wav\na1 nowhere/anna-1.wav\n");
    for line in &ways {
        let answer = place.say(line);
        answer.warns("nowhere/anna-1.wav): cannot read");
        let rows = place.read("o.jsonl");
        assert_eq!(rows.lines().count(), 1, "{rows}");
    }
}
