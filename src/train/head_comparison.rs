//! Compares pair heads: fits each on the same embeddings of the training speech, and measures it on
//! trial lists of other speakers.

use super::{
    Labelled,
    calibration::Calibration,
    head::{self, Report},
    lda,
    options::{PairLoss, RefineOptions, TrainOptions},
    pair_loss::pearson,
};
use crate::{
    Result,
    audio::ReadOptions,
    eval::{
        bootstrap::{self, Interval},
        embedded::{Embedder, OnProgress, Part, open_list, set_scores},
        metrics::{Costs, Figures, Points},
        ranking::Ranking,
        speakers::Speakers,
        sweep::Sweep,
        table::ScoreTable,
    },
    scoring::PairHead,
    storage::file_name,
    verifier::Verifier,
};
use std::path::{Path, PathBuf};

/// Trial lists to compare on.
pub(super) struct Lists<'a> {
    paths: &'a [PathBuf],
    root: &'a Path,
    tables: Vec<ScoreTable>,
}

/// A head, and how well it does on each list.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What the head is.
    pub name: &'static str,
    /// How it was refined; none for a head without refinement.
    pub training: Option<Report>,
    /// The figures on each list, in order. A list without a scored target or nontarget is left out.
    pub lists: Vec<OnList>,
}

/// A head's figures on one list.
#[derive(Debug, Clone)]
pub struct OnList {
    /// The list's file name.
    pub list: String,
    /// The figures, at a prior of 0.01 and at threshold 0.
    pub figures: Figures,
    /// 95 % intervals over speakers, where speakers are known and enough.
    pub intervals: Option<Figures<Interval>>,
    /// Correlation of the scores with the labels.
    pub pearson: Option<f64>,
    /// Largest difference between a trial's score and its score by the head that was refined by
    /// BCE.
    pub from_bce: f64,
}

impl<'a> Lists<'a> {
    /// Reads the lists and looks for their recordings.
    ///
    /// # Errors
    /// As [`open_list`].
    pub fn open(paths: &'a [PathBuf], root: &'a Path) -> Result<Self> {
        let open = |path: &PathBuf| open_list(path, root);
        let tables = paths.iter().map(open).collect::<Result<_>>()?;
        Ok(Lists {
            paths,
            root,
            tables,
        })
    }

    /// Whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The files of the lists' recordings.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.tables.iter().flat_map(ScoreTable::names);
        names.map(|name| self.root.join(name))
    }
}

/// Fits every head on `labelled` and measures it on the lists.
///
/// # Errors
/// As [`head::fit`] and [`Embedder::tables`].
pub(super) fn compare(
    lists: &Lists,
    verifier: &Verifier,
    labelled: &Labelled,
    options: &TrainOptions,
    on_progress: OnProgress,
) -> Result<Vec<Compared>> {
    let embedder = Embedder {
        root: lists.root,
        reading: ReadOptions::default(),
        verifier,
        on_progress,
    };
    let tables: Vec<&ScoreTable> = lists.tables.iter().collect();
    let embedded = embedder.tables(&tables, Part::Whole)?;
    let scored = |head: &PairHead| -> Vec<ScoreTable> {
        let mut tables = lists.tables.clone();
        for (table, embedded) in tables.iter_mut().zip(&embedded) {
            set_scores(table, embedded, head);
        }
        tables
    };
    let heads = heads(labelled, options)?;
    let bce = heads.iter().find(|(name, ..)| *name == BCE);
    let bce = bce.map(|(_, head, _)| scored(head)).unwrap_or_default();
    let compared = heads.iter().map(|(name, head, training)| {
        let lists = lists.paths.iter().zip(scored(head)).zip(&bce);
        let lists = lists.filter_map(|((path, table), bce)| {
            let from_bce = largest_difference(&table, bce);
            measure(path, table, from_bce, options.seed)
        });
        Compared {
            name,
            training: *training,
            lists: lists.collect(),
        }
    });
    Ok(compared.collect())
}

const BCE: &str = "PLDA refined by BCE, one logit";

type Fitted = (&'static str, PairHead, Option<Report>);

/// Fits every head, the simplest first. All are saved as one logit over the same pair features.
fn heads(labelled: &Labelled, options: &TrainOptions) -> Result<Vec<Fitted>> {
    let head_options = &options.head;
    let pairs = RefineOptions {
        num_steps: head_options.bce_steps.max(1),
        ..head_options.refine(options.seed)
    };
    let calibrated = |head: &PairHead| -> Result<PairHead> {
        let (targets, nontargets) = head::score_pairs(head, labelled, &pairs)?;
        Ok(Calibration::fit(&targets, &nontargets, pairs.prior)?.apply(head))
    };
    let cosine = head::plain_cosine(labelled);
    let lda = lda::fit(
        labelled,
        head::lda_size(labelled, head_options),
        head_options.shrinkage,
    )?;
    let lda_cosine = head::cosine(&lda.mean, &lda.whiten);
    let plda = head::fit_plda(labelled, head_options)?;
    let refined = |loss| {
        let options = RefineOptions {
            loss,
            ..pairs.clone()
        };
        head::refine(&plda, labelled, &options)
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
            "PLDA refined by softmax, two outputs",
            softmax,
            Some(softmax_note),
        ),
        ("PLDA refined by MSE on grades", mse, Some(mse_note)),
    ])
}

fn largest_difference(table: &ScoreTable, other: &ScoreTable) -> f64 {
    let pairs = table.trials().iter().zip(other.trials());
    // `max` ignores NaN, the score of a refused trial.
    let differences = pairs.map(|(a, b)| (a.score - b.score).abs());
    differences.fold(0.0, f64::max)
}

/// Bootstrap replicates for the intervals.
const REPLICATES: usize = 500;

fn measure(list: &Path, mut table: ScoreTable, from_bce: f64, seed: u64) -> Option<OnList> {
    let speakers = Speakers::of_table(&table);
    let scored = table.trials().iter().filter(|t| t.is_scored());
    let (scores, labels): (Vec<f64>, Vec<f64>) = scored
        .map(|t| (t.score, f64::from(u8::from(t.is_target()))))
        .unzip();
    let ranking = Ranking::of(table.take_trials())?;
    let points = Points {
        costs: vec![Costs::RARE],
        thresholds: vec![0.0],
    };
    let sweep = Sweep::new(&ranking, &points);
    Some(OnList {
        list: file_name(list),
        figures: sweep.figures(),
        intervals: speakers.and_then(|speakers| {
            let by_recording = speakers.of_recordings();
            bootstrap::intervals(&sweep, by_recording, speakers.count(), REPLICATES, seed)
        }),
        pearson: pearson(&scores, &labels),
        from_bce,
    })
}
