//! `spkver completions SHELL`: a script that lets a shell complete the program's commands and options.

use super::global::Global;
use clap_complete::{Shell, generate};
use serde_json::json;
use spkver::Result;

/// Which shell the script is for.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// The shell that reads the script
    shell: Shell,
}

/// Runs the command. `program` describes all commands and options.
pub fn run(args: &Args, mut program: clap::Command, global: &Global) -> Result<u8> {
    let mut script = vec![];
    generate(args.shell, &mut program, "spkver", &mut script);
    let script = String::from_utf8_lossy(&script);
    let json = json!({
        "command": "completions",
        "shell": args.shell.to_string(),
        "script": script,
    });
    global.output().text(&script, &json)
}
