//! Evaluation. Trial list and scores in, error rates with intervals out: [`trials`]
//! (line by line: [`lines`], [`trial_lines`]) and
//! [`scores`] read the lists, [`speakers`] says who speaks in each recording, [`metrics`] measures,
//! [`bootstrap`] says how far the figures would move with other speakers, [`report`] gathers all.

pub mod bootstrap;
pub mod lines;
pub mod metrics;
pub mod report;
pub mod scores;
pub mod speakers;
pub mod trial_lines;
pub mod trials;
