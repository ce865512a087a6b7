//! The command line: reads the flags, runs one command, prints its result on stdout and everything
//! else on stderr, and ends with an exit code.
//!
//! 0 accept or success, 1 reject, 2 usage, 3 inconclusive or input refused, 4 model, store or
//! speaker, 5 I/O, 129 hung up, 130 interrupted, 143 terminated (`--resume` continues long runs).

mod bench;
mod calibrate;
mod calibrate_scores;
mod compare;
mod completions;
mod embed;
mod embed_batch;
mod enroll;
mod evaluate;
mod global;
mod help;
mod identify;
mod interrupt;
mod key;
mod list;
mod listening;
mod long_run;
mod man;
mod model;
mod operating_point;
mod output;
mod outputs;
mod peak_memory;
mod progress;
mod recordings;
mod remedy;
mod remove;
mod score;
mod serve;
mod source;
mod store;
mod test_recordings;
mod train;
mod trial;
mod unused_flags;
mod verify;
mod version;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use global::Global;
use spkver::{Error, Result, contained, kernels, storage};
use std::process::ExitCode;

/// Is this the enrolled speaker? Local, offline speaker verification from audio files.
#[derive(Parser)]
#[command(
    name = "spkver",
    version,
    arg_required_else_help = true,
    max_term_width = 80,
    after_help = help::PROGRAM
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enroll a speaker from recordings, or add recordings to a voiceprint
    #[command(after_help = help::ENROLL)]
    Enroll(enroll::Args),
    /// Is this recording of the enrolled speaker?
    #[command(after_help = help::VERIFY)]
    Verify(verify::Args),
    /// Which of the enrolled speakers is this, if any?
    #[command(after_help = help::IDENTIFY)]
    Identify(identify::Args),
    /// Are these two recordings of one speaker?
    #[command(after_help = help::COMPARE)]
    Compare(compare::Args),
    /// Write the embeddings of recordings
    #[command(after_help = help::EMBED)]
    Embed(Box<embed::Args>),
    /// Score a list of trials, of any length
    #[command(after_help = help::SCORE)]
    Score(Box<score::Args>),
    /// List the enrolled speakers, or the recordings of one speaker
    #[command(after_help = help::LIST)]
    List(list::Args),
    /// Erase a voiceprint, or one of its recordings
    #[command(after_help = help::REMOVE)]
    Remove(remove::Args),
    /// Answer over HTTP: enroll, verify, identify, compare, delete, list
    #[command(after_help = help::SERVE)]
    Serve(Box<serve::Args>),
    /// Encrypt, back up or export the store
    #[command(subcommand, after_help = help::STORE)]
    Store(store::Command),
    /// Show, export, import or join models
    #[command(subcommand, after_help = help::MODEL)]
    Model(model::Command),
    /// Train a model
    #[command(after_help = help::TRAIN)]
    Train(Box<train::Args>),
    /// Calibrate a model on lists of trials: its scores become log-likelihood ratios
    #[command(after_help = help::CALIBRATE)]
    Calibrate(calibrate::Args),
    /// Measure error rates on lists of trials
    #[command(after_help = help::EVALUATE)]
    Evaluate(Box<evaluate::Args>),
    /// Measure how fast this CPU is
    #[command(after_help = help::BENCH)]
    Bench(bench::Args),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions(completions::Args),
    /// Write manual pages
    #[command(after_help = help::MAN)]
    Man(man::Args),
}

/// Parses the command line, runs the command, and prints its error.
pub fn main() -> ExitCode {
    contained::silence();
    // Writing beyond the limit of a file's size becomes an error, and no signal ends the program.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Default::default());
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            let mut flags = std::env::args_os().take_while(|arg| arg != "--");
            // Help and the version are no errors.
            if error.use_stderr() && flags.any(|arg| arg == "--json") {
                output::usage_as_json(&error);
            }
            output::usage(&error);
        }
    };
    let code = run(&cli).unwrap_or_else(|error| {
        cli.global.output().error(&error);
        error.exit_code()
    });
    if cli.global.output().is_verbose()
        && let Some(line) = peak_memory::line()
    {
        cli.global.output().detail(&line);
    }
    storage::secret::wipe_traces();
    ExitCode::from(code)
}

/// All commands and options.
fn program() -> clap::Command {
    unused_flags::hidden(Cli::command())
}

/// The command line, or clap's answer to it: an error, the help or the version.
fn parse() -> std::result::Result<Cli, clap::Error> {
    let mut command = program();
    if std::env::args_os().any(|arg| arg == "--version") {
        // Clap takes only texts that live as long as the program, so this text is never freed.
        let text: &'static str = version::long().leak();
        command = command.long_version(text);
    }
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// More threads per core would only take memory and time.
const MAX_THREADS_PER_CORE: usize = 8;

/// Starts as many threads as the flag or RAYON_NUM_THREADS says, unless that is far too many.
fn set_threads(global: &Global) -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let from_environment = || std::env::var(VARIABLE).ok()?.parse::<usize>().ok();
    let (name, asked) = match global.threads {
        Some(threads) => ("--threads", threads.into()),
        None => (VARIABLE, from_environment().unwrap_or(0)),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = MAX_THREADS_PER_CORE * cores;
    if asked > most {
        global.output().warning(&format!(
            "{name} {asked}: {most} threads are used, {MAX_THREADS_PER_CORE} for each core"
        ));
    }
    // With 0, rayon decides.
    rayon::ThreadPoolBuilder::new()
        .num_threads(asked.min(most))
        .build_global()
        .map_err(|e| Error::Usage(format!("{name} {asked}: {e}")))
}

fn run(cli: &Cli) -> Result<u8> {
    let global = &cli.global;
    set_threads(global)?;
    // A wrong path is an error also for commands that need no model.
    if let Some(path) = &global.model {
        std::fs::File::open(path).map_err(|e| Error::io(path, "read", e))?;
    }
    if let Some(kernel) = &global.kernel
        && !kernels::force(kernel)
    {
        let present: Vec<&str> = kernels::instances().iter().map(|t| t.name).collect();
        return Err(Error::Usage(format!(
            "--kernel {kernel}: not available on this CPU or in this build; available: {}",
            present.join(", ")
        )));
    }
    match &cli.command {
        Command::Enroll(args) => enroll::run(args, global),
        Command::Verify(args) => verify::run(args, global),
        Command::Identify(args) => identify::run(args, global),
        Command::Compare(args) => compare::run(args, global),
        Command::Embed(args) if args.is_batch() => embed_batch::run(args, global),
        Command::Embed(args) => embed::run(args, global),
        Command::Score(args) => score::run(args, global),
        Command::List(args) => list::run(args, global),
        Command::Remove(args) => remove::run(args, global),
        Command::Serve(args) => serve::run(args, global),
        Command::Store(command) => store::run(command, global),
        Command::Model(command) => model::run(command, global),
        Command::Train(args) => train::run(args, global),
        Command::Calibrate(args) => calibrate::run(args, global),
        Command::Evaluate(args) => evaluate::run(args, global),
        Command::Bench(args) => bench::run(args, global),
        Command::Completions(args) => completions::run(args, program(), global),
        Command::Man(args) => man::run(args, program(), global),
    }
}
