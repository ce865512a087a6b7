//! Measures a fresh process: how much longer a `compare` takes from start to exit than a process
//! that does nothing, and how much memory it uses.

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

/// Median times, in seconds, and memory.
pub struct Process {
    /// `spkver compare` of two files of 3 s.
    pub compare: f64,
    /// `spkver --version`.
    pub bare: f64,
    /// Number of runs of each command.
    pub num_runs: usize,
    /// Peak memory of `compare`, in kB, if the system reports it.
    pub peak_memory_kb: Option<u64>,
}

/// Starts this program again and again. `flags` are the flags that this process was given.
///
/// # Errors
/// [`Error::Io`] if the program cannot be started, [`Error::Usage`] if it fails.
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
    // The run above has shown that the command works. A failure of the runs below would not be
    // noticed.
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
