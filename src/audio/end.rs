//! The end of a recording: whether all of it was there, and what the user should know of it.

/// What is known when all of a recording is read.
#[derive(Default, Debug, Clone)]
pub(super) struct End {
    pub warning: Option<String>,
    pub truncated: bool,
}
