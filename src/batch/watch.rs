//! Watches a long run: reports its progress and can stop it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Observer of a run.
pub struct Watch<'a> {
    /// Set to stop the run after the rows in progress.
    pub stop: &'a AtomicBool,
    /// Called with the number of rows just finished.
    pub advance: &'a (dyn Fn(u64) + Sync),
}

impl Watch<'_> {
    /// Whether the run should stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
