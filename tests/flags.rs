//! Tests that the library names no flag and no command of the program: users of the library, of C,
//! Python and the service read its texts too. `src/cli/remedy.rs` words them for users of the program.

mod source;

use source::{code_and_strings, sources};

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
    assert_eq!(code_and_strings(code).1, ["a\\\"b   c", "x\"y"]);
    assert!(names_the_program("choose --channel 1") && names_the_program("see `spkver list`"));
    assert!(!names_the_program("a -- b") && !names_the_program("is this a spkver model?"));
}

#[test]
fn only_the_command_line_names_flags_and_commands() {
    let mut faults = vec![];
    let mut num_strings = 0;
    for source in sources() {
        if source.path.starts_with("cli") || source.path.ends_with("tests.rs") {
            continue;
        }
        num_strings += source.strings.len();
        let named = source.strings.iter().filter(|text| names_the_program(text));
        faults.extend(named.map(|text| format!("{}: {text:?}", source.path.display())));
    }
    assert!(num_strings > 1000, "the strings were found");
    assert!(
        faults.is_empty(),
        "let a `Remedy` say it:\n{}",
        faults.join("\n")
    );
}
