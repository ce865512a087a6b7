//! The store survives killed commands, full disks, failing writes and many commands at once:
//! whatever was acknowledged is there, and nobody has to repair anything.
//!
//! `SPKVER_FULL=1` interrupts at every point; without it, at a sample of them.

#![cfg(unix)]

use spkver::{
    storage::{model, secret::Secret, voiceprints::Store},
    verifier::{Embedding, ModelId, SpeakerName, Utterance},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
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
    Utterance {
        file: format!("{number}.wav"),
        speech_seconds: 2.5,
        quality: serde_json::Value::Null,
        embedding: Embedding::new((0..192).map(value).collect(), model).unwrap(),
    }
}

/// The number of recordings of each speaker.
type State = BTreeMap<String, usize>;

fn state(names: &[(&str, usize)]) -> State {
    names
        .iter()
        .map(|(n, count)| (n.to_string(), *count))
        .collect()
}

/// An encrypted store in its own folder, with Anna and Boris enrolled.
struct Place {
    folder: tempfile::TempDir,
}

/// A command that changes the store, and the state that it leads to.
struct Change {
    args: Vec<String>,
    before: State,
    after: State,
}

impl Place {
    fn new() -> Self {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(place.path("key"), "11".repeat(32)).unwrap();
        std::fs::write(place.path("new-key"), "22".repeat(32)).unwrap();
        let id = model::embedded().unwrap().id();
        let mut store =
            Store::open_or_create(&place.path("store"), place.key("key").as_ref()).unwrap();
        for (speaker, numbers) in [("anna", 0..3), ("boris", 3..4)] {
            let of: Vec<Utterance> = numbers.map(|n| utterance(id, n)).collect();
            assert!(store.add(&name(speaker), id, 0, &of).unwrap());
        }
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn key(&self, file: &str) -> Option<Secret> {
        Some(Secret::from_key_file(&self.path(file)).unwrap())
    }

    /// The state of the store, opened with the old key or the new one. Checks every row.
    #[track_caller]
    fn state(&self) -> State {
        let open = |key| Store::open(&self.path("store"), self.key(key).as_ref());
        let store = open("key").or_else(|_| open("new-key"));
        let listing = store.unwrap().unwrap().list().unwrap();
        assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
        let count = |s: spkver::storage::voiceprints::Enrolled| (s.name, s.num_utterances);
        listing.speakers.into_iter().map(count).collect()
    }

    /// Enrolling, removing, and changing the key.
    fn changes(&self) -> [Change; 3] {
        let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices/chloe-1.wav");
        let before = state(&[("anna", 3), ("boris", 1)]);
        let [store, key, new_key] = ["store", "key", "new-key"].map(|file| self.path(file));
        let flags = format!(
            "--store {} --key-file {} --threads 1",
            store.display(),
            key.display()
        );
        let change = |line: &str, after| Change {
            args: format!("{flags} {line}")
                .split(' ')
                .map(String::from)
                .collect(),
            before: before.clone(),
            after,
        };
        let enroll = format!("enroll chloe {}", voice.display());
        let rekey = format!("store rekey --new-key-file {}", new_key.display());
        [
            change(&enroll, state(&[("anna", 3), ("boris", 1), ("chloe", 1)])),
            change("remove anna", state(&[("boris", 1)])),
            change(&rekey, before.clone()),
        ]
    }
}

/// The program, run under a wrapper (`strace …`) if there is one.
fn command(wrapper: &[&str], args: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_spkver");
    let mut words = wrapper.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(args).stdin(Stdio::null());
    command
}

/// Is strace available?
fn strace() -> bool {
    let works = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=none", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: strace is missing or not permitted; install it to run this test");
    }
    works
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
    for which in 0..3 {
        let mut at = 1;
        loop {
            let place = Place::new();
            let change = &place.changes()[which];
            let log = place.path("strace");
            let injection = injection(at);
            let wrapper = [
                "strace",
                "-f",
                "-qq",
                "-o",
                log.to_str().unwrap(),
                "-P",
                place.path("store").to_str().unwrap(),
                "-P",
                place.path("store-wal").to_str().unwrap(),
                "-P",
                place.path("store-shm").to_str().unwrap(),
                "-e",
                &format!("inject={injection}"),
            ]
            .map(str::to_string);
            let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
            let output = command(&wrapper, &change.args).output().unwrap();
            let trace = std::fs::read_to_string(&log).unwrap_or_default();
            let met = trace.contains("(INJECTED)") || trace.contains("SIGKILL");
            judge(
                &format!("{:?} {injection}", change.args),
                &place,
                change,
                &output,
            );
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
    if !strace() {
        return;
    }
    let step = if full() { 1 } else { 9 };
    at_every_call(
        |at| format!("{CALLS}:signal=KILL:when={at}"),
        step,
        |what, place, change, output| {
            let found = place.state();
            if output.status.success() {
                assert_eq!(found, change.after, "{what}");
            } else {
                assert!(
                    found == change.before || found == change.after,
                    "{what}: {found:?}"
                );
            }
        },
    );
}

#[test]
fn killed_at_any_moment_nothing_is_lost() {
    let rounds = if full() { 200 } else { 10 };
    for which in 0..3 {
        let mut acknowledged = 0;
        for round in 0..rounds {
            let place = Place::new();
            let change = &place.changes()[which];
            let started = std::time::Instant::now();
            let mut child: Child = command(&[], &change.args)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // Spread over the duration of such a command, longer if the machine is slow.
            std::thread::sleep(Duration::from_micros(700 * (round as u64 * 37 % 101)));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let found = place.state();
            if output.stdout.is_empty() {
                let either = found == change.before || found == change.after;
                assert!(
                    either,
                    "{:?} after {:?}: {found:?}",
                    change.args,
                    started.elapsed()
                );
            } else {
                acknowledged += 1;
                assert_eq!(found, change.after, "acknowledged: {:?}", change.args);
            }
            // The next command works without any repair.
            let key = if Store::open(&place.path("store"), place.key("key").as_ref()).is_ok() {
                "key"
            } else {
                "new-key"
            };
            let id = model::embedded().unwrap().id();
            let mut store =
                Store::open_or_create(&place.path("store"), place.key(key).as_ref()).unwrap();
            assert!(
                store
                    .add(&name("next"), id, 0, &[utterance(id, 9)])
                    .unwrap()
            );
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
    if !strace() {
        return;
    }
    let step = if full() { 1 } else { 5 };
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
    if !strace() {
        return;
    }
    let step = if full() { 1 } else { 5 };
    let once = |at| format!("pread64,openat,mmap:error=EIO:when={at}");
    at_every_call(once, step, all_or_nothing);
}

#[test]
fn a_file_that_may_not_grow_leaves_the_old_state() {
    // A short write, then none, as on a disk that fills up.
    for which in 0..3 {
        for kib in [0, 1, 2, 3, 5, 9, 17, 24, 30, 40, 64] {
            let place = Place::new();
            let change = &place.changes()[which];
            let limit = format!("ulimit -f {kib}; exec \"$0\" \"$@\"");
            // A block is 512 bytes in a POSIX sh and 1024 in bash.
            let output = command(&["sh", "-c", &limit], &change.args)
                .output()
                .unwrap();
            all_or_nothing(
                &format!("{:?}, {kib} KiB", change.args),
                &place,
                change,
                &output,
            );
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
        let speakers = store.list().unwrap().speakers;
        speakers
            .into_iter()
            .map(|s| (s.name, s.num_utterances))
            .collect()
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
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
    }
    let listing = Store::open(&path, None).unwrap().unwrap().list().unwrap();
    assert!(listing.damaged.is_empty());
    assert_eq!(listing.speakers.len(), writers * each);
}

#[test]
fn recordings_of_one_speaker_at_the_same_time_all_get_in() {
    let place = Place::new();
    let voices = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
    let enrol = |number: usize| {
        let file = voices.join(format!("david-{number}.wav"));
        let args = [
            "--store",
            place.path("plain").to_str().unwrap(),
            "enroll",
            "--force",
            "david",
            file.to_str().unwrap(),
        ]
        .map(str::to_string);
        command(&[], &args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (1..=3).map(enrol).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
    }
    let store = Store::open(&place.path("plain"), None).unwrap().unwrap();
    assert_eq!(store.get(&name("david")).unwrap().utterances.len(), 3);
}

#[test]
fn a_command_that_is_stopped_while_it_makes_the_store_leaves_none_or_a_whole_one() {
    if !strace() {
        return;
    }
    let step = if full() { 1 } else { 7 };
    let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices/chloe-1.wav");
    let mut at = 1;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let args = [
            "--store",
            path.to_str().unwrap(),
            "enroll",
            "chloe",
            voice.to_str().unwrap(),
        ]
        .map(str::to_string);
        let injection = format!("inject={CALLS}:signal=KILL:when={at}");
        let paths = ["", "-wal", "-shm", "-journal"].map(|s| format!("{}{s}", path.display()));
        let mut wrapper = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-e", &injection];
        for path in &paths {
            wrapper.extend(["-P", path]);
        }
        let output = command(&wrapper, &args).output().unwrap();
        let killed = !output.status.success();
        let listing = Store::open(&path, None)
            .unwrap()
            .map(|store| store.list().unwrap())
            .unwrap_or_default();
        assert!(listing.damaged.is_empty());
        assert!(killed || listing.speakers.len() == 1);
        let next = command(&[], &args).output().unwrap();
        assert!(
            next.status.success(),
            "{}",
            String::from_utf8_lossy(&next.stderr)
        );
        if !killed {
            break;
        }
        at += step;
    }
    assert!(at > step);
}
