//! Divides the trials by a column of metadata, to see how the errors depend on it.
//!
//! A quantity (seconds, SNR, age) is divided into bins, and a trial belongs to the *lower* bin of its
//! two recordings. If a column has few groups (gender, corpus, microphone), every pair of groups is a
//! condition: `F`, `M`, and `F × M`. If it has many (session, speaker, room), there are two conditions:
//! both recordings are of the same group, or they are not.

use super::{metadata::Column, ranking::ScoredTrial};

/// The conditions of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The column's name.
    pub column: String,
    /// The name of each condition.
    pub labels: Vec<String>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Bin of each recording; the condition is the lower one.
    Bins(Vec<u32>),
    /// Group of each recording, number of groups; the condition is the unordered pair.
    Pairs(Vec<u32>, usize),
    /// Group of each recording; the condition is 0 if both are of the same group, else 1.
    Same(Vec<u32>),
}

/// Most groups of a column whose pairs become conditions.
const MOST_GROUPS: usize = 6;

impl Conditions {
    /// Conditions from a column. A quantity is cut at `edges` (rising), or at its quartiles.
    pub fn new(column: &Column, edges: Option<&[f64]>) -> Self {
        let name = column.name.clone();
        let (groups, group_of) = (&column.groups, &column.group_of);
        match &column.numbers {
            Some(numbers) => {
                let edges = edges.map_or_else(|| quartiles(numbers), <[f64]>::to_vec);
                // An unknown value gets a bin above all others, so that the other recording decides.
                let bin = |v: &f64| match v.is_nan() {
                    true => edges.len() + 1,
                    false => edges.partition_point(|edge| edge <= v),
                };
                let mut labels: Vec<String> = (0..=edges.len())
                    .map(
                        |i| match (i.checked_sub(1).map(|i| edges[i]), edges.get(i)) {
                            (None, Some(high)) => format!("{name} < {high}"),
                            (Some(low), Some(high)) => format!("{low} ≤ {name} < {high}"),
                            (Some(low), None) => format!("{name} ≥ {low}"),
                            (None, None) => format!("any {name}"),
                        },
                    )
                    .collect();
                labels.push(format!("{name} unknown"));
                Conditions {
                    labels,
                    kind: Kind::Bins(numbers.iter().map(|v| bin(v) as u32).collect()),
                    column: name,
                }
            }
            None if groups.len() <= MOST_GROUPS => {
                let text = |g: usize| match groups[g].as_str() {
                    "" => "unknown",
                    text => text,
                };
                let mut labels = vec![];
                for (a, b) in pairs(groups.len()) {
                    labels.push(match a == b {
                        true => text(a).to_string(),
                        false => format!("{} × {}", text(a), text(b)),
                    });
                }
                Conditions {
                    labels,
                    kind: Kind::Pairs(group_of.clone(), groups.len()),
                    column: name,
                }
            }
            None => Conditions {
                labels: vec![format!("same {name}"), format!("different {name}")],
                kind: Kind::Same(group_of.clone()),
                column: name,
            },
        }
    }

    /// The condition of a trial, as an index into `labels`.
    pub fn of(&self, trial: &ScoredTrial) -> usize {
        let groups_of = |groups: &[u32]| {
            let a = groups[trial.enroll() as usize] as usize;
            let b = groups[trial.test() as usize] as usize;
            (a.min(b), a.max(b))
        };
        match &self.kind {
            Kind::Bins(bins) => groups_of(bins).0,
            Kind::Pairs(groups, count) => {
                let (low, high) = groups_of(groups);
                // The pairs with the same lower group form a row: of `count` pairs, `count − 1`, …
                low * count - low * low.saturating_sub(1) / 2 + (high - low)
            }
            Kind::Same(groups) => {
                let (low, high) = groups_of(groups);
                usize::from(low != high)
            }
        }
    }
}

/// Unordered pairs below `count`, in the order of [`Conditions::of`].
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a..count).map(move |b| (a, b)))
}

/// The three quartiles as edges, rounded to two significant digits; equal ones only once.
fn quartiles(numbers: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = [1, 2, 3]
        .map(|quarter| two_digits(sorted[quarter * (sorted.len() - 1) / 4]))
        .to_vec();
    edges.dedup();
    edges
}

fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_as_they_are_labelled() {
        let groups: Vec<u32> = (0..4).collect();
        let conditions = Conditions {
            column: "x".into(),
            labels: vec![],
            kind: Kind::Pairs(groups, 4),
        };
        for (index, (a, b)) in pairs(4).enumerate() {
            let trial = |e, t| ScoredTrial::new(e as u32, t as u32, true, Some(0.0));
            assert_eq!(conditions.of(&trial(a, b)), index);
            assert_eq!(conditions.of(&trial(b, a)), index);
        }
    }
}
