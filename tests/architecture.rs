//! Tests the structure of the source: imports follow the flow of the data and do not run in circles,
//! files stay short and are named after what they hold, `unsafe` code and decisions are each in one
//! file, and only the command line prints or parses flags.

mod source;

use source::{Imports, Source, code_and_strings, files, imports, sources};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Modules of the crate that each module may import, apart from itself and `error`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("remedy", &[]),
    ("reason", &["remedy"]),
    ("error", &["reason", "remedy"]),
    ("contained", &[]),
    ("kernels", &[]),
    ("parallel", &[]),
    ("audio", &["contained", "kernels"]),
    ("features", &["audio", "kernels"]),
    ("network", &["features", "audio", "kernels", "parallel"]),
    (
        "scoring",
        &[
            "reason", "network", "features", "audio", "kernels", "parallel",
        ],
    ),
    ("verifier", &["scoring", "network", "features", "audio"]),
    (
        "storage",
        &[
            "verifier", "scoring", "network", "features", "audio", "parallel",
        ],
    ),
    ("identify", &["storage", "verifier", "scoring"]),
    (
        "answer",
        &["identify", "storage", "verifier", "scoring", "audio"],
    ),
    (
        "serve",
        &[
            "answer", "identify", "parallel", "storage", "verifier", "scoring", "audio",
        ],
    ),
    ("lists", &["contained"]),
    (
        "eval",
        &["lists", "parallel", "verifier", "scoring", "audio"],
    ),
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
/// Of files in `tests/` and `bindings/`.
const MAX_LINES_ELSEWHERE: usize = 600;
/// A longer file gives the reason in a comment that starts like this.
const LONG_BECAUSE: &str = "// Longer than 450 lines:";

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
    let (code, _) = code_and_strings(
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
            let of_the_root = ["Error", "Result", "error", "remedy"].contains(&import.as_str());
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
fn the_reader_of_paths_finds_the_files_behind_them() {
    let source = |path: &str, code: &str| Source {
        path: path.into(),
        text: code.into(),
        code: code.into(),
        strings: vec![],
    };
    let imports = Imports::of(&[
        source(
            "a/mod.rs",
            "mod b; pub use b::{Thing, f as g}; use std::fs;",
        ),
        source("a/b.rs", "use super::c::{self, d::{E, F}};"),
        source(
            "a/c.rs",
            "mod d; fn f() { d::E::new(crate::x::y(), super::b::Z) }",
        ),
        source("a/c/d.rs", "use crate::{a::Thing, x};"),
        source("x.rs", "pub(crate) use crate::a::c::d::E;"),
        // A module and a function of the same name.
        source("y.rs", "mod z; pub use z::z;"),
        source("y/z.rs", ""),
        source("y/v.rs", "use super::z::Of; fn f() { super::z() }"),
    ]);
    let of = |file: &str| -> Vec<String> {
        let files = imports.edges.get(Path::new(file)).into_iter().flatten();
        files.map(|file| file.display().to_string()).collect()
    };
    assert_eq!(of("a/mod.rs"), [""; 0]);
    assert_eq!(of("a/b.rs"), ["a/c/d.rs", "a/c.rs"]);
    assert_eq!(of("a/c.rs"), ["a/b.rs", "a/c/d.rs", "x.rs"]);
    // The item, not the module that re-exports it.
    assert_eq!(of("a/c/d.rs"), ["a/b.rs", "x.rs"]);
    assert_eq!(of("y/v.rs"), ["y/z.rs"]);
    assert_eq!(of("x.rs"), [""; 0]);
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let files = sources.iter().map(|source| &*source.path);
    let behind: BTreeMap<&Path, BTreeSet<PathBuf>> =
        files.map(|file| (file, imports.behind(file))).collect();
    let mut faults = vec![];
    for source in &sources {
        let file = &*source.path;
        if behind[file].contains(file) {
            let circle = behind[file].iter();
            let circle = circle.filter(|other| behind[other.as_path()].contains(file));
            let circle: Vec<String> = circle.map(|f| f.display().to_string()).collect();
            faults.push(format!(
                "{}: in a circle of {}",
                file.display(),
                circle.join(", ")
            ));
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
    for file in ["tests", "bindings"].into_iter().flat_map(files) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        if lines > MAX_LINES_ELSEWHERE {
            faults.push(format!("{}: {lines} lines; divide it", file.display()));
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

/// Only one file creates an accept; others may only inspect one.
#[test]
fn one_function_decides() {
    let looks = |line: &str| {
        let signs = ["=>", "==", "!=", "matches!"];
        signs.iter().any(|sign| line.contains(sign))
    };
    let mut makers = vec![];
    for source in sources() {
        let makes = |line: &&str| line.contains("Decision::Accept") && !looks(line);
        makers.extend(
            source
                .code
                .lines()
                .filter(makes)
                .map(|_| source.path.clone()),
        );
    }
    assert_eq!(makers, [Path::new("scoring/decision.rs")]);
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
