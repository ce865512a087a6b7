//! `spkver calibrate TRIALS… -o MODEL`: scores that are log-likelihood ratios on these trials. Writes
//! the model again with a scale and an offset in its head, and the error rates by threshold.

mod cohort;
mod one_voice;
mod quality_lists;

use super::{
    Global, calibrate_scores,
    evaluate::embedded::{EmbeddedTable, Part, embed_tables, find_recordings, set_scores},
    outputs, recordings,
};
use cohort::{Judged, Source};
use quality_lists::quality_lists;
use serde_json::json;
use spkver::{
    Error, Result,
    eval::{
        metrics::Costs,
        ranking::{Ranking, ScoredTrial},
        rates::{self, RatedList},
        speakers::Speakers,
        table::ScoreTable,
    },
    network::Network,
    scoring::{Cohort, KNEE_SLOPE, PairHead},
    storage::{
        model,
        output::{Form, Outputs},
    },
    train::calibration::{Calibration, QualityList},
    verifier::{Limits, Measurement, Model, ModelCard, Verifier},
};
use std::path::PathBuf;

/// What to calibrate on.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Trial lists: `1 enroll test` (VoxCeleb) or `enroll test target|nontarget` (Kaldi) a line; also
    /// CSV, JSON lines and Parquet
    #[arg(required = true, value_name = "TRIALS")]
    pub lists: Vec<PathBuf>,
    /// Calibrate these scores of any system (as `score` writes them), and write a small file for
    /// `score --embeddings --calibration` in the place of a model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channel", "root"])]
    scores: Option<PathBuf>,
    /// Folder that the recordings' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Model file to write; with --scores the calibration
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Prior of a target trial around which the fit is the best
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    pub p_target: f64,
    /// Fit anew what the recordings' length and their distance from the average voice add to the
    /// score, and how it goes on far below 0, from these lists, the same cut to 0.7, 1.2, 2 and 3 s,
    /// and the same at 8 kHz. Wants dozens of speakers of several kinds of speech; without it a model
    /// keeps the terms that it has, and its cohort
    #[arg(long, conflicts_with = "scores")]
    quality: bool,
    /// Speakers that are in no trial, as `train` takes them: fit as well what sounding like many of
    /// them adds to the score, and keep them in the model if Cllr at --p-target, of each list by a fit
    /// on the others, is lower with them. Wants two lists or more
    #[arg(long, value_name = "DIR|MANIFEST", requires = "quality")]
    cohort: Option<PathBuf>,
    /// How many of the highest scores against the cohort count, at most all
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    cohort_top: u16,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.out.clone()], global)?;
    let mut read = args.lists.iter().chain(&args.scores).chain(&args.cohort);
    read.try_for_each(|path| outputs.spare(path))?;
    if let Some(scores) = &args.scores {
        return calibrate_scores::run(args, scores, &outputs, global);
    }
    let read = |path: &PathBuf| {
        let table = ScoreTable::read(path)?;
        find_recordings(path, &table, &args.root)?;
        Ok(table)
    };
    let mut tables: Vec<ScoreTable> = args.lists.iter().map(read).collect::<Result<_>>()?;
    let open = |path| Source::open(path, args.cohort_top.into(), &tables, &args.root);
    let cohort = args.cohort.as_deref().map(open).transpose()?;
    args.spare_recordings(&tables, cohort.as_ref(), &outputs)?;
    let out = outputs.take(&args.out, &Form::MODEL)?;
    let mut verifier = global.verifier()?;
    if args.quality {
        verifier = verifier.with_quality_terms();
    }
    let options = args.recordings.options();
    let lists: Vec<&ScoreTable> = tables.iter().collect();
    let embed = |part| embed_tables(&lists, &args.root, &options, part, &verifier);
    let embedded = embed(Part::Whole)?;
    // Models with quality terms are for 8 kHz as well.
    let narrow = args.quality.then(|| embed(Part::Narrowband)).transpose()?;
    let cohort = cohort.map(|cohort| cohort.embed(&options, &verifier));
    let cohort = cohort.transpose()?;
    let mut by_list: Vec<(Vec<f64>, Vec<f64>)> = vec![];
    let mut hasher = blake3::Hasher::new();
    let mut card = verifier.model().card.clone();
    let mut num_refused = 0;
    let (mut names, mut named) = (vec![], vec![]);
    for ((path, table), embedded) in args.lists.iter().zip(&mut tables).zip(&embedded) {
        set_scores(table, embedded, &verifier);
        let scored = table.trials().iter().filter(|trial| trial.is_scored());
        let (targets, nontargets): (Vec<_>, Vec<_>) = scored.partition(|t| t.is_target());
        let scores = |trials: Vec<&ScoredTrial>| trials.iter().map(|t| t.score).collect();
        num_refused += table.trials().len() - targets.len() - nontargets.len();
        by_list.push((scores(targets), scores(nontargets)));
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
        names.push(name);
    }
    let parts: Vec<(&[f64], &[f64])> = by_list.iter().map(|(t, n)| (&t[..], &n[..])).collect();
    let (calibration, judged) = if let Some(narrow) = &narrow {
        let points = cohort.as_ref().map(|candidate| &candidate.cohort);
        let lists = quality_lists(
            &tables,
            [&embedded, narrow],
            &args.root,
            &options,
            &verifier,
            points,
        )?;
        let judged = cohort.map(|candidate| candidate.judge(&lists, args.p_target));
        let judged = judged.transpose()?;
        let is_kept = judged.as_ref().is_some_and(Judged::is_kept);
        let lists: Vec<&QualityList> = lists.iter().flatten().collect();
        (
            Calibration::with_quality(&lists, args.p_target, is_kept)?,
            judged,
        )
    } else {
        (Calibration::of_lists(&parts, args.p_target)?, None)
    };
    let count = |side: fn(&(Vec<f64>, Vec<f64>)) -> usize| by_list.iter().map(side).sum::<usize>();
    let (targets, nontargets) = (count(|l| l.0.len()), count(|l| l.1.len()));
    calibration.check()?;
    let mut terms = calibration.quality.map_or(String::new(), |quality| {
        let cohort = match quality.cohort {
            0.0 => String::new(),
            weight => format!(", {weight:+.4} per nat of likeness to the cohort"),
        };
        let [noises, highs, lows] = calibration.of_both;
        let knee = calibration.knee.map_or(String::new(), |knee| {
            format!(", below {knee:.2} a nat counts as {KNEE_SLOPE}")
        });
        format!(
            ", {:+.4} per ln of seconds, {:+.4} per ln of length, {:+.4} per 10 dB below 30 dB SNR \
             ({noises:+.4} for the product of both sides), {:+.4} per 2 kHz below 5.5 kHz of bandwidth \
             ({highs:+.4}), {:+.4} per 10 dB that the voice lacks below 250 Hz \
             ({lows:+.4}){cohort}{knee} (fitted on cuts and at 8 kHz as well)",
            quality.seconds, quality.length, quality.noise, quality.high, quality.low
        )
    });
    terms += &judged.as_ref().map_or(String::new(), Judged::line);
    card.calibration = format!(
        "scale {:.4}, offset {:+.4}{terms}, fitted at prior {} on {} target and {} nontarget trials \
         ({num_refused} more refused) of {}",
        calibration.scale,
        calibration.offset,
        args.p_target,
        targets,
        nontargets,
        named.join(", "),
    );
    let cohort = judged.as_ref().and_then(Judged::cohort);
    let model = calibrated(&verifier, &calibration, cohort)?;
    let mut calibrated = Verifier::new(verifier.id(), model)?;
    if args.quality {
        // From now on an LLR is one: several voices can be told.
        let limits = one_voice::limits(&tables, &args.root, &options, &calibrated)?;
        let mut model = calibrated.into_model();
        let head = model.head.clone();
        model.limits = limits;
        model.limits.ln_length = ln_length_range(&embedded, &head);
        calibrated = Verifier::new(verifier.id(), model)?;
    }
    let mut rated = vec![];
    for ((name, table), embedded) in names.into_iter().zip(&mut tables).zip(&embedded) {
        set_scores(table, embedded, &calibrated);
        measure(&mut card, name, table);
        rated.push(rated_list(table, false));
    }
    for (table, narrow) in tables.iter_mut().zip(narrow.iter().flatten()) {
        set_scores(table, narrow, &calibrated);
        let copy = rated_list(table, true);
        // Where 8 kHz leave nothing to be heard there is nothing to say of it.
        if copy.as_ref().is_none_or(RatedList::has_both) {
            rated.push(copy);
        }
    }
    let rated = rated.into_iter().collect::<Option<Vec<RatedList>>>();
    let rates = rated.and_then(|lists| {
        let hash = hasher.finalize().to_string();
        rates::measure(&lists, hash, NUM_REPLICATES, args.seed)
    });
    if rates.is_none() {
        global.output().warning(
            "the paths do not tell who speaks (one folder a speaker does), so error rates were not \
             measured and --far will be refused",
        );
    }
    let line = card.calibration.clone();
    let id = model::save(
        out.path(),
        &Model {
            rates,
            card,
            ..calibrated.into_model()
        },
    )?;
    let json = json!({
        "command": "calibrate",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "scale": calibration.scale,
        "offset": calibration.offset,
        "quality": calibration.quality,
        "knee": calibration.knee,
        "cohort": judged.as_ref().map(Judged::json),
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

impl Args {
    fn spare_recordings(
        &self,
        tables: &[ScoreTable],
        cohort: Option<&Source>,
        outputs: &Outputs,
    ) -> Result<()> {
        let names = tables.iter().flat_map(ScoreTable::names);
        outputs.spare_all(names.map(|name| self.root.join(name)))?;
        outputs.spare_all(cohort.into_iter().flat_map(Source::recordings))
    }
}

/// Bootstrap replicates for the intervals.
const NUM_REPLICATES: usize = 1000;

/// The scored trials with their speakers; none where the paths do not tell them.
fn rated_list(table: &ScoreTable, is_copy: bool) -> Option<RatedList> {
    let speakers = Speakers::of_table(table)?;
    let of = |recording: u32| speakers.of(recording as usize);
    let scored = table.trials().iter().filter(|trial| trial.is_scored());
    Some(RatedList {
        trials: scored
            .map(|trial| (trial.score, [of(trial.enrol()), of(trial.test())]))
            .collect(),
        num_speakers: speakers.count(),
        is_copy,
    })
}

/// Smallest and largest ln|u| of the recordings' embeddings, and half as much and as little again.
fn ln_length_range(embedded: &[EmbeddedTable], head: &PairHead) -> Option<(f32, f32)> {
    const MARGIN: f32 = 0.5;
    let embeddings = embedded.iter().flatten().flatten();
    let lengths = embeddings.map(|embedding| head.ln_length(embedding.values()));
    let range = lengths.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), length| {
        (low.min(length), high.max(length))
    });
    (range.0 <= range.1).then_some((range.0 - MARGIN, range.1 + MARGIN))
}

/// The same model with another head; with a cohort, if there is a new one.
fn calibrated(
    verifier: &Verifier,
    calibration: &Calibration,
    cohort: Option<Cohort>,
) -> Result<Model> {
    let model = verifier.model();
    let copied = |network: &Network, num_features| {
        let (layers, weights) = (network.layers().to_vec(), network.weights().clone());
        Network::new(layers, weights, num_features)
    };
    let num_features = verifier.mfcc().num_channels();
    let num_raw = model.front_end.num_frame_channels();
    let (overlap, speech) = (model.overlap.as_ref(), model.speech.as_ref());
    let mut head = calibration.apply(&model.head);
    head.cohort = cohort.or(head.cohort);
    let (min_steadiness, steadiness_unit) = match calibration.quality {
        // Of other scores; to be chosen anew.
        Some(_) => (None, 1.0),
        // The same recordings as before.
        None => {
            let lowest = model.limits.min_steadiness;
            let unit = calibration.scale * f64::from(model.limits.steadiness_unit);
            (lowest.map(|llr| calibration.moved(llr)), unit as f32)
        }
    };
    Ok(Model {
        front_end: model.front_end.clone(),
        network: copied(&model.network, num_features)?,
        overlap: overlap.map(|n| copied(n, num_features)).transpose()?,
        speech: speech.map(|n| copied(n, num_raw)).transpose()?,
        head,
        limits: Limits {
            min_steadiness,
            steadiness_unit,
            ..model.limits
        },
        rates: None,
        card: ModelCard::default(),
    })
}

/// Notes a list's equal error rate, which calibration does not change.
fn measure(card: &mut ModelCard, name: String, table: &ScoreTable) {
    let costs = Costs {
        p_target: 0.01,
        c_miss: 1.0,
        c_fa: 1.0,
    };
    let scored = table.trials().iter().filter(|trial| trial.is_scored());
    let (scored, labels): (Vec<f64>, Vec<bool>) =
        scored.map(|trial| (trial.score, trial.is_target())).unzip();
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
