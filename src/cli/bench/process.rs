//! A fresh process: what a `compare` costs from start to exit, above a process that does nothing,
//! and how much memory it takes.

use super::{
    path::Recordings,
    stopwatch::{Clock, Job, one_by_one},
};
use crate::cli::peak_memory;
use spkver::{Error, Result};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

/// Medians, in seconds, and memory.
pub struct Process {
    /// `spkver compare` of two files of 3 s.
    pub compare: f64,
    /// `spkver --version`.
    pub bare: f64,
    /// Of each.
    pub num_runs: usize,
    /// Most memory of `compare` at any time, in kB, where the system tells it.
    pub peak_memory_kb: Option<u64>,
}

/// Starts this program again and again; `flags` are the ones that it was given.
///
/// # Errors
/// [`Error::Io`] where the program cannot be started, [`Error::Usage`] where it fails.
pub fn measure(flags: &[OsString], recordings: &Recordings, budget: Duration) -> Result<Process> {
    let program = std::env::current_exe().map_err(|e| Error::io(Path::new("spkver"), "find", e))?;
    let run = |args: &[&OsStr]| -> Result<Output> {
        let output = Command::new(&program).args(args).output();
        output.map_err(|e| Error::io(&program, "run", e))
    };
    let [a, b] = &recordings.short;
    let mut compare: Vec<&OsStr> = flags.iter().map(OsString::as_os_str).collect();
    compare.extend([OsStr::new("compare"), a.as_os_str(), b.as_os_str()]);
    let mut verbose = compare.clone();
    verbose.push(OsStr::new("--verbose"));

    let told = run(&verbose)?;
    let talk = String::from_utf8_lossy(&told.stderr);
    if !matches!(told.status.code(), Some(0 | 1)) {
        return Err(Error::Usage(format!(
            "the benchmark's own `compare` failed: {}",
            talk.trim()
        )));
    }
    let peak_memory_kb = talk.lines().find_map(peak_memory::kb_of);
    // The run above has shown that it works; in the runs below a failure would not be seen.
    let mut jobs: [Job; 2] = [
        Box::new(|| drop(run(&compare))),
        Box::new(|| drop(run(&[OsStr::new("--version")]))),
    ];
    let times = one_by_one(Clock::Wall, budget, &mut jobs);
    Ok(Process {
        compare: times[0].median(),
        bare: times[1].median(),
        num_runs: times[0].count(),
        peak_memory_kb,
    })
}
