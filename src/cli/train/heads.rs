//! What each pair head makes of the same embeddings: fitted on the training speech, measured on
//! trial lists of other speakers.

use crate::cli::{
    evaluate::embedded::{EmbeddedTable, Part, embed_tables, find_recordings},
    output::printable,
};
use serde_json::{Value, json};
use spkver::{
    Result,
    audio::ReadOptions,
    eval::{
        bootstrap::{self, Interval},
        metrics::{Costs, Figures, Points},
        ranking::Ranking,
        speakers::Speakers,
        sweep::Sweep,
        table::ScoreTable,
    },
    scoring::PairHead,
    train::{
        Labelled,
        calibration::Calibration,
        head::{self, RefineOptions, Report},
        lda,
        options::TrainOptions,
        pair_loss::{PairLoss, pearson},
        plda::{self, PldaOptions},
    },
    verifier::Verifier,
};
use std::path::{Path, PathBuf};

/// A trial list to compare on.
pub struct List {
    path: PathBuf,
    table: ScoreTable,
}

/// A head and what it does on each list.
pub struct Compared {
    name: &'static str,
    /// What its training says.
    note: Option<Report>,
    lists: Vec<OnList>,
}

struct OnList {
    list: String,
    figures: Figures,
    intervals: Option<Figures<Interval>>,
    /// Of the scores with the labels.
    pearson: Option<f64>,
    /// Largest difference from the scores of the BCE head.
    from_bce: f64,
}

/// What refining the head did, for people.
pub fn line(loss: PairLoss, report: &Report) -> String {
    let (before, after) = (report.loss_before, report.loss_after);
    match loss {
        PairLoss::Bce => {
            format!("pair head: {before:.4} bits per pair after LDA and PLDA, {after:.4} after BCE")
        }
        PairLoss::Softmax => format!(
            "pair head: {before:.4} bits per pair after LDA and PLDA, {after:.4} after softmax"
        ),
        PairLoss::Mse => format!(
            "pair head: squared error {before:.4} after LDA and PLDA, {after:.4} after MSE; \
             Pearson r with the grades {:.3}",
            report.pearson.unwrap_or(f64::NAN)
        ),
    }
}

/// Reads the lists and looks for their recordings, before a day of training.
pub fn open(paths: &[PathBuf], root: &Path) -> Result<Vec<List>> {
    let open = |path: &PathBuf| {
        let table = ScoreTable::read(path)?;
        find_recordings(path, &table, root)?;
        Ok(List {
            path: path.clone(),
            table,
        })
    };
    paths.iter().map(open).collect()
}

/// The files of the lists' recordings.
pub fn recordings(lists: &[List], root: &Path) -> impl Iterator<Item = PathBuf> {
    let names = lists.iter().flat_map(|list| list.table.names());
    names.map(|name| root.join(name))
}

/// Fits every head on `labelled` and measures it on the lists.
pub fn compare(
    lists: &[List],
    root: &Path,
    verifier: &Verifier,
    labelled: &Labelled,
    options: &TrainOptions,
) -> Result<Vec<Compared>> {
    let tables: Vec<&ScoreTable> = lists.iter().map(|list| &list.table).collect();
    let embedded = embed_tables(
        &tables,
        root,
        &ReadOptions::default(),
        Part::Whole,
        verifier,
    )?;
    let mut compared: Vec<Compared> = vec![];
    let mut bce_scores: Vec<Vec<f64>> = vec![];
    let heads = heads(labelled, options)?;
    // BCE first: the others are held against its scores.
    let mut order: Vec<usize> = (0..heads.len()).collect();
    order.sort_by_key(|i| heads[*i].0 != BCE);
    for index in order {
        let (name, head, note) = &heads[index];
        let mut on_lists = vec![];
        for (at, (list, embedded)) in lists.iter().zip(&embedded).enumerate() {
            let mut table = list.table.clone();
            score(&mut table, embedded, head);
            let scores: Vec<f64> = table.trials().iter().map(|t| t.score).collect();
            if *name == BCE {
                bce_scores.push(scores.clone());
            }
            let from_bce = largest_difference(&scores, &bce_scores[at]);
            if let Some(measured) = measure(list, table, from_bce, options.seed) {
                on_lists.push(measured);
            }
        }
        compared.push(Compared {
            name,
            note: *note,
            lists: on_lists,
        });
    }
    let place = |one: &Compared| heads.iter().position(|(name, ..)| *name == one.name);
    compared.sort_by_key(place);
    Ok(compared)
}

const BCE: &str = "PLDA refined by BCE, one logit";

type Fitted = (&'static str, PairHead, Option<Report>);

/// Every head, from the simplest; all end as one logit over the same pair features.
fn heads(labelled: &Labelled, options: &TrainOptions) -> Result<Vec<Fitted>> {
    let own = &options.head;
    let size = head::lda_size(labelled, own);
    let pairs = RefineOptions {
        num_steps: own.bce_steps.max(1),
        ..own.refine(options.seed)
    };
    let calibrated = |head: &PairHead| -> Result<PairHead> {
        let (targets, nontargets) = head::score_pairs(head, labelled, &pairs)?;
        Ok(Calibration::fit(&targets, &nontargets, pairs.prior)?.apply(head))
    };
    let cosine = head::plain_cosine(labelled, 1.0);
    let lda = lda::fit(labelled, size, own.shrinkage)?;
    let lda_cosine = head::cosine(&lda.mean, &lda.whiten, 1.0);
    let plda_options = PldaOptions {
        size,
        shrinkage: own.shrinkage,
        ..PldaOptions::default()
    };
    let plda = plda::fit_head(labelled, &plda_options)?;
    let refined = |loss| {
        head::refine(
            &plda,
            labelled,
            &RefineOptions {
                loss,
                ..pairs.clone()
            },
        )
    };
    let (bce, bce_note) = refined(PairLoss::Bce)?;
    let (softmax, softmax_note) = refined(PairLoss::Softmax)?;
    let (mse, mse_note) = refined(PairLoss::Mse)?;
    let scaled = calibrated(&cosine)?;
    let scaled_lda = calibrated(&lda_cosine)?;
    Ok(vec![
        ("cosine", cosine, None),
        ("cosine, scale and bias", scaled, None),
        ("LDA, cosine, scale and bias", scaled_lda, None),
        ("LDA and PLDA", plda, None),
        (BCE, bce, Some(bce_note)),
        (
            "the same by softmax, two outputs",
            softmax,
            Some(softmax_note),
        ),
        ("the same by MSE on grades", mse, Some(mse_note)),
    ])
}

/// As `Verifier::llr`, by another head.
fn score(table: &mut ScoreTable, embedded: &EmbeddedTable, head: &PairHead) {
    let points: Vec<Option<Vec<f32>>> = embedded
        .iter()
        .map(|embedding| {
            let embedding = embedding.as_ref().ok()?;
            Some(head.project_enrolment(std::iter::once(embedding.values())))
        })
        .collect();
    table.set_scores(|enrol, test| {
        let pair = (&points[enrol as usize], &points[test as usize]);
        let (Some(enrol), Some(test)) = pair else {
            return f64::NAN;
        };
        f64::from(head.llr(enrol, test))
    });
}

fn largest_difference(scores: &[f64], others: &[f64]) -> f64 {
    let pairs = scores.iter().zip(others);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) // passes over NaN
}

const REPLICATES: usize = 500;

fn measure(list: &List, mut table: ScoreTable, from_bce: f64, seed: u64) -> Option<OnList> {
    let speakers = Speakers::of_table(&table);
    let scored = table.trials().iter().filter(|t| t.is_scored());
    let (scores, labels): (Vec<f64>, Vec<f64>) = scored
        .map(|t| (t.score, f64::from(u8::from(t.is_target()))))
        .unzip();
    let ranking = Ranking::of(table.take_trials())?;
    let points = Points {
        costs: vec![Costs {
            p_target: 0.01,
            c_miss: 1.0,
            c_fa: 1.0,
        }],
        thresholds: vec![0.0],
    };
    let sweep = Sweep::new(&ranking, &points);
    Some(OnList {
        list: crate::cli::recordings::label(&list.path),
        figures: sweep.figures(),
        intervals: speakers.and_then(|speakers| {
            let of = speakers.of_recordings();
            bootstrap::intervals(&sweep, of, speakers.count(), REPLICATES, seed)
        }),
        pearson: pearson(&scores, &labels),
        from_bce,
    })
}

/// For people: one row a head, for each list.
pub fn table(compared: &[Compared]) -> String {
    let header = [
        "list",
        "head",
        "EER %",
        "95 %",
        "minDCF 0.01",
        "Cllr",
        "minCllr",
        "Pearson r",
        "from BCE",
    ];
    let mut rows = vec![header.map(String::from).to_vec()];
    let num_lists = compared.iter().map(|c| c.lists.len()).max().unwrap_or(0);
    for at in 0..num_lists {
        for (one, on) in compared.iter().filter_map(|c| Some((c, c.lists.get(at)?))) {
            let percent = |share: f64| format!("{:.2}", share * 100.0);
            let interval = on.intervals.as_ref().map(|i| i.eer);
            rows.push(vec![
                printable(&on.list),
                one.name.into(),
                percent(on.figures.eer),
                interval.map_or("?".into(), |i| {
                    format!("{}–{}", percent(i.low), percent(i.high))
                }),
                format!("{:.3}", on.figures.dcf[0].min),
                format!("{:.3}", on.figures.cllr),
                format!("{:.3}", on.figures.min_cllr),
                on.pearson.map_or("–".into(), |r| format!("{r:.3}")),
                format!("{:.1e}", on.from_bce),
            ]);
        }
    }
    crate::cli::output::columns(&rows, 2)
}

/// For machines.
pub fn json(compared: &[Compared]) -> Value {
    let one = |compared: &Compared| {
        json!({
            "head": compared.name,
            "training": compared.note.map(|note| json!({
                "targets": note.num_targets,
                "nontargets": note.num_nontargets,
                "loss_before": note.loss_before,
                "loss_after": note.loss_after,
                "pearson": note.pearson,
            })),
            "lists": compared.lists.iter().map(|on| json!({
                "list": on.list,
                "figures": on.figures,
                "intervals": on.intervals,
                "pearson": on.pearson,
                "largest_difference_from_bce": on.from_bce,
            })).collect::<Vec<_>>(),
        })
    };
    compared.iter().map(one).collect()
}
