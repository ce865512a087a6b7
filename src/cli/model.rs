//! `spkver model info|export|import|int8`: shows a model, writes its network as ONNX, or makes a
//! model: from a network that was trained elsewhere, or by rounding to int8.

mod card;
mod import;
mod int8;
mod new_model;

use super::{global::Global, help, operating_point::shown, output::printable, outputs};
use serde_json::{Value, json};
use spkver::{
    Result,
    answer::json_of,
    network::Network,
    scoring::{percent, percent_or_more},
    storage::{onnx, output::Form},
    verifier::Verifier,
};
use std::{collections::BTreeMap, path::PathBuf};

/// What to do with the model.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Show the model's card, its layers and its measured error rates
    #[command(after_help = help::MODEL_INFO)]
    Info,
    /// Write the model's network for other programs
    #[command(after_help = help::MODEL_EXPORT)]
    Export(Export),
    /// Make a model from a network that was trained elsewhere: CAM++, ECAPA-TDNN, ResNet or XVEC
    #[command(after_help = help::MODEL_IMPORT)]
    Import(import::Args),
    /// Round the weights to int8: a smaller file that starts and runs faster
    #[command(after_help = help::MODEL_INT8)]
    Int8(int8::Args),
}

/// What `spkver model export` writes.
#[derive(clap::Args)]
pub struct Export {
    /// ONNX file to write. The input of its network is `feats` (B, T, C_in), features as `embed
    /// --features` writes them; the output is `embs` (B, D)
    #[arg(long, value_name = "FILE", required = true, help_heading = "Output")]
    onnx: PathBuf,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(command: &Command, global: &Global) -> Result<u8> {
    match command {
        Command::Info => info(&global.verifier()?, global),
        Command::Export(args) => export(args, global),
        Command::Import(args) => import::run(args, global),
        Command::Int8(args) => int8::run(args, global),
    }
}

fn export(args: &Export, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.onnx.clone()], global)?;
    let out = outputs.take(&args.onnx, &Form::ONNX)?;
    let verifier = global.verifier()?;
    onnx::save(out.path(), &verifier)?;
    let path = printable(&args.onnx.to_string_lossy());
    let line = format!(
        "wrote {path} (the network of model {})",
        verifier.id().short()
    );
    let json = json!({
        "command": "model export",
        "model": verifier.id().to_string(),
        "onnx": args.onnx.to_string_lossy(),
    });
    global.output().result(&line, &json)
}

fn info(verifier: &Verifier, global: &Global) -> Result<u8> {
    let text = info_text(verifier);
    global.output().result(&text, &info_json(verifier))
}

fn num_parameters(network: &Network) -> usize {
    let tensors = network.layers().iter().flat_map(|layer| layer.tensors());
    tensors
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum()
}

/// For people.
fn info_text(verifier: &Verifier) -> String {
    let model = verifier.model();
    let (network, card) = (&model.network, &model.card);
    let mut lines = vec![format!(
        "model {}  {}",
        verifier.file_id(),
        printable(&card.name)
    )];
    for (title, text) in [
        ("description", &card.description),
        ("trained on", &card.training_data),
        ("calibration", &card.calibration),
        ("license", &card.license),
    ] {
        if !text.is_empty() {
            lines.extend(card::titled(title, text));
        }
    }
    if !card.recipe.is_empty() {
        lines.extend(card::recipe(&card.recipe));
    }
    lines.push(format!("embeddings carry the id {}", verifier.id()));
    lines.push(format!(
        "embedding: {} numbers from {} parameters; needs {} frames and {} s of speech",
        model.head.embedding_size(),
        num_parameters(network),
        network.receptive_field(),
        model.limits.min_speech_seconds,
    ));
    if network.is_int8() {
        let from = model.rounded_from.map_or(String::new(), |id| {
            format!("; rounded from model {id}, whose voiceprints stay valid")
        });
        lines.push(format!("runs in int8{from}"));
    }
    lines.push(format!("front-end: {}", json_of(&model.front_end)));
    if network.is_graph() {
        let mut kinds = BTreeMap::new();
        for layer in network.layers() {
            *kinds.entry(layer.kind()).or_insert(0) += 1;
        }
        let kinds = kinds.iter().map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<String>>().join(", ");
        lines.push(format!(
            "{} layers (--json lists them): {kinds}",
            network.layers().len()
        ));
    }
    let listed = network.layers().iter().filter(|_| !network.is_graph());
    for (i, layer) in listed.enumerate() {
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
    if let Some(rates) = &model.rates {
        lines.push(format!(
            "error rates: {} target and {} nontarget trials of {} speakers in {} lists (BLAKE3 {:.12}); \
             --far supports {} and more",
            rates.targets,
            rates.nontargets,
            rates.speakers,
            rates.lists,
            rates.blake3,
            percent_or_more(rates.smallest_false_accept_rate()),
        ));
        let rates_shown = [0.1, 0.05, 0.01, 0.001].into_iter();
        let points = rates_shown.filter_map(|far| rates.at_false_accept_rate(far).ok());
        lines.extend(points.map(|point| {
            format!(
                "  --far {}: threshold {:+.2}, false accepts {}, false rejects {}",
                percent(point.false_accept.rate).replace(' ', ""),
                point.threshold,
                shown(&point.false_accept),
                shown(&point.false_reject),
            )
        }));
    }
    lines.join("\n")
}

/// For machines.
fn info_json(verifier: &Verifier) -> Value {
    let model = verifier.model();
    let network = &model.network;
    let quality = model.head.quality.as_ref();
    let cohort = quality.and_then(|quality| quality.cohort.as_ref());
    json!({
        "command": "model info",
        "model": verifier.file_id().to_string(),
        "card": model.card,
        "limits": json_of(&model.limits),
        "rates": model.rates,
        "front_end": json_of(&model.front_end),
        "layers": json_of(&network.layers()),
        "head": {
            "size": model.head.size(),
            "groups": model.head.projection.groups,
            "prior": json_of(&model.head.prior),
            "bias": json_of(&model.head.bias),
            "quality": json_of(&quality.map(|quality| quality.weights)),
            "lower_slope_below": json_of(&model.head.lower_slope.map(|slope| slope.below)),
            "cohort_top": json_of(&cohort.map(|cohort| cohort.top)),
        },
        "embedding_size": model.head.embedding_size(),
        "receptive_field_frames": network.receptive_field(),
        "num_parameters": num_parameters(network),
        "precision": if network.is_int8() { "int8" } else { "f32" },
        "rounded_from": model.rounded_from.map(|id| id.to_string()),
    })
}
