//! Tests the structure of the source: imports follow the flow of the data and do not run in circles,
//! files stay short and are named after what they hold, `unsafe` code and decisions are each in one
//! file, and only the command line prints or parses flags.

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

    /// The names that lead to the file's module: `train/options/head.rs` is train, options, head.
    fn names(&self) -> Names {
        let path = self.path.with_extension("");
        let names = path.iter().map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name != "mod").collect()
    }

    fn in_command_line(&self) -> bool {
        ["cli", "main"].contains(&self.module().as_str())
    }
}

/// The parts of a path in the code: `super::head::fit` is super, head, fit.
type Names = Vec<String>;

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

/// Words, `::`, and other characters one by one.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = vec![];
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let length = match word.unwrap_or(rest.len()) {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Every path in the code, and whether it stands in a `pub use`. A path within the braces of a `use` is
/// written out in full.
fn paths(code: &str) -> Vec<(Names, bool)> {
    let tokens = tokens(code);
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        let is_public = at > 0 && ["pub", ")"].contains(&tokens[at - 1]);
        let mut paths = vec![];
        // `impl Trait + use<'a>` imports nothing.
        if tokens[at] == "use" && tokens.get(at + 1) != Some(&"<") {
            at += 1;
            use_tree(&tokens, &mut at, &[], &mut paths);
            found.extend(paths.into_iter().map(|path| (path, is_public)));
        } else if tokens.get(at + 1) == Some(&"::") {
            let mut path = vec![tokens[at].to_string()];
            while tokens.get(at + 1) == Some(&"::") && at + 2 < tokens.len() {
                at += 2;
                path.push(tokens[at].to_string());
            }
            found.push((path, false));
        }
        at += 1;
    }
    found
}

/// Reads `a::{b, c::d}` from `at` on as `a::b` and `a::c::d`, up to what follows it.
fn use_tree(tokens: &[&str], at: &mut usize, before: &[String], found: &mut Vec<Names>) {
    let mut path = before.to_vec();
    loop {
        match tokens[*at] {
            "," | ";" | "}" => return found.push(path),
            "{" => {
                *at += 1;
                while tokens[*at] != "}" {
                    use_tree(tokens, at, &path, found);
                    *at += usize::from(tokens[*at] == ",");
                }
                *at += 1;
                return;
            }
            "as" => *at += 2,
            "::" => *at += 1,
            name => {
                path.push(name.to_string());
                *at += 1;
            }
        }
    }
}

/// The files of the crate, and what they import of each other.
struct Imports {
    files: BTreeMap<Names, PathBuf>,
    /// Where an item is that a module re-exports.
    moved: BTreeMap<Names, Names>,
    edges: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Imports {
    fn of(sources: &[Source]) -> Self {
        let inner = sources
            .iter()
            .filter(|s| !["lib", "main"].contains(&&*s.module()));
        let files = inner.clone().map(|s| (s.names(), s.path.clone()));
        let mut imports = Imports {
            files: files.collect(),
            moved: BTreeMap::new(),
            edges: BTreeMap::new(),
        };
        let mut used = vec![];
        for source in inner {
            for (path, is_public) in paths(&source.code) {
                let Some(target) = imports.whole_path(&source.names(), &path) else {
                    continue;
                };
                match is_public {
                    true => {
                        let name = path.last().cloned();
                        let exported = source.names().into_iter().chain(name).collect();
                        imports.moved.insert(exported, target);
                    }
                    false => used.push((source.path.clone(), target)),
                }
            }
        }
        for (from, target) in used {
            let file = imports.file_of(target).filter(|file| *file != from);
            imports.edges.entry(from).or_default().extend(file);
        }
        imports
    }

    /// The path from the crate's root; none for what is not of the crate.
    fn whole_path(&self, module: &[String], path: &[String]) -> Option<Names> {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let (base, rest) = match path[0].as_str() {
            "crate" | "spkver" => (&module[..0], &path[1..]),
            "self" => (module, &path[1..]),
            "super" => (
                &module[..module.len().checked_sub(supers)?],
                &path[supers..],
            ),
            child => {
                let child = [module, &[child.to_string()]].concat();
                self.files.contains_key(&child).then_some((module, path))?
            }
        };
        Some([base, rest].concat())
    }

    /// The file that holds an item, behind any re-exports.
    fn file_of(&self, mut target: Names) -> Option<PathBuf> {
        for _ in 0..8 {
            let known = |end: &usize| {
                self.files.contains_key(&target[..*end]) || self.moved.contains_key(&target[..*end])
            };
            let end = (1..=target.len()).rev().find(known)?;
            let file = self.files.get(&target[..end]);
            match self.moved.get(&target[..end]) {
                // A name with more behind it is the module, even if an item has the same name.
                Some(moved) if file.is_none() || end == target.len() => {
                    target = [moved, &target[end..]].concat();
                }
                _ => return file.cloned(),
            }
        }
        None
    }

    /// The files that a file imports, directly or through others.
    fn behind(&self, file: &Path) -> BTreeSet<PathBuf> {
        let (mut found, mut left) = (BTreeSet::new(), vec![file.to_path_buf()]);
        while let Some(file) = left.pop() {
            for next in self.edges.get(&file).into_iter().flatten() {
                if found.insert(next.clone()) {
                    left.push(next.clone());
                }
            }
        }
        found
    }
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
