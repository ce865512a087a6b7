//! `spkver model import FILE -o MODEL`: a state dict of WeSpeaker's XVEC as a model of ours.

use crate::cli::{Global, outputs};
use serde_json::json;
use spkver::{
    Result,
    storage::{import, model, output::Form},
};
use std::path::PathBuf;

/// What to import.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// State dict of `wespeaker/models/tdnn.py`'s XVEC, as safetensors
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    out: PathBuf,
    /// Name for the model card
    #[arg(long, value_name = "TEXT", help_heading = "Model card")]
    name: Option<String>,
    /// Training data, for the model card: corpora and licences
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Model card"
    )]
    data: String,
    /// Terms of use, for the model card
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Model card"
    )]
    license: String,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.out.clone()], global)?;
    outputs.spare(&args.file)?;
    let out = outputs.take(&args.out, &Form::MODEL)?;
    let mut model = import::wespeaker_xvec(&args.file)?;
    if let Some(name) = &args.name {
        model.card.name = name.clone();
    }
    model.card.training_data = args.data.clone();
    model.card.license = args.license.clone();
    let id = model::save(out.path(), &model)?;
    let network = &model.network;
    let json = json!({
        "command": "model import",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "num_mel_bins": model.front_end.num_mel_bins,
        "embedding_size": network.embedding_size(),
        "calibrated": false,
    });
    let line = format!(
        "wrote {} (model {}): {} mel bins, embedding of {}; the scores are no log-likelihood ratios \
         until `spkver --model {} calibrate` has seen trials",
        args.out.display(),
        id.short(),
        model.front_end.num_mel_bins,
        network.embedding_size(),
        args.out.display(),
    );
    global.output().result(&line, &json)?;
    Ok(0)
}
