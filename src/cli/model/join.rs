//! `spkver model join`: makes one model of several that were trained apart.

use super::new_model::NewModel;
use crate::cli::global::Global;
use serde_json::json;
use spkver::{
    Error, Result,
    features::MfccConfig,
    storage::model,
    train::ensemble::join_weighted,
    verifier::{Limits, Model},
};
use std::path::PathBuf;

/// What to join.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Model files. The first one gives the detectors, the front-end and the card
    #[arg(value_name = "FILE", num_args = 2.., required = true)]
    models: Vec<PathBuf>,
    /// Weight of each model's score [default: equal weights]
    #[arg(
        long,
        value_name = "SHARE,…",
        value_delimiter = ',',
        help_heading = "Networks"
    )]
    shares: Vec<f32>,
    #[command(flatten)]
    new: NewModel,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let out = args.new.open(&args.models, global)?;
    let count = args.models.len();
    let shares = match args.shares.is_empty() {
        true => vec![1.0 / count as f32; count],
        false => args.shares.clone(),
    };
    if shares.len() != count
        || shares
            .iter()
            .any(|share| !(*share > 0.0 && share.is_finite()))
    {
        return Err(Error::Usage(format!(
            "--shares: {count} numbers above 0 are needed, one for each model"
        )));
    }
    let load = |path: &PathBuf| Ok(model::load(path)?.into_model());
    let mut models: Vec<Model> = args.models.iter().map(load).collect::<Result<_>>()?;
    let first = models.remove(0);
    let same_frames = |model: &Model| MfccConfig {
        speech_only: first.front_end.speech_only,
        ..model.front_end.clone()
    };
    if let Some(at) = models
        .iter()
        .position(|m| same_frames(m) != first.front_end)
    {
        return Err(Error::Usage(format!(
            "{}: has another front-end than {}",
            args.models[at + 1].display(),
            args.models[0].display()
        )));
    }
    let num_features = first.front_end.num_channels();
    let mut members = vec![(first.network, first.head)];
    members.extend(models.into_iter().map(|model| (model.network, model.head)));
    let (network, head) = join_weighted(&members, &shares, num_features)?;
    let model = Model {
        network,
        head,
        front_end: first.front_end,
        speech: first.speech,
        overlap: first.overlap,
        // Limits on scores are chosen when it is calibrated.
        limits: Limits {
            min_parts_llr: None,
            ln_length: None,
            ..first.limits
        },
        rates: None,
        sequential: None,
        rounded_from: None,
        card: first.card,
    };
    let id = model::save(out.path(), &model)?;
    let line = format!("wrote {} (model {})", args.new.out.display(), id.short());
    let json = json!({
        "command": "model join",
        "model": args.new.out.to_string_lossy(),
        "model_id": id.to_string(),
        "shares": shares,
    });
    global.output().result(&line, &json)?;
    Ok(0)
}
