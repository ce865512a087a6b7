//! The command line: flags in, one result on stdout, talk on stderr, an exit code out.
//!
//! 0 accept or success, 1 reject, 2 usage, 3 inconclusive or input refused, 4 model, store or
//! speaker, 5 I/O, 130 interrupted, 143 terminated (long runs go on with `--resume`).

mod bench;
mod calibrate;
mod calibrate_scores;
mod compare;
mod embed;
mod embed_batch;
mod enroll;
mod evaluate;
mod identify;
mod interrupt;
mod key;
mod list;
mod long_run;
mod model;
mod operating_point;
mod output;
mod outputs;
mod progress;
mod recordings;
mod remove;
mod score;
mod source;
mod store;
mod test_recordings;
mod train;
mod verify;

use clap::{Parser, Subcommand};
use output::Output;
use spkver::{
    Error, Result, kernels,
    storage::{self, voiceprints::Store},
    verifier::Verifier,
};
use std::{path::PathBuf, process::ExitCode};

/// Is this the enrolled speaker? Local, offline speaker verification from audio files.
#[derive(Parser)]
#[command(name = "spkver", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(clap::Args)]
pub struct Global {
    /// Model file [default: the one inside the program]
    #[arg(long, global = true, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Store of voiceprints [default: in your data folder]
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Threads to use [default: one per core]; the result is the same with any number
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Arithmetic of the network: int8 is about three times as fast and changes scores a little
    #[arg(long, global = true, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Instructions for the hot loops [default: the fastest that the CPU has]
    #[arg(long, global = true, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(kernels::NAMES))]
    kernel: Option<String>,
    #[command(flatten)]
    key: key::Args,
    #[command(flatten)]
    output: Output,
}

/// The numbers that the network computes with.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Precision {
    /// 32-bit floats
    F32,
    /// 8-bit whole numbers
    Int8,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol a speaker from one or more recordings, or add recordings to a voiceprint
    Enroll(enroll::Args),
    /// Is this recording of the enrolled speaker?
    Verify(verify::Args),
    /// Which of the enrolled speakers is this, if any?
    Identify(identify::Args),
    /// Are these two recordings of one speaker?
    Compare(compare::Args),
    /// Write the embeddings of recordings
    Embed(Box<embed::Args>),
    /// Score a list of trials, of any length
    Score(Box<score::Args>),
    /// List the enrolled speakers, or the recordings of one
    List(list::Args),
    /// Erase a voiceprint
    Remove(remove::Args),
    /// The store as a whole: its key, its backups, its vectors
    #[command(subcommand)]
    Store(store::Command),
    /// Look at the model
    #[command(subcommand)]
    Model(model::Command),
    /// Train a model
    Train(Box<train::Args>),
    /// Make a model's scores log-likelihood ratios on a list of trials
    Calibrate(calibrate::Args),
    /// Measure error rates on a list of trials
    Evaluate(Box<evaluate::Args>),
    /// Measure how fast this CPU is
    Bench(bench::Args),
}

/// Parses, runs, prints the error.
pub fn main() -> ExitCode {
    // A file that may not grow gives an error instead of ending the program by a signal.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Default::default());
    let cli = match Cli::try_parse() {
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
        cli.global.output.error(&error);
        error.exit_code()
    });
    if cli.global.output.is_verbose()
        && let Some(kb) = peak_memory_kb()
    {
        let peak = bench::PEAK_MEMORY;
        cli.global.output.detail(&format!("{peak}{kb} kB"));
    }
    storage::secret::wipe_traces();
    ExitCode::from(code)
}

/// Most memory that this process ever had resident, where the system tells it (Linux).
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// More threads than this many for each core only take memory and time.
const MAX_THREADS_PER_CORE: usize = 8;

/// Threads to start: as many as the flag or RAYON_NUM_THREADS tells, unless that is far too many.
fn set_threads(global: &Global) -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let of_environment = || std::env::var(VARIABLE).ok()?.parse::<usize>().ok();
    let (name, wanted) = match global.threads {
        Some(threads) => ("--threads", threads.into()),
        None => (VARIABLE, of_environment().unwrap_or(0)),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = MAX_THREADS_PER_CORE * cores;
    if wanted > most {
        global.output.warning(&format!(
            "{name} {wanted}: {most} threads are used, {MAX_THREADS_PER_CORE} for each core"
        ));
    }
    // 0 leaves it to rayon.
    rayon::ThreadPoolBuilder::new()
        .num_threads(wanted.min(most))
        .build_global()
        .map_err(|e| Error::Usage(format!("{name} {wanted}: {e}")))
}

fn run(cli: &Cli) -> Result<u8> {
    let global = &cli.global;
    set_threads(global)?;
    // Commands that need no model are told of a wrong path, too.
    if let Some(path) = &global.model {
        std::fs::File::open(path).map_err(|e| Error::io(path, "read", e))?;
    }
    if let Some(kernel) = &global.kernel
        && !kernels::force(kernel)
    {
        let present: Vec<&str> = kernels::instances().iter().map(|t| t.name).collect();
        return Err(Error::Usage(format!(
            "--kernel {kernel}: this CPU or build has it not; present: {}",
            present.join(", ")
        )));
    }
    match &cli.command {
        Command::Enroll(args) => enroll::run(args, global),
        Command::Verify(args) => verify::run(args, global),
        Command::Identify(args) => identify::run(args, global),
        Command::Compare(args) => compare::run(args, global),
        Command::Embed(args) => embed::run(args, global),
        Command::Score(args) => score::run(args, global),
        Command::List(args) => list::run(args, global),
        Command::Remove(args) => remove::run(args, global),
        Command::Store(command) => store::run(command, global),
        Command::Model(command) => model::run(command, global),
        Command::Train(args) => train::run(args, global),
        Command::Calibrate(args) => calibrate::run(args, global),
        Command::Evaluate(args) => evaluate::run(args, global),
        Command::Bench(args) => bench::run(args, global),
    }
}

impl Global {
    /// The model asked for, or the embedded one, in the precision asked for.
    pub fn verifier(&self) -> Result<Verifier> {
        self.verifier_in(self.precision)
    }

    /// The same in another precision.
    fn verifier_in(&self, precision: Precision) -> Result<Verifier> {
        let mut verifier = match &self.model {
            Some(path) => storage::model::load(path),
            None => storage::model::embedded(),
        }?;
        if precision == Precision::Int8 {
            verifier.quantise()?;
        }
        Ok(verifier)
    }

    /// The store's file asked for, or the one in the data folder.
    pub fn store_path(&self) -> Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => storage::voiceprints::default_path(),
        }
    }

    /// The store, opened with the secret that is given; none if there is no such file.
    pub fn open_store(&self) -> Result<Option<Store>> {
        let path = self.store_path()?;
        Store::open(&path, self.key.secret_for(&path)?.as_ref())
    }

    /// The store, opened with the secret that is given; made if there is none.
    pub fn open_or_create_store(&self) -> Result<Store> {
        let path = self.store_path()?;
        Store::open_or_create(&path, self.key.secret_for(&path)?.as_ref())
    }

    /// Where results and talk go.
    pub fn output(&self) -> &Output {
        &self.output
    }
}
