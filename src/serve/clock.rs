//! The clock of the service. It is given to it, so that tests need not wait.

use std::{sync::Arc, time::Duration};

/// The time since any moment before; it never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;
