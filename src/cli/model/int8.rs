//! `spkver model int8`: a model with its weights rounded to int8, as a file.

use crate::cli::{global::Global, outputs};
use serde_json::json;
use spkver::{
    Error, Result,
    storage::{model, output::Form},
};
use std::path::PathBuf;

/// Where to write it.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Model file to write
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    out: PathBuf,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.out.clone()], global)?;
    let out = outputs.take(&args.out, &Form::MODEL)?;
    let verifier = global.verifier_as_made()?;
    if verifier.model().network.is_int8() {
        return Err(Error::Usage(
            "the model is in int8 already; copy its file".into(),
        ));
    }
    let id = model::save(out.path(), &verifier.to_int8()?)?;
    let line = format!(
        "wrote {} (model {}), in int8; voiceprints of model {} stay valid",
        args.out.display(),
        id.short(),
        verifier.file_id().short(),
    );
    let json = json!({
        "command": "model int8",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "rounded_from": verifier.file_id().to_string(),
    });
    global.output().result(&line, &json)?;
    Ok(0)
}
