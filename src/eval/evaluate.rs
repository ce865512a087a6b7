//! Evaluates a system on trial lists: embeds each recording once, scores each trial (or takes given
//! scores), and measures how often the scores are wrong.
//!
//! ```text
//! Plan ─read─► Lists ─score(Verifier)─► Scored ─measure─► Measured, one for each list
//! ```

use super::{
    bootstrap::Replicates,
    embedded::{Embedder, OnProgress, Part, find_recordings, set_scores},
    known::Known,
    report::{self, Report},
    table::ScoreTable,
};
use crate::{
    Error, Result,
    audio::ReadOptions,
    remedy::Remedy,
    verifier::{ModelId, Verifier},
};
use std::path::PathBuf;

/// What to evaluate, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Trial lists, or scores with labels.
    pub lists: Vec<PathBuf>,
    /// Scores for all lists, in place of recordings.
    pub scores: Option<PathBuf>,
    /// Folder that the recordings' paths are relative to.
    pub root: PathBuf,
    /// How the recordings are read.
    pub reading: ReadOptions,
    /// Which part of each recording is used.
    pub part: Part,
    /// What is known about the recordings.
    pub known: Known,
    /// What to measure.
    pub measure: report::Plan,
}

/// The lists of a plan, read.
pub struct Lists<'a> {
    plan: &'a Plan,
    tables: Vec<ScoreTable>,
}

/// The lists with a score, or a refused recording, for every trial.
pub struct Scored<'a> {
    /// File id of the model that computed scores; none if all scores were given.
    pub model: Option<ModelId>,
    plan: &'a Plan,
    tables: Vec<ScoreTable>,
    /// For each list that the model scored, why each recording was refused.
    refusals: Vec<Option<Vec<Option<String>>>>,
}

/// The result on one list.
pub struct Measured {
    /// The list's file.
    pub path: PathBuf,
    /// Its figures.
    pub report: Report,
    /// Recordings without an embedding, and why; empty if the scores were given.
    pub refused: Option<Vec<(String, String)>>,
}

impl<'a> Lists<'a> {
    /// Reads the lists.
    ///
    /// # Errors
    /// As [`ScoreTable::read`].
    pub fn read(plan: &'a Plan) -> Result<Self> {
        let tables = plan.lists.iter().map(|path| ScoreTable::read(path));
        let tables = tables.collect::<Result<_>>()?;
        Ok(Lists { plan, tables })
    }

    /// Every recording that will be read.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let unscored = self.tables.iter().filter(|table| !table.has_scores());
        let unscored = unscored.filter(|_| self.plan.scores.is_none());
        let names = unscored.flat_map(ScoreTable::names);
        names.map(|name| self.plan.root.join(name))
    }

    /// Gives every trial its score. The model is loaded only if a list has no scores.
    ///
    /// # Errors
    /// [`Error::List`] for a recording or a score that is missing, [`Error::Io`] for a recording that
    /// cannot be read, and what `load` fails with.
    pub fn score(
        self,
        load: impl FnOnce() -> Result<Verifier>,
        on_progress: OnProgress,
    ) -> Result<Scored<'a>> {
        let Lists { plan, mut tables } = self;
        let mut refusals = vec![None; tables.len()];
        let mut model = None;
        if let Some(scores) = &plan.scores {
            for (path, table) in plan.lists.iter().zip(&mut tables) {
                if table.has_scores() {
                    return Err(Error::refused(
                        format!("{} has scores already", path.display()),
                        Remedy::Option(&["leave out ", "scores", ""]),
                    ));
                }
                table.join(scores, path)?;
            }
        } else if tables.iter().any(|table| !table.has_scores()) {
            for (path, table) in plan.lists.iter().zip(&tables) {
                if !table.has_scores() {
                    find_recordings(path, table, &plan.root)?;
                }
            }
            let verifier = load()?;
            let embedder = Embedder {
                root: &plan.root,
                reading: plan.reading,
                verifier: &verifier,
                on_progress,
            };
            let unscored: Vec<&ScoreTable> = tables.iter().filter(|t| !t.has_scores()).collect();
            let embedded = embedder.tables(&unscored, plan.part)?;
            let unscored = tables.iter_mut().zip(&mut refusals);
            let unscored = unscored.filter(|(table, _)| !table.has_scores());
            for ((table, refusals), embeddings) in unscored.zip(embedded) {
                let reasons = embeddings.iter().map(|e| e.as_ref().err().cloned());
                *refusals = Some(reasons.collect());
                set_scores(table, &embeddings, &verifier.model().head);
            }
            model = Some(verifier.file_id());
        }
        Ok(Scored {
            model,
            plan,
            tables,
            refusals,
        })
    }
}

impl Scored<'_> {
    /// The scored trials, list by list.
    pub fn tables(&self) -> &[ScoreTable] {
        &self.tables
    }

    /// Measures one list after the other, each when it is asked for.
    pub fn measure(self) -> impl Iterator<Item = Result<Measured>> {
        let plan = self.plan;
        let lists = plan.lists.iter().zip(self.tables).zip(self.refusals);
        let mut first: Option<Replicates> = None;
        lists.map(move |((path, table), refusals)| {
            let measured = measure(plan, path.clone(), table, refusals, first.as_ref())?;
            if first.is_none() {
                first = measured.report.replicates.clone();
            }
            Ok(measured)
        })
    }
}

fn measure(
    plan: &Plan,
    path: PathBuf,
    mut table: ScoreTable,
    refusals: Option<Vec<Option<String>>>,
    first: Option<&Replicates>,
) -> Result<Measured> {
    let mut facts = plan.known.of(&table)?;
    // Speakers get the numbers that they have in the first list, so that all lists of the same speakers
    // are bootstrapped with the same draws.
    if let Some(first) = first {
        facts.speakers = facts
            .speakers
            .map(|speakers| speakers.numbered_as(&first.speakers));
    }
    let refused = refusals.as_ref();
    let refused: Option<Vec<bool>> =
        refused.map(|reasons| reasons.iter().map(Option::is_some).collect());
    let report = Report::new(
        &mut table,
        facts.speakers.as_ref(),
        refused.as_deref(),
        &facts.conditions,
        &plan.measure,
    );
    let report = report.ok_or_else(|| {
        Error::list(
            path.clone(),
            1,
            "no target trial, or no nontarget trial, has a score",
            "list both kinds, of recordings that are fit for scoring",
        )
    })?;
    let refused = refusals.map(|reasons| {
        let named = table.names().zip(reasons);
        let refused = named.filter_map(|(name, reason)| Some((name.to_string(), reason?)));
        refused.collect()
    });
    Ok(Measured {
        path,
        report,
        refused,
    })
}
