//! Every file that a command writes, over every file that it reads, and over others: nothing is lost.

mod program;
mod random_model;

use program::Place;
use random_model::random_model;
use spkver::storage::model;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Files that every command accepts and must never overwrite.
const EVERYWHERE: &str = "--model m.safetensors --store s.sqlite --key-file k.hex";
const FILES_EVERYWHERE: [&str; 4] = ["m.safetensors", "s.sqlite", "s.sqlite.index", "k.hex"];

/// Commands, each with its output as OUT, and the files that they read.
const COMMANDS: &str = "
score trials --enrollments enrollments --data data --cache cache.sqlite -o OUT | trials enrollments data/wav.scp data/segments data/utt2spk cache.sqlite
score trials --format csv -o OUT | anna-1.wav boris-1.wav
score trials --embeddings e.npy --ids e.ids --calibration c.json -o OUT | e.npy e.ids c.json trials
embed anna-1.wav anna-2.wav -o OUT | anna-1.wav anna-2.wav
embed --features anna-1.wav -o OUT | anna-1.wav
embed folder -o OUT | folder/anna-3.wav
embed --list list -o OUT | list anna-1.wav
embed --list list -o o.npy --ids OUT | list anna-1.wav
embed --data data --cache cache.sqlite --format npz -o OUT | data/wav.scp data/segments cache.sqlite anna-1.wav
evaluate trials --scores-out OUT | trials anna-1.wav anna-2.wav boris-1.wav
evaluate trials --report OUT | trials anna-1.wav anna-2.wav boris-1.wav
evaluate trials --det OUT | trials anna-1.wav anna-2.wav boris-1.wav
evaluate trials --roc OUT | trials anna-1.wav anna-2.wav boris-1.wav
evaluate trials --histogram OUT | trials anna-1.wav anna-2.wav boris-1.wav
evaluate trials --scores s.txt --metadata meta.csv --report OUT | trials s.txt meta.csv
evaluate trials --scores s.txt --utt2spk data/utt2spk --scores-out OUT | trials s.txt data/utt2spk
calibrate trials -o OUT | trials anna-1.wav anna-2.wav boris-1.wav
calibrate trials --scores s.txt -o OUT | trials s.txt
calibrate trials other/trials --quality --cohort cohort.csv -o OUT | other/trials cohort.csv folder/anna-3.wav
calibrate trials --quality --speakers cohort.csv -o OUT | trials cohort.csv folder/anna-3.wav
train speech.csv --options o.json --noise noise --rir noise -o OUT | speech.csv o.json anna-1.wav noise/n.wav
train speech.csv --teacher e.npy --teacher-ids e.ids --checkpoint OUT | e.npy e.ids speech.csv boris-1.wav
train speech.csv --compare-heads trials -o OUT | trials anna-1.wav anna-2.wav boris-1.wav
train speech.csv --overlap-of m.safetensors -o OUT | m.safetensors
train speech.csv --start-from c.ckpt -o OUT | c.ckpt
train speech.csv --onto m.safetensors --teacher e.npy --teacher-ids e.ids -o OUT | e.npy e.ids speech.csv
model export --onnx OUT |
model import x.safetensors -o OUT | x.safetensors
model int8 -o OUT |
store backup OUT --backup-passphrase-file words | words
store export --npy OUT |
store export --plaintext --pgvector OUT |
store new-key OUT |
";

/// The rows of a table: a command, and words for it.
fn rows(table: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    table.trim().lines().map(|row| {
        let (command, words) = row.split_once('|').unwrap();
        (command.trim(), words.split_whitespace().collect())
    })
}

/// A folder with an input of every kind. What they hold matters only as far as it is read before
/// the outputs are looked at.
fn place() -> Place {
    let place = Place::new();
    for folder in ["data", "folder", "noise", "other", "sub"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    for name in ["anna-1", "anna-2", "boris-1"] {
        place.copy(name, format!("{name}.wav"));
    }
    place.copy("anna-3", "folder/anna-3.wav");
    place.copy("noise", "noise/n.wav");
    let trials = "1 anna-1.wav anna-2.wav\n0 anna-1.wav boris-1.wav\n";
    for (name, text) in [
        ("trials", trials),
        ("other/trials", trials),
        ("enrollments", "anna-1.wav anna-1.wav\n"),
        (
            "data/wav.scp",
            "anna-1.wav anna-1.wav\nanna-2.wav anna-2.wav\nboris-1.wav boris-1.wav\n",
        ),
        (
            "data/segments",
            "anna-1.wav anna-1.wav 0 -1\nanna-2.wav anna-2.wav 0 -1\nboris-1.wav boris-1.wav 0 -1\n",
        ),
        (
            "data/utt2spk",
            "anna-1.wav anna\nanna-2.wav anna\nboris-1.wav boris\n",
        ),
        ("list", "anna-1.wav\nboris-1.wav\n"),
        ("c.ckpt", ""),
        ("e.ids", "anna-1.wav\nanna-2.wav\nboris-1.wav\n"),
        (
            "s.txt",
            "anna-1.wav anna-2.wav 2.5\nanna-1.wav boris-1.wav -2.5\n",
        ),
        (
            "meta.csv",
            "path,seconds\nanna-1.wav,1\nanna-2.wav,2\nboris-1.wav,3\n",
        ),
        (
            "cohort.csv",
            "path,speaker\nfolder/anna-3.wav,nobody\nother/trials,somebody\n",
        ),
        (
            "speech.csv",
            "path,speaker\nanna-1.wav,anna\nanna-2.wav,anna\nboris-1.wav,boris\n",
        ),
        ("o.json", "{\"seed\": 2}"),
        ("words", "correct horse\n"),
        ("k.hex", &"11".repeat(32)),
        ("e.npy", "read only later"),
        ("c.json", "{}"),
        ("x.safetensors", "read only later"),
        ("s.sqlite.index", "read only later"),
        ("cache.sqlite", ""),
    ] {
        place.write(name, text);
    }
    model::save(&place.path("m.safetensors"), &random_model(3, 4, 4)).unwrap();
    place.done("--model m.safetensors --store s.sqlite enroll anna anna-1.wav");
    place
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[track_caller]
fn nothing_is_lost(place: &Place, line: &str, fact: &str) {
    let before = files(&place.path(""));
    place.refused(line, 2, fact);
    assert!(before == files(&place.path("")), "{line}: a file changed");
}

#[test]
fn no_output_destroys_what_the_command_reads() {
    let place = place();
    for (command, inputs) in rows(COMMANDS) {
        for input in inputs.into_iter().chain(FILES_EVERYWHERE) {
            // A second name, a link and a hard link with an ending that any output may have.
            let [soft, hard] = ["sub/soft", "sub/hard"].map(|name| place.path(name));
            fs::hard_link(place.path(input), &hard).unwrap();
            let climbing = format!("sub/../{input}");
            let mut names = vec![input, &climbing, "sub/hard"];
            #[cfg(unix)]
            {
                std::os::unix::fs::symlink(place.path(input), &soft).unwrap();
                names.push("sub/soft");
            }
            for name in names {
                let line = format!("{EVERYWHERE} {}", command.replace("OUT", name));
                nothing_is_lost(&place, &line, "would be overwritten");
            }
            fs::remove_file(hard).unwrap();
            let _ = fs::remove_file(soft);
        }
    }
}

#[test]
fn force_does_not_destroy_what_the_command_reads() {
    let place = place();
    for line in [
        "score trials --force -o trials",
        "embed --force anna-1.wav -o anna-1.wav",
        "evaluate trials --force --report trials",
        "calibrate trials --force -o trials",
        "--model m.safetensors model export --force --onnx m.safetensors",
        "--store s.sqlite store backup --force s.sqlite --backup-passphrase-file words",
    ] {
        nothing_is_lost(&place, line, "would be overwritten");
    }
}

#[test]
fn an_archive_named_as_its_list_does_not_replace_the_list() {
    let place = place();
    place.write("wav.scp", "a anna-1.wav\n");
    let fact = "wav.scp: would be overwritten";
    nothing_is_lost(&place, "embed --list wav.scp -o wav.ark", fact);
    nothing_is_lost(&place, "embed --data data -o data/wav.ark", fact);
    place.write("o.npy.names", "");
    let line = "--store o.npy.names store export --npy o.npy";
    nothing_is_lost(&place, line, "would be overwritten");
}

#[test]
fn two_outputs_do_not_share_a_file() {
    let place = place();
    for line in [
        "evaluate trials --scores-out x.txt --report x.txt",
        "evaluate trials --det x.svg --roc sub/../x.svg",
        "embed --list list -o x.npy --ids x.npy",
        "train speech.csv -o x --checkpoint x",
    ] {
        nothing_is_lost(&place, line, "two outputs are the same file");
    }
}

/// Commands with an output OUT and no other file of their own.
const OUTPUTS: &[&str] = &[
    "score trials -o OUT",
    "score trials --format jsonl -o OUT",
    "embed anna-1.wav -o OUT",
    "embed --list list --format ark -o OUT",
    "embed --list list --format parquet -o OUT",
    "embed --list list -o o.npy --ids OUT",
    "evaluate trials --scores-out OUT",
    "evaluate trials --report OUT",
    "calibrate trials -o OUT",
    "calibrate trials --scores s.txt -o OUT",
    "train speech.csv -o OUT",
    "train speech.csv --checkpoint OUT",
    "model export --onnx OUT",
    "model import x.safetensors -o OUT",
    "model int8 -o OUT",
    "--store s.sqlite store backup OUT --backup-passphrase-file words",
    "--store s.sqlite store export --npy OUT",
    "--store s.sqlite store export --pgvector OUT",
    "store new-key OUT",
];

#[test]
fn notes_of_another_kind_are_not_replaced() {
    let place = place();
    for command in OUTPUTS {
        // Kaldi's archives have endings of their own.
        let is_archive = command.contains("ark");
        let name = if is_archive { "notes.ark" } else { "notes" };
        place.write(name, "what I must not forget\n");
        let line = format!("--model m.safetensors {}", command.replace("OUT", name));
        nothing_is_lost(&place, &line, "exists already");
    }
}

/// Commands with an output OUT, and names for it.
const REPLACED: &str = "
score trials -o OUT | s o.csv o.jsonl o.parquet
embed anna-1.wav boris-1.wav -o OUT | e o.npy
embed --list list -o OUT | e.txt e.npy2 e.npz e.ark e.scp e.parquet e.jsonl
embed --list list -o i.npy --ids OUT | i.ids
evaluate trials --bootstrap 0 --scores-out OUT | v.txt
evaluate trials --bootstrap 0 --report OUT | v.html
evaluate trials --bootstrap 0 --det OUT | v.svg v.png
calibrate trials --scores s.txt -o OUT | c2.json
model export --onnx OUT | n.onnx
store export --npy OUT | x.npy
store export --pgvector OUT | x.copy
";

#[test]
fn an_output_takes_the_place_of_an_older_one_of_its_kind() {
    let place = place();
    for (command, names) in rows(REPLACED) {
        for name in names {
            let line = command.replace("OUT", name);
            let line = format!("--model m.safetensors --store s.sqlite {line}");
            for _ in 0..2 {
                place.done(&line);
            }
        }
    }
}

#[test]
fn an_older_backup_is_kept_unless_force_says_so() {
    let place = place();
    let line = "--store s.sqlite store backup saved --backup-passphrase-file words";
    place.done(line);
    nothing_is_lost(&place, line, "exists already");
    let before = place.bytes("saved");
    place.done(&format!("{line} --force"));
    assert_ne!(place.bytes("saved"), before);
}

#[test]
fn force_replaces_a_file_of_another_kind() {
    let place = place();
    place.write("notes", "old\n");
    place.done("--model m.safetensors score trials -o notes --force");
    let text = place.read("notes");
    assert!(text.starts_with("anna-1.wav anna-2.wav "), "{text}");
}

/// Commands with an output OUT, and endings that it cannot have.
const REFUSED: &str = "
score trials -o OUT | xlsx tsv npy wav html
embed anna-1.wav -o OUT | csv tsv xlsx wav safetensors
embed --list list -o OUT | csv tsv xlsx
embed --features anna-1.wav -o OUT | csv npz
evaluate trials --scores-out OUT | csv xlsx parquet
evaluate trials --report OUT | pdf txt csv
evaluate trials --det OUT | pdf jpg
calibrate trials -o OUT | json txt onnx
calibrate trials --scores s.txt -o OUT | safetensors txt
train speech.csv -o OUT | onnx npz
model export --onnx OUT | safetensors pt
store export --npy OUT | csv npz
store export --pgvector OUT | sqlite npy
store backup OUT --backup-passphrase-file words | sqlite zip
";

#[test]
fn an_ending_that_is_not_written_is_refused_before_any_work() {
    let place = place();
    for (command, endings) in rows(REFUSED) {
        for ending in endings {
            let line = command.replace("OUT", &format!("out.{ending}"));
            let line = format!("--model m.safetensors --store s.sqlite {line}");
            nothing_is_lost(&place, &line, &format!("out.{ending}"));
        }
    }
}

#[test]
fn a_folder_or_a_place_that_is_not_there_is_refused_before_any_work() {
    let place = place();
    for command in OUTPUTS {
        let no_folder = ("none/out", "there is no folder none");
        for (out, fact) in [("sub", "is a folder"), no_folder] {
            // A key is never written over anything, whatever it is.
            let is_key = command.starts_with("store new-key") && out == "sub";
            let fact = if is_key { "exists already" } else { fact };
            let line = format!("--model m.safetensors {}", command.replace("OUT", out));
            nothing_is_lost(&place, &line, fact);
        }
    }
}
