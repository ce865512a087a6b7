//! How a wide network is trained that starts as the members side by side.

use super::member::MemberOptions;
use serde::{Deserialize, Serialize};

/// How a fused network is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusedOptions {
    /// Optimisation steps, after those of the members.
    pub num_steps: usize,
    /// Peak of the one-cycle schedule: lower than the members', or it forgets what they know.
    pub learning_rate: f32,
    /// What it sees and what its crops are like. It must see all that the members see.
    pub member: MemberOptions,
}
