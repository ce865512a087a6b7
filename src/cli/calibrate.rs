//! `spkver calibrate TRIALS… -o MODEL`: fits a model to these trials, so that its scores are
//! log-likelihood ratios.

use super::{calibrate_scores, global::Global, outputs, progress::Bar, recordings};
use serde_json::json;
use spkver::{
    Result,
    storage::{model, output::Form},
    train::calibrate::{Addition, Calibrated, Inputs, Judged, Plan},
};
use std::path::PathBuf;

/// What to calibrate on.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Trial lists: `1 enroll test` (VoxCeleb) or `enroll test target|nontarget` (Kaldi) on each line;
    /// also CSV, JSON lines and Parquet
    #[arg(required = true, value_name = "TRIALS")]
    lists: Vec<PathBuf>,
    /// Calibrate these scores of any system (as `score` writes them), and write a small file for `score
    /// --embeddings --calibration` instead of a model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channel", "root"], help_heading = "Trials")]
    scores: Option<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    #[arg(help_heading = "Recordings")]
    root: PathBuf,
    /// Model file to write; with --scores, the calibration
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    out: PathBuf,
    /// Prior of a target trial at which the fit should be best
    #[arg(long, value_name = "P", default_value_t = 0.1, help_heading = "Fit")]
    p_target: f64,
    /// Also fit quality terms (how seconds of speech, noise, missing band and embedding length change
    /// the score) and a lower slope for scores far below 0. Uses the recordings of the lists as they
    /// are, cut to 0.7, 1.2, 2 and 3 s, and at 8 kHz. Needs dozens of speakers and several kinds of
    /// speech. Without this flag the quality terms of the model stay
    #[arg(long, conflicts_with = "scores", help_heading = "Fit")]
    quality: bool,
    /// Folder or manifest, as for `train`, of hundreds of speakers who are in no trial. Also fits a new
    /// pair head, LDA and PLDA, on their recordings and on noisy and telephone copies of these. The new
    /// head replaces the model's own, such as the cosine of an imported network, if it lowers the mean
    /// minCllr of the lists
    #[arg(long, value_name = "DIR|MANIFEST", conflicts_with = "scores")]
    #[arg(help_heading = "Fit")]
    speakers: Option<PathBuf>,
    /// Folder or manifest, as for `train`, of speakers who are in no trial. Also lowers the scores of
    /// voices that sound like many of theirs (the additive part of AS-norm). These speakers are kept in
    /// the model if this lowers Cllr at --p-target, measured on each list with a fit on the others.
    /// Needs --quality, and two lists or more. Without this flag the model keeps the cohort that it has
    #[arg(long, value_name = "DIR|MANIFEST", requires = "quality")]
    #[arg(help_heading = "Fit")]
    cohort: Option<PathBuf>,
    /// How many of the highest scores against the cohort are averaged
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Fit")]
    cohort_top: u16,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Fit")]
    seed: u64,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.out.clone()], global)?;
    let manifests = args.speakers.iter().chain(&args.cohort);
    let mut read = args.lists.iter().chain(&args.scores).chain(manifests);
    read.try_for_each(|path| outputs.spare(path))?;
    if let Some(scores) = &args.scores {
        let (lists, p_target, out) = (&args.lists, args.p_target, &args.out);
        return calibrate_scores::run(lists, scores, p_target, out, &outputs, global);
    }
    let plan = args.plan();
    let inputs = Inputs::open(&plan)?;
    outputs.spare_all(inputs.recordings())?;
    let out = outputs.take(&args.out, &Form::MODEL)?;
    let bar = Bar::new(global.output());
    let Calibrated { model, report } =
        inputs.run(global.verifier()?, &|done, total| bar.show(done, total))?;
    if !report.has_rates {
        global.output().warning(
            "the paths do not tell who speaks (one folder per speaker would), so error rates were not \
             measured and --far will be refused",
        );
    }
    let id = model::save(out.path(), &model)?;
    let json = json!({
        "command": "calibrate",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "scale": report.calibration.scale,
        "offset": report.calibration.offset,
        "quality": report.calibration.quality,
        "lower_slope_below": report.calibration.lower_slope.map(|slope| slope.below),
        "head": report.head.as_ref().map(judged_json),
        "cohort": report.cohort.as_ref().map(judged_json),
        "targets": report.num_targets,
        "nontargets": report.num_nontargets,
        "refused": report.num_refused,
    });
    let line = format!(
        "wrote {} (model {}): {}",
        args.out.display(),
        id.short(),
        model.card.calibration
    );
    global.output().result(&line, &json)
}

impl Args {
    fn plan(&self) -> Plan {
        Plan {
            lists: self.lists.clone(),
            root: self.root.clone(),
            reading: self.recordings.options(),
            p_target: self.p_target,
            quality: self.quality,
            speakers: self.speakers.clone(),
            cohort: self.cohort.clone(),
            cohort_top: self.cohort_top.into(),
            seed: self.seed,
        }
    }
}

fn judged_json(judged: &Judged) -> serde_json::Value {
    let (cost, top) = match judged.addition {
        Addition::Head => ("min_cllr", None),
        Addition::Cohort { top } => ("cllr", Some(top)),
    };
    let mut json = json!({
        "kept": judged.is_kept(),
        (format!("{cost}_with")): judged.with,
        (format!("{cost}_without")): judged.without,
        "speakers": judged.num_speakers,
        "refused": judged.num_refused,
    });
    if let Some(top) = top {
        json["top"] = json!(top);
    }
    json
}
