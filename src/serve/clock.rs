//! The clock of the service. The service is given its clock, so that tests need not wait.

use std::{sync::Arc, time::Duration};

/// The time since some fixed moment; it never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;
