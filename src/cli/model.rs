//! `spkver model info`: what the model is, what it was trained on, what it was measured to do.

mod import;

use super::{
    Global,
    output::{json_of, printable},
};
use serde_json::json;
use spkver::Result;

/// What to do with the model.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Show the model's card, front-end and layers
    Info,
    /// Make a model of a network that was trained elsewhere: WeSpeaker's XVEC
    Import(import::Args),
}

/// Runs the command.
pub fn run(command: &Command, global: &Global) -> Result<u8> {
    match command {
        Command::Info => info(global),
        Command::Import(args) => import::run(args, global),
    }
}

fn info(global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let model = verifier.model();
    let network = &model.network;
    let num_parameters: usize = network.weights().values().map(Vec::len).sum();
    let card = &model.card;

    let mut lines = vec![format!(
        "model {}  {}",
        verifier.id(),
        printable(&card.name)
    )];
    for (title, text) in [
        ("description", &card.description),
        ("trained on", &card.training_data),
        ("recipe", &card.recipe),
        ("calibration", &card.calibration),
        ("license", &card.license),
    ] {
        if !text.is_empty() {
            lines.push(format!("{title}: {}", printable(text)));
        }
    }
    lines.push(format!(
        "embedding: {} numbers from {num_parameters} parameters, {} frames at least, {} s of speech wanted",
        network.embedding_size(),
        network.receptive_field(),
        model.limits.min_speech_seconds,
    ));
    lines.push(format!("front-end: {}", json_of(&model.front_end)));
    for (i, layer) in network.layers().iter().enumerate() {
        lines.push(format!("layer {i}: {}", json_of(layer)));
    }
    for (trials, m) in &card.measured {
        lines.push(format!(
            "measured on {}: EER {:.2} % ({} target, {} nontarget trials)",
            printable(trials),
            m.eer * 100.0,
            m.num_targets,
            m.num_nontargets,
        ));
    }
    let json = json!({
        "command": "model info",
        "model": verifier.id().to_string(),
        "card": card,
        "limits": json_of(&model.limits),
        "front_end": json_of(&model.front_end),
        "layers": json_of(&network.layers()),
        "head": {
            "size": model.head.weight.len() / 2,
            "prior": json_of(&model.head.prior),
            "bias": json_of(&model.head.bias),
        },
        "embedding_size": network.embedding_size(),
        "receptive_field_frames": network.receptive_field(),
        "num_parameters": num_parameters,
    });
    global.output().result(&lines.join("\n"), &json)?;
    Ok(0)
}
