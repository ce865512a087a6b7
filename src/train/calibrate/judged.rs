//! What speakers outside the trials may add to a model, and whether it helps.

/// Something that the model may get.
pub(super) struct Candidate<T> {
    pub added: T,
    /// File name of the manifest that it was made from.
    pub name: String,
    /// Speakers that it was made from.
    pub num_speakers: usize,
    /// Recordings that could not be used.
    pub num_refused: usize,
}

/// Something that the model may get, and whether it helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What it is.
    pub addition: Addition,
    /// The mean cost of the trial lists with it.
    pub with: f64,
    /// The same without it.
    pub without: f64,
    /// File name of the manifest that it was made from.
    pub name: String,
    /// Speakers that it was made from.
    pub num_speakers: usize,
    /// Recordings that could not be used.
    pub num_refused: usize,
}

/// What a model may get, and the cost by which it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Addition {
    /// A pair head in place of the model's own; judged by minCllr.
    Head,
    /// A cohort; judged by the Cllr of each list by a fit on the other lists.
    Cohort {
        /// How many of the highest scores against it count.
        top: usize,
    },
}

impl<T> Candidate<T> {
    /// Judges by the mean costs with and without it.
    pub fn judged(&self, addition: Addition, with: f64, without: f64) -> Judged {
        Judged {
            addition,
            with,
            without,
            name: self.name.clone(),
            num_speakers: self.num_speakers,
            num_refused: self.num_refused,
        }
    }
}

impl Judged {
    /// Does it help?
    pub fn is_kept(&self) -> bool {
        self.with < self.without
    }

    /// The part about it in the model card's sentence about the calibration.
    pub(super) fn sentence(&self) -> String {
        let (what, cost, lists, top) = match self.addition {
            Addition::Head => ("PLDA head", "minCllr", "", String::new()),
            Addition::Cohort { top } => (
                "cohort",
                "Cllr",
                " on lists left out",
                format!(", top {top}"),
            ),
        };
        format!(
            ", {what} {} by {cost} {:.4} with it, {:.4} without{lists} ({}: {} speakers, {} recordings \
             refused{top})",
            if self.is_kept() { "kept" } else { "not kept" },
            self.with,
            self.without,
            self.name,
            self.num_speakers,
            self.num_refused,
        )
    }
}
