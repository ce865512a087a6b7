//! `spkver evaluate TRIALS|SCORES…`: how often is the model wrong? Prints a row for each list, and
//! writes plots and a page if asked to.

mod known;
mod shown;
mod written;

use super::{global::Global, outputs, progress::Bar, recordings};
use chrono::Local;
use serde_json::json;
use shown::Named;
use spkver::{
    Error, Result,
    batch::escape,
    eval::{
        embedded::Part,
        evaluate::{Lists, Plan, Scored},
        html::{List, Page},
        metrics::{Costs, Points},
        report,
    },
    scoring::OperatingPoint,
    storage::{Readers, output::OutputFile},
    verifier::ModelId,
};
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Trial lists (each line `1 enroll test` or `enroll test target|nontarget`), or scores with labels
    /// (each line `enroll test score label` or `score label`); also CSV, JSON lines and Parquet
    #[arg(required = true, value_name = "TRIALS|SCORES")]
    lists: Vec<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    #[arg(help_heading = "Recordings")]
    root: PathBuf,
    /// Measure the scores in this file instead of embedding recordings: each line `enroll test score`,
    /// with `nan` for a trial without a score; also CSV, JSON lines and Parquet
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "segment", "channel"], help_heading = "Trials")]
    scores: Option<PathBuf>,
    /// Write the scores of all lists, one list after the other: each line `enroll test score`, with
    /// `nan` for a trial with a refused recording
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    scores_out: Option<PathBuf>,
    /// Write an HTML page with all figures and plots
    #[arg(long, value_name = "HTML", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Write the DET curves (.svg or .png)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    det: Option<PathBuf>,
    /// Write the ROC curves (.svg or .png)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    roc: Option<PathBuf>,
    /// Write the histograms of the scores (.svg or .png)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    histogram: Option<PathBuf>,
    #[command(flatten)]
    known: known::Args,
    /// Show the N speakers with the highest error rates
    #[arg(long, value_name = "N", help_heading = "Output")]
    worst: Option<usize>,
    /// Use only the first SECONDS of each recording
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    #[arg(help_heading = "Recordings")]
    segment: Option<f32>,
    /// Thresholds (LLRs) at which the error rates FNMR and FMR are given
    #[arg(long, value_name = "LLR,…", allow_hyphen_values = true)]
    #[arg(value_delimiter = ',', default_value = "0", help_heading = "Figures")]
    threshold: Vec<f64>,
    /// Priors of a target trial, for minDCF and actDCF
    #[arg(long, value_name = "P,…", value_delimiter = ',')]
    #[arg(allow_negative_numbers = true, default_value = "0.01,0.05")]
    #[arg(help_heading = "Figures")]
    p_target: Vec<f64>,
    /// Cost of a miss
    #[arg(long, value_name = "COST", allow_negative_numbers = true)]
    #[arg(default_value_t = 1.0, help_heading = "Figures")]
    c_miss: f64,
    /// Cost of a false accept
    #[arg(long, value_name = "COST", allow_negative_numbers = true)]
    #[arg(default_value_t = 1.0, help_heading = "Figures")]
    c_fa: f64,
    /// Number of bootstrap replicates for the 95 % intervals, which are over speakers; 0 for no
    /// intervals
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(0..=100_000), help_heading = "Figures")]
    bootstrap: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Figures")]
    seed: u64,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Number of speakers that the page and the JSON name without `--worst`.
const NUM_WORST: usize = 10;

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let plan = args.plan()?;
    args.check_charts()?;
    let outputs = args.replacing.open(args.written(), global)?;
    let lists = Lists::read(&plan)?;
    args.spare_inputs(&plan.known, &lists, &outputs)?;
    let written = args.take(&outputs)?;
    let bar = Bar::new(global.output());
    let scored = lists.score(|| global.verifier(), &|done, total| bar.show(done, total))?;
    if let Some(out) = &written.scores {
        write_scores(&scored, out)?;
    }
    let model = scored.model;
    let mut lists = vec![];
    for measured in scored.measure() {
        let named = Named::new(measured?);
        args.talk_of(&named, global);
        lists.push(named);
    }

    let points = &plan.measure.points;
    written.draw(&lists, points.thresholds[0])?;
    if let Some(out) = &written.report {
        let page = args.page(&lists, points, model);
        out.write(page.to_html().as_bytes())?;
    }
    let mut json = json!({
        "command": "evaluate",
        "model": model.map(|id| id.to_string()),
        "p_target": args.p_target[0],
        "c_miss": args.c_miss,
        "c_fa": args.c_fa,
        "threshold": args.threshold[0],
        "points": points,
        "segment_seconds": args.segment,
        "bootstrap": args.bootstrap,
        "seed": args.seed,
        "lists": lists.iter().map(Named::json).collect::<Vec<_>>(),
    });
    json["differences"] = shown::differences_json(&lists);
    let text = shown::text(&lists, points, args.worst.is_some());
    global.output().result(&text, &json)
}

fn write_scores(scored: &Scored, out: &OutputFile) -> Result<()> {
    out.write_buffered(Readers::Everybody, |file| {
        let mut tables = scored.tables().iter();
        let written = tables.try_for_each(|table| table.write_scores(escape::name, &mut *file));
        written.map_err(|e| Error::io(out.path(), "write", e))
    })
}

impl Args {
    fn plan(&self) -> Result<Plan> {
        if let Some(seconds) = self.segment
            && !(seconds > 0.0 && seconds.is_finite())
        {
            return Err(Error::Usage(format!(
                "--segment {seconds}; give a positive number of seconds"
            )));
        }
        for p_target in &self.p_target {
            OperatingPoint::new(*p_target, self.c_miss, self.c_fa)?; // for its checks
        }
        if let Some(threshold) = self.threshold.iter().find(|t| !t.is_finite()) {
            return Err(Error::Usage(format!(
                "--threshold {threshold}; give a finite log-likelihood ratio"
            )));
        }
        let costs = |p_target: &f64| Costs {
            p_target: *p_target,
            c_miss: self.c_miss,
            c_fa: self.c_fa,
        };
        Ok(Plan {
            lists: self.lists.clone(),
            scores: self.scores.clone(),
            root: self.root.clone(),
            reading: self.recordings.options(),
            part: self.segment.map_or(Part::Whole, Part::Start),
            known: self.known.known(),
            measure: report::Plan {
                points: Points {
                    costs: self.p_target.iter().map(costs).collect(),
                    thresholds: self.threshold.clone(),
                },
                num_replicates: self.bootstrap as usize,
                seed: self.seed,
                num_worst: self.worst.unwrap_or(NUM_WORST),
            },
        })
    }

    /// Warns if there are no intervals, and names the refused recordings.
    fn talk_of(&self, Named { measured, .. }: &Named, global: &Global) {
        let output = global.output();
        let report = &measured.report;
        if self.bootstrap > 0 && report.intervals.is_none() {
            let why = match report.speakers {
                None => "the folders do not tell the speakers; give --utt2spk",
                Some(_) => "too few speakers",
            };
            output.warning(&format!("{}: no intervals: {why}", measured.path.display()));
        }
        for (name, reason) in measured.refused.iter().flatten() {
            output.detail(&format!("refused {name}: {reason}"));
        }
    }

    fn page<'a>(&self, lists: &'a [Named], points: &'a Points, model: Option<ModelId>) -> Page<'a> {
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = words.collect();
        let mut facts = vec![
            ("program", format!("spkver {}", env!("CARGO_PKG_VERSION"))),
            (
                "scores",
                model.map_or("given".into(), |id| format!("by model {id}")),
            ),
            (
                "costs",
                format!("miss {}, false accept {}", self.c_miss, self.c_fa),
            ),
            (
                "intervals",
                format!(
                    "{} bootstrap replicates, seed {}",
                    self.bootstrap, self.seed
                ),
            ),
        ];
        if let Some(seconds) = self.segment {
            facts.push(("used of each recording", format!("the first {seconds} s")));
        }
        Page {
            date: Local::now().format("%Y-%m-%d %H:%M %:z").to_string(),
            // Joining fails only for a NUL, and the arguments of a program contain none.
            command: shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default(),
            facts,
            points,
            lists: lists
                .iter()
                .map(|one| List {
                    name: &one.name,
                    report: &one.measured.report,
                    refused: one.measured.refused.as_deref().unwrap_or(&[]),
                    difference: one.difference(lists),
                })
                .collect(),
        }
    }
}
