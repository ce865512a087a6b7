//! Tests that the library names no flag and no command of the program: users of the library, of C,
//! Python and the service read its texts too. `src/cli/remedy.rs` words them for users of the program.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let of = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries.flat_map(of).collect()
}

/// The string literals of a file, without those of its unit tests, which come last. A line that ends in
/// a backslash goes on in the next.
fn strings(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut strings = vec![];
    let mut rest = code;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, after) = rest.split_at(at);
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before[..at - hashes].ends_with('r');
        rest = match after.as_bytes() {
            [b'/', b'/', ..] => after.split_once('\n').map_or("", |(_, next)| next),
            [b'"', ..] if is_raw => {
                let end = format!("\"{}", "#".repeat(hashes));
                let (string, next) = after[1..].split_once(&end).unwrap();
                strings.push(string.into());
                next
            }
            [b'"', ..] => {
                let mut is_escaped = false;
                let end = after[1..].find(|c| {
                    let ends = c == '"' && !is_escaped;
                    is_escaped = c == '\\' && !is_escaped;
                    ends
                });
                let end = 1 + end.expect("strings end");
                strings.push(after[1..end].replace("\\\n", ""));
                &after[end + 1..]
            }
            // Characters, such as '"'. A lifetime has no second quote.
            [b'\'', b'\\', _, b'\'', ..] => &after[4..],
            [b'\'', _, b'\'', ..] => &after[3..],
            _ => &after[1..],
        };
    }
    strings
}

/// Whether a text holds `--flag`, or a command of the program in backticks.
fn names_the_program(text: &str) -> bool {
    let mut after = text.split("--").skip(1);
    let has_flag = after.any(|after| after.starts_with(|c: char| c.is_ascii_lowercase()));
    has_flag || text.contains("`spkver ")
}

#[test]
fn the_reader_of_strings_reads_them() {
    let code = "//! \"no\"\nlet (a, b) = ('\"', \"a\\\"b \\\n  c\"); // \"no\"\nfn f<'a>() { r#\"x\"y\"# }\n\
                #[cfg(test)]\nmod tests { \"no\" }";
    assert_eq!(strings(code), ["a\\\"b   c", "x\"y"]);
    assert!(names_the_program("choose --channel 1") && names_the_program("see `spkver list`"));
    assert!(!names_the_program("a -- b") && !names_the_program("is this a spkver model?"));
}

#[test]
fn only_the_command_line_names_flags_and_commands() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = vec![];
    let mut num_strings = 0;
    for path in files(&source) {
        let name = path.strip_prefix(&source).unwrap();
        let is_source = path.extension().is_some_and(|ending| ending == "rs");
        if !is_source || name.starts_with("cli") || name.ends_with("tests.rs") {
            continue;
        }
        let strings = strings(&fs::read_to_string(&path).unwrap());
        num_strings += strings.len();
        let named = strings.iter().filter(|text| names_the_program(text));
        faults.extend(named.map(|text| format!("{}: {text:?}", name.display())));
    }
    assert!(num_strings > 1000, "the strings were found");
    assert!(
        faults.is_empty(),
        "let a `Remedy` say it:\n{}",
        faults.join("\n")
    );
}
