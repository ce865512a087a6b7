//! Watches a long run: reports its progress and can stop it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Watches a run of several stages.
#[derive(Clone, Copy)]
pub struct Watcher<'a> {
    /// Set to stop the run after the rows in progress.
    pub stop: &'a AtomicBool,
    /// Called with each event.
    pub on_event: &'a (dyn Fn(Event) + Sync),
}

/// What happens in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A stage begins.
    Begin {
        /// The stage.
        stage: Stage,
        /// Rows that an earlier run has done.
        done: u64,
        /// Rows in all.
        total: u64,
    },
    /// Number of rows of the stage that were finished since the last event.
    Advance(u64),
    /// The stage has ended.
    End,
}

/// A stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Embedding recordings.
    Recordings,
    /// Scoring trials.
    Trials,
}

impl Watcher<'_> {
    /// Runs a stage of `total` rows, of which an earlier run has finished `done`.
    pub fn stage<T>(&self, stage: Stage, (done, total): (u64, u64), work: impl FnOnce() -> T) -> T {
        (self.on_event)(Event::Begin { stage, done, total });
        let result = work();
        (self.on_event)(Event::End);
        result
    }

    /// Reports that so many more rows of the stage are finished.
    pub(super) fn advance(&self, num_rows: u64) {
        (self.on_event)(Event::Advance(num_rows));
    }

    /// Whether the run should stop.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
