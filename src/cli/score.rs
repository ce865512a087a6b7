//! `spkver score TRIALS`: a row with a score, or the reason why there is none, for each trial of a
//! list of any length. `spkver score --jsonl --stdin`: a line of JSON for each line.

mod embeddings;
mod written;

use super::{
    Global, interrupt,
    long_run::{embed_all, interrupted, open_stream},
    output::Output as Talk,
    outputs,
    progress::Progress,
    source::Source,
};
use serde_json::json;
use spkver::{
    Error, Result,
    batch::{
        extract::Ending,
        job::Job,
        ledger::Ledger,
        outcome::Outcome,
        output::{Output, Place},
        points::{Points, Scorer},
        recording::Naming,
        rows::Format,
        score::{Participants, Shard, Sides, block_size, score},
        stream::{Answerer, serve},
        trial_index::TrialIndex,
        watch::Watch,
    },
    lists::enrollments::Enrollments,
    storage::output::is_regular,
    verifier::Verifier,
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};

/// What to score, and where to.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Trials: `1 enroll test` (VoxCeleb), `enroll test target|nontarget` (Kaldi), `enroll test`, NIST's
    /// table or another with a header, CSV, JSON lines or Parquet; lines that begin with # are comments.
    /// `-` is standard input
    #[arg(value_name = "TRIALS", required_unless_present = "stdin")]
    trials: Option<PathBuf>,
    /// File to write [default: text on stdout]. What is unfinished is in FILE.partial and FILE.state
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of the output [default: by the ending .txt, .csv, .jsonl or .parquet]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Go on with a run that did not end
    #[arg(long, requires = "output")]
    resume: bool,
    /// Only the i-th of n equal parts of the list, from 1; outputs of all parts, one after the other,
    /// are the whole one's
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<Shard>,
    /// Which recordings enrol which model: `model recording…` a line (spk2utt), or NIST's table
    #[arg(long, value_name = "FILE")]
    enrollments: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Score these vectors in the place of recordings: npy (with --ids), npz, ark, scp, parquet, jsonl
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "suffix", "cache", "channel", "stdin"])]
    embeddings: Option<PathBuf>,
    /// Ids of the rows of a .npy, one a line
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    ids: Option<PathBuf>,
    /// Score the vectors with the model's head in the place of the cosine
    #[arg(long, requires = "embeddings", conflicts_with = "calibration")]
    head: bool,
    /// Make the scores of vectors log-likelihood ratios with what `calibrate --scores` wrote
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    calibration: Option<PathBuf>,
    /// Answer each line of standard input (`path`, `enroll<TAB>test`, or JSON) with a line of JSON
    #[arg(long, requires = "jsonl", conflicts_with_all = ["trials", "output", "format", "resume", "shard", "enrollments"])]
    stdin: bool,
    /// As --format jsonl
    #[arg(long, conflicts_with = "format")]
    jsonl: bool,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatName {
    Text,
    Csv,
    Jsonl,
    Parquet,
}

/// What a run of `score` came to.
struct Told {
    recordings: usize,
    refused: usize,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let mut naming = args.source.naming()?;
    let Some(trials) = &args.trials else {
        return stream(args, global, &naming, interrupt::flag()?);
    };
    let talk = global.output();
    if talk.is_json() && args.output.is_none() {
        return Err(Error::Usage(
            "--json tells about the run, and the rows would be among it: give --output".into(),
        ));
    }
    let place = args.output.as_deref().filter(|out| is_regular(out));
    let place = place.map(Place::of);
    let written = place.iter().flat_map(Place::files);
    let written = written.map(Path::to_path_buf).collect();
    let outputs = args.replacing.open(written, global)?;
    args.spare_inputs(trials, &naming, &outputs)?;
    let enrollments = args.enrollments.as_deref().map(Enrollments::read);
    let enrollments = enrollments.transpose()?;
    let folder = place
        .as_ref()
        .map_or(std::env::temp_dir(), |p| p.folder().to_path_buf());
    let mut index = read_index(trials, &folder)?;
    // Not before: what only read a list so far is simply ended.
    let stop = interrupt::flag()?;
    if index.has_sides() && naming.reading.channel.is_none() {
        naming.reading.channel = Some(1);
    }
    let shard = args.shard.unwrap_or(Shard { number: 1, of: 1 });
    let range = shard.range(index.count());
    let participants = Participants::new(
        &mut index,
        range.clone(),
        enrollments.as_ref(),
        naming.data.as_ref(),
    )?;
    if args.embeddings.is_none() {
        let recordings = participants.utterances().map(|name| naming.recording(name));
        outputs.spare_all(recordings.flatten().map(|recording| recording.path))?;
    }
    let file = args.output_file(&outputs)?;
    if place.is_none() && args.format() == Format::Parquet {
        return Err(Error::Usage("Parquet goes to a file: give --output".into()));
    }

    let verifier = global.verifier()?;
    let scorer = args.scorer(&verifier)?;
    let fingerprint = args.fingerprint(&index, &verifier, &naming)?;
    let cache = args.source.cache_file();
    let mut ledger = match &place {
        Some(place) => place.open(args.resume, &fingerprint, cache.as_deref())?,
        None => Ledger::open(None, cache.as_deref())?,
    };

    let (points, sides);
    let mut refused = 0;
    if let Some(path) = &args.embeddings {
        let vectors = args.vectors(path, &participants)?;
        let mut made = Points::new(scorer, vectors.size());
        embeddings::check_size(&vectors, scorer, &verifier)?;
        sides = participants.sides(&mut made, |take| {
            for (number, name) in participants.utterances().enumerate() {
                let vector = vectors.get(name);
                refused += usize::from(vector.is_err());
                take(number, vector);
            }
            Ok(())
        })?;
        points = made;
    } else {
        let recordings: Vec<_> = participants
            .utterances()
            .map(|name| naming.recording(name))
            .collect();
        let ended = embed_all(&recordings, &verifier, &mut ledger, stop, talk)?;
        if ended == Ending::Stopped {
            return Ok(interrupted(talk, args.output.is_some()));
        }
        drop(recordings);
        let mut made = Points::new(scorer, verifier.model().network.embedding_size());
        sides = participants.sides(&mut made, |take| {
            ledger.for_each(|number, entry| {
                match entry.outcome {
                    Outcome::Embedded(embedded) => take(number, Ok(&embedded.values)),
                    Outcome::Refused(why) => {
                        refused += 1;
                        take(number, Err(why.reason));
                    }
                }
                Ok(())
            })
        })?;
        points = made;
    }
    let told = Told {
        recordings: participants.utterances().len(),
        refused,
    };

    let format = args.format();
    let header = if shard.number == 1 {
        format.header()
    } else {
        ""
    };
    let count = range.end - range.start;
    let progress = Progress::new(count, "trials", talk);
    let watch = Watch {
        stop,
        advance: &|n| progress.advance(n),
    };
    let block = block_size(count);
    let sides: &Sides = &sides;
    let ended;
    match &place {
        Some(place) => {
            let mut output = Output::open(place, &ledger)?;
            if output.is_new(&ledger)? {
                output.append(&ledger, header.as_bytes(), 0)?;
            }
            progress.begin_at(output.num_rows());
            let left = range.start + output.num_rows()..range.end;
            ended = score(
                &mut index,
                left,
                block,
                (sides, &points),
                format,
                &watch,
                |bytes, rows| output.append(&ledger, bytes, rows),
            )?;
            if ended == Ending::Complete {
                let model = verifier.file_id().to_string();
                let score = match scorer {
                    Scorer::Cosine { .. } if args.calibration.is_none() => "cosine",
                    _ => "llr",
                };
                output.complete(ledger, format, &[("model", &model), ("score", score)])?;
            }
        }
        None => {
            let mut out = open_stream(file.as_ref())?;
            let name = args.output.as_deref().unwrap_or(Path::new("<stdout>"));
            let mut write = |bytes: &[u8]| match out.write_all(bytes).and_then(|()| out.flush()) {
                // Whoever read has read enough.
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
                other => other.map_err(|e| Error::io(name, "write", e)),
            };
            write(header.as_bytes())?;
            ended = score(
                &mut index,
                range,
                block,
                (sides, &points),
                format,
                &watch,
                |bytes, _| write(bytes),
            )?;
        }
    }
    progress.finish();
    if ended == Ending::Stopped {
        return Ok(interrupted(talk, place.is_some()));
    }
    told.tell(args, count, &verifier, talk)
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

fn read_index(trials: &Path, folder: &Path) -> Result<TrialIndex> {
    if trials == Path::new("-") {
        return TrialIndex::read(io::stdin(), Path::new("<stdin>"), folder);
    }
    let file = File::open(trials).map_err(|e| Error::io(trials, "read", e))?;
    TrialIndex::read(file, trials, folder)
}

/// `I/N`.
pub fn parse_shard(text: &str) -> std::result::Result<Shard, String> {
    let wanted = || "wanted I/N, I from 1 to N".to_string();
    let (number, of) = text.split_once('/').ok_or_else(wanted)?;
    let parse = |text| u64::from_str(text).map_err(|_| wanted());
    let (number, of) = (parse(number)?, parse(of)?);
    match (1..=of).contains(&number) {
        true => Ok(Shard { number, of }),
        false => Err(wanted()),
    }
}

impl Args {
    fn format(&self) -> Format {
        match (self.format, &self.output) {
            _ if self.jsonl => Format::JsonLines,
            (Some(FormatName::Text), _) | (None, None) => Format::Text,
            (Some(FormatName::Csv), _) => Format::Csv,
            (Some(FormatName::Jsonl), _) => Format::JsonLines,
            (Some(FormatName::Parquet), _) => Format::Parquet,
            (None, Some(path)) => Format::of(path),
        }
    }

    /// What the rows depend on.
    fn fingerprint(
        &self,
        index: &TrialIndex,
        verifier: &Verifier,
        naming: &Naming,
    ) -> Result<blake3::Hash> {
        let mut job = Job::new("score");
        job.add(index.hash().as_bytes());
        job.add(format!("{:?} {:?} {}", self.format(), self.shard, self.head).as_bytes());
        job.add_naming(naming, verifier)?;
        for path in [
            &self.enrollments,
            &self.embeddings,
            &self.ids,
            &self.calibration,
        ] {
            job.add_file(path.as_deref())?;
        }
        Ok(job.hash())
    }
}

impl Told {
    fn tell(&self, args: &Args, trials: u64, verifier: &Verifier, talk: &Talk) -> Result<u8> {
        let Told {
            recordings,
            refused,
        } = *self;
        if refused > 0 {
            talk.warning(&format!(
                "{refused} of {recordings} recordings have no embedding; the rows of their trials tell why"
            ));
        }
        if let Some(out) = &args.output {
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
        // As for one recording: an answer that is all refusals is none.
        Ok(if refused == recordings { 3 } else { 0 })
    }
}
