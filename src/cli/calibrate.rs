//! `spkver calibrate TRIALS… -o MODEL`: scores that are log-likelihood ratios on these trials. Writes
//! the model again with a scale and an offset in its head.

use super::{
    Global, recordings,
    trial_scores::{embed, find_recordings, score},
};
use serde_json::json;
use spkver::{
    Error, Result,
    eval::{metrics::Costs, ranking::Ranking, trials::TrialList},
    network::Network,
    storage::model,
    train::calibration::Calibration,
    verifier::{Measurement, Model, ModelCard, Verifier},
};
use std::path::PathBuf;

/// What to calibrate on.
#[derive(clap::Args)]
pub struct Args {
    /// Trial lists: `1 enrol test` (VoxCeleb) or `enrol test target|nontarget` (Kaldi) a line
    #[arg(required = true, value_name = "TRIALS")]
    lists: Vec<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Prior of a target trial around which the fit is the best
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    p_target: f64,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let lists: Vec<TrialList> = args
        .lists
        .iter()
        .map(|path| TrialList::read(path))
        .collect::<Result<_>>()?;
    for (path, list) in args.lists.iter().zip(&lists) {
        find_recordings(path, list, &args.root)?;
    }
    let verifier = global.verifier()?;
    let options = args.recordings.options();
    let embeddings = embed(&lists, &args.root, &options, None, &verifier)?;
    let (mut targets, mut nontargets) = (vec![], vec![]);
    let mut card = verifier.model().card.clone();
    let mut num_refused = 0;
    let mut named = vec![];
    for (path, list) in args.lists.iter().zip(&lists) {
        let scores = score(list, &embeddings, &verifier);
        for (trial, score) in list.trials().iter().zip(&scores) {
            match score {
                Some(score) if trial.is_target => targets.push(*score),
                Some(score) => nontargets.push(*score),
                None => num_refused += 1,
            }
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        named.push(format!(
            "{name} (BLAKE3 {:.12})",
            blake3::hash(&bytes).to_hex()
        ));
        measure(&mut card, name, list, &scores);
    }
    let calibration = Calibration::fit(&targets, &nontargets, args.p_target)?;
    // Said this way a NaN is refused as well.
    if !(calibration.scale > 0.0 && calibration.offset.is_finite()) {
        return Err(Error::Usage(
            "calibration: target trials score lower than nontarget trials; check the labels".into(),
        ));
    }
    card.calibration = format!(
        "scale {:.4}, offset {:+.4}, fitted at prior {} on {} target and {} nontarget trials \
         ({num_refused} more refused) of {}",
        calibration.scale,
        calibration.offset,
        args.p_target,
        targets.len(),
        nontargets.len(),
        named.join(", "),
    );
    let line = card.calibration.clone();
    let id = model::save(&args.out, &calibrated(&verifier, &calibration, card)?)?;
    let json = json!({
        "command": "calibrate",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "scale": calibration.scale,
        "offset": calibration.offset,
        "targets": targets.len(),
        "nontargets": nontargets.len(),
        "refused": num_refused,
    });
    let line = format!(
        "wrote {} (model {}): {line}",
        args.out.display(),
        id.short()
    );
    global.output().result(&line, &json)?;
    Ok(0)
}

/// The same model with another head.
fn calibrated(verifier: &Verifier, calibration: &Calibration, card: ModelCard) -> Result<Model> {
    let model = verifier.model();
    let (layers, weights) = (
        model.network.layers().to_vec(),
        model.network.weights().clone(),
    );
    Ok(Model {
        front_end: model.front_end.clone(),
        network: Network::new(layers, weights, verifier.mfcc().num_channels())?,
        head: calibration.apply(&model.head),
        limits: model.limits,
        card,
    })
}

/// Notes a list's equal error rate, which calibration does not change.
fn measure(card: &mut ModelCard, name: String, list: &TrialList, scores: &[Option<f64>]) {
    let costs = Costs {
        p_target: 0.01,
        c_miss: 1.0,
        c_fa: 1.0,
    };
    let (mut scored, mut labels) = (vec![], vec![]);
    for (trial, score) in list.trials().iter().zip(scores) {
        if let Some(score) = score {
            scored.push(*score);
            labels.push(trial.is_target);
        }
    }
    let Some(ranking) = Ranking::new(&scored, &labels) else {
        return;
    };
    let measurement = Measurement {
        eer: ranking.metrics(&costs).eer,
        num_targets: ranking.num_targets(),
        num_nontargets: ranking.num_nontargets(),
    };
    card.measured.insert(name, measurement);
}
