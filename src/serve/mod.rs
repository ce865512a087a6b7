//! The service: the verbs of the command line over HTTP, with the same answers. It counts and
//! limits tries, hides scores from clients that may not see them, and limits what clients can make
//! it store or compute.
//!
//! ```text
//! connections ─► route ─► token, tries ─► upload ─► workers ─► work ─► answer
//!                              (one thread, which never computes)  │ (threads of rayon)
//! ```
//!
//! The service is given its clock and its log. So tests need not wait, and only the command line
//! prints.

mod admission;
mod connections;
mod decoding;
mod disclosure;
mod metrics;
mod question;
mod refusal;
mod route;
mod stores;
mod stream;
pub mod token;
mod tries;
mod upload;
mod verb;
mod work;
mod workers;

pub use connections::serve;
pub use route::OPEN_PATHS;
pub use token::Tokens;
pub use tries::Clock;
pub use verb::Verb;

use crate::{
    Result, answer::Criterion, identify::LastIndex, scoring::OperatingPoint,
    storage::secret::Secret, verifier::Verifier,
};
use metrics::Metrics;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::Duration};
use stores::Stores;
use tokio::sync::watch;
use tries::Tries;
use workers::Workers;

/// Receives what the service did: one JSON object per event, without names of speakers or files.
pub type Log = Arc<dyn Fn(Value) + Send + Sync>;

/// Limits on what clients can make the service hold or do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body of a request, in bytes.
    pub max_bytes: u64,
    /// Longest recording, in seconds.
    pub max_seconds: u32,
    /// Most requests in progress.
    pub max_requests: usize,
    /// Most bytes of recordings in memory, of all requests together.
    pub max_held_bytes: usize,
    /// Most open connections.
    pub max_connections: usize,
    /// Longest time for a request to arrive and to get a processor.
    pub timeout: Duration,
    /// Most tries per hour against one speaker that are not accepted; 0 sets no limit.
    pub max_tries: u32,
    /// Most such tries per hour by one client; 0 sets no limit.
    pub max_client_tries: u32,
}

/// What a service is made of.
pub struct Setup {
    /// The model.
    pub verifier: Verifier,
    /// When to accept. Clients cannot set this: whoever sets the threshold can find out the score.
    pub criterion: Criterion,
    /// The store, which need not exist yet.
    pub store: PathBuf,
    /// The key or passphrase of an encrypted store.
    pub secret: Option<Secret>,
    /// Who may do what. Without tokens, every program on this machine may do everything.
    pub tokens: Option<Tokens>,
    /// The limits.
    pub limits: Limits,
    /// The clock for times and tries.
    pub clock: Clock,
    /// Where events are noted.
    pub log: Log,
}

/// A service that is ready to answer.
pub struct Service {
    verifier: Arc<Verifier>,
    criterion: Criterion,
    /// The operating point for recordings of any kind.
    point: OperatingPoint,
    stores: Stores,
    last_index: LastIndex,
    tokens: Option<Tokens>,
    limits: Limits,
    tries: Arc<Tries>,
    workers: Workers,
    metrics: Metrics,
    /// Whether the service has stopped taking requests. Each connection and each stream holds a
    /// receiver until it is closed.
    stopping: watch::Sender<bool>,
    clock: Clock,
    log: Log,
}

impl Service {
    /// Opens the store, and checks that the criterion fits the model.
    ///
    /// # Errors
    /// As [`Criterion::point`] and [`crate::storage::voiceprints::Store::open`].
    pub fn new(setup: Setup) -> Result<Self> {
        let Setup {
            verifier, limits, ..
        } = setup;
        Ok(Service {
            point: setup.criterion.point(&verifier, None)?,
            criterion: setup.criterion,
            stores: Stores::new(setup.store, setup.secret)?,
            last_index: LastIndex::default(),
            tokens: setup.tokens,
            tries: Tries::new(
                limits.max_tries,
                limits.max_client_tries,
                setup.clock.clone(),
            ),
            workers: Workers::new(limits.max_requests, limits.max_held_bytes),
            metrics: Metrics::new(verifier.file_id().to_string()),
            stopping: watch::Sender::new(false),
            limits,
            verifier: Arc::new(verifier),
            clock: setup.clock,
            log: setup.log,
        })
    }
}
