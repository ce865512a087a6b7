//! A trial list with its scores, in 16 bytes a trial: names become numbers as they are read.
//!
//! ```text
//! list ─┬─ with scores and labels ─────────────────────────► ScoreTable
//!       └─ labels only ─► ScoreTable ◄─join─ score file, or scores computed
//! ```

use super::ranking::ScoredTrial;
use crate::{
    Error, Result,
    lists::{
        trial::{Expected, Trial},
        trials::for_each_trial_of_file,
    },
    parallel,
    remedy::Remedy,
};
use indexmap::IndexSet;
use std::{
    borrow::Cow,
    io::{self, Write},
    ops::Range,
    path::Path,
};

/// At least one trial, all with labels.
#[derive(Debug, Clone, Default)]
pub struct ScoreTable {
    names: IndexSet<Box<str>>,
    trials: Vec<ScoredTrial>,
    has_scores: bool,
    is_nameless: bool,
}

/// Trials that a thread scores at once.
const BLOCK: usize = 256;

/// Most trials: the ends of the runs in a sweep are 32-bit numbers.
const MAX_TRIALS: usize = u32::MAX as usize;

impl ScoreTable {
    /// Reads a trial list, or scores that have labels.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] for a line of another form than the first, or scores without
    /// labels.
    pub fn read(path: &Path) -> Result<Self> {
        let mut table = ScoreTable::default();
        for_each_trial_of_file(path, Expected::Trials, |trial| {
            let line = trial.line;
            let Some(is_target) = trial.is_target else {
                let (fact, remedy) = match trial.score {
                    Some(_) => (
                        "a score without a label",
                        Remedy::Option(&["give the trial list, and these scores with ",
                            "scores",
                            "; or write the label (1 or 0) after each score"]),
                    ),
                    None => (
                        "a trial without a label",
                        "write 1 (same speaker) or 0 before each pair, or target or nontarget after \
                         it"
                        .into(),
                    ),
                };
                return Err(Error::list(path, line, fact, remedy));
            };
            if table.trials.is_empty() {
                table.has_scores = trial.score.is_some();
            }
            if trial.score.is_some() != table.has_scores {
                return Err(Error::list(
                    path,
                    line,
                    "some trials have a score and some have none",
                    "write nan (JSON: null) where a recording was refused",
                ));
            }
            if table.names.len() + 2 > ScoredTrial::MAX_RECORDINGS
                || table.trials.len() == MAX_TRIALS
            {
                return Err(Error::list(
                    path,
                    line,
                    "too many trials",
                    "divide the list",
                ));
            }
            let (enroll, test) = match trial.is_nameless() {
                false => (table.number(&trial.enroll), table.number(&trial.test)),
                true => {
                    table.is_nameless = true;
                    let number = table.number(&format!("line {line}"));
                    (number, number)
                }
            };
            let trial = ScoredTrial::new(enroll, test, is_target, trial.score);
            table.trials.push(trial);
            Ok(())
        })?;
        if table.trials.is_empty() {
            return Err(Error::list(
                path,
                1,
                "no trials",
                "write one trial a line: `1 enroll test` or `enroll test target`",
            ));
        }
        table.check_labels(path)?;
        Ok(table)
    }

    /// Refuses a list in which the same two recordings are a target and a nontarget trial.
    fn check_labels(&self, path: &Path) -> Result<()> {
        let Some(pair) = self.contradiction() else {
            return Ok(());
        };
        let line = |label: bool| {
            line_of(path, |trial| {
                trial.is_target == Some(label) && self.numbers(trial) == Some(pair)
            })
        };
        let (target, nontarget) = (line(true)?, line(false)?);
        let [enroll, test] = [pair.0, pair.1].map(|number| self.name(number));
        Err(Error::list(
            path,
            target.max(nontarget),
            format!(
                "{enroll} {test} is a target trial in line {target} and a nontarget trial in line \
                 {nontarget}"
            ),
            "leave the wrong one out",
        ))
    }

    /// Two recordings that are both a target and a nontarget trial, if there are any.
    fn contradiction(&self) -> Option<(u32, u32)> {
        let key = |t: &ScoredTrial| {
            u64::from(t.enroll()) << 33 | u64::from(t.test()) << 1 | u64::from(t.is_target())
        };
        let mut keys: Vec<u64> = self.trials.iter().map(key).collect();
        parallel::sort_by(&mut keys, u64::cmp);
        let mut pairs = keys.windows(2);
        let both = pairs.find(|pair| pair[0] ^ pair[1] == 1)?;
        Some(((both[0] >> 33) as u32, (both[0] >> 1) as u32))
    }

    fn number(&mut self, name: &str) -> u32 {
        let index = self.names.get_index_of(name);
        index.unwrap_or_else(|| self.names.insert_full(name.into()).0) as u32
    }

    /// The numbers of both recordings, if the table has them.
    fn numbers(&self, trial: &Trial) -> Option<(u32, u32)> {
        let enroll = self.names.get_index_of(&*trial.enroll)?;
        let test = self.names.get_index_of(&*trial.test)?;
        Some((enroll as u32, test as u32))
    }

    /// Did the list hold scores?
    pub fn has_scores(&self) -> bool {
        self.has_scores
    }
    /// Does the list hold scores and labels alone? Its recordings are then named by the numbers of
    /// lines.
    pub fn is_nameless(&self) -> bool {
        self.is_nameless
    }
    /// Every recording once, in the order of first mention.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.names.iter().map(|name| &**name)
    }
    /// Name of a recording.
    pub fn name(&self, recording: u32) -> &str {
        &self.names[recording as usize]
    }
    /// The trials, in the order of the list until scores are joined.
    pub fn trials(&self) -> &[ScoredTrial] {
        &self.trials
    }
    /// Gives up the trials, for the ranking.
    pub fn take_trials(&mut self) -> Vec<ScoredTrial> {
        std::mem::take(&mut self.trials)
    }

    /// Which recordings stand on the enrolment side, and which on the test side.
    pub fn sides(&self) -> (Vec<bool>, Vec<bool>) {
        let mut sides = (vec![false; self.names.len()], vec![false; self.names.len()]);
        for trial in &self.trials {
            sides.0[trial.enroll() as usize] = true;
            sides.1[trial.test() as usize] = true;
        }
        sides
    }

    /// Sets the score of every trial; `score` returns NaN if there is none.
    pub fn set_scores(&mut self, score: impl Fn(u32, u32) -> f64 + Sync) {
        self.for_each(|trial| {
            let value = score(trial.enroll(), trial.test());
            trial.set_score(value.is_finite().then_some(value));
        });
        self.has_scores = true;
    }

    /// Replaces the scores of those trials for which `score` returns a new one.
    pub fn change_scores(&mut self, score: impl Fn(&ScoredTrial) -> Option<f64> + Sync) {
        self.for_each(|trial| {
            if let Some(changed) = score(trial).filter(|value| value.is_finite()) {
                trial.score = changed;
            }
        });
    }

    /// Changes every trial, on all threads.
    fn for_each(&mut self, change: impl Fn(&mut ScoredTrial) + Sync) {
        parallel::map(self.trials.chunks_mut(BLOCK), |trials| {
            trials.iter_mut().for_each(&change);
        });
    }

    /// Takes the scores from a file, which may hold more trials, in any order. Reorders the trials
    /// if the file has another order than the list.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::List`] in the file for a line that is no score or a pair that has
    /// two scores, in `list` for a trial without a score.
    pub fn join(&mut self, path: &Path, list: &Path) -> Result<()> {
        let mut join = Join {
            seen: vec![false; self.trials.len()],
            next: 0,
            sorted: false,
            table: self,
        };
        let twice = |line: usize, enroll: &str, test: &str| {
            Error::list(
                path,
                line,
                format!("{enroll} {test} has another score above"),
                "write one `enroll test score` a line, each pair once",
            )
        };
        let without = |line: usize| {
            Error::list(
                path,
                line,
                "no score",
                "write one `enroll test score` a line, the score a finite number, or nan for \
                 none",
            )
        };
        for_each_trial_of_file(path, Expected::Scores, |trial| {
            let score = trial.score.ok_or_else(|| without(trial.line))?;
            match join.table.numbers(&trial) {
                Some(pair) if !join.set(pair, score) => {
                    Err(twice(trial.line, &trial.enroll, &trial.test))
                }
                _ => Ok(()),
            }
        })?;
        let missing = join.finish();
        if !missing.is_empty() {
            let line = line_of(list, |trial| {
                let numbers = self.numbers(trial);
                numbers.is_some_and(|pair| missing.binary_search(&pair).is_ok())
            })?;
            return Err(Error::list(
                list,
                line,
                format!(
                    "{} has no score of this trial (and {} more)",
                    path.display(),
                    missing.len() - 1
                ),
                "score it, or take it off the list",
            ));
        }
        self.has_scores = true;
        Ok(())
    }

    /// Writes `enroll test score` on each line, with `nan` for a trial without a score. Fields are
    /// separated by a blank, or by tabs if a name contains a blank.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write_scores<'a>(
        &'a self,
        shown: impl Fn(&'a str) -> Cow<'a, str>,
        to: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        for trial in &self.trials {
            let [enroll, test] = [trial.enroll(), trial.test()].map(|name| shown(self.name(name)));
            let gap = if enroll.contains(' ') || test.contains(' ') {
                '\t'
            } else {
                ' '
            };
            match trial.is_scored() {
                true => writeln!(to, "{enroll}{gap}{test}{gap}{}", trial.score)?,
                false => writeln!(to, "{enroll}{gap}{test}{gap}nan")?,
            }
        }
        Ok(())
    }
}

/// Line of the first trial that fits, for an error.
///
/// # Errors
/// As [`for_each_trial_of_file`].
pub fn line_of(list: &Path, fits: impl Fn(&Trial) -> bool) -> Result<usize> {
    let mut found = None;
    for_each_trial_of_file(list, Expected::Trials, |trial| {
        if found.is_none() && fits(&trial) {
            found = Some(trial.line);
        }
        Ok(())
    })?;
    Ok(found.unwrap_or(1))
}

/// Joins scores with trials: line by line while both files have the same order, and by search
/// afterwards.
struct Join<'a> {
    table: &'a mut ScoreTable,
    seen: Vec<bool>,
    /// Trials before this one have found their scores in lockstep.
    next: usize,
    /// Whether the trials before `next`, and those from it on, are each sorted by their recordings.
    sorted: bool,
}

impl Join<'_> {
    /// `false` if a trial of this pair has another score already.
    fn set(&mut self, pair: (u32, u32), score: f64) -> bool {
        let next = self.next;
        if !self.sorted && next < self.seen.len() && self.pair(next) == pair {
            self.next += 1;
            self.put(next, score);
            return true;
        }
        self.sort();
        for half in [0..next, next..self.seen.len()] {
            for at in self.found(half, pair) {
                let old = self.table.trials[at].score;
                let same = score == old || score.is_nan() && old.is_nan();
                if self.seen[at] && !same {
                    return false;
                }
                self.put(at, score);
            }
        }
        true
    }

    /// Gives a trial that the list repeats the score of its first occurrence. Returns the trials without
    /// a score, as sorted pairs of recordings.
    fn finish(mut self) -> Vec<(u32, u32)> {
        if self.next < self.seen.len() {
            self.sort();
        }
        for at in self.next..self.seen.len() {
            if let Some(first) = self.found(0..self.next, self.pair(at)).next()
                && !self.seen[at]
            {
                let score = self.table.trials[first].score;
                self.put(at, score);
            }
        }
        let unseen = (self.next..self.seen.len()).filter(|at| !self.seen[*at]);
        unseen.map(|at| self.pair(at)).collect()
    }

    /// Trials of a pair within a sorted half.
    fn found(&self, half: Range<usize>, pair: (u32, u32)) -> Range<usize> {
        let trials = &self.table.trials[half.clone()];
        let first = trials.partition_point(|t| (t.enroll(), t.test()) < pair);
        let count = trials[first..].partition_point(|t| (t.enroll(), t.test()) == pair);
        half.start + first..half.start + first + count
    }

    fn pair(&self, at: usize) -> (u32, u32) {
        let trial = &self.table.trials[at];
        (trial.enroll(), trial.test())
    }

    fn put(&mut self, at: usize, score: f64) {
        self.table.trials[at].set_score(Some(score));
        self.seen[at] = true;
    }

    fn sort(&mut self) {
        if self.sorted {
            return;
        }
        let (before, after) = self.table.trials.split_at_mut(self.next);
        for half in [before, after] {
            parallel::sort_by(half, |a, b| {
                let pair = |t: &ScoredTrial| (t.enroll(), t.test(), t.is_target());
                pair(a).cmp(&pair(b)).then(a.score.total_cmp(&b.score))
            });
        }
        self.sorted = true;
    }
}
