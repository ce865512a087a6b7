//! Between a long run and whoever watches it: progress out, the wish to stop in.

use std::sync::atomic::{AtomicBool, Ordering};

/// Who watches a run.
pub struct Watch<'a> {
    /// Set to end the run after the rows in hand.
    pub stop: &'a AtomicBool,
    /// Called with the number of rows that were just done.
    pub advance: &'a (dyn Fn(u64) + Sync),
}

impl Watch<'_> {
    /// Should the run end?
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
