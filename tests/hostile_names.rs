//! Names of files that act on a terminal, break lines or are not UTF-8, in every kind of output.
#![cfg(unix)]

mod program;
mod random_model;

use program::{Answer, Place};
use random_model::random_model;
use spkver::{storage::model, verifier::is_unseen};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

const NAMES: [&[u8]; 6] = [
    b"\x1b[31mred.wav",
    b"two\nlines.wav",
    b"a\xff.wav",
    b"a\xfe.wav",
    "rtl\u{202e}vaw.wav".as_bytes(),
    b"c1\xc2\x9b31m.wav",
];

/// A folder `d` with a recording of each name.
fn place() -> Place {
    let place = Place::new();
    for name in NAMES {
        place.copy("anna-1", Path::new("d").join(OsStr::from_bytes(name)));
    }
    model::save(&place.path("m.safetensors"), &random_model(3, 4, 4)).unwrap();
    place
}

#[track_caller]
fn done(place: &Place, line: &str) -> Answer {
    place.done(&format!("--model m.safetensors {line}"))
}

/// One line for each name, all different, with nothing that acts on a terminal.
#[track_caller]
fn is_clean(what: &str, text: &str, num_lines: usize) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), num_lines, "{what}: {text:?}");
    assert!(
        !text.contains(|c| c != '\n' && is_unseen(c)),
        "{what}: {text:?}"
    );
    let mut firsts: Vec<&str> = lines.iter().map(|l| l.split(' ').next().unwrap()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(
        firsts.len(),
        num_lines,
        "{what}: two names became one: {text:?}"
    );
}

#[test]
fn colours_and_line_feeds_in_file_names_reach_no_terminal_and_break_no_row() {
    let place = place();
    is_clean("embed DIR", &done(&place, "embed d").stdout, NAMES.len());
    for (name, ids) in [("e.npy", " --ids e.ids"), ("e.txt", ""), ("e.jsonl", "")] {
        done(&place, &format!("embed d -o {name}{ids}"));
    }
    for name in ["e.ids", "e.txt", "e.jsonl"] {
        let text = place.read(name);
        if name == "e.jsonl" {
            assert!(!text.contains(|c| c != '\n' && is_unseen(c)), "{text:?}");
            assert_eq!(text.lines().count(), NAMES.len());
        } else {
            is_clean(name, &text, NAMES.len());
        }
    }
    // As single files, on standard output.
    let mut command = place.command(["--model", "m.safetensors", "embed"]);
    for name in NAMES {
        command.arg(PathBuf::from("d").join(OsStr::from_bytes(name)));
    }
    is_clean("embed FILE", &Answer::of(&mut command).stdout, NAMES.len());
}

#[test]
fn a_colour_in_a_trial_list_does_not_reach_the_terminal() {
    let place = place();
    let names = [
        "d/\u{1b}[31mred.wav",
        "d/rtl\u{202e}vaw.wav",
        "d/c1\u{9b}31m.wav",
    ];
    let lines: String = names
        .iter()
        .map(|name| format!("1 {name} {name}\n"))
        .collect();
    place.write("trials", lines + "0 d/\u{1b}no.wav d/none.wav\n");
    for format in ["text", "csv", "jsonl"] {
        let answer = done(&place, &format!("score trials --format {format}"));
        let shown = answer.stdout + &answer.stderr;
        assert!(
            !shown.contains(|c| c != '\n' && is_unseen(c)),
            "{format}: {shown:?}"
        );
    }
    let labelled = format!("1 {0} {0}\n0 {0} {1}\n", names[0], names[1]);
    place.write("labelled", labelled);
    done(&place, "evaluate labelled --bootstrap 0 --scores-out s.txt");
    let text = place.read("s.txt");
    assert!(!text.contains(|c| c != '\n' && is_unseen(c)), "{text:?}");
}
