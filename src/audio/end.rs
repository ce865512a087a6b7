//! What is known at the end of a recording: whether all of it was read, and a warning for the user.

/// What is known when all of a recording is read.
#[derive(Default, Debug, Clone)]
pub(super) struct End {
    pub warning: Option<String>,
    pub truncated: bool,
}
