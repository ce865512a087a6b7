//! `spkver score TRIALS`: writes a row for each trial of a list of any length, with a score or the
//! reason why there is none. `spkver score --jsonl --stdin`: answers each line with a line of JSON.

use super::{
    calibrate_scores,
    global::Global,
    interrupt,
    long_run::{Stages, interrupted, open_stream},
    output::Output as Talk,
    outputs,
    source::Source,
};
use serde_json::json;
use spkver::{
    Error, Result,
    batch::{
        kaldi_data::KaldiData,
        ledger::Ledger,
        naming::Naming,
        output::Place,
        points::Scorer,
        rows::Format,
        score::Shard,
        scoring_run::{GivenVectors, Inputs, Plan, Report},
        stream::{Answerer, serve},
        watch::Watcher,
    },
    storage::output::{OutputFile, Outputs, is_regular},
    verifier::Verifier,
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};

/// What to score, and where to.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// List of trials: each line `1 enroll test` (VoxCeleb), `enroll test target|nontarget` (Kaldi) or
    /// `enroll test`; or a table with a header, such as NIST's, CSV, JSON lines or Parquet. Lines that
    /// begin with # are comments. `-` is standard input
    #[arg(value_name = "TRIALS", required_unless_present = "stdin")]
    trials: Option<PathBuf>,
    /// File to write [default: text on stdout]. FILE.partial and FILE.state hold an unfinished run
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Format of the output [default: by the ending .txt, .csv, .jsonl or .parquet]
    #[arg(long, value_parser = outputs::format(&Format::NAMED), help_heading = "Output")]
    format: Option<Format>,
    /// Continue an unfinished run
    #[arg(long, requires = "output", help_heading = "Output")]
    resume: bool,
    /// Divide the list into N equal parts and score only part I, counted from 1. The outputs of all
    /// parts, joined in order, are the output of the whole list
    #[arg(long, value_name = "I/N", value_parser = parse_shard, help_heading = "Output")]
    shard: Option<Shard>,
    /// Which recordings enroll which model: each line `model recording…` (spk2utt), or NIST's table
    #[arg(long, value_name = "FILE", help_heading = "Trials")]
    enrollments: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Score these vectors instead of recordings: npy (with --ids), npz, ark, scp, parquet, jsonl
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "suffix", "cache", "channel", "stdin"], help_heading = "Vectors")]
    embeddings: Option<PathBuf>,
    /// File with the ids of the rows of a .npy, one per line
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    #[arg(help_heading = "Vectors")]
    ids: Option<PathBuf>,
    /// Score the vectors with the model's head instead of the cosine
    #[arg(long, requires = "embeddings", conflicts_with = "calibration")]
    #[arg(help_heading = "Vectors")]
    head: bool,
    /// Turn the scores of vectors into log-likelihood ratios with a file that `calibrate --scores` wrote
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    #[arg(help_heading = "Vectors")]
    calibration: Option<PathBuf>,
    /// Answer each line of standard input (`path`, `enroll<TAB>test`, or JSON) with a line of JSON
    #[arg(long, requires = "jsonl", conflicts_with_all = ["trials", "output", "format", "resume", "shard", "enrollments"], help_heading = "Trials")]
    stdin: bool,
    /// The same as --format jsonl
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    jsonl: bool,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let naming = args.source.naming()?;
    let Some(trials) = &args.trials else {
        return stream(args, global, &naming, interrupt::flag()?);
    };
    let talk = global.output();
    if talk.is_json() && args.output.is_none() {
        return Err(Error::Usage(
            "--json prints a report of the run, which would be mixed with the rows: give --output"
                .into(),
        ));
    }
    let plan = args.plan(trials, naming);
    let written = plan.place.iter().flat_map(Place::files);
    let written = written.map(Path::to_path_buf).collect();
    let outputs = args.replacing.open(written, global)?;
    args.spare_inputs(trials, &plan.naming, &outputs)?;
    let inputs = Inputs::open(plan)?;
    // Until here, an interrupt simply ends the program.
    let stop = interrupt::flag()?;
    outputs.spare_all(inputs.recordings())?;
    let file = args.output_file(&outputs)?;
    let can_resume = inputs.plan().place.is_some();
    if !can_resume && args.format() == Format::Parquet {
        return Err(Error::Usage("Parquet goes to a file: give --output".into()));
    }

    let verifier = global.verifier()?;
    let scorer = args.scorer(&verifier)?;
    let stages = Stages::new(talk);
    let watcher = Watcher {
        stop,
        on_event: &|event| stages.show(event),
    };
    let mut write = stream_to(file.as_ref());
    let report = inputs.run(&verifier, scorer, &mut write, &watcher)?;
    match report {
        Some(report) => args.tell(&report, &verifier, talk),
        None => Ok(interrupted(talk, can_resume)),
    }
}

/// Writes to standard output, or to the pipe or device `file`, which is opened at the first write.
fn stream_to(file: Option<&OutputFile>) -> impl FnMut(&[u8]) -> Result<()> {
    let name = file.map_or(Path::new("<stdout>"), OutputFile::path);
    let mut out = None;
    move |bytes: &[u8]| {
        let out: &mut Box<dyn Write + Send> = match &mut out {
            Some(out) => out,
            none => none.insert(open_stream(file)?),
        };
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // The reader has closed the pipe.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            other => other.map_err(|e| Error::io(name, "write", e)),
        }
    }
}

fn stream(args: &Args, global: &Global, naming: &Naming, stop: &'static AtomicBool) -> Result<u8> {
    let verifier = global.verifier()?;
    let cache = args.source.cache_file();
    let cache = cache
        .map(|path| Ledger::open(None, Some(&path)))
        .transpose()?;
    let answerer = Answerer::new(&verifier, naming, cache);
    let threads = rayon::current_num_threads();
    serve(&answerer, io::stdin(), io::stdout().lock(), threads, stop)?;
    Ok(match stop.load(Ordering::Relaxed) {
        true => interrupt::exit_code(),
        false => 0,
    })
}

/// Parses `I/N`.
pub fn parse_shard(text: &str) -> std::result::Result<Shard, String> {
    let wanted = || "wanted I/N, I from 1 to N".to_string();
    let (number, num_parts) = text.split_once('/').ok_or_else(wanted)?;
    let parse = |text| u64::from_str(text).map_err(|_| wanted());
    let (number, num_parts) = (parse(number)?, parse(num_parts)?);
    match (1..=num_parts).contains(&number) {
        true => Ok(Shard { number, num_parts }),
        false => Err(wanted()),
    }
}

impl Args {
    fn plan(&self, trials: &Path, naming: Naming) -> Plan {
        let place = self.output.as_deref().filter(|out| is_regular(out));
        let vectors = self.embeddings.as_ref().map(|path| GivenVectors {
            path: path.clone(),
            ids: self.ids.clone(),
            head: self.head,
            calibration: self.calibration.clone(),
        });
        Plan {
            trials: trials.to_path_buf(),
            shard: self.shard,
            enrollments: self.enrollments.clone(),
            naming,
            vectors,
            format: self.format(),
            place: place.map(Place::of),
            resume: self.resume,
            cache: self.source.cache_file(),
        }
    }

    /// How two points are scored.
    fn scorer<'a>(&self, verifier: &'a Verifier) -> Result<Scorer<'a>> {
        if self.embeddings.is_none() || self.head {
            return Ok(Scorer::Head(&verifier.model().head));
        }
        let calibration = self.calibration.as_deref().map(calibrate_scores::read);
        let (scale, offset) = calibration.transpose()?.unwrap_or((1.0, 0.0));
        Ok(Scorer::Cosine { scale, offset })
    }

    fn format(&self) -> Format {
        let of_ending = self.output.as_deref().map_or(Format::Text, Format::of);
        match self.jsonl {
            true => Format::JsonLines,
            false => self.format.unwrap_or(of_ending),
        }
    }

    fn tell(&self, report: &Report, verifier: &Verifier, talk: &Talk) -> Result<u8> {
        let (trials, recordings) = (report.num_trials, report.num_recordings);
        let refused = report.num_refused;
        if refused > 0 {
            talk.warning(&format!(
                "{refused} of {recordings} recordings have no embedding; the rows of their trials tell why"
            ));
        }
        if let Some(out) = &self.output {
            let json = json!({
                "command": "score",
                "model": verifier.file_id().to_string(),
                "output": out.to_string_lossy(),
                "trials": trials,
                "recordings": recordings,
                "refused": refused,
            });
            let line = format!(
                "SCORED  {}  {trials} trials of {recordings} recordings, {refused} refused",
                out.display()
            );
            talk.result(&line, &json)?;
        }
        // As for a single recording: if all recordings were refused, there is no answer.
        Ok(if refused == recordings { 3 } else { 0 })
    }

    /// Checks that the output replaces none of the inputs that are known before the list is read.
    fn spare_inputs(&self, trials: &Path, naming: &Naming, outputs: &Outputs) -> Result<()> {
        let cache = self.source.cache_file();
        let lists = naming.data.iter().flat_map(KaldiData::files_read);
        let flags = [
            &self.enrollments,
            &self.embeddings,
            &self.ids,
            &self.calibration,
            &cache,
        ];
        let flags = flags.into_iter().flatten().chain(lists);
        let mut read = flags.map(PathBuf::as_path).chain([trials]);
        read.try_for_each(|path| outputs.spare(path))
    }

    /// The output file, if there is one.
    fn output_file(&self, outputs: &Outputs) -> Result<Option<OutputFile>> {
        let (path, form) = (self.output.as_deref(), self.format().form());
        let is_named = self.format.is_some() || self.jsonl;
        outputs::take(outputs, path, form, is_named)
    }
}
