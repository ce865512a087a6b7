//! `spkver evaluate TRIALS…`: how often is it wrong? Embeds each recording once, scores each
//! trial, measures; one row a list.

use super::{
    Global, recordings,
    trial_scores::{embed, find_recordings, score},
};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    eval::{
        bootstrap::Interval,
        metrics::Costs,
        report::{Plan, Report},
        scores,
        speakers::Speakers,
        trials::TrialList,
    },
    scoring::OperatingPoint,
    storage::write_whole,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// LLR of the default decision, whose errors are reported.
const THRESHOLD: f64 = 0.0;

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// Trial lists: `1 enrol test` (VoxCeleb) or `enrol test target|nontarget` (Kaldi) a line
    #[arg(required = true, value_name = "TRIALS")]
    lists: Vec<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Use these scores (`enrol test score` a line, `nan` for none), and no recordings
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "segment", "channel"])]
    scores: Option<PathBuf>,
    /// Write the scores, `enrol test score` a line (`nan`: refused), lists one after the other
    #[arg(long, value_name = "FILE")]
    scores_out: Option<PathBuf>,
    /// Use only the first seconds of each recording
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    segment: Option<f32>,
    /// Speaker of each recording (`recording speaker` a line) [default: from the folders]
    #[arg(long, value_name = "FILE")]
    utt2spk: Option<PathBuf>,
    /// Prior of a target trial, for minDCF and actDCF
    #[arg(
        long,
        value_name = "P",
        allow_negative_numbers = true,
        default_value_t = 0.01
    )]
    p_target: f64,
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
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: usize,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// A list and what came of it.
struct Measured<'a> {
    path: &'a Path,
    report: Report,
    /// Recordings without an embedding, and why; none known where the scores were given.
    refused: Option<Vec<(&'a str, &'a str)>>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    OperatingPoint::new(args.p_target, args.c_miss, args.c_fa)?; // for its checks
    if let Some(seconds) = args.segment
        && !(seconds > 0.0 && seconds.is_finite())
    {
        return Err(Error::Usage(format!(
            "--segment {seconds}; a positive number of seconds is wanted"
        )));
    }
    let output = global.output();
    let lists: Vec<TrialList> = args
        .lists
        .iter()
        .map(|path| TrialList::read(path))
        .collect::<Result<_>>()?;
    let named = || args.lists.iter().map(PathBuf::as_path).zip(&lists);

    let (mut model, mut embeddings) = (Value::Null, HashMap::new());
    let mut all_scores: Vec<Vec<Option<f64>>> = vec![];
    if let Some(path) = &args.scores {
        for (list_path, list) in named() {
            all_scores.push(scores::read(path, list, list_path)?);
        }
    } else {
        for (path, list) in named() {
            find_recordings(path, list, &args.root)?;
        }
        let verifier = global.verifier()?;
        model = json!(verifier.id().to_string());
        embeddings = embed(
            &lists,
            &args.root,
            &args.recordings.options(),
            args.segment,
            &verifier,
        )?;
        for list in &lists {
            all_scores.push(score(list, &embeddings, &verifier));
        }
    }

    if let Some(path) = &args.scores_out {
        let texts = lists.iter().zip(&all_scores);
        let text: String = texts.map(|(l, s)| scores::to_text(l, s)).collect();
        write_whole(path, text.as_bytes())?;
    }

    let mut measured = vec![];
    for ((path, list), scores) in named().zip(&all_scores) {
        let speakers = match &args.utt2spk {
            Some(utt2spk) => Some(Speakers::read_utt2spk(utt2spk, list)?),
            None => Speakers::from_paths(list),
        };
        let report = Report::new(list, scores, speakers.as_ref(), &args.plan());
        let report = report.ok_or_else(|| Error::List {
            path: path.to_path_buf(),
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
        let names = list.recordings().iter();
        let refused = names.filter_map(|name| {
            let reason = embeddings.get(name.as_str())?.as_ref().err()?;
            Some((name.as_str(), reason.as_str()))
        });
        let refused: Vec<(&str, &str)> = refused.collect();
        for (name, reason) in &refused {
            output.detail(&format!("refused {name}: {reason}"));
        }
        measured.push(Measured {
            path,
            report,
            refused: args.scores.is_none().then_some(refused),
        });
    }

    let json = json!({
        "command": "evaluate",
        "model": model,
        "p_target": args.p_target,
        "c_miss": args.c_miss,
        "c_fa": args.c_fa,
        "threshold": THRESHOLD,
        "segment_seconds": args.segment,
        "bootstrap": args.bootstrap,
        "seed": args.seed,
        "lists": measured.iter().map(Measured::json).collect::<Vec<_>>(),
    });
    output.result(&table(&measured), &json)?;
    Ok(0)
}

impl Args {
    fn plan(&self) -> Plan {
        Plan {
            costs: Costs {
                p_target: self.p_target,
                c_miss: self.c_miss,
                c_fa: self.c_fa,
            },
            threshold: THRESHOLD,
            num_replicates: self.bootstrap,
            seed: self.seed,
        }
    }
}

impl Measured<'_> {
    fn json(&self) -> Value {
        let mut json = json!(self.report);
        json["list"] = json!(self.path.to_string_lossy());
        let refusal = |(path, reason): &(&str, &str)| json!({"path": path, "reason": reason});
        let refused = self.refused.iter().flatten();
        json["refused"] = refused.map(refusal).collect();
        json
    }

    fn row(&self) -> Vec<String> {
        let report = &self.report;
        let percent = |share: f64| format!("{:.2}", share * 100.0);
        let interval = |of: Interval| format!("{}–{}", percent(of.low), percent(of.high));
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        let known = |count: Option<usize>| count.map_or("?".into(), |n| n.to_string());
        vec![
            name.to_string_lossy().into_owned(),
            report.targets.to_string(),
            report.nontargets.to_string(),
            known(report.speakers),
            known(self.refused.as_ref().map(Vec::len)),
            (report.refused_targets + report.refused_nontargets).to_string(),
            percent(report.metrics.eer),
            report.intervals.map_or("?".into(), |i| interval(i.eer)),
            percent(report.eer_with_refused),
            format!("{:.3}", report.metrics.min_dcf),
            format!("{:.3}", report.metrics.act_dcf),
            format!("{:.3}", report.metrics.cllr),
            format!("{:.3}", report.metrics.min_cllr),
            percent(report.at_threshold.miss),
            percent(report.at_threshold.false_alarm),
        ]
    }
}

/// Columns to the width of their longest cell, numbers to the right.
fn table(measured: &[Measured]) -> String {
    let header = [
        "list",
        "targets",
        "nontargets",
        "speakers",
        "files refused",
        "trials refused",
        "EER %",
        "95 %",
        "EER % with refused",
        "minDCF",
        "actDCF",
        "Cllr",
        "minCllr",
        "miss % at 0",
        "false alarm % at 0",
    ];
    let mut rows: Vec<Vec<String>> = vec![header.map(String::from).to_vec()];
    rows.extend(measured.iter().map(Measured::row));
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).filter_map(width).collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        cells.join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
