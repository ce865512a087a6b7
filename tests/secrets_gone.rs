//! After the work is done, no key or template is left in memory, files or logs. Searches a process
//! that has done the work byte by byte.

#![cfg(target_os = "linux")]

mod program;

use program::voice;
use spkver::{
    audio::{self, ReadOptions},
    scoring::OperatingPoint,
    storage::{backup, model, secret::Secret, voiceprints::Store},
    verifier::{SpeakerName, Utterance},
};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

fn template(file: &Path) -> Utterance {
    let verifier = model::embedded().unwrap();
    let waveform = audio::read(file, &ReadOptions::default()).unwrap();
    Utterance::without_quality("x.wav", verifier.embed(&waveform).unwrap(), 2.0)
}

/// Blocks of 16 bytes to search for. Every window of 32 bytes of a secret contains a whole block.
struct Wanted(HashMap<[u8; 16], String>);

impl Wanted {
    fn new() -> Self {
        Wanted(HashMap::new())
    }

    fn add(&mut self, what: &str, bytes: &[u8]) {
        for (i, block) in bytes.chunks_exact(16).enumerate() {
            self.0.insert(
                block.try_into().unwrap(),
                format!("{what}, byte {}", 16 * i),
            );
        }
    }

    /// The secrets found in `bytes`, and their positions.
    fn found(&self, bytes: &[u8]) -> Vec<String> {
        let mut filter = vec![false; 1 << 16];
        let first = |block: &[u8]| usize::from(u16::from_le_bytes([block[0], block[1]]));
        self.0.keys().for_each(|block| filter[first(block)] = true);
        let blocks = bytes
            .windows(16)
            .enumerate()
            .filter(|(_, w)| filter[first(w)]);
        blocks
            .filter_map(|(at, w)| Some(format!("{} at {at:#x}", self.0.get(w)?)))
            .collect()
    }

    /// The secrets found in the memory of a process.
    fn found_in_memory(&self, pid: u32) -> Option<Vec<String>> {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
        let (mut found, mut num_read) = (vec![], 0);
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
            if !rest.starts_with('r') {
                continue;
            }
            let mut bytes = vec![0; (to - from) as usize];
            // Some pages of the system cannot be read.
            if memory.seek(SeekFrom::Start(from)).is_err() || memory.read_exact(&mut bytes).is_err()
            {
                continue;
            }
            num_read += bytes.len();
            let place = |what| format!("{what} of {line}");
            found.extend(self.found(&bytes).into_iter().map(place));
        }
        (num_read > 1 << 20).then_some(found)
    }
}

/// Enrolls, verifies, changes the key, backs up and restores, and then waits.
#[test]
#[ignore = "run by nothing_is_left_in_memory"]
fn the_work() {
    let Ok(folder) = std::env::var("SPKVER_TEST_FOLDER") else {
        return;
    };
    let path = |name: &str| Path::new(&folder).join(name);
    let hold = std::env::var_os("SPKVER_TEST_HOLD").is_some();
    let held = work(&path);
    let held = hold.then_some(held);
    println!("\nDONE");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(held);
}

fn work(path: &dyn Fn(&str) -> PathBuf) -> (Secret, Utterance) {
    let name = SpeakerName::new("anna").unwrap();
    let verifier = model::embedded().unwrap();
    let secret = Secret::from_key_file(&path("key")).unwrap();
    let mut store = Store::open_or_create(&path("store"), Some(&secret)).unwrap();
    let utterances = [template(&voice("anna-1")), template(&voice("anna-2"))];
    store.add(&name, verifier.id(), 0, &utterances).unwrap();
    let voiceprint = store.get(&name).unwrap();
    let test = template(&voice("anna-3"));
    let point = OperatingPoint::default();
    verifier
        .verify(&voiceprint, &test.embedding, &point)
        .unwrap();
    verifier.doubtful(&voiceprint.utterances);
    let words = Secret::from_passphrase_file(&path("words")).unwrap();
    store.reseal(Some(&words)).unwrap();
    store.reseal(Some(&secret)).unwrap();
    let recipient = std::fs::read_to_string(path("recipient")).unwrap();
    let lock = backup::Lock::recipients(&[recipient]).unwrap();
    backup::save(&store, &path("backup"), &lock).unwrap();
    let key = backup::Key::identities(&[path("identity")]).unwrap();
    let restored = backup::load(&path("backup"), &key).unwrap();
    store.restore(restored, true).unwrap();
    store.list().unwrap();
    (secret, test)
}

fn start(folder: &Path, hold: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "the_work", "--ignored", "--nocapture"])
        .env("SPKVER_TEST_FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if hold {
        command.env("SPKVER_TEST_HOLD", "1");
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while line != "DONE\n" {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the work failed");
    }
    child
}

/// Random, so that the program itself cannot contain it.
fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A folder with a key, a passphrase and an identity, and the secrets that must not be found.
fn prepared() -> (tempfile::TempDir, Wanted) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (key, words) = (random(32), hex(&random(20)));
    write("key", &hex(&key));
    write("words", &words);
    let identity = age::x25519::Identity::generate();
    use age::secrecy::ExposeSecret;
    write("identity", identity.to_string().expose_secret());
    write("recipient", &identity.to_public().to_string());
    let mut wanted = Wanted::new();
    wanted.add("the key", &key);
    wanted.add("the key's digits", hex(&key).as_bytes());
    wanted.add("the passphrase", words.as_bytes());
    for name in ["anna-1", "anna-2", "anna-3"] {
        let values = template(&voice(name)).embedding.values().to_vec();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        wanted.add(&format!("the template of {name}"), &bytes);
    }
    (folder, wanted)
}

#[test]
fn nothing_is_left_in_memory() {
    let (folder, wanted) = prepared();
    // The search does find secrets that are in memory.
    let mut child = start(folder.path(), true);
    let found = wanted.found_in_memory(child.id());
    drop(child.stdin.take());
    child.wait().unwrap();
    let Some(found) = found else {
        eprintln!("SKIPPED: the memory of a process cannot be read here");
        return;
    };
    for held in ["the key,", "the template of anna-3"] {
        assert!(
            found.iter().any(|f| f.starts_with(held)),
            "{held}: {found:?}"
        );
    }
    for name in ["store", "store-wal", "store-shm", "backup"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let mut child = start(folder.path(), false);
    let found = wanted.found_in_memory(child.id()).unwrap();
    assert!(found.is_empty(), "{found:#?}");
    // Searches the files, too, while the process still runs and after it has ended.
    for _ in 0..2 {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let given = ["key", "words", "identity", "recipient"];
            if given.iter().all(|name| !path.ends_with(name)) {
                let found = wanted.found(&std::fs::read(&path).unwrap());
                assert!(found.is_empty(), "{}: {found:#?}", path.display());
            }
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
