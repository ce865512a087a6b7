//! `examples/verify.c` compiles without a warning and runs, with the shared and with the static library,
//! and under valgrind where that is installed.

use spkver_core::{OperatingPoint, Recording, Verifier};
use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output},
};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// System libraries that the static one needs, as README.md lists them.
const SYSTEM: [&str; 4] = ["-lm", "-lpthread", "-ldl", "-lgcc_s"];

/// Where cargo puts libspkver.so and libspkver.a. It does not build them for a test.
fn libraries() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap().to_path_buf();
    let built = folder.join("libspkver.a").exists();
    assert!(
        built,
        "no libraries in {}; `cargo build -p spkver-c`, with the profile of this test, makes them",
        folder.display()
    );
    folder
}

fn fixtures() -> PathBuf {
    Path::new(CRATE).join("../../fixtures/voices")
}

/// A new folder, removed by the next run.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn compile(source: &str, program: &Path, linked: &[&str]) {
    let compiler = env::var("CC").unwrap_or("cc".into());
    let include = format!("-I{CRATE}/include");
    let flags = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-g",
        &include,
    ];
    let mut command = Command::new(&compiler);
    command.args(flags).arg(source).arg("-o").arg(program);
    succeeded(command.args(linked));
}

fn succeeded(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn shared(source: &str, program: &Path) {
    let libraries = libraries().display().to_string();
    let (search, rpath) = (format!("-L{libraries}"), format!("-Wl,-rpath,{libraries}"));
    compile(source, program, &[&search, &rpath, "-lspkver"]);
}

/// What the library itself says of the recordings that the example compares.
fn compared() -> f32 {
    let verifier = Verifier::embedded().unwrap();
    let embed = |name: &str| {
        let recording = Recording::open(fixtures().join(name), &Default::default()).unwrap();
        verifier.embed(&recording).unwrap()
    };
    let (a, b) = (embed("anna-1.wav"), embed("anna-2.wav"));
    let answer = verifier
        .compare(&a, &b, &OperatingPoint::default())
        .unwrap();
    answer.llr.unwrap().value()
}

/// `tolerance` on the LLR, in nats.
fn check(run: &mut Command, store: &Path, tolerance: f32) {
    let output = succeeded(run.arg(fixtures()).arg(store));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}");
    assert_eq!(lines[0], "enrolled Anna: 2 recordings");
    assert!(lines[1].starts_with("anna-3: accept, LLR "), "{said}");
    assert!(lines[2].starts_with("boris-1: reject, LLR -"), "{said}");
    assert!(lines[3].starts_with("boris-1: ") && lines[3].contains(" s heard, LLR -"));
    let llr = lines[4]
        .strip_prefix("anna-1 ~ anna-2: accept, LLR ")
        .unwrap();
    let apart = (llr.parse::<f32>().unwrap() - compared()).abs();
    assert!(apart <= tolerance, "{apart}");
    assert_eq!(
        lines[5],
        "silence: silence: the recording is silent; check the microphone, and the channel"
    );
}

#[test]
fn the_example_runs_with_the_shared_library() {
    let folder = folder("shared");
    let program = folder.join("verify");
    shared(&format!("{CRATE}/examples/verify.c"), &program);
    check(
        &mut Command::new(&program),
        &folder.join("store.sqlite"),
        0.0,
    );
}

#[test]
fn the_example_runs_with_the_static_library() {
    let folder = folder("static");
    let program = folder.join("verify");
    let library = libraries().join("libspkver.a");
    let mut linked = vec![library.to_str().unwrap()];
    linked.extend(SYSTEM);
    compile(&format!("{CRATE}/examples/verify.c"), &program, &linked);
    check(
        &mut Command::new(&program),
        &folder.join("store.sqlite"),
        0.0,
    );
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        // Past the test's own stderr, which is shown only where a test fails.
        let skipped = "SKIPPED: the example under valgrind (apt-get install valgrind)";
        writeln!(io::stderr(), "{skipped}").unwrap();
        return;
    }
    let folder = folder("valgrind");
    let program = folder.join("verify");
    shared(&format!("{CRATE}/examples/verify.c"), &program);
    let mut run = Command::new("valgrind");
    // The threads that compute are there until the program ends, and their stacks with them.
    run.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
    run.args([
        "--errors-for-leak-kinds=definite,indirect",
        "--show-leak-kinds=definite,indirect",
    ]);
    // Valgrind has other vector instructions, which sum in another order.
    check(run.arg(&program), &folder.join("store.sqlite"), 1e-4);
}

#[test]
fn wrong_calls_are_refused_and_write_no_handle() {
    let folder = folder("wrong");
    let program = folder.join("wrong");
    shared(&format!("{CRATE}/tests/wrong.c"), &program);
    let output = succeeded(
        Command::new(&program)
            .arg(fixtures())
            .arg(folder.join("store.sqlite")),
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "all as expected\n");
}
