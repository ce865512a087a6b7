//! The `spkver` program. All commands are in `cli`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
