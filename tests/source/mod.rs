//! Reads the source of the crate: its files, their code without comments, their string literals, and
//! which file imports which.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A file of the crate.
pub struct Source {
    /// Path below `src/`.
    pub path: PathBuf,
    pub text: String,
    /// The text without comments, unit tests and the contents of string literals.
    pub code: String,
    /// The contents of its string literals, apart from those in comments and unit tests.
    pub strings: Vec<String>,
}

impl Source {
    /// First component of the path below `src/`, without `.rs`.
    pub fn module(&self) -> String {
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

    pub fn in_command_line(&self) -> bool {
        ["cli", "main"].contains(&self.module().as_str())
    }
}

/// The parts of a path in the code: `super::head::fit` is super, head, fit.
type Names = Vec<String>;

/// The files of Rust below a folder of the project, what is built left out.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The source of the crate.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let (code, strings) = code_and_strings(&text);
        Source {
            path: path.strip_prefix(&root).unwrap().to_path_buf(),
            code,
            strings,
            text,
        }
    };
    let sources: Vec<Source> = files("src").into_iter().map(source).collect();
    assert!(sources.len() > 20, "the sources were found");
    sources
}

/// The code of a file without its comments and unit tests, which come last, and what its string
/// literals hold. In the code, each literal is empty. A line of a literal that ends in a backslash goes
/// on in the next.
pub fn code_and_strings(text: &str) -> (String, Vec<String>) {
    let mut rest = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let (mut code, mut strings) = (String::new(), vec![]);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, after) = rest.split_at(at);
        code.push_str(before);
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before[..at - hashes].ends_with('r');
        rest = match after.as_bytes() {
            [b'/', b'/', ..] => {
                code.push('\n');
                after.split_once('\n').map_or("", |(_, next)| next)
            }
            [b'"', ..] => {
                code.push_str("\"\"");
                let (string, next) = match is_raw {
                    true => raw_string(&after[1..], hashes),
                    false => string(&after[1..]),
                };
                strings.push(string);
                next
            }
            // A character, such as '"'. A lifetime, such as 'a, has no quote at its end.
            [b'\'', b'\\', _, b'\'', ..] => &after[4..],
            [b'\'', _, b'\'', ..] => &after[3..],
            [b'\'', ..] => &after[1..],
            _ => {
                code.push('/');
                &after[1..]
            }
        };
    }
    code.push_str(rest);
    (code, strings)
}

/// The contents of a string literal, and the text that follows it.
fn string(text: &str) -> (String, &str) {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    let end = end.expect("strings end");
    (text[..end].replace("\\\n", ""), &text[end + 1..])
}

/// The same for a raw string, which ends in a quote and as many `hashes` as it began with.
fn raw_string(text: &str, hashes: usize) -> (String, &str) {
    let end = format!("\"{}", "#".repeat(hashes));
    let (string, next) = text.split_once(&end).expect("strings end");
    (string.into(), next)
}

/// Names of the modules imported as `crate::module` or `crate::{module…, module…}`.
pub fn imports(code: &str) -> Vec<String> {
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
pub fn paths(code: &str) -> Vec<(Names, bool)> {
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

/// Which files of the crate import which.
pub struct Imports {
    files: BTreeMap<Names, PathBuf>,
    /// Where an item is that a module re-exports.
    moved: BTreeMap<Names, Names>,
    pub edges: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Imports {
    pub fn of(sources: &[Source]) -> Self {
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
    pub fn behind(&self, file: &Path) -> BTreeSet<PathBuf> {
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
