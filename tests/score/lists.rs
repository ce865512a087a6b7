//! Lists give the right scores, and errors are rows.

use crate::{place, program::has};
use std::{fs, path::Path};

#[test]
fn a_list_gives_the_scores_of_compare() {
    let place = place();
    let score = |a: &str, b: &str| format!("{a} {b} {}", place.compare(a, b));
    let expected = [
        score("anna-1.wav", "anna-2.wav"),
        score("anna-1.wav", "boris-1.wav"),
    ];
    let trials = "1 anna-1.wav anna-2.wav\n0 anna-1.wav boris-1.wav\n";
    place.write("trials", trials);
    assert_eq!(place.rows("score trials"), expected);
    let swapped = place.compare("anna-2.wav", "anna-1.wav");
    assert!(expected[0].ends_with(&format!(" {swapped}")));
}

#[test]
fn a_list_that_cannot_be_read_leaves_no_output() {
    let place = place();
    place.write("trials", "1 a b\nutt1 utt2 utt3\n");
    place.refused("score trials -o out.txt", 2, "trials:2: label \"utt1\"");
    assert!(place.is_tidy() && !place.path("out.txt").exists());
    place.write("trials", "a b\n");
    place.refused("score trials -o trials", 2, "would be overwritten");
    place.refused("score trials --format parquet", 2, "give --output");
    place.write("trials", b"1 a \xff\n");
    place.refused("score trials", 2, "trials:1: not UTF-8");
}

#[test]
fn spaces_duplicates_and_missing_files_keep_their_rows() {
    let place = place();
    fs::copy(place.path("anna-1.wav"), place.path("my voice.wav")).unwrap();
    place.write(
        "trials",
        "1\tmy voice.wav\tanna-2.wav\n0\tmissing.wav\tanna-2.wav\n1\tmy voice.wav\tanna-2.wav\n\
         0\tanna-2.wav\tsilence.wav\n0\tanna-2.wav\ttrials\n",
    );
    let rows = place.rows("score trials");
    let score = place.compare("anna-1.wav", "anna-2.wav");
    assert_eq!(rows[0], format!("my voice.wav\tanna-2.wav\t{score}"));
    let missing = "missing.wav anna-2.wav nan # missing.wav: cannot read";
    assert!(rows[1].starts_with(missing), "{}", rows[1]);
    assert_eq!(rows[2], rows[0]);
    has(&rows[3], "nan # silence.wav: the recording is silent;");
    has(&rows[4], "nan # trials: is text, not audio");
    assert_eq!(rows.len(), 5);
    // All refused: no answer, but every row.
    place.write("none", "a b\nc d\n");
    let answer = place.say("score none");
    assert_eq!((answer.code, answer.stdout.lines().count()), (3, 2));
    answer.warns("4 of 4 recordings");
}

#[test]
fn models_of_several_utterances_score_as_verify_does() {
    let place = place();
    place.say("enroll --force --store s.db anna anna-1.wav anna-2.wav");
    let verified = place.json("verify --store s.db anna boris-1.wav");
    let llr = verified["llr"].to_string();
    let expected = [format!("anna boris-1.wav {llr}")];
    place.write("trials", "anna boris-1.wav\n");
    place.write("models", "anna anna-1.wav anna-2.wav\n");
    assert_eq!(place.rows("score trials --enrollments models"), expected);
    let map = "modelid\tsegmentid\nanna\tanna-1.wav\nanna\tanna-2.wav\n";
    place.write("map", map);
    assert_eq!(place.rows("score trials --enrollments map"), expected);
    place.write("models", "anna anna-1.wav silence.wav\n");
    let answer = place.say("score trials --enrollments models");
    answer.prints("nan # silence.wav: the recording is silent");
    place.write("models", "anna\n");
    let answer = place.say("score trials --enrollments models");
    answer.warns("models:1: model anna has no recording");
}

#[test]
fn kaldi_data_folders_name_utterances_speakers_and_segments() {
    let place = place();
    fs::create_dir(place.path("data")).unwrap();
    let scp = "a1 anna-1.wav\na2 anna-2.wav\nb1 boris-1.wav\np sph2pipe x |\n";
    place.write("data/wav.scp", scp);
    place.write("data/utt2spk", "a1 anna\na2 anna\nb1 boris\n");
    let trials = "anna b1 nontarget\na1 a2 target\na1 p nontarget\na1 zz nontarget\n";
    place.write("trials", trials);
    let rows = place.rows("score trials --data data");
    place.write("models", "anna anna-1.wav anna-2.wav\n");
    place.write("direct", "anna boris-1.wav\n");
    let model = place.rows("score direct --enrollments models");
    let score = |row: &str| row.rsplit(' ').next().unwrap().to_string();
    assert_eq!(score(&rows[0]), score(&model[0]));
    let compared = place.compare("anna-1.wav", "anna-2.wav");
    assert_eq!(rows[1], format!("a1 a2 {compared}"));
    has(&rows[2], "commands are not run");
    has(&rows[3], "zz is not in wav.scp");

    let segments = "a1-1 a1 0 1.5\na1-2 a1 1.0 -1\na1-9 a1 90 91\n";
    place.write("data/segments", segments);
    place.write("data/utt2spk", "a1-1 anna\n");
    place.write("trials", "a1-1 a1-2 target\na1-1 a1-9 target\n");
    let rows = place.rows("score trials --data data");
    assert!(score(&rows[0]).parse::<f32>().is_ok());
    has(&rows[1], "# a1-9: ends after");
}

#[test]
fn roots_and_suffixes_complete_the_names() {
    let place = place();
    place.write("trials", "anna-1 anna-2\n");
    let root = place.path("").display().to_string();
    let rows = place.rows(&format!("score trials --root {root} --suffix .wav"));
    let compared = place.compare("anna-1.wav", "anna-2.wav");
    assert_eq!(rows, [format!("anna-1 anna-2 {compared}")]);
}

/// The parser panics on these; found by flipping bits of what `score` writes.
#[test]
fn a_parquet_file_that_panics_its_parser_is_damaged() {
    let place = place();
    place.write("trials", "1 a.wav b.wav\n");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crashes/parquet");
    let mut num_files = 0;
    for file in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        num_files += 1;
        let name = file.file_name().unwrap().to_str().unwrap();
        fs::copy(&file, place.path(name)).unwrap();
        for command in [
            format!("evaluate {name}"),
            format!("evaluate trials --scores {name}"),
            format!("score trials --embeddings {name} -o out"),
        ] {
            // `Answer::of` looks for a panic.
            place.refused(&command, 2, "error: ");
        }
    }
    assert!(num_files > 0);
}
