//! `spkver calibrate TRIALS… -o MODEL`: scores that are log-likelihood ratios on these trials. Writes
//! the model again with a scale and an offset in its head, and the error rates by threshold.

use super::{
    Global, recordings,
    trial_scores::{embed, find_recordings, score},
};
use serde_json::json;
use spkver::{
    Error, Result,
    eval::{
        metrics::Costs,
        ranking::Ranking,
        rates::{self, RatedList},
        speakers::Speakers,
        trials::TrialList,
    },
    network::Network,
    scoring::MeasuredRates,
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
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
    let mut by_list: Vec<(Vec<f64>, Vec<f64>)> = vec![];
    let mut rated = vec![];
    let mut hasher = blake3::Hasher::new();
    let mut card = verifier.model().card.clone();
    let mut num_refused = 0;
    let mut named = vec![];
    for (path, list) in args.lists.iter().zip(&lists) {
        let scores = score(list, &embeddings, &verifier);
        let speakers = Speakers::from_paths(list);
        let (mut targets, mut nontargets) = (vec![], vec![]);
        for (trial, score) in list.trials().iter().zip(&scores) {
            match score {
                Some(score) if trial.is_target => targets.push(*score),
                Some(score) => nontargets.push(*score),
                None => num_refused += 1,
            }
        }
        by_list.push((targets, nontargets));
        rated.push(speakers.map(|speakers| rated_list(list, &scores, &speakers)));
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        hasher.update(&bytes);
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
    let parts: Vec<(&[f64], &[f64])> = by_list.iter().map(|(t, n)| (&t[..], &n[..])).collect();
    let calibration = Calibration::of_lists(&parts, args.p_target)?;
    let count = |side: fn(&(Vec<f64>, Vec<f64>)) -> usize| by_list.iter().map(side).sum::<usize>();
    let (targets, nontargets) = (count(|l| l.0.len()), count(|l| l.1.len()));
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
        targets,
        nontargets,
        named.join(", "),
    );
    let rates = match rated.into_iter().collect::<Option<Vec<RatedList>>>() {
        Some(mut lists) => {
            let trials = lists.iter_mut().flat_map(|list| &mut list.trials);
            trials.for_each(|(llr, _)| *llr = calibration.scale * *llr + calibration.offset);
            rates::measure(
                &lists,
                hasher.finalize().to_string(),
                NUM_REPLICATES,
                args.seed,
            )
        }
        None => None,
    };
    if rates.is_none() {
        global.output().warning(
            "the paths do not tell who speaks (one folder a speaker does), so error rates were not \
             measured and --far will be refused",
        );
    }
    let line = card.calibration.clone();
    let id = model::save(
        &args.out,
        &calibrated(&verifier, &calibration, rates, card)?,
    )?;
    let json = json!({
        "command": "calibrate",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "scale": calibration.scale,
        "offset": calibration.offset,
        "targets": targets,
        "nontargets": nontargets,
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

/// Bootstrap replicates for the intervals.
const NUM_REPLICATES: usize = 1000;

/// The scored trials with their speakers.
fn rated_list(list: &TrialList, scores: &[Option<f64>], speakers: &Speakers) -> RatedList {
    let trials = list.trials().iter().zip(scores);
    RatedList {
        trials: trials
            .filter_map(|(trial, score)| {
                Some((
                    (*score)?,
                    [speakers.of(trial.enrol), speakers.of(trial.test)],
                ))
            })
            .collect(),
        num_speakers: speakers.count(),
    }
}

/// The same model with another head.
fn calibrated(
    verifier: &Verifier,
    calibration: &Calibration,
    rates: Option<MeasuredRates>,
    card: ModelCard,
) -> Result<Model> {
    let model = verifier.model();
    let (layers, weights) = (
        model.network.layers().to_vec(),
        model.network.weights().clone(),
    );
    Ok(Model {
        front_end: model.front_end.clone(),
        network: Network::from_tensors(layers, weights, verifier.mfcc().num_channels())?,
        head: calibration.apply(&model.head),
        limits: model.limits,
        rates,
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
