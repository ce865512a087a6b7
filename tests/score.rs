//! `spkver score` and `spkver embed` on lists, as a user sees them: all list formats, errors as
//! rows, resuming killed runs, streams.

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A folder with links to the repository's voices.
struct Place(tempfile::TempDir);

struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

const VOICES: [&str; 6] = [
    "anna-1", "anna-2", "boris-1", "boris-2", "chloe-1", "chloe-2",
];

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        let voices = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
        for name in VOICES.iter().chain(&["silence"]) {
            let file = format!("{name}.wav");
            fs::copy(voices.join(&file), place.path(&file)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spkver"));
        command
            .args(line.split(' '))
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .stdin(Stdio::null());
        command
    }

    fn say(&self, line: &str) -> Answer {
        let output = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let answer = Answer {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        answer
    }

    /// The rows of a list, on stdout.
    #[track_caller]
    fn rows(&self, line: &str) -> Vec<String> {
        let answer = self.say(line);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        answer.stdout.lines().map(String::from).collect()
    }

    /// The score that `compare` gives, as JSON has it.
    fn compare(&self, a: &str, b: &str) -> String {
        let answer = self.say(&format!("compare --json {a} {b}"));
        let json: Value = serde_json::from_str(&answer.stdout).unwrap();
        json["llr"].to_string()
    }

    /// Nothing of an unfinished run is left.
    fn is_tidy(&self) -> bool {
        let mut names = fs::read_dir(self.0.path()).unwrap();
        !names.any(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.contains(".partial") || name.contains(".state") || name.starts_with(".spkver")
        })
    }
}

// ---- lists

#[test]
fn every_form_of_list_gives_the_scores_of_compare() {
    let place = Place::new();
    let expected: Vec<String> = [("anna-1", "anna-2"), ("anna-1", "boris-1")]
        .map(|(a, b)| {
            format!(
                "{a}.wav {b}.wav {}",
                place.compare(&format!("{a}.wav"), &format!("{b}.wav"))
            )
        })
        .to_vec();
    for (form, text) in [
        (
            "VoxCeleb",
            "1 anna-1.wav anna-2.wav\n0 anna-1.wav boris-1.wav\n",
        ),
        (
            "Kaldi",
            "anna-1.wav anna-2.wav target\nanna-1.wav boris-1.wav nontarget\n",
        ),
        (
            "numbers last",
            "anna-1.wav anna-2.wav 1\nanna-1.wav boris-1.wav 0",
        ),
        ("pairs", "anna-1.wav anna-2.wav\nanna-1.wav boris-1.wav\n"),
        (
            "Windows",
            "\u{feff}1 anna-1.wav anna-2.wav\r\n\r\n0 anna-1.wav boris-1.wav\r\n",
        ),
        (
            "NIST",
            "modelid\tsegmentid\tside\nanna-1.wav\tanna-2.wav\ta\nanna-1.wav\tboris-1.wav\ta\n",
        ),
        (
            "NIST key",
            "modelid\tsegment\ttargettype\tgender\nanna-1.wav\tanna-2.wav\ttarget\tf\nanna-1.wav\tboris-1.wav\tnontarget\tf\n",
        ),
        (
            "quotes",
            "1 \"anna-1.wav\" anna-2.wav\n0 \"anna-1.wav\" \"boris-1.wav\"\n",
        ),
        ("commas", "anna-1.wav,anna-2.wav\nanna-1.wav,boris-1.wav\n"),
        (
            "header",
            "label,enroll,test\ntarget,anna-1.wav,anna-2.wav\nnontarget,anna-1.wav,boris-1.wav\n",
        ),
    ] {
        place.write("trials", text);
        assert_eq!(place.rows("score trials"), expected, "{form}");
    }
    let swapped = place.compare("anna-2.wav", "anna-1.wav");
    assert!(expected[0].ends_with(&format!(" {swapped}")));
}

#[test]
fn lists_that_cannot_be_read_are_named_with_line_and_remedy() {
    let place = Place::new();
    for (text, fact) in [
        ("", "trials:1: no trials"),
        ("anna boris chloe\n", "trials:1: 3 fields without a label"),
        ("1 a b\nutt1 utt2 utt3\n", "trials:2: label \"utt1\""),
        ("a b target\nc d\n", "trials:2: 2 fields instead of 3"),
        ("1 my voice.wav b.wav\n", "trials:1: 4 fields"),
        ("1 \"a b\n", "trials:1: a quote that is not closed"),
        ("one\n", "trials:1: 1 fields"),
        (
            "modelid\tsegmentid\tside\na\tb\tc\n",
            "trials:2: side \"c\"",
        ),
    ] {
        place.write("trials", text);
        let answer = place.say("score trials -o out.txt");
        assert_eq!((answer.code, &*answer.stdout), (Some(2), ""), "{text:?}");
        assert!(answer.stderr.contains(fact), "{text:?}: {}", answer.stderr);
        assert!(place.is_tidy() && !place.path("out.txt").exists());
    }
    place.write("trials", "a b\n");
    let answer = place.say("score trials -o trials");
    assert!(
        answer.stderr.contains("would be written over"),
        "{}",
        answer.stderr
    );
    let answer = place.say("score trials --format parquet");
    assert!(answer.stderr.contains("give --output"), "{}", answer.stderr);
    place.write("trials", b"1 a \xff\n");
    let answer = place.say("score trials");
    assert!(
        answer.stderr.contains("trials:1: not UTF-8"),
        "{}",
        answer.stderr
    );
}

#[test]
fn spaces_duplicates_and_missing_files_keep_their_rows() {
    let place = Place::new();
    fs::copy(place.path("anna-1.wav"), place.path("my voice.wav")).unwrap();
    place.write(
        "trials",
        "1\tmy voice.wav\tanna-2.wav\n0\tmissing.wav\tanna-2.wav\n1\tmy voice.wav\tanna-2.wav\n\
         0\tanna-2.wav\tsilence.wav\n0\tanna-2.wav\ttrials\n",
    );
    let rows = place.rows("score trials");
    let score = place.compare("anna-1.wav", "anna-2.wav");
    assert_eq!(rows[0], format!("my voice.wav\tanna-2.wav\t{score}"));
    assert!(
        rows[1].starts_with("missing.wav anna-2.wav nan # missing.wav: cannot read"),
        "{}",
        rows[1]
    );
    assert_eq!(rows[2], rows[0]);
    assert!(
        rows[3].contains("nan # silence.wav: the recording is silent;"),
        "{}",
        rows[3]
    );
    assert!(
        rows[4].contains("nan # trials: is text, not audio"),
        "{}",
        rows[4]
    );
    assert_eq!(rows.len(), 5);
    // All refused: no answer, but every row.
    place.write("none", "a b\nc d\n");
    let answer = place.say("score none");
    assert_eq!((answer.code, answer.stdout.lines().count()), (Some(3), 2));
    assert!(
        answer.stderr.contains("4 of 4 recordings"),
        "{}",
        answer.stderr
    );
}

#[test]
fn models_of_several_utterances_score_as_verify_does() {
    let place = Place::new();
    place.say("enroll --force --store s.db anna anna-1.wav anna-2.wav");
    let verified = place.say("verify --json --store s.db anna boris-1.wav");
    let llr = serde_json::from_str::<Value>(&verified.stdout).unwrap()["llr"].to_string();
    let expected = [format!("anna boris-1.wav {llr}")];
    place.write("trials", "anna boris-1.wav\n");
    place.write("models", "anna anna-1.wav anna-2.wav\n");
    assert_eq!(place.rows("score trials --enrollments models"), expected);
    place.write(
        "map",
        "modelid\tsegmentid\nanna\tanna-1.wav\nanna\tanna-2.wav\n",
    );
    assert_eq!(place.rows("score trials --enrollments map"), expected);
    place.write("models", "anna anna-1.wav silence.wav\n");
    let answer = place.say("score trials --enrollments models");
    assert!(
        answer
            .stdout
            .contains("nan # silence.wav: the recording is silent"),
        "{}",
        answer.stdout
    );
    place.write("models", "anna\n");
    let answer = place.say("score trials --enrollments models");
    assert!(
        answer
            .stderr
            .contains("models:1: model anna has no recording"),
        "{}",
        answer.stderr
    );
}

#[test]
fn kaldi_data_folders_name_utterances_speakers_and_segments() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    place.write(
        "data/wav.scp",
        "a1 anna-1.wav\na2 anna-2.wav\nb1 boris-1.wav\np sph2pipe x |\n",
    );
    place.write("data/utt2spk", "a1 anna\na2 anna\nb1 boris\n");
    place.write(
        "trials",
        "anna b1 nontarget\na1 a2 target\na1 p nontarget\na1 zz nontarget\n",
    );
    let rows = place.rows("score trials --data data");
    place.write("models", "anna anna-1.wav anna-2.wav\n");
    place.write("direct", "anna boris-1.wav\n");
    let model = place.rows("score direct --enrollments models");
    assert_eq!(
        rows[0].split(' ').next_back(),
        model[0].split(' ').next_back()
    );
    assert_eq!(
        rows[1],
        format!("a1 a2 {}", place.compare("anna-1.wav", "anna-2.wav"))
    );
    assert!(rows[2].contains("commands are not run"), "{}", rows[2]);
    assert!(rows[3].contains("zz is not in wav.scp"), "{}", rows[3]);

    place.write(
        "data/segments",
        "a1-1 a1 0 1.5\na1-2 a1 1.0 -1\na1-9 a1 90 91\n",
    );
    place.write("data/utt2spk", "a1-1 anna\n");
    place.write("trials", "a1-1 a1-2 target\na1-1 a1-9 target\n");
    let rows = place.rows("score trials --data data");
    assert!(
        rows[0]
            .split(' ')
            .next_back()
            .unwrap()
            .parse::<f32>()
            .is_ok()
    );
    assert!(rows[1].contains("# a1-9: ends after"), "{}", rows[1]);
}

#[test]
fn roots_and_suffixes_complete_the_names() {
    let place = Place::new();
    place.write("trials", "anna-1 anna-2\n");
    let root = place.0.path().display().to_string();
    let rows = place.rows(&format!("score trials --root {root} --suffix .wav"));
    assert_eq!(
        rows,
        [format!(
            "anna-1 anna-2 {}",
            place.compare("anna-1.wav", "anna-2.wav")
        )]
    );
}

// ---- outputs

/// All pairs of the voices, with a missing file among them.
fn all_pairs(place: &Place) -> usize {
    let mut names: Vec<String> = VOICES.iter().map(|v| format!("{v}.wav")).collect();
    names.push("missing.wav".into());
    let mut text = String::new();
    for a in &names {
        for b in &names {
            let label = if a[..4] == b[..4] {
                "target"
            } else {
                "nontarget"
            };
            text += &format!("{a} {b} {label}\n");
        }
    }
    place.write("trials", text);
    names.len() * names.len()
}

/// The parser panics on these; found by flipping bits of what `score` writes.
#[test]
fn a_parquet_file_that_panics_its_parser_is_damaged() {
    let place = Place::new();
    place.write("trials", "1 a.wav b.wav\n");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crashes/parquet");
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let files: Vec<_> = files.collect();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        fs::copy(&file, place.path(name)).unwrap();
        for command in [
            format!("evaluate {name}"),
            format!("evaluate trials --scores {name}"),
            format!("score trials --embeddings {name} -o out"),
        ] {
            let answer = place.say(&command);
            assert_eq!(answer.code, Some(2), "{command}: {}", answer.stderr);
            let said = &answer.stderr;
            assert!(
                said.contains("error: ") && !said.contains("panicked"),
                "{said}"
            );
        }
    }
}

#[test]
fn all_forms_of_output_say_the_same() {
    let place = Place::new();
    let count = all_pairs(&place);
    for name in ["s.txt", "s.csv", "s.jsonl", "s.parquet"] {
        let answer = place.say(&format!("score trials -o {name}"));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        assert!(
            answer
                .stdout
                .contains(&format!("SCORED  {name}  {count} trials of 7"))
        );
    }
    assert!(place.is_tidy());
    let errors = |command: &str| {
        let answer = place.say(&format!("evaluate {command} --json --bootstrap 0"));
        assert_eq!(answer.code, Some(0), "{command}: {}", answer.stderr);
        let mut json: Value = serde_json::from_str(&answer.stdout).unwrap();
        let mut list = json["lists"][0].take();
        list["list"].take();
        let cllr = list["cllr"].take().as_f64().unwrap();
        (list, cllr)
    };
    let of_text = errors("trials --scores s.txt");
    for command in ["trials --scores s.parquet", "s.parquet", "s.csv", "s.jsonl"] {
        let found = errors(command);
        assert_eq!(found.0, of_text.0, "{command}");
        // Text holds the shortest digits that make the same f32, not its value.
        assert!((found.1 - of_text.1).abs() < 1e-6, "{command}");
    }
    let whole = fs::read(place.path("s.parquet")).unwrap();
    fs::write(place.path("cut.parquet"), &whole[..whole.len() - 9]).unwrap();
    let cut = place.say("evaluate cut.parquet");
    assert_eq!(cut.code, Some(2));
    assert!(
        cut.stderr.contains("cut.parquet") && cut.stderr.contains("Parquet"),
        "{}",
        cut.stderr
    );
    let text = place.read("s.txt");
    let csv = place.read("s.csv");
    let json = place.read("s.jsonl");
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    for ((line, csv), json) in text.lines().zip(csv.records()).zip(json.lines()) {
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        let csv = csv.unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        let (enrol, test) = (fields[0], fields[1]);
        assert_eq!(
            (&csv[0], &csv[1], json["enroll"].as_str()),
            (enrol, test, Some(enrol))
        );
        match fields.get(3) {
            Some(why) => {
                assert_eq!(
                    (fields[2], &csv[3], &json["score"]),
                    ("nan", "", &Value::Null)
                );
                assert_eq!(format!("# {}", &csv[4]), *why);
                assert_eq!(json["error"].as_str(), Some(&csv[4]));
            }
            None => {
                assert_eq!(
                    (fields[2], fields[2]),
                    (&csv[3], &*json["score"].to_string())
                );
            }
        }
        assert_eq!(Some(&csv[2]), json["label"].as_str());
    }
    assert_eq!(text.lines().count(), count);
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::RowAccessor,
    };
    let file = fs::File::open(place.path("s.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let mut num_rows = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(text.lines()) {
        let row = row.unwrap();
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        assert_eq!(
            (
                row.get_string(0).unwrap().as_str(),
                row.get_string(1).unwrap().as_str()
            ),
            (fields[0], fields[1])
        );
        match row.get_float(3) {
            Ok(score) => assert_eq!(score.to_bits(), fields[2].parse::<f32>().unwrap().to_bits()),
            Err(_) => assert_eq!(format!("# {}", row.get_string(4).unwrap()), fields[3]),
        }
        num_rows += 1;
    }
    assert_eq!(num_rows, count);
    // What is scored can be measured.
    for name in ["s.txt", "s.csv", "s.jsonl"] {
        let answer = place.say(&format!(
            "evaluate trials --scores {name} --bootstrap 0 --json"
        ));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        let json: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(json["lists"][0]["trials"], count);
    }
}

#[test]
fn bytes_do_not_depend_on_threads_shards_or_cache() {
    let place = Place::new();
    all_pairs(&place);
    for format in ["txt", "csv", "jsonl"] {
        place.say(&format!("score trials -o whole.{format} --threads 1"));
        place.say(&format!(
            "score trials -o two.{format} --threads 2 --cache c.db"
        ));
        let whole = place.read(&format!("whole.{format}"));
        assert_eq!(place.read(&format!("two.{format}")), whole);
        let mut joined = String::new();
        for i in 1..=3 {
            let name = format!("part{i}.{format}");
            let answer = place.say(&format!(
                "score trials -o {name} --shard {i}/3 --cache c.db"
            ));
            assert_eq!(answer.code, Some(0), "{}", answer.stderr);
            joined += &place.read(&name);
        }
        assert_eq!(joined, whole);
    }
    let answer = place.say("score trials -o x --shard 0/3");
    assert_eq!(answer.code, Some(2));
    let answer = place.say("score trials -o x --cache trials");
    assert!(
        answer.stderr.contains("is no file of this program"),
        "{}",
        answer.stderr
    );
    place.say("enroll --store s.db anna anna-1.wav");
    let answer = place.say("score trials -o x --cache s.db");
    assert!(
        answer.stderr.contains("no cache of embeddings"),
        "{}",
        answer.stderr
    );
}

#[test]
fn an_earlier_run_is_not_thrown_away_by_mistake() {
    let place = Place::new();
    all_pairs(&place);
    // What a killed run leaves.
    place.write("out.txt.state", "");
    let answer = place.say("score trials -o out.txt");
    assert_eq!(answer.code, Some(2));
    assert!(
        answer.stderr.contains("go on with --resume"),
        "{}",
        answer.stderr
    );
    let answer = place.say("score trials -o out.txt --resume");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(place.is_tidy());
}

// ---- killed runs

/// Many links to few recordings, one in a hundred malformed.
fn many_recordings(place: &Place, count: usize) {
    fs::create_dir(place.path("many")).unwrap();
    place.write("bad.wav", b"RIFF\x24\0\0\0WAVEfmt broken");
    for i in 0..count {
        let source = match i % 100 {
            50 => "bad.wav".to_string(),
            _ => format!("{}.wav", VOICES[i % VOICES.len()]),
        };
        let link = place.path(&format!("many/{i:05}.wav"));
        fs::hard_link(place.path(&source), link).unwrap();
    }
    let list: String = (0..count)
        .map(|i| format!("many/{i:05}.wav many/{:05}.wav\n", (i * 7 + 1) % count))
        .collect();
    place.write("trials", list);
}

/// Waits until something is noted, then kills without warning.
fn kill_in_the_middle(mut run: Child, state: &Path) -> bool {
    loop {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        let mut log = state.as_os_str().to_os_string();
        log.push("-wal");
        let noted = fs::metadata(&log).map_or(0, |facts| facts.len());
        if noted > 200_000 {
            run.kill().unwrap();
            run.wait().unwrap();
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let place = Place::new();
    many_recordings(&place, 6000);
    for (command, out) in [
        ("score trials", "s.txt"),
        ("score trials", "s.parquet"),
        ("embed many", "e.npz"),
        ("embed many", "e.jsonl"),
    ] {
        let whole = format!("whole-{out}");
        let answer = place.say(&format!("{command} -o {whole}"));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        let expected = fs::read(place.path(&whole)).unwrap();
        let run = place
            .command(&format!("{command} -o {out}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let killed = kill_in_the_middle(run, &place.path(&format!("{out}.state")));
        if killed {
            assert!(
                !place.path(out).exists(),
                "a part under the name of the whole"
            );
            let answer = place.say(&format!("{command} -o {out} --resume"));
            assert_eq!(answer.code, Some(0), "{}", answer.stderr);
            assert!(
                answer.stderr.contains("going on after "),
                "{}",
                answer.stderr
            );
        } else {
            println!("SKIPPED: {out} was complete before it could be killed");
        }
        assert_eq!(fs::read(place.path(out)).unwrap(), expected, "{out}");
    }
    assert!(place.is_tidy());
    let rows = place.read("s.txt");
    assert_eq!(rows.lines().count(), 6000);
    for (i, row) in rows.lines().enumerate() {
        assert!(row.starts_with(&format!("many/{i:05}.wav ")), "{row}");
    }
}

#[test]
fn a_run_that_is_killed_among_the_rows_loses_and_doubles_none() {
    let place = Place::new();
    all_pairs(&place);
    let list = place.read("trials").repeat(20_000);
    place.write("trials", list);
    for format in ["txt", "parquet"] {
        place.say(&format!("score trials -o whole.{format}"));
        let out = format!("out.{format}");
        let partial = place.path(&format!("{out}.partial"));
        let mut run = place
            .command(&format!("score trials -o {out}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let length = || fs::metadata(&partial).map_or(0, |facts| facts.len());
        while length() < 50_000 && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        if partial.exists() {
            // A torn row behind what was noted.
            let mut file = fs::OpenOptions::new().append(true).open(&partial).unwrap();
            file.write_all(b"anna-1.wav anna-").unwrap();
            let answer = place.say(&format!("score trials -o {out} --resume"));
            assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        } else {
            println!("SKIPPED: complete before it could be killed");
        }
        let [whole, out] = [format!("whole.{format}"), out].map(|n| fs::read(place.path(&n)));
        assert!(whole.unwrap() == out.unwrap(), "{format}");
    }
    assert!(place.is_tidy());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_that_can_go_on() {
    let place = Place::new();
    many_recordings(&place, 6000);
    place.say("score trials -o whole.txt");
    let mut run = place
        .command("score trials -o out.txt")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let state = place.path("out.txt.state");
    while !state.exists() && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    let output = run.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("with --resume goes on"), "{text}");
    let answer = place.say("score trials -o out.txt --resume");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(place.read("out.txt"), place.read("whole.txt"));
}

#[test]
fn another_job_does_not_go_on() {
    let place = Place::new();
    many_recordings(&place, 6000);
    let run = place
        .command("score trials -o out.txt")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if !kill_in_the_middle(run, &place.path("out.txt.state")) {
        println!("SKIPPED: complete before it could be killed");
        return;
    }
    place.write("trials", "anna-1.wav anna-2.wav\n");
    let answer = place.say("score trials -o out.txt --resume");
    assert_eq!(answer.code, Some(2));
    assert!(
        answer.stderr.contains("another list, model or flags"),
        "{}",
        answer.stderr
    );
}

// ---- vectors of other systems

#[test]
fn every_file_of_vectors_comes_back() {
    let place = Place::new();
    many_recordings(&place, 120);
    place.write(
        "trials",
        "many/00000.wav many/00001.wav\nmany/00000.wav many/00050.wav\n",
    );
    let expected = place.rows("score trials");
    for name in ["e.npz", "e.ark", "e.parquet", "e.jsonl", "e.txt"] {
        let answer = place.say(&format!("embed many -o {name}"));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        assert!(
            answer.stdout.contains("120 recordings, 1 refused"),
            "{}",
            answer.stdout
        );
        let rows = place.rows(&format!("score trials --embeddings {name} --head"));
        assert_eq!(rows[0], expected[0], "{name}");
        assert!(rows[1].contains("nan # many/00050.wav: "), "{}", rows[1]);
        let cosine = place.rows(&format!("score trials --embeddings {name}"));
        let cosine: f32 = cosine[0].split(' ').next_back().unwrap().parse().unwrap();
        assert!((-1.0..=1.0).contains(&cosine));
    }
    let rows = place.rows("score trials --embeddings e.scp --head");
    assert_eq!(rows[0], expected[0]);
    place.say("embed many -o e.npy --ids e.ids");
    let rows = place.rows("score trials --embeddings e.npy --ids e.ids --head");
    assert_eq!(rows[0], expected[0]);
    assert!(rows[1].contains("the vector is not finite"), "{}", rows[1]);
    place.say("embed many -o e.txt-ark --format ark-text");
    let rows = place.rows("score trials --embeddings e.txt-ark --head");
    assert_eq!(rows[0], expected[0]);
    // Shards, one after the other, are the whole.
    let mut joined = vec![];
    for i in 1..=2 {
        place.say(&format!("embed many -o part.jsonl --shard {i}/2"));
        joined.extend(fs::read(place.path("part.jsonl")).unwrap());
    }
    assert_eq!(joined, fs::read(place.path("e.jsonl")).unwrap());
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let place = Place::new();
    place.write("trials", "a b\n");
    for (text, fact) in [
        ("a 1 2\nb 1 2 3\n", "the vector of b has 3 values"),
        ("a 1 x\n", "line 1: a value that is no number"),
        ("a 1 2\na 1 3\nb 1 2\n", "two different vectors of a"),
        ("\x7fELF\0\0", "line 1: no vector"),
    ] {
        place.write("v", text);
        let answer = place.say("score trials --embeddings v");
        assert_eq!(answer.code, Some(2), "{text:?}");
        assert!(answer.stderr.contains(fact), "{}", answer.stderr);
    }
    place.write("v", "a [ 3 4 ]\nb [ 4 3 ]\n");
    let rows = place.rows("score trials --embeddings v");
    let cosine: f64 = rows[0].strip_prefix("a b ").unwrap().parse().unwrap();
    assert!((cosine - 0.96).abs() < 1e-6, "{cosine}");
    place.write("v", "a 3 4\n");
    let answer = place.say("score trials --embeddings v --head");
    assert!(
        answer.stderr.contains("the vectors have 2 values"),
        "{}",
        answer.stderr
    );
    assert!(place.rows("score trials --embeddings v")[0].contains("nan # b: there is no vector"));
}

// ---- streams

/// Lines in, rows out.
fn stream(place: &Place, lines: &[u8]) -> Vec<Value> {
    let mut run = place
        .command("score --jsonl --stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = run.stdin.take().unwrap();
    let lines = lines.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&lines).unwrap());
    let output = run.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_in_is_a_line_out_whatever_is_in_it() {
    let place = Place::new();
    let mut lines: Vec<u8> = vec![];
    for line in [
        "anna-1.wav",
        "anna-1.wav\tanna-2.wav",
        r#"{"id": {"row": 3}, "enroll": ["anna-1.wav", "anna-2.wav"], "test": "boris-1.wav"}"#,
        "",
        "missing.wav",
        "{broken",
        r#"{"id": "s", "audio": "silence.wav"}"#,
        r#"{"id": 7, "audio": "anna-1.wav", "start": 0.5, "end": 1.5}"#,
        r#"{"id": 8, "audio": "anna-1.wav", "channel": 2}"#,
    ] {
        lines.extend(line.as_bytes());
        lines.push(b'\n');
    }
    lines.extend(b"\xff\xfe\n");
    lines.extend(vec![b'x'; 3 << 20]);
    lines.extend(b"\r\nanna-1.wav\tmissing.wav\r\n");
    lines.extend(b"anna-2.wav");
    let rows = stream(&place, &lines);
    assert_eq!(rows.len(), 13);
    let model = rows[0]["model"].as_str().unwrap();
    assert_eq!(model.len(), 64);
    assert!(rows.iter().all(|row| row["model"] == model));
    let hash = blake3::hash(&fs::read(place.path("anna-1.wav")).unwrap());
    assert_eq!(rows[0]["audio_blake3"], hash.to_string());
    assert!(rows[0]["embedding"].as_array().unwrap().len() > 1);
    assert_eq!(
        (&rows[0]["id"], &rows[0]["error"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        rows[1]["score"].to_string(),
        place.compare("anna-1.wav", "anna-2.wav")
    );
    assert_eq!(rows[1]["enroll_blake3"], hash.to_string());
    assert_eq!(rows[2]["id"], json!({"row": 3}));
    assert_eq!(rows[2]["enroll_blake3"].as_array().unwrap().len(), 2);
    assert!(rows[2]["score"].is_number());
    for (row, code) in [
        (3, "request"),
        (4, "io"),
        (5, "request"),
        (6, "silence"),
        (8, "audio"),
        (9, "request"),
        (10, "request"),
        (11, "io"),
    ] {
        assert_eq!(rows[row]["code"], code, "{}", rows[row]);
        assert!(rows[row]["error"].is_string());
    }
    assert_eq!(rows[6]["audio_blake3"].as_str().map(str::len), Some(64));
    assert_ne!(rows[7]["embedding"], rows[0]["embedding"]);
    assert_eq!(rows[12]["audio"], "anna-2.wav");
    let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&rows[0]), keys(&rows[5]));
    assert_eq!(keys(&rows[1]), keys(&rows[11]));
}

#[test]
fn a_row_comes_before_the_next_line_is_sent() {
    let place = Place::new();
    let mut run = place
        .command("score --jsonl --stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = run.stdin.take().unwrap();
    let mut stdout = BufReader::new(run.stdout.take().unwrap());
    for name in ["anna-1.wav", "missing.wav", "boris-1.wav"] {
        writeln!(stdin, "{name}").unwrap();
        let mut row = String::new();
        stdout.read_line(&mut row).unwrap();
        let row: Value = serde_json::from_str(&row).unwrap();
        assert_eq!(row["audio"], name);
    }
    drop(stdin);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

// ---- figures

/// EER by its definition on all thresholds, without anything of the crate.
fn eer(scores: &[(f64, bool)]) -> f64 {
    let mut thresholds: Vec<f64> = scores.iter().map(|s| s.0).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.push(f64::INFINITY);
    let share = |is_target: bool, rejected: &dyn Fn(f64) -> bool| {
        let of_kind: Vec<f64> = scores
            .iter()
            .filter(|s| s.1 == is_target)
            .map(|s| s.0)
            .collect();
        of_kind.iter().filter(|&&s| rejected(s)).count() as f64 / of_kind.len() as f64
    };
    let mut last = (0.0, 1.0);
    for t in thresholds {
        let (miss, fa) = (share(true, &|s| s < t), share(false, &|s| s >= t));
        if miss >= fa {
            let along = (last.1 - last.0) / ((last.1 - last.0) + (miss - fa));
            return last.0 + along * (miss - last.0);
        }
        last = (miss, fa);
    }
    unreachable!()
}

#[test]
fn the_figures_of_the_scores_are_right_to_nine_digits() {
    let place = Place::new();
    // Vectors of ten speakers in a plane, so that errors occur.
    let (mut vectors, mut trials) = (String::new(), String::new());
    let angle = |i: usize| (i / 4) as f64 * 0.3 + (i * i % 17) as f64 * 0.05;
    for i in 0..40 {
        vectors += &format!("u{i} {} {}\n", angle(i).cos(), angle(i).sin());
        for j in 0..i {
            trials += &format!("{} u{i} u{j}\n", u8::from(i / 4 == j / 4));
        }
    }
    place.write("vectors", vectors);
    place.write("trials", &trials);
    place.say("score trials --embeddings vectors -o scores.txt");
    let scores = place.read("scores.txt");
    let scored: Vec<(f64, bool)> = scores
        .lines()
        .zip(trials.lines())
        .map(|(score, trial)| {
            let score = score.split(' ').next_back().unwrap();
            (score.parse().unwrap(), trial.starts_with('1'))
        })
        .collect();
    let told = place.say("evaluate trials --scores scores.txt --bootstrap 0 --json");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    // Calibrated, the same ranks and a lower cost.
    let answer = place.say("calibrate trials --scores scores.txt -o cal.json");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let line = "score trials --embeddings vectors --calibration cal.json -o llrs.txt";
    assert_eq!(place.say(line).code, Some(0));
    let after = place.say("evaluate trials --scores llrs.txt --bootstrap 0 --json");
    let after: Value = serde_json::from_str(&after.stdout).unwrap();
    let cllr = |told: &Value| told["lists"][0]["cllr"].as_f64().unwrap();
    assert!(cllr(&after) < cllr(&told), "{after} {told}");
    let answer = place.say("score trials --embeddings vectors --calibration trials");
    assert!(
        answer.stderr.contains("no calibration of scores"),
        "{}",
        answer.stderr
    );

    let told = told["lists"][0]["eer"].as_f64().unwrap();
    let expected = eer(&scored);
    assert!(
        expected > 0.01 && (told - expected).abs() < 1e-9,
        "{told} {expected}"
    );
}
