//! What is on the page: facts about the evaluation, and the report of each list.

use crate::eval::{difference::Difference, metrics::Points, report::Report};

/// What is on the page.
pub struct Page<'a> {
    /// When it was measured, for people.
    pub date: String,
    /// The command line.
    pub command: String,
    /// (what, value): model, seed, program…
    pub facts: Vec<(&'a str, String)>,
    /// Priors, costs and thresholds of the figures.
    pub points: &'a Points,
    /// One for each trial list.
    pub lists: Vec<List<'a>>,
}

/// One trial list.
pub struct List<'a> {
    /// Its file.
    pub name: &'a str,
    /// What was measured.
    pub report: &'a Report,
    /// Recordings without an embedding, and why.
    pub refused: &'a [(String, String)],
    /// Difference from the first list.
    pub difference: Option<Difference>,
}

/// Most refused recordings that are named; further ones are only counted.
pub(super) const MOST_REFUSED: usize = 200;

/// Text without control characters and without characters that reverse the direction of their
/// neighbours.
pub(super) fn text(plain: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| match c.is_control() || turns(c) {
        true => '\u{fffd}',
        false => c,
    };
    plain.chars().map(shown).collect()
}
