//! Tests the structure of the source: imports follow the flow of the data, files stay short and are
//! named after what they hold, `unsafe` stays in one file, and only the command line prints or
//! parses flags.

use std::path::{Path, PathBuf};

/// Modules of the crate that each module may import, apart from itself and `error`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("contained", &[]),
    ("kernels", &[]),
    ("parallel", &[]),
    ("audio", &["contained", "kernels"]),
    ("features", &["audio", "kernels"]),
    ("network", &["features", "audio", "kernels", "parallel"]),
    (
        "scoring",
        &["network", "features", "audio", "kernels", "parallel"],
    ),
    ("verifier", &["scoring", "network", "features", "audio"]),
    (
        "storage",
        &[
            "verifier", "scoring", "network", "features", "audio", "parallel",
        ],
    ),
    ("lists", &["contained"]),
    ("eval", &["lists", "parallel", "scoring"]),
    (
        "batch",
        &[
            "contained",
            "lists",
            "parallel",
            "storage",
            "verifier",
            "scoring",
            "audio",
        ],
    ),
    (
        "train",
        &[
            "lists", "eval", "storage", "verifier", "scoring", "network", "features", "audio",
            "kernels",
        ],
    ),
];

const MAX_LINES: usize = 450;
/// A longer file gives the reason in a comment that starts like this.
const LONG_BECAUSE: &str = "// Longer than 450 lines:";

struct Source {
    /// Path below `src/`.
    path: PathBuf,
    text: String,
    /// The text without comments, strings and unit tests.
    code: String,
}

impl Source {
    /// First component of the path below `src/`, without `.rs`.
    fn module(&self) -> String {
        let first = self.path.iter().next().unwrap();
        Path::new(first)
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    }

    fn in_command_line(&self) -> bool {
        ["cli", "main"].contains(&self.module().as_str())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source {
                    path: path.strip_prefix(&root).unwrap().to_path_buf(),
                    code: code_of(&text),
                    text,
                });
            }
        }
    }
    assert!(sources.len() > 20, "the sources were found");
    sources
}

/// Strips comments, string literals, and everything from `#[cfg(test)]` on (unit tests come last).
fn code_of(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut code = String::new();
    let mut rest = before_tests.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => {
                rest.by_ref().find(|&c| c == '\n');
                code.push('\n');
            }
            '"' => {
                while let Some(c) = rest.next() {
                    match c {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                code.push_str("\"\"");
            }
            // A character literal: '"' must not start a string. Lifetimes have no second quote.
            '\'' => {
                let next: String = rest.clone().take(3).collect();
                let length = match next.as_bytes() {
                    [b'\\', _, b'\''] => 3,
                    [_, b'\'', ..] => 2,
                    _ => 0,
                };
                rest.by_ref().take(length).for_each(drop);
            }
            c => code.push(c),
        }
    }
    code
}

/// Names of the modules imported as `crate::module` or `crate::{module…, module…}`.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = vec![];
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        let Some(group) = after.strip_prefix('{') else {
            found.push(word(after));
            continue;
        };
        let mut depth = 0;
        let mut first = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => first = true,
                c if first && !c.is_whitespace() => {
                    found.push(word(&group[i..]));
                    first = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Does `wanted` occur as a whole word?
fn has_word(code: &str, wanted: &str) -> bool {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|word| word == wanted)
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_reader_of_imports_reads_them() {
    let code = code_of(
        "//! crate::no\nuse crate::{\n  Error, audio::{A, features},\n  network,\n};\n\
         let quote = '\"'; fn f<'a>() { crate::kernels::g(\"crate::no\") }\n\
         #[cfg(test)]\nmod tests { use crate::cli; }",
    );
    assert_eq!(imports(&code), ["Error", "audio", "network", "kernels"]);
}

#[test]
fn imports_follow_the_data() {
    let mut faults = vec![];
    for source in sources() {
        let path = source.path.display();
        let module = source.module();
        if source.code.contains("super::super::") {
            faults.push(format!(
                "{path}: say crate::… in the place of super::super::…"
            ));
        }
        if source.in_command_line() || module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{path}: module {module} has no place in the order"));
            continue;
        };
        for import in imports(&source.code) {
            let of_the_root = ["Error", "Result", "error"].contains(&import.as_str());
            if !(of_the_root || import == module || allowed.contains(&import.as_str())) {
                faults.push(format!("{path}: {module} must not import {import}"));
            }
        }
        if module == "kernels" && !imports(&source.code).iter().all(|i| i == "kernels") {
            faults.push(format!("{path}: kernels import nothing of the crate"));
        }
    }
    none(faults);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let faults = sources()
        .into_iter()
        .filter(|s| !s.text.starts_with("//! "));
    none(
        faults
            .map(|s| format!("{}: begins without //!", s.path.display()))
            .collect(),
    );
}

#[test]
fn files_stay_short() {
    let mut faults = vec![];
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_LINES && !source.text.contains(LONG_BECAUSE) {
            faults.push(format!(
                "{}: {lines} lines; divide it, or say {LONG_BECAUSE:?}",
                source.path.display()
            ));
        }
    }
    none(faults);
}

#[test]
fn unsafe_code_is_in_one_file() {
    let faults = sources()
        .into_iter()
        .filter(|s| s.path != Path::new("kernels/x86.rs") && has_word(&s.code, "unsafe"));
    none(
        faults
            .map(|s| format!("{}: unsafe", s.path.display()))
            .collect(),
    );
}

#[test]
fn files_are_named_for_what_they_hold() {
    let vague = [
        "utils", "util", "helpers", "helper", "common", "types", "misc",
    ];
    let mut faults = vec![];
    for source in sources() {
        for part in &source.path {
            let stem = Path::new(part).file_stem().unwrap().to_string_lossy();
            if vague.contains(&stem.as_ref()) {
                faults.push(format!("{}: {stem} is no noun", source.path.display()));
            }
        }
    }
    none(faults);
}

#[test]
fn only_the_command_line_knows_flags_and_prints() {
    let mut faults = vec![];
    for source in sources() {
        if source.in_command_line() || source.path.ends_with("tests.rs") {
            continue;
        }
        for word in [
            "clap",
            "println",
            "eprintln",
            "print",
            "eprint",
            "indicatif",
        ] {
            let used = match word {
                "clap" | "indicatif" => has_word(&source.code, word),
                _ => source.code.contains(&format!("{word}!(")),
            };
            if used {
                faults.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    for source in sources() {
        for word in ["dbg!(", "todo!(", "unimplemented!("] {
            if source.code.contains(word) {
                faults.push(format!("{}: {word}…)", source.path.display()));
            }
        }
    }
    none(faults);
}

/// What a command writes goes through `storage::output`, which knows what the command reads.
#[test]
fn commands_write_files_through_one_door() {
    let mut faults = vec![];
    for source in sources() {
        // The benchmark makes inputs of its own, in a temporary folder.
        if !source.in_command_line() || source.path.starts_with("cli/bench") {
            continue;
        }
        for word in [
            "fs::write(",
            "File::create",
            "OpenOptions",
            "write_whole",
            "create_new(",
            "fs::rename(",
        ] {
            if source.code.contains(word) {
                faults.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    none(faults);
}

#[test]
fn the_library_has_no_clock() {
    let faults = sources().into_iter().filter(|s| {
        !s.in_command_line() && (has_word(&s.code, "Instant") || has_word(&s.code, "SystemTime"))
    });
    none(
        faults
            .map(|s| format!("{}: a clock", s.path.display()))
            .collect(),
    );
}
