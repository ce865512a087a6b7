//! How much better or worse one list's EER is than another's, where both have the same speakers: two
//! systems on the same trials, or one system under two conditions.
//!
//! Both lists are bootstrapped with the same draws of speakers, so that a speaker who is difficult for
//! both does not count as a difference.

use super::{bootstrap::Interval, report::Report};

/// EER of a list minus the EER of the list that it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Below 0 where the list has the lower EER.
    pub eer: f64,
    /// 95 % interval over speakers; none if too few replicates have an EER for both lists.
    pub interval: Option<Interval>,
}

impl Difference {
    /// `None` where the speakers of the two lists are not known or not the same.
    pub fn new(list: &Report, other: &Report) -> Option<Self> {
        let (replicates, others) = (list.replicates.as_ref()?, other.replicates.as_ref()?);
        if replicates.speakers != others.speakers {
            return None;
        }
        let both = replicates.eers.iter().zip(&others.eers);
        let differences: Vec<f64> = both.filter_map(|(a, b)| Some((*a)? - (*b)?)).collect();
        let enough = !differences.is_empty() && differences.len() * 2 >= replicates.eers.len();
        Some(Difference {
            eer: list.figures.eer - other.figures.eer,
            interval: enough.then(|| Interval::of(differences)),
        })
    }
}
