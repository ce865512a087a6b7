//! A trial with its score, to be written as a row.

/// A row of the output.
#[derive(Debug, Clone, Copy)]
pub struct ScoredTrial<'a> {
    /// The enrolled recording or model, as in the list.
    pub enroll: &'a str,
    /// The recording under test, as in the list.
    pub test: &'a str,
    /// The label, if the list has labels.
    pub is_target: Option<bool>,
    /// The score, or why there is none.
    pub score: std::result::Result<f32, &'a str>,
}

impl ScoredTrial<'_> {
    /// The word for the label.
    pub(super) fn label(&self) -> Option<&'static str> {
        self.is_target
            .map(|is| if is { "target" } else { "nontarget" })
    }
}
