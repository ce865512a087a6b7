//! `spkver store …` as a user sees it: keys, encryption, backups.

mod program;

use program::{Answer, PROGRAM, Place, words};
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// A store without encryption, with Anna and Boris enrolled.
fn place_of_two() -> Place {
    let place = Place::new();
    for name in ["anna", "boris"] {
        place.done(&format!("enroll {name} @{name}-1"));
    }
    place
}

impl Place {
    fn say_with(&self, line: &str, variables: &[(&str, &str)]) -> Answer {
        let mut command = self.command(words(line));
        Answer::of(command.envs(variables.iter().copied()))
    }
}

#[test]
fn a_store_is_encrypted_rekeyed_and_decrypted() {
    let place = place_of_two();
    place.done("store new-key one");
    place.done("store new-key two");
    place.refused("store new-key one", 2, "exists already");
    let digits = place.read("one");
    assert_eq!(digits.trim_end().len(), 64);
    assert_ne!(digits, place.read("two"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(place.path("one")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    place.refused("store rekey --new-key-file two", 4, "is not encrypted");
    place.refused("store encrypt", 2, "give --key-file");
    let json = place.json("store encrypt --key-file one");
    assert_eq!(json["command"], "store encrypt");
    place.refused("store encrypt --key-file one", 4, "is encrypted already");

    let verify = "verify --threshold -1e9 anna @anna-2";
    place.done(&format!("{verify} --key-file one"));
    place.done("enroll --force anna @anna-3 --key-file one");
    let listed = place.done("list --key-file one").stdout;
    assert!(listed.starts_with("anna  2 recordings"), "{listed}");
    for line in [verify, "list", "remove anna", "store decrypt"] {
        place.refused(line, 4, "is encrypted with a key; give it with --key-file");
        place.refused(
            &format!("{line} --key-file two"),
            4,
            "the key does not open it",
        );
    }
    place.refused("list --key-file none", 5, "none: cannot read");
    place.refused("list --key-file @anna-1", 2, "does not hold a key");

    place.done("store rekey --key-file one --new-key-file two");
    place.refused("list --key-file one", 4, "the key does not open it");
    assert_eq!(place.done("list --key-file two").stdout, listed);
    place.write("words", "correct horse battery\n");
    place.done("store rekey --key-file two --new-passphrase-file words");
    place.refused("list --key-file two", 4, "another kind of secret");
    place.refused("list", 4, "is encrypted with a passphrase");
    assert_eq!(place.done("list --passphrase-file words").stdout, listed);
    place.done("remove boris --passphrase-file words");
    place.done("store decrypt --passphrase-file words");
    assert!(place.done("list").stdout.starts_with("anna  2 recordings"));
    // A plain store in place of an encrypted one.
    place.refused(
        "list --key-file one",
        4,
        "is not encrypted, although a key was given",
    );
}

#[test]
fn a_new_store_is_encrypted_where_a_key_is_given() {
    let place = Place::new();
    let key = "7f".repeat(32);
    let enrol = "enroll anna @anna-1";
    let with = |line: &str, variables: &[(&str, &str)]| place.say_with(line, variables);
    assert_eq!(with(enrol, &[("SPKVER_KEY", &key)]).code, 0);
    place.refused("list", 4, "is encrypted with a key");
    assert_eq!(
        with("list", &[("SPKVER_KEY", &key)]).stdout.lines().count(),
        1
    );
    let wrong = with("list", &[("SPKVER_KEY", &"80".repeat(32))]);
    assert_eq!(wrong.code, 4);
    assert!(!wrong.stderr.contains("8080"), "{}", wrong.stderr);
    // A variable that is set but is not a secret is an error. It does not mean "no key".
    for (name, value) in [
        ("SPKVER_KEY", ""),
        ("SPKVER_KEY", "7f7f"),
        ("SPKVER_PASSPHRASE", ""),
    ] {
        let refused = with(&format!("--store other {enrol}"), &[(name, value)]);
        assert_eq!(refused.code, 2, "{name}={value}: {}", refused.stderr);
        assert!(!place.path("other").exists());
    }
    let both = [("SPKVER_KEY", key.as_str()), ("SPKVER_PASSPHRASE", "horse")];
    assert!(with("list", &both).stderr.contains("are both set"));
    // A flag takes precedence over a variable.
    place.write("key", &key);
    let flag = with("list --key-file key", &[("SPKVER_PASSPHRASE", "horse")]);
    assert_eq!(flag.code, 0, "{}", flag.stderr);
    let words = [
        ("SPKVER_KEY", key.as_str()),
        ("SPKVER_NEW_PASSPHRASE", "correct horse"),
    ];
    assert_eq!(with("store rekey", &words).code, 0);
    assert_eq!(
        with("list", &[("SPKVER_PASSPHRASE", "correct horse")]).code,
        0
    );
    assert_eq!(
        with("list", &[("SPKVER_PASSPHRASE", "correct hors")]).code,
        4
    );
    // `store encrypt` creates the store if it does not exist.
    place.done("--store third store encrypt --key-file key");
    place.done(&format!("--store third --key-file key {enrol}"));
    place.refused("--store third list", 4, "is encrypted with a key");
}

#[test]
fn a_backup_comes_back() {
    let place = place_of_two();
    let identity = age::x25519::Identity::generate();
    let other = age::x25519::Identity::generate();
    use age::secrecy::ExposeSecret;
    place.write("identity", identity.to_string().expose_secret());
    place.write("other", other.to_string().expose_secret());
    let recipient = identity.to_public();
    let answer = place.done(&format!("store backup saved --recipient {recipient}"));
    let said = "BACKED UP  2 voiceprints";
    assert!(answer.stdout.starts_with(said), "{}", answer.stdout);
    let saved = std::fs::read(place.path("saved")).unwrap();
    assert!(saved.starts_with(b"age-encryption.org/v1\n"));
    assert!(!saved.windows(4).any(|w| w == b"anna"));

    place.refused(
        "store restore saved --identity identity",
        2,
        "is enrolled already",
    );
    place.refused(
        "store restore saved --identity other",
        4,
        "does not open the backup",
    );
    place.refused("store restore saved", 2, "give --identity");
    place.refused("store restore none --identity identity", 5, "cannot read");
    place.refused(
        "store restore saved --identity saved",
        2,
        "holds no identity",
    );
    place.refused(
        "store restore @anna-1 --identity identity",
        4,
        "not an age file",
    );
    place.refused(
        "store backup x --recipient age1nobody",
        2,
        "give a recipient as age-keygen prints it",
    );
    assert!(!place.path("x").exists());

    // Restores into an encrypted store, bit for bit.
    place.done("store new-key key");
    let restored =
        place.json("--store again --key-file key store restore saved --identity identity");
    assert_eq!(restored["num_voiceprints"], 2);
    place.refused("--store again list", 4, "is encrypted with a key");
    let listed = place.done("list").stdout;
    assert_eq!(
        place.done("--store again --key-file key list").stdout,
        listed
    );
    let score = |flags: &str| {
        let line = format!("{flags} verify --threshold -1e9 anna @anna-2");
        place.json(&line)["llr"].to_string()
    };
    assert_eq!(score("--store again --key-file key"), score(""));

    // With --replace, the backup overwrites newer voiceprints of its speakers, but no others.
    place.done("enroll --replace anna @chloe-1");
    place.done("enroll edith @edith-1");
    place.done("store restore saved --identity identity --replace");
    let names: Vec<String> = place
        .done("list")
        .stdout
        .lines()
        .map(|line| line.split("  ").next().unwrap().to_string())
        .collect();
    assert_eq!(names, ["anna", "boris", "edith"]);

    // Any flipped bit and any truncation is noticed.
    for at in (0..saved.len()).step_by(101) {
        let mut damaged = saved.clone();
        damaged[at] ^= 4;
        place.write("damaged", &damaged);
        let answer = place.say("--store nowhere store restore damaged --identity identity");
        assert_eq!(answer.code, 4, "byte {at}: {}", answer.stderr);
        place.write("cut", &saved[..at]);
        let answer = place.say("--store nowhere store restore cut --identity identity");
        assert_eq!(answer.code, 4, "cut at {at}: {}", answer.stderr);
    }
    assert!(!place.path("nowhere").exists());
}

#[test]
fn a_backup_with_a_passphrase_comes_back() {
    let place = place_of_two();
    place.write("words", "a horse of another colour\n");
    place.write("wrong", "a house of another colour\n");
    place.refused("store backup saved", 2, "give --recipient");
    place.done("store backup saved --backup-passphrase-file words");
    place.refused(
        "--store again store restore saved --backup-passphrase-file wrong",
        4,
        "does not open the backup",
    );
    place.done("--store again store restore saved --backup-passphrase-file words");
    assert_eq!(
        place.done("--store again list").stdout,
        place.done("list").stdout
    );
    // Each guess costs as much as with the age program: 2^18 rounds. A backup from somebody else
    // that demands an excessive number of rounds is refused, because it would exhaust the machine.
    let mut saved = std::fs::read(place.path("saved")).unwrap();
    let header = String::from_utf8_lossy(&saved[..100]).into_owned();
    let line = header.lines().nth(1).unwrap();
    assert!(line.starts_with("-> scrypt ") && line.ends_with(" 18"));
    let end = header.find(" 18\n").unwrap();
    saved[end + 1..end + 3].copy_from_slice(b"21");
    place.write("costly", saved);
    place.refused(
        "--store third store restore costly --backup-passphrase-file words",
        4,
        "would take too much work",
    );
}

#[test]
fn an_age_file_of_something_else_is_no_backup() {
    let place = place_of_two();
    let identity = age::x25519::Identity::generate();
    use age::secrecy::ExposeSecret;
    place.write("identity", identity.to_string().expose_secret());
    let model = "0".repeat(64);
    let line = |name: &str, embedding: &str| {
        format!(
            "{{\"spkver_backup\":1}}\n{{\"name\":\"{name}\",\"model\":\"{model}\",\"utterances\":\
             [{{\"file\":\"x\",\"speech_seconds\":1.0,\"quality\":null,\"embedding\":\"{embedding}\"}}]}}\n"
        )
    };
    for (text, fact) in [
        ("hello", "not a backup of voiceprints"),
        ("{\"spkver_backup\":2}\n", "not a backup of voiceprints"),
        ("{\"spkver_backup\":1}\nhello\n", "is damaged"),
        (&line("a\\u202eb", "AACAPw=="), "is damaged"),
        (&line("eve", "AACAfw=="), "is damaged"),
        (&line("eve", ""), "is damaged"),
        (&line("eve", "AACAPwA="), "is damaged"),
    ] {
        let recipient = identity.to_public();
        let encryptor = age::Encryptor::with_recipients([&recipient as _].into_iter()).unwrap();
        let mut file = vec![];
        let mut writer = encryptor.wrap_output(&mut file).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap();
        place.write("forged", file);
        place.refused("store restore forged --identity identity", 4, fact);
    }
    assert_eq!(place.done("list").stdout.lines().count(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_variable_that_holds_no_key_is_told() {
    let place = place_of_two();
    for digits in [0, 63, 65, 4096, 4097, 70_000] {
        let value = "a".repeat(digits);
        let answer = place.say_with("list", &[("SPKVER_KEY", &value)]);
        assert_eq!(answer.code, 2, "{digits}: {}", answer.stderr);
        assert!(answer.stderr.contains("SPKVER_KEY holds no key"));
    }
    let both = [("SPKVER_KEY", "1"), ("SPKVER_PASSPHRASE", "x")];
    assert_eq!(place.say_with("list", &both).code, 2);
}

/// Runs the program in a terminal of its own, with typed input. None without util-linux.
#[cfg(target_os = "linux")]
fn at_a_terminal(place: &Place, line: &str, typed: &str) -> Option<(i32, String)> {
    let mut script = Command::new("script");
    script
        .args(["-qec", &format!("'{PROGRAM}' {line}"), "/dev/null"])
        .env("HOME", place.path(""))
        .env("XDG_DATA_HOME", place.path("data"))
        .current_dir(place.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let Ok(mut child) = script.spawn() else {
        println!("SKIPPED: no `script` (of util-linux) to make a terminal");
        return None;
    };
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    drop(keyboard);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some((output.status.code().unwrap(), said))
}

#[cfg(target_os = "linux")]
#[test]
fn a_passphrase_is_asked_for_at_a_terminal_only() {
    let place = place_of_two();
    for (line, typed, code, said) in [
        ("list", "", 0, "anna"),
        ("store encrypt", "horse\nhouse\n", 2, "passphrases differ"),
        ("store encrypt", "horse\nhorse\n", 0, "ENCRYPTED"),
        ("list", "horse\n", 0, "boris"),
        ("list", "house\n", 4, "the passphrase does not open it"),
        // Whoever answers must be able to see the question.
        (
            "list </dev/null",
            "horse\n",
            4,
            "is encrypted with a passphrase",
        ),
        ("list 2>/dev/null", "horse\n", 4, ""),
        ("store rekey", "horse\nmare\nmare\n", 0, "The same again: "),
        ("remove anna", "mare\n", 0, "REMOVED"),
    ] {
        let Some((exit, text)) = at_a_terminal(&place, line, typed) else {
            return;
        };
        assert!(exit == code && text.contains(said), "{line}: {exit} {text}");
    }
    // Keys are not asked for at the terminal.
    let place = place_of_two();
    place.done("store new-key key");
    place.done("store encrypt --key-file key");
    let (exit, text) = at_a_terminal(&place, "list", "horse\n").unwrap();
    assert!(exit == 4 && !text.contains("Passphrase"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_done_is_told_by_the_exit_code_where_nobody_listens() {
    let place = place_of_two();
    let output = place
        .command("remove boris".split(' '))
        .stdout(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("it is done, but <stdout>: cannot write"),
        "{told}"
    );
    assert_eq!(place.done("list").stdout.lines().count(), 1);
}
