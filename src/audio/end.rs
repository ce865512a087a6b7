//! How a recording ended: whether there is more of it than was read, and what the user should know.

/// What is known when all of a recording is read.
#[derive(Default, Debug, Clone)]
pub(super) struct End {
    pub warning: Option<String>,
    pub truncated: bool,
}
