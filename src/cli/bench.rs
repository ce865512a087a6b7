//! `spkver bench`: measures how fast this CPU runs the program, and prints a table or JSON.

mod network;
mod path;
mod process;
mod stopwatch;

use super::{
    global::{Global, Precision as Arithmetic},
    progress,
};
use indicatif::ProgressBar;
use path::{Enrolled, LONG_SECONDS, Recordings, SHORT_SECONDS};
use serde_json::{Value, json};
use spkver::{Result, kernels, verifier::Verifier};
use std::{
    cell::Cell,
    ffi::OsString,
    fmt::Write,
    time::{Duration, Instant},
};
use stopwatch::Clock;

/// How long to measure.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// About how long to measure, in seconds; a shorter time is less exact
    #[arg(long, value_name = "S", help_heading = "Measurement", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// A way to run the network, and the flags that choose it.
struct Precision {
    name: &'static str,
    verifier: Verifier,
    flags: Vec<OsString>,
}

/// The verifiers to measure: first one in f32, then one in int8, whatever `--precision` says.
fn precisions(global: &Global) -> Result<Vec<Precision>> {
    let each = [("f32", Arithmetic::F32), ("int8", Arithmetic::Int8)].into_iter();
    let made = each.map(|(name, arithmetic)| {
        let mut flags = flags(global);
        flags.extend(["--precision".into(), name.into()]);
        Ok(Precision {
            name,
            verifier: global.verifier_in(arithmetic)?,
            flags,
        })
    });
    made.collect()
}

/// The flags with which another process uses the same model, threads and kernel as this one.
fn flags(global: &Global) -> Vec<OsString> {
    let mut flags: Vec<OsString> = vec![];
    if let Some(model) = &global.model {
        flags.extend(["--model".into(), model.into()]);
    }
    if let Some(threads) = global.threads {
        flags.extend(["--threads".into(), threads.to_string().into()]);
    }
    flags.extend(["--kernel".into(), kernels::table().name.into()]);
    flags
}

/// A stage and its share of the time. With two precisions, each gets half of the share in most
/// stages.
#[derive(Clone, Copy)]
struct Stage(&'static str, f64);

const PEAK: Stage = Stage("FMA peak", 0.06);
const MFCC: Stage = Stage("MFCC", 0.06);
const NETWORK: Stage = Stage("network", 0.34);
const FILE_TO_DECISION: Stage = Stage("file to decision", 0.10);
const LATENCY: Stage = Stage("latency", 0.12);
const PROCESSES: Stage = Stage("fresh processes", 0.12);
const THROUGHPUT: Stage = Stage("throughput", 0.20);

/// A line on the terminal while something is measured.
struct Progress {
    bar: ProgressBar,
    total: Duration,
    done: Cell<f64>,
}

impl Progress {
    fn new(global: &Global, seconds: u64) -> Self {
        Progress {
            bar: progress::bar(global.output().has_bar(), 100, "{bar:30} {pos} %  {msg}"),
            total: Duration::from_secs(seconds),
            done: Cell::new(0.0),
        }
    }

    /// Shows that the stage begins. Returns the time for one of its `parts` equal parts.
    fn begin(&self, Stage(name, share): Stage, what: &str, parts: usize) -> Duration {
        let share = share / parts as f64;
        self.bar.set_position((100.0 * self.done.get()) as u64);
        self.bar.set_message(format!("{name} {what}"));
        self.bar.tick();
        self.done.set(self.done.get() + share);
        self.total.mul_f64(share)
    }
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let begun = Instant::now();
    let progress = Progress::new(global, args.seconds);
    let precisions = precisions(global)?;
    let recordings = Recordings::write()?;
    let instance = kernels::table().name;

    let peaks = network::peaks(progress.begin(PEAK, "", 1));
    let mfcc_budget = progress.begin(MFCC, "", 1);
    let mfcc_ns = path::mfcc(&precisions[0].verifier, mfcc_budget) * 1e9;

    let present: Vec<&str> = kernels::instances().iter().map(|t| t.name).collect();
    let mut text = format!(
        "spkver {} on {}; {} threads\n",
        env!("CARGO_PKG_VERSION"),
        cpu_name(),
        rayon::current_num_threads(),
    );
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(format!("CPU has        {}", instruction_sets().join(", ")));
    line(format!(
        "kernels        {instance} in use; present: {}",
        present.join(", ")
    ));
    let rows = peaks
        .iter()
        .map(|(name, gflops)| format!("{name} {gflops:.1}"));
    let rows: Vec<String> = rows.collect();
    line(format!(
        "FMA peak       {} GFLOP/s of one core",
        rows.join(", ")
    ));
    line(format!(
        "MFCC           {mfcc_ns:.0} ns a frame of 10 ms, one core"
    ));

    let mut by_precision = serde_json::Map::new();
    for precision in &precisions {
        let stage = |stage| progress.begin(stage, precision.name, precisions.len());
        let measured = Measured::take(precision, &precisions[0], &recordings, &stage)?;
        line(measured.text(precision.name));
        by_precision.insert(precision.name.into(), measured.json());
    }
    progress.bar.finish_and_clear();
    text.push_str(&format!(
        "Medians of runs in turn, {}; latency, processes and throughput in wall time. Synthetic voice.",
        Clock::Cpu.name()
    ));

    let json = json!({
        "command": "bench",
        "version": env!("CARGO_PKG_VERSION"),
        "model": precisions[0].verifier.id().to_string(),
        "cpu": cpu_name(),
        "num_threads": rayon::current_num_threads(),
        "instruction_sets": instruction_sets(),
        "kernels_present": present,
        "kernel": instance,
        "clock": Clock::Cpu.name(),
        "peak_gflops": peaks.iter().map(|(name, gflops)| (name.to_string(), json!(gflops))).collect::<serde_json::Map<String, Value>>(),
        "mfcc_ns_per_frame": mfcc_ns,
        "precision": by_precision,
        "bench_seconds": begun.elapsed().as_secs_f64(),
    });
    global.output().result(&text, &json)
}

/// Figures that depend on the precision.
struct Measured {
    network: Vec<network::Row>,
    file_to_decision: f64,
    latency: stopwatch::Times,
    process: process::Process,
    throughput: Vec<path::Throughput>,
}

impl Measured {
    fn take(
        precision: &Precision,
        exact: &Precision,
        recordings: &Recordings,
        stage: &dyn Fn(Stage) -> Duration,
    ) -> Result<Self> {
        let verifier = &precision.verifier;
        let enrolled = Enrolled::new(verifier, recordings)?;
        let network = stage(NETWORK);
        Ok(Measured {
            network: path::pool(1).install(|| network::rows(verifier, &exact.verifier, network)),
            file_to_decision: enrolled
                .file_to_decision(recordings, stage(FILE_TO_DECISION))
                .median(),
            latency: enrolled.latency(recordings, stage(LATENCY)),
            process: process::measure(&precision.flags, recordings, stage(PROCESSES))?,
            throughput: path::throughput(verifier, recordings, stage(THROUGHPUT)),
        })
    }

    fn text(&self, precision: &str) -> String {
        let mut text = format!("\n{precision}, one core\n");
        text.push_str(match self.network.first().map(|row| &row.beside) {
            Some(network::Beside::F32(_)) => {
                "                    network                     f32 in turn with it\n\
                 speech  frames      ms    GOP/s  % of FMA       ms\n"
            }
            _ => {
                "                    network                     its conv layers\n\
                 speech  frames      ms  GFLOP/s  % of peak      ms  GFLOP/s  % of peak\n"
            }
        });
        for row in &self.network {
            let _ = write!(text, "{:4.0} s  {:6}", row.seconds, row.frames);
            let columns = |speed: &network::Speed| {
                format!(
                    "  {:6.2}  {:7.1}  {:9.1}",
                    speed.ms, speed.gflops, speed.percent_of_peak
                )
            };
            let _ = match &row.beside {
                network::Beside::ConvLayers(speed) => {
                    writeln!(text, "{}{}", columns(&row.whole), columns(speed))
                }
                network::Beside::F32(speed) => writeln!(
                    text,
                    "{}  {:6.2}  {:5.2} times as fast",
                    columns(&row.whole),
                    speed.ms,
                    speed.ms / row.whole.ms
                ),
            };
        }
        let _ = writeln!(
            text,
            "{LONG_SECONDS} s file to decision: {:.2} ms, {:.0} × real time",
            self.file_to_decision * 1e3,
            f64::from(LONG_SECONDS) / self.file_to_decision
        );
        let _ = writeln!(
            text,
            "\n{precision}, all threads\nverify a {SHORT_SECONDS} s file: p50 {:.2} ms, p99 {:.2} ms of {} runs",
            self.latency.quantile(0.5) * 1e3,
            self.latency.quantile(0.99) * 1e3,
            self.latency.count()
        );
        let process = &self.process;
        let memory = process.peak_memory_kb;
        let _ = writeln!(
            text,
            "fresh process, compare two {SHORT_SECONDS} s files: {:.1} ms, {:.1} ms above a bare process ({} runs); peak memory {}",
            process.compare * 1e3,
            (process.compare - process.bare) * 1e3,
            process.num_runs,
            memory.map_or("unknown".into(), |kb| format!(
                "{:.1} MB",
                kb as f64 / 1024.0
            )),
        );
        let num_files = self.throughput[0].num_files;
        let _ = writeln!(
            text,
            "batch of {num_files} files of {SHORT_SECONDS} s:\nthreads  files/s  × real time  speed-up"
        );
        for row in &self.throughput {
            let _ = writeln!(
                text,
                "{:7}  {:7.0}  {:11.0}  {:8.2}",
                row.threads,
                row.files_per_second,
                row.files_per_second * f64::from(SHORT_SECONDS),
                row.speed_up
            );
        }
        text
    }

    fn json(&self) -> Value {
        let process = &self.process;
        let throughput: Vec<Value> = self
            .throughput
            .iter()
            .map(|row| {
                json!({
                    "threads": row.threads,
                    "num_files": row.num_files,
                    "files_per_second": row.files_per_second,
                    "times_real_time": row.files_per_second * f64::from(SHORT_SECONDS),
                    "speed_up": row.speed_up,
                })
            })
            .collect();
        json!({
            "one_core": self.network.iter().map(network::Row::json).collect::<Vec<_>>(),
            "file_to_decision": {
                "seconds": LONG_SECONDS,
                "ms": self.file_to_decision * 1e3,
                "times_real_time": f64::from(LONG_SECONDS) / self.file_to_decision,
                "real_time_factor": self.file_to_decision / f64::from(LONG_SECONDS),
            },
            "verify": {
                "seconds": SHORT_SECONDS,
                "p50_ms": self.latency.quantile(0.5) * 1e3,
                "p99_ms": self.latency.quantile(0.99) * 1e3,
                "num_runs": self.latency.count(),
            },
            "fresh_process": {
                "compare_ms": process.compare * 1e3,
                "bare_ms": process.bare * 1e3,
                "above_bare_ms": (process.compare - process.bare) * 1e3,
                "num_runs": process.num_runs,
                "peak_memory_kb": process.peak_memory_kb,
            },
            "throughput": throughput,
        })
    }
}

/// Name of the CPU, as the system reports it.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = model.and_then(|rest| rest.split_once(':'));
    name.map_or(format!("{} CPU", std::env::consts::ARCH), |(_, name)| {
        super::output::printable(name.trim())
    })
}

/// The instruction sets of this CPU that the program can use.
fn instruction_sets() -> Vec<&'static str> {
    let mut present = vec![];
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! if_present {
            ($($name:tt)*) => {
                $(if is_x86_feature_detected!($name) {
                    present.push($name);
                })*
            };
        }
        if_present!("sse2" "sse4.1" "avx" "avx2" "fma" "avxvnni" "avx512f" "avx512bw" "avx512vnni" "avx512bf16");
    }
    if cfg!(target_arch = "aarch64") {
        present.push("neon");
    }
    present
}
