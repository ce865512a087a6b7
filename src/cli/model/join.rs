//! `spkver model join`: makes one model from several that were trained separately.

use super::new_model::NewModel;
use crate::cli::global::Global;
use serde_json::json;
use spkver::{
    Error, Result,
    features::MfccConfig,
    storage::model,
    train::ensemble::{join_weighted, pick},
    verifier::Model,
};
use std::path::PathBuf;

/// What to join.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Model files. The detectors, the front-end and the card are taken from the first one
    #[arg(value_name = "FILE", num_args = 2.., required = true)]
    models: Vec<PathBuf>,
    /// From the N-th model file, which must be a joined model, take only the networks with these
    /// numbers. May be given for several files
    #[arg(
        long,
        value_name = "N:NUMBER,…",
        value_parser = picked,
        help_heading = "Networks"
    )]
    pick: Vec<Picked>,
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

/// Networks that are taken from one of the model files.
#[derive(Debug, Clone)]
struct Picked {
    /// Number of the file, from 1.
    file: usize,
    /// Numbers of the networks, from 1.
    networks: Vec<usize>,
}

fn picked(text: &str) -> std::result::Result<Picked, String> {
    let number = |text: &str| text.parse::<usize>().ok();
    let parts = text.split_once(':').and_then(|(file, networks)| {
        let networks: Option<Vec<usize>> = networks.split(',').map(number).collect();
        Some(Picked {
            file: number(file)?,
            networks: networks?,
        })
    });
    parts.ok_or_else(|| "write the number of the file, a colon and those of networks: 2:1,3".into())
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
    for Picked { file, networks } in &args.pick {
        let Some(model) = file.checked_sub(1).and_then(|index| models.get_mut(index)) else {
            return Err(Error::Usage(format!(
                "--pick {file}: there are the files 1 to {count}"
            )));
        };
        (model.network, model.head) = pick(&model.network, &model.head, networks)?;
    }
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
    let pair = |model: &Model| (model.network.as_made(), model.head.clone());
    let members: Vec<_> = std::iter::once(&first).chain(&models).map(pair).collect();
    let (network, head) = join_weighted(&members, &shares, num_features)?;
    let model = first.with_network(network, head);
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
