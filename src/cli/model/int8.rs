//! `spkver model int8`: writes a model whose weights are rounded to int8.

use super::new_model::NewModel;
use crate::cli::global::Global;
use serde_json::json;
use spkver::{Error, Result, storage::model};

/// Where `spkver model int8` writes the rounded model.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    new: NewModel,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let out = args.new.open(&[], global)?;
    let verifier = global.verifier_as_made()?;
    if verifier.model().network.is_int8() {
        return Err(Error::Usage(
            "the model is in int8 already; copy its file".into(),
        ));
    }
    let id = model::save(out.path(), &verifier.to_int8()?)?;
    let line = format!(
        "wrote {} (model {}), in int8; voiceprints of model {} stay valid",
        args.new.out.display(),
        id.short(),
        verifier.file_id().short(),
    );
    let json = json!({
        "command": "model int8",
        "model": args.new.out.to_string_lossy(),
        "model_id": id.to_string(),
        "rounded_from": verifier.file_id().to_string(),
    });
    global.output().result(&line, &json)
}
