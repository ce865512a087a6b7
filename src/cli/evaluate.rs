//! `spkver evaluate TRIALS|SCORES…`: how often is it wrong? Embeds each recording once, scores each
//! trial (or takes given scores), measures; one row a list, and plots and a page where wanted.

pub mod embedded;
mod known;
mod shown;
mod written;

use super::{Global, outputs, recordings};
use embedded::{Part, embed_tables, find_recordings, set_scores};
use serde_json::{Value, json};
use shown::Measured;
use spkver::{
    Error, Result,
    batch::escape,
    eval::{
        html::{List, Page},
        metrics::{Costs, Points},
        plots::{self, Chart},
        report::{Plan, Report},
        table::ScoreTable,
    },
    scoring::OperatingPoint,
    storage::Readers,
    verifier::Verifier,
};
use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};
use written::has_extension;

/// What to measure.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Trial lists (`1 enroll test` or `enroll test target|nontarget` a line), or scores with labels
    /// (`enroll test score label` or `score label` a line); also CSV, JSON lines and Parquet
    #[arg(required = true, value_name = "TRIALS|SCORES")]
    lists: Vec<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Use these scores (`enroll test score` a line, `nan` for none; also CSV, JSON lines and Parquet),
    /// and no recordings
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "segment", "channel"])]
    scores: Option<PathBuf>,
    /// Write the scores, `enrol test score` a line (`nan`: refused), lists one after the other
    #[arg(long, value_name = "FILE")]
    scores_out: Option<PathBuf>,
    /// Write a page with all figures and plots
    #[arg(long, value_name = "HTML")]
    report: Option<PathBuf>,
    /// Write the DET curves (.svg or .png)
    #[arg(long, value_name = "FILE")]
    det: Option<PathBuf>,
    /// Write the ROC curves (.svg or .png)
    #[arg(long, value_name = "FILE")]
    roc: Option<PathBuf>,
    /// Write the histograms of the scores (.svg or .png)
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,
    #[command(flatten)]
    known: known::Args,
    /// Name so many speakers with the highest error rates
    #[arg(long, value_name = "N")]
    worst: Option<usize>,
    /// Use only the first seconds of each recording
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    segment: Option<f32>,
    /// LLRs from which to accept, for the error rates (FNMR, FMR)
    #[arg(
        long,
        value_name = "LLR,…",
        allow_hyphen_values = true,
        value_delimiter = ',',
        default_value = "0"
    )]
    threshold: Vec<f64>,
    /// Priors of a target trial, for minDCF and actDCF
    #[arg(
        long,
        value_name = "P,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "0.01,0.05"
    )]
    p_target: Vec<f64>,
    /// Cost of a miss
    #[arg(
        long,
        value_name = "COST",
        allow_negative_numbers = true,
        default_value_t = 1.0
    )]
    c_miss: f64,
    /// Cost of a false accept
    #[arg(
        long,
        value_name = "COST",
        allow_negative_numbers = true,
        default_value_t = 1.0
    )]
    c_fa: f64,
    /// Bootstrap replicates (over speakers) for the 95 % intervals, 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    bootstrap: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Speakers named in the page and in JSON where `--worst` does not tell.
const NUM_WORST: usize = 10;

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let plan = args.plan()?;
    args.check_charts()?;
    let outputs = args.replacing.open(args.written(), global)?;
    let output = global.output();
    let mut tables: Vec<ScoreTable> = args
        .lists
        .iter()
        .map(|path| ScoreTable::read(path))
        .collect::<Result<_>>()?;
    args.spare_inputs(&tables, &outputs)?;
    let written = args.take(&outputs)?;
    let mut refusals: Vec<Option<Vec<Option<String>>>> = vec![None; tables.len()];
    let mut model = Value::Null;
    if let Some(scores) = &args.scores {
        for (path, table) in args.lists.iter().zip(&mut tables) {
            if table.has_scores() {
                return Err(Error::Usage(format!(
                    "{} has scores already; leave out --scores",
                    path.display()
                )));
            }
            table.join(scores, path)?;
        }
    } else if tables.iter().any(|table| !table.has_scores()) {
        let verifier = args.score(&mut tables, &mut refusals, global)?;
        model = json!(verifier.file_id().to_string());
    }
    if let Some(out) = &written.scores {
        out.write_with(Readers::Everybody, |file| {
            let mut file = BufWriter::new(file);
            let written = tables
                .iter()
                .try_for_each(|table| table.write_scores(escape::name, &mut file))
                .and_then(|()| file.flush());
            written.map_err(|e| Error::io(out.path(), "write", e))
        })?;
    }

    let mut measured = vec![];
    for ((path, mut table), refusals) in args.lists.iter().zip(tables).zip(refusals) {
        let metadata = args.known.metadata(&table)?;
        let speakers = args.known.speakers(&table, metadata.as_ref())?;
        let conditions = args.known.conditions(metadata.as_ref())?;
        let refused: Option<Vec<bool>> = refusals
            .as_ref()
            .map(|reasons| reasons.iter().map(Option::is_some).collect());
        let report = Report::new(
            &mut table,
            speakers.as_ref(),
            refused.as_deref(),
            &conditions,
            &plan,
        );
        let report = report.ok_or_else(|| Error::List {
            path: path.clone(),
            line: 1,
            fact: "no target trial, or no nontarget trial, has a score".into(),
            remedy: "list both kinds, of recordings that are fit for scoring".into(),
        })?;
        if args.bootstrap > 0 && report.intervals.is_none() {
            let why = match speakers {
                None => "the folders do not tell the speakers; give --utt2spk",
                Some(_) => "too few speakers",
            };
            output.warning(&format!("{}: no intervals: {why}", path.display()));
        }
        let refused = refusals.map(|reasons| {
            let named = table.names().zip(reasons);
            let refused = named.filter_map(|(name, reason)| Some((name.to_string(), reason?)));
            refused.collect::<Vec<(String, String)>>()
        });
        for (name, reason) in refused.iter().flatten() {
            output.detail(&format!("refused {name}: {reason}"));
        }
        measured.push(Measured {
            path,
            name: shown::name(path),
            report,
            refused,
        });
    }

    for (chart, out) in &written.charts {
        let threshold = plan.points.thresholds[0];
        out.write(&draw(*chart, out.path(), &measured, threshold))?;
    }
    if let Some(out) = &written.report {
        let page = args.page(&measured, &plan, &model);
        out.write(page.to_html().as_bytes())?;
    }
    let json = json!({
        "command": "evaluate",
        "model": model,
        "p_target": args.p_target[0],
        "c_miss": args.c_miss,
        "c_fa": args.c_fa,
        "threshold": args.threshold[0],
        "points": plan.points,
        "segment_seconds": args.segment,
        "bootstrap": args.bootstrap,
        "seed": args.seed,
        "lists": measured.iter().map(Measured::json).collect::<Vec<_>>(),
    });
    let text = shown::text(&measured, &plan.points, args.worst.is_some());
    output.result(&text, &json)?;
    Ok(0)
}

impl Args {
    fn plan(&self) -> Result<Plan> {
        if let Some(seconds) = self.segment
            && !(seconds > 0.0 && seconds.is_finite())
        {
            return Err(Error::Usage(format!(
                "--segment {seconds}; a positive number of seconds is wanted"
            )));
        }
        for p_target in &self.p_target {
            OperatingPoint::new(*p_target, self.c_miss, self.c_fa)?; // for its checks
        }
        if let Some(threshold) = self.threshold.iter().find(|t| !t.is_finite()) {
            return Err(Error::Usage(format!(
                "--threshold {threshold}; a finite log-likelihood ratio is wanted"
            )));
        }
        let costs = |p_target: &f64| Costs {
            p_target: *p_target,
            c_miss: self.c_miss,
            c_fa: self.c_fa,
        };
        Ok(Plan {
            points: Points {
                costs: self.p_target.iter().map(costs).collect(),
                thresholds: self.threshold.clone(),
            },
            num_replicates: self.bootstrap as usize,
            seed: self.seed,
            num_worst: self.worst.unwrap_or(NUM_WORST),
        })
    }

    /// Scores the lists that have none; per list and recording why it was refused.
    fn score(
        &self,
        tables: &mut [ScoreTable],
        refusals: &mut [Option<Vec<Option<String>>>],
        global: &Global,
    ) -> Result<Verifier> {
        for (path, table) in self.lists.iter().zip(tables.iter()) {
            if !table.has_scores() {
                find_recordings(path, table, &self.root)?;
            }
        }
        let verifier = global.verifier()?;
        let without = |table: &&ScoreTable| !table.has_scores();
        let unscored: Vec<&ScoreTable> = tables.iter().filter(without).collect();
        let options = self.recordings.options();
        let part = self.segment.map_or(Part::Whole, Part::Start);
        let embedded = embed_tables(&unscored, &self.root, &options, part, &verifier)?;
        let unscored = tables.iter_mut().zip(refusals);
        let unscored = unscored.filter(|(table, _)| !table.has_scores());
        for ((table, refusals), own) in unscored.zip(embedded) {
            let reasons = own.iter().map(|e| e.as_ref().err().cloned());
            *refusals = Some(reasons.collect());
            set_scores(table, &own, &verifier);
        }
        Ok(verifier)
    }

    fn page<'a>(&self, measured: &'a [Measured], plan: &'a Plan, model: &Value) -> Page<'a> {
        let mut facts = vec![
            ("program", format!("spkver {}", env!("CARGO_PKG_VERSION"))),
            (
                "scores",
                match model {
                    Value::String(id) => format!("by model {id}"),
                    _ => "given".into(),
                },
            ),
            (
                "costs",
                format!("miss {}, false accept {}", self.c_miss, self.c_fa),
            ),
            (
                "intervals",
                format!("{} replicates, seed {}", self.bootstrap, self.seed),
            ),
        ];
        if let Some(seconds) = self.segment {
            facts.push(("used of each recording", format!("the first {seconds} s")));
        }
        Page {
            facts,
            points: &plan.points,
            lists: measured
                .iter()
                .map(|one| List {
                    name: &one.name,
                    report: &one.report,
                    refused: one.refused.as_deref().unwrap_or(&[]),
                })
                .collect(),
        }
    }
}

fn draw(chart: Chart, path: &Path, measured: &[Measured], threshold: f64) -> Vec<u8> {
    let named: Vec<plots::Named> = measured.iter().map(|m| (&m.name[..], &m.report)).collect();
    match has_extension(path, "svg") {
        true => plots::svg(chart, &named, threshold).into_bytes(),
        false => plots::png(chart, &named, threshold),
    }
}
