//! Fits scale and offset to the scores of trial lists, of this or any other system.

use crate::{Result, eval::table::ScoreTable, train::calibration::Calibration};
use std::path::{Path, PathBuf};

/// Scores of trial lists, by label.
#[derive(Default)]
pub struct Scores {
    /// Targets and nontargets of each list.
    lists: Vec<[Vec<f64>; 2]>,
    /// Trials without a score.
    pub num_refused: usize,
}

impl Scores {
    /// Adds a list with its scores.
    pub fn add(&mut self, table: &ScoreTable) {
        let mut sides = [vec![], vec![]];
        for trial in table.trials() {
            match trial.is_scored() {
                true => sides[usize::from(!trial.is_target())].push(trial.score),
                false => self.num_refused += 1,
            }
        }
        self.lists.push(sides);
    }

    /// As [`Calibration::of_lists`].
    pub fn fit(&self, p_target: f64) -> Result<Calibration> {
        let lists = self.lists.iter();
        let lists: Vec<(&[f64], &[f64])> = lists.map(|[t, n]| (&t[..], &n[..])).collect();
        Calibration::of_lists(&lists, p_target)
    }

    /// Scored target trials.
    pub fn num_targets(&self) -> usize {
        self.lists.iter().map(|[targets, _]| targets.len()).sum()
    }

    /// Scored nontarget trials.
    pub fn num_nontargets(&self) -> usize {
        let lists = self.lists.iter();
        lists.map(|[_, nontargets]| nontargets.len()).sum()
    }
}

/// Fits the scores of the file `scores` on the trials of `lists`. Also returns the scores of these trials.
///
/// # Errors
/// As [`ScoreTable::read`], [`ScoreTable::join`], [`Calibration::of_lists`] and
/// [`Calibration::check`].
pub fn fit_scores(
    lists: &[PathBuf],
    scores: &Path,
    p_target: f64,
) -> Result<(Calibration, Scores)> {
    let mut all = Scores::default();
    for path in lists {
        let mut table = ScoreTable::read(path)?;
        table.join(scores, path)?;
        all.add(&table);
    }
    let calibration = all.fit(p_target)?;
    calibration.check()?;
    Ok((calibration, all))
}
