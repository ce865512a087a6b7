//! Help, versions, completions and manual pages, as a user of each command gets them.

mod program;

use program::{Answer, Place, has, words};

fn help(place: &Place, command: &[String]) -> String {
    place.done(&format!("{} --help", command.join(" "))).stdout
}

/// Every command and every command below it, as the help lists them; the program itself is first.
fn commands(place: &Place) -> Vec<Vec<String>> {
    let (mut all, mut next) = (vec![vec![]], 0);
    while next < all.len() {
        let command = all[next].clone();
        next += 1;
        let text = help(place, &command);
        let Some((_, listed)) = text.split_once("\nCommands:\n") else {
            continue;
        };
        let lines = listed.lines().take_while(|line| !line.is_empty());
        let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()) {
            if name != "help" {
                all.push([&command[..], &[name.to_string()]].concat());
            }
        }
    }
    assert!(all.len() >= 30, "{all:?}");
    all
}

#[test]
fn every_help_has_an_example_and_exit_codes_and_fits_80_columns() {
    let place = Place::new();
    for command in commands(&place) {
        let text = help(&place, &command);
        let example = format!("\nExample:\n  spkver {}", command.join(" "));
        has(&text, &example);
        let codes = text.split_once("\nExit codes:\n").map(|(_, codes)| codes);
        let codes = codes.unwrap_or_else(|| panic!("{command:?} has no exit codes:\n{text}"));
        assert!(codes.starts_with("  0  "), "{command:?}: {codes}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{command:?}: {line:?}");
        }
    }
}

#[test]
fn every_option_is_in_a_group() {
    let place = Place::new();
    for command in commands(&place) {
        let text = help(&place, &command);
        let Some((_, options)) = text.split_once("\nOptions:\n") else {
            panic!("{command:?}:\n{text}");
        };
        let lines = options.split("\n\n").next().unwrap().lines();
        let loose = lines.filter(|line| line.trim_start().starts_with('-'));
        let loose: Vec<&str> = loose
            .filter(|line| !line.contains("--help") && !line.contains("--version"))
            .collect();
        assert!(loose.is_empty(), "{command:?}: {loose:?}");
        for (name, flag) in [
            ("Model", "  --model <FILE>"),
            ("Processor", "  --threads <N>"),
            ("Store", "  --store <FILE>"),
            ("Output", "  --json"),
        ] {
            let heading = format!("\n{name}:\n");
            let is_hidden = ["Model", "Store"].contains(&name) && !text.contains(flag);
            assert!(text.contains(&heading) || is_hidden, "{command:?}: {name}");
        }
    }
}

#[test]
fn no_help_lists_flags_that_change_nothing_but_every_command_takes_them() {
    let place = Place::new();
    let flags = ["--passphrase-file", "--store", "--precision", "--model"];
    for (command, listed) in [
        ("verify", [true, true, true, true]),
        ("compare", [false, false, true, true]),
        ("remove", [true, true, false, false]),
        ("model info", [false, false, true, true]),
        ("store backup", [true, true, false, false]),
        ("store export", [true, true, true, true]),
        ("man", [false, false, false, false]),
        ("enroll", [true, true, true, true]),
        ("identify", [true, true, true, true]),
        ("list", [true, true, true, true]),
        ("serve", [true, true, true, true]),
        ("score", [false, false, true, true]),
        ("embed", [false, false, true, true]),
        ("evaluate", [false, false, true, true]),
        ("calibrate", [false, false, true, true]),
        ("bench", [false, false, true, true]),
        ("train", [false, false, false, false]),
        ("store query", [true, true, true, true]),
        ("store import-vectors", [true, true, true, true]),
    ] {
        let words: Vec<String> = command.split(' ').map(String::from).collect();
        let text = help(&place, &words);
        let found = flags.map(|flag| text.contains(&format!("  {flag} <")));
        assert_eq!(found, listed, "{command}:\n{text}");
    }
    for line in [
        "--store nowhere compare @anna-1 @henry-1",
        "compare @anna-1 @henry-1 --store nowhere",
    ] {
        let answer = place.say(line);
        assert_eq!(answer.code, 1, "{line}: {}", answer.stderr);
    }
}

#[test]
fn the_false_accept_rate_is_the_first_decision_that_verify_offers() {
    let text = help(&Place::new(), &["verify".to_string()]);
    let line = text.lines().position(|line| line.contains("--far <RATE>"));
    assert!(line.unwrap() < 25, "{text}");
    let (_, decision) = text.split_once("\nDecision:\n").unwrap();
    assert!(decision.trim_start().starts_with("--far"), "{decision}");
}

#[test]
fn every_shell_completes_every_command() {
    let place = Place::new();
    let commands = commands(&place);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let answer = place.say(&format!("completions {shell}"));
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{shell}");
        for name in commands.iter().filter_map(|command| command.last()) {
            assert!(answer.stdout.contains(name.as_str()), "{shell}: {name}");
        }
        assert!(answer.stdout.contains("passphrase-file"), "{shell}");
    }
    assert_eq!(place.say("completions cmd").code, 2);
}

#[test]
fn arguments_stand_together_and_exit_codes_in_order() {
    let place = Place::new();
    for command in commands(&place) {
        let help = help(&place, &command);
        let mut section = "";
        let mut codes = vec![];
        for line in help.lines() {
            if !line.starts_with(' ') && line.ends_with(':') {
                section = line;
            }
            let is_argument = line.starts_with("  <") || line.starts_with("  [");
            let is_placed = !is_argument || section == "Arguments:";
            assert!(is_placed, "{command:?}: {line}");
            if section == "Exit codes:" && line.starts_with("  ") {
                let code = line.split_whitespace().next().unwrap();
                codes.push(code.parse::<u8>().unwrap());
            }
        }
        let is_whole = codes.len() > 3 && codes.is_sorted();
        assert!(is_whole, "{command:?}: {codes:?}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    std::fs::create_dir(place.path("man")).unwrap();
    place.done("man man");
    for command in commands(&place) {
        let name = [&["spkver".to_string()], &command[..]].concat().join("-");
        let path = place.path(format!("man/{name}.1"));
        let page = std::fs::read_to_string(&path);
        let page = page.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        has(&page, &format!(".TH {name} 1"));
        assert!(page.contains("Exit codes:"), "{name}");
    }
    // A second time, over its own pages; never over something else.
    place.done("man man");
    place.write("man/spkver-list.1", "my notes");
    place.refused("man man", 2, "is not a manual page");
    place.done("man new/folder");
    assert!(place.path("new/folder/spkver.1").exists());
    let page = place.say("man");
    page.prints(".TH spkver 1");
}

#[test]
fn the_version_is_short_or_tells_what_the_program_is_made_of() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    let short = place.say("-V");
    assert_eq!(short.stdout, format!("spkver {version}\n"));
    let long = place.done("--version");
    let mut lines = long.stdout.lines();
    assert_eq!(lines.next(), Some(&*format!("spkver {version}")));
    let fact = |line: Option<&str>, name: &str| {
        let fact = line.and_then(|line| line.strip_prefix(name));
        fact.unwrap_or_else(|| panic!("{name}: {}", long.stdout))
            .to_string()
    };
    let commit = fact(lines.next(), "commit: ");
    let is_hash = commit.len() == 12 && commit.chars().all(|c| c.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{commit}");
    let model = fact(lines.next(), "model: ");
    let info = place.say("model info").stdout;
    assert!(info.starts_with(&format!("model {model}  ")), "{info}");
    let kernel = fact(lines.next(), "kernel: ");
    assert!(spkver::kernels::NAMES.contains(&&*kernel), "{kernel}");
}

#[test]
fn model_and_store_can_be_set_in_the_environment() {
    let place = Place::new();
    let with = |name: &str, value: &str, line: &str| {
        Answer::of(place.command(words(line)).env(name, value))
    };
    let with_store = |line: &str| with("SPKVER_STORE", "mine.sqlite", line);
    assert_eq!(with_store("enroll anna @anna-1").code, 0);
    assert!(place.exists("mine.sqlite"));
    with_store("--json list").prints("\"store\":\"mine.sqlite\"");
    with_store("--store other.sqlite --json list").prints("\"store\":\"other.sqlite\"");
    let answer = with("SPKVER_MODEL", "nosuch.safetensors", "model info");
    answer.refused(5, "nosuch.safetensors: cannot read");
    let text = help(&place, &[]);
    for name in ["MODEL", "STORE", "KEY", "PASSPHRASE"] {
        has(&text, &format!("SPKVER_{name}"));
    }
}
