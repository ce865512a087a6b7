//! Hides the general flags that have no effect on a command from its help. The command still accepts
//! them.

use clap::{Arg, Command};

/// The store, and its secret.
const STORE: [&str; 3] = ["store", "key_file", "passphrase_file"];
/// The model, and its arithmetic.
const MODEL: [&str; 2] = ["model", "precision"];

/// The flags that change nothing for a command, nor for the commands below it. `path` has the words that call
/// it, such as `store` and `backup`.
fn unused(path: &[&str]) -> Vec<&'static str> {
    match path {
        ["compare" | "embed" | "score" | "calibrate" | "evaluate" | "bench" | "model"] => {
            STORE.to_vec()
        }
        ["remove"]
        | ["model", "import"]
        | [
            "store",
            "encrypt" | "rekey" | "decrypt" | "backup" | "restore",
        ] => MODEL.to_vec(),
        ["train" | "completions" | "man"] | ["store", "new-key"] => [&STORE[..], &MODEL].concat(),
        _ => vec![],
    }
}

/// `program` with these flags hidden, where they are unused.
pub fn hidden(program: Command) -> Command {
    let flags: Vec<Arg> = program.get_arguments().cloned().collect();
    below(program, &[], &flags)
}

/// Gives each command below `command` a hidden copy of the flags that it does not use. Clap then does not pass
/// the visible ones down to it.
fn below(command: Command, path: &[&str], flags: &[Arg]) -> Command {
    command.mut_subcommands(|command| {
        let name = command.get_name().to_string();
        let path = [path, &[&name]].concat();
        let unused = unused(&path);
        let hidden = flags
            .iter()
            .filter(|flag| unused.contains(&flag.get_id().as_str()));
        let hidden: Vec<Arg> = hidden.map(|flag| flag.clone().hide(true)).collect();
        below(command.args(hidden), &path, flags)
    })
}
