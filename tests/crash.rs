//! The store survives killed commands, full disks, failing writes and many commands at once:
//! whatever was acknowledged is there, and nobody has to repair anything.
//!
//! `SPKVER_FULL=1` interrupts at every point; without it, at a sample of them.

#![cfg(unix)]

mod program;

use program::{PROGRAM, Place, words};
use spkver::{
    storage::{model, secret::Secret, voiceprints::Store},
    verifier::{Embedding, ModelId, SpeakerName, Utterance},
};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

fn full() -> bool {
    std::env::var_os("SPKVER_FULL").is_some()
}

fn name(text: &str) -> SpeakerName {
    SpeakerName::new(text).unwrap()
}

/// A made-up embedding of one recording.
fn utterance(model: ModelId, number: usize) -> Utterance {
    let value = |i: usize| ((number * 192 + i) as f32).sin();
    let embedding = Embedding::new((0..192).map(value).collect(), model).unwrap();
    Utterance::without_quality(format!("{number}.wav"), embedding, 2.5)
}

/// The number of recordings of each speaker.
type State = BTreeMap<String, usize>;

fn state(names: &[(&str, usize)]) -> State {
    let count = |(n, count): &(&str, usize)| (n.to_string(), *count);
    names.iter().map(count).collect()
}

/// A command that changes the store, and the state that it leads to.
struct Change {
    line: String,
    before: State,
    after: State,
}

/// A folder with an encrypted store, with Anna and Boris enrolled.
fn place() -> Place {
    let place = Place::new();
    place.write("key", "11".repeat(32));
    place.write("new-key", "22".repeat(32));
    let id = model::embedded().unwrap().id();
    let key = place.key("key");
    let mut store = Store::open_or_create(&place.path("store"), key.as_ref()).unwrap();
    for (speaker, numbers) in [("anna", 0..3), ("boris", 3..4)] {
        let of: Vec<Utterance> = numbers.map(|n| utterance(id, n)).collect();
        assert!(store.add(&name(speaker), id, 0, &of).unwrap());
    }
    place
}

impl Place {
    fn key(&self, file: &str) -> Option<Secret> {
        Some(Secret::from_key_file(&self.path(file)).unwrap())
    }

    /// The store, opened with the old key or the new one.
    #[track_caller]
    fn store(&self) -> Store {
        let open = |key| Store::open(&self.path("store"), self.key(key).as_ref());
        let store = open("key").or_else(|_| open("new-key"));
        store.unwrap().unwrap()
    }

    /// The state of the store. Checks every row.
    #[track_caller]
    fn state(&self) -> State {
        let listing = self.store().list().unwrap();
        assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
        let count = |s: spkver::storage::voiceprints::Enrolled| (s.name, s.num_utterances);
        listing.speakers.into_iter().map(count).collect()
    }

    /// The program in this folder, under a wrapper (`strace …`) if there is one.
    fn under(&self, wrapper: &str, line: &str) -> Command {
        let mut all = wrapper.split_whitespace().chain([PROGRAM]);
        let mut command = Command::new(all.next().unwrap());
        command.args(all).args(words(line)).stdin(Stdio::null());
        command.current_dir(self.path(""));
        command
    }
}

/// Enrolling, removing, and changing the key.
fn changes() -> [Change; 3] {
    let before = state(&[("anna", 3), ("boris", 1)]);
    let change = |line: &str, after| Change {
        line: format!("--store store --key-file key --threads 1 {line}"),
        before: before.clone(),
        after,
    };
    let enrolled = state(&[("anna", 3), ("boris", 1), ("chloe", 1)]);
    [
        change("enroll chloe @chloe-1", enrolled),
        change("remove anna", state(&[("boris", 1)])),
        change("store rekey --new-key-file new-key", before.clone()),
    ]
}

/// The distance between two calls that are interrupted: 1 with `SPKVER_FULL`, else `sampled`. None
/// without strace.
fn step(sampled: usize) -> Option<usize> {
    let words = ["-f", "-qq", "-e", "trace=none", "true"];
    let output = Command::new("strace").args(words).output();
    if !output.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: strace is missing or not permitted; install it to run this test");
        return None;
    }
    Some(if full() { 1 } else { sampled })
}

/// All system calls that the store uses.
const CALLS: &str = "openat,close,pwrite64,pread64,write,fsync,fdatasync,ftruncate,fallocate,\
                     unlink,fcntl,fstat,newfstatat,mmap,munmap,lseek,fchown,rename";

/// Runs a change with a fault injected at the N-th call, for N = 1, 2, … until there are no more
/// calls. `judge` gets the place and the outcome.
fn at_every_call(
    injection: impl Fn(usize) -> String,
    step: usize,
    judge: impl Fn(&str, &Place, &Change, &Output),
) {
    for change in changes() {
        let mut at = 1;
        loop {
            let place = place();
            let [log, store] = ["strace", "store"].map(|file| place.path(file));
            let (log, store) = (log.display(), store.display());
            let injection = injection(at);
            let paths = format!("-P {store} -P {store}-wal -P {store}-shm");
            let wrapper = format!("strace -f -qq -o {log} {paths} -e inject={injection}");
            let output = place.under(&wrapper, &change.line).output().unwrap();
            let trace = std::fs::read_to_string(place.path("strace")).unwrap_or_default();
            let met = trace.contains("(INJECTED)") || trace.contains("SIGKILL");
            let what = format!("{} {injection}", change.line);
            judge(&what, &place, &change, &output);
            if !met {
                break;
            }
            at += step;
        }
        assert!(at > step, "the injection works");
    }
}

#[test]
fn killed_at_every_system_call_nothing_is_lost() {
    let Some(step) = step(9) else { return };
    at_every_call(
        |at| format!("{CALLS}:signal=KILL:when={at}"),
        step,
        |what, place, change, output| {
            let found = place.state();
            let is_before = !output.status.success() && found == change.before;
            assert!(is_before || found == change.after, "{what}: {found:?}");
        },
    );
}

#[test]
fn killed_at_any_moment_nothing_is_lost() {
    let rounds = if full() { 200 } else { 10 };
    for change in changes() {
        let mut acknowledged = 0;
        for round in 0..rounds {
            let place = place();
            let started = std::time::Instant::now();
            let mut command = place.under("", &change.line);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            // Spread over the duration of such a command, longer if the machine is slow.
            std::thread::sleep(Duration::from_micros(700 * (round as u64 * 37 % 101)));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let found = place.state();
            if output.stdout.is_empty() {
                let either = found == change.before || found == change.after;
                let after = started.elapsed();
                assert!(either, "{} after {after:?}: {found:?}", change.line);
            } else {
                acknowledged += 1;
                assert_eq!(found, change.after, "acknowledged: {}", change.line);
            }
            // The next command works without any repair.
            let id = model::embedded().unwrap().id();
            let added = place.store().add(&name("next"), id, 0, &[utterance(id, 9)]);
            assert!(added.unwrap());
        }
        println!("{acknowledged} of {rounds} acknowledged");
    }
}

/// Either exit code 0 and the new state, or exit code 5 and the old one.
fn all_or_nothing(what: &str, place: &Place, change: &Change, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let found = place.state();
    match output.status.code() {
        Some(0) => assert_eq!(found, change.after, "{what}"),
        Some(5) => {
            assert_eq!(found, change.before, "{what}: {stderr}");
            assert!(output.stdout.is_empty(), "{what}");
            assert!(stderr.contains("store"), "{what}: {stderr}");
        }
        other => panic!("{what}: exit {other:?}: {stderr}"),
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_state() {
    let Some(step) = step(5) else { return };
    for error in ["ENOSPC", "EIO"] {
        for calls in ["pwrite64", "ftruncate,fallocate", "fsync,fdatasync"] {
            let step = if calls == "pwrite64" { step } else { 1 };
            let once = |at| format!("{calls}:error={error}:when={at}");
            at_every_call(once, step, all_or_nothing);
        }
        // Let all later calls fail as well.
        let from_then_on = |at| format!("pwrite64,ftruncate,fallocate:error={error}:when={at}+");
        at_every_call(from_then_on, step, all_or_nothing);
    }
}

#[test]
fn a_read_that_fails_leaves_the_old_state() {
    let Some(step) = step(5) else { return };
    let once = |at| format!("pread64,openat,mmap:error=EIO:when={at}");
    at_every_call(once, step, all_or_nothing);
}

#[test]
fn a_file_that_may_not_grow_leaves_the_old_state() {
    // A short write, then none, as on a disk that fills up.
    for change in changes() {
        for kib in [0, 1, 2, 3, 5, 9, 17, 24, 30, 40, 64] {
            let place = place();
            // A block is 512 bytes in a POSIX sh and 1024 in bash.
            place.write("limited", format!("ulimit -f {kib}; exec \"$@\""));
            let output = place.under("sh limited", &change.line).output().unwrap();
            let what = format!("{}, {kib} KiB", change.line);
            all_or_nothing(&what, &place, &change, &output);
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_state() {
    let disk = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(disk.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("SKIPPED: a small file system cannot be mounted here; run as root to run this");
        return;
    }
    let filled = std::panic::catch_unwind(|| fill(disk.path()));
    let unmounted = Command::new("umount").arg(disk.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    filled.unwrap();
}

/// Enrolls until the disk is full. Everything acknowledged must be there, and removing must free
/// space.
fn fill(disk: &Path) {
    let id = ModelId::of(b"a model");
    let path = disk.join("store");
    let mut acknowledged = State::new();
    let error = loop {
        let speaker = format!("speaker-{}", acknowledged.len());
        let stored = Store::open_or_create(&path, None)
            .and_then(|mut s| s.add(&name(&speaker), id, 0, &[utterance(id, 1)]));
        match stored {
            Ok(stored) => assert!(stored),
            Err(error) => break error,
        }
        acknowledged.insert(speaker, 1);
    };
    assert_eq!(error.exit_code(), 5, "{error}");
    assert!(acknowledged.len() > 10);
    let list = || -> State {
        let store = Store::open(&path, None).unwrap().unwrap();
        let speakers = store.list().unwrap().speakers.into_iter();
        speakers.map(|s| (s.name, s.num_utterances)).collect()
    };
    assert_eq!(list(), acknowledged);
    // With no room for the files that SQLite keeps beside a store, it is read all the same.
    let mut rest = std::fs::File::create(disk.join("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 512]).is_ok() {}
    assert_eq!(list(), acknowledged);
    let enrolled = Store::open_or_create(&path, None)
        .and_then(|mut s| s.add(&name("one more"), id, 0, &[utterance(id, 1)]));
    let text = enrolled.unwrap_err().to_string();
    assert!(text.contains("the disk is full; free some space"), "{text}");
}

/// Enrolls a given number of speakers; one of several such commands that run at the same time.
#[test]
#[ignore = "run by commands_at_the_same_time_all_succeed"]
fn one_of_many_writers() {
    let (Ok(path), Ok(writer), Ok(count)) = (
        std::env::var("SPKVER_TEST_STORE"),
        std::env::var("SPKVER_TEST_WRITER"),
        std::env::var("SPKVER_TEST_COUNT"),
    ) else {
        return;
    };
    let id = ModelId::of(b"a model");
    for i in 0..count.parse().unwrap() {
        // Opens the store each time, as commands do.
        let mut store = Store::open_or_create(Path::new(&path), None).unwrap();
        let speaker = name(&format!("{writer}-{i}"));
        assert!(store.add(&speaker, id, 0, &[utterance(id, i)]).unwrap());
    }
}

#[track_caller]
fn all_succeed(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
    }
}

#[test]
fn commands_at_the_same_time_all_succeed() {
    let (writers, each) = if full() { (32, 100) } else { (32, 5) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/store");
    let run = |writer: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_of_many_writers", "--ignored", "--nocapture"])
            .env("SPKVER_TEST_STORE", &path)
            .env("SPKVER_TEST_WRITER", writer.to_string())
            .env("SPKVER_TEST_COUNT", each.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (0..writers).map(run).collect();
    all_succeed(children);
    let listing = Store::open(&path, None).unwrap().unwrap().list().unwrap();
    assert!(listing.damaged.is_empty());
    assert_eq!(listing.speakers.len(), writers * each);
}

#[test]
fn recordings_of_one_speaker_at_the_same_time_all_get_in() {
    let place = place();
    let enrol = |number: usize| {
        let line = format!("--store plain enroll --force david @david-{number}");
        let mut command = place.under("", &line);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    all_succeed((1..=3).map(enrol).collect());
    let store = Store::open(&place.path("plain"), None).unwrap().unwrap();
    assert_eq!(store.get(&name("david")).unwrap().utterances.len(), 3);
}

#[test]
fn a_command_that_is_stopped_while_it_makes_the_store_leaves_none_or_a_whole_one() {
    let Some(step) = step(7) else { return };
    let line = "--store store enroll chloe @chloe-1";
    let mut at = 1;
    loop {
        let place = Place::new();
        let path = place.path("store");
        let store = path.display();
        let paths = format!("-P {store} -P {store}-wal -P {store}-shm -P {store}-journal");
        let injection = format!("inject={CALLS}:signal=KILL:when={at}");
        let wrapper = format!("strace -f -qq -o /dev/null -e {injection} {paths}");
        let output = place.under(&wrapper, line).output().unwrap();
        let killed = !output.status.success();
        let store = Store::open(&path, None).unwrap();
        let listing = store.map(|store| store.list().unwrap());
        let listing = listing.unwrap_or_default();
        assert!(listing.damaged.is_empty());
        assert!(killed || listing.speakers.len() == 1);
        place.done(line);
        if !killed {
            break;
        }
        at += step;
    }
    assert!(at > step);
}
