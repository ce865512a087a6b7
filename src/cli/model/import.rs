//! `spkver model import FILE -o MODEL`: makes a model from the state dict of a network that was
//! trained with another toolkit.

use super::new_model::NewModel;
use crate::cli::global::Global;
use serde_json::json;
use spkver::{
    Result,
    features::WindowType,
    storage::{import, model},
};
use std::{path::PathBuf, slice::from_ref};

/// What to import.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// State dict as safetensors (recipes/safetensors_of.py writes one): CAM++ of 3D-Speaker or
    /// WeSpeaker; ECAPA-TDNN of SpeechBrain or WeSpeaker; ResNet or XVEC of WeSpeaker
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Window of the features: povey or hamming [default: povey for CAM++, as in 3D-Speaker; hamming for
    /// the other networks]
    #[arg(long, value_name = "WINDOW", value_parser = window, help_heading = "Features")]
    window: Option<WindowType>,
    /// Give the network only the speech, without pauses, so that silence cannot change a score. Without
    /// this flag it gets whole recordings, as in the toolkit that it comes from
    #[arg(long, help_heading = "Features")]
    speech_only: bool,
    /// Name for the model card
    #[arg(long, value_name = "TEXT", help_heading = "Model card")]
    name: Option<String>,
    /// Training data, for the model card: corpora and licences
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[arg(hide_default_value = true, help_heading = "Model card")]
    data: String,
    /// Terms of use, for the model card
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[arg(hide_default_value = true, help_heading = "Model card")]
    license: String,
    #[command(flatten)]
    new: NewModel,
}

fn window(text: &str) -> std::result::Result<WindowType, String> {
    match text {
        "povey" => Ok(WindowType::Povey),
        "hamming" => Ok(WindowType::Hamming),
        _ => Err("povey or hamming".into()),
    }
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let out = args.new.open(from_ref(&args.file), global)?;
    let mut model = import::network(&args.file)?;
    if let Some(window) = args.window {
        model.front_end.window_type = window;
    }
    model.front_end.speech_only = args.speech_only;
    if let Some(name) = &args.name {
        model.card.name = name.clone();
    }
    model.card.training_data = args.data.clone();
    model.card.license = args.license.clone();
    let id = model::save(out.path(), &model)?;
    let network = &model.network;
    let json = json!({
        "command": "model import",
        "model": args.new.out.to_string_lossy(),
        "model_id": id.to_string(),
        "num_mel_bins": model.front_end.num_mel_bins,
        "embedding_size": network.embedding_size(),
        "calibrated": false,
    });
    let line = format!(
        "wrote {} (model {}): {} mel bins, embedding of {}; the scores are not log-likelihood ratios \
         until `spkver --model {} calibrate` has seen trials",
        args.new.out.display(),
        id.short(),
        model.front_end.num_mel_bins,
        network.embedding_size(),
        args.new.out.display(),
    );
    global.output().result(&line, &json)
}
