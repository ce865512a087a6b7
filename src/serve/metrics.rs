//! Counters and times for Prometheus.

use super::{verb::Verb, workers::Workers};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{sync::atomic::AtomicU64, time::Duration};

/// Media type of the text that [`Metrics::text`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram of request times, in seconds.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// All that the service counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    decisions: Family<Decided, Counter>,
    request_seconds: Family<Asked, Histogram>,
    audio_seconds: Counter<f64, AtomicU64>,
    requests_in_progress: Gauge,
    held_bytes: Gauge,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decided {
    verb: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    verb: &'static str,
}

impl Metrics {
    /// Metrics in which nothing is counted yet; `model` is the id of the model file.
    pub fn new(model: String) -> Self {
        let mut registry = Registry::with_prefix("spkver");
        let metrics = Metrics {
            requests: Family::default(),
            decisions: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            audio_seconds: Counter::default(),
            requests_in_progress: Gauge::default(),
            held_bytes: Gauge::default(),
            registry: Registry::default(),
        };
        let info = prometheus_client::metrics::info::Info::new(vec![("id", model)]);
        registry.register("model", "The model file", info);
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("decisions", "Decisions made", metrics.decisions.clone());
        registry.register_with_unit(
            "request",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register_with_unit(
            "audio",
            "Length of all recordings",
            Unit::Seconds,
            metrics.audio_seconds.clone(),
        );
        registry.register(
            "requests_in_progress",
            "Requests that are being read, wait or are worked on",
            metrics.requests_in_progress.clone(),
        );
        registry.register_with_unit(
            "held",
            "Recordings of requests in memory",
            Unit::Bytes,
            metrics.held_bytes.clone(),
        );
        Metrics {
            registry,
            ..metrics
        }
    }

    /// Counts an answered request.
    pub fn answered(&self, verb: Verb, status: u16, took: Duration) {
        let verb = verb.name();
        self.requests.get_or_create(&Request { verb, status }).inc();
        let asked = Asked { verb };
        let times = self.request_seconds.get_or_create(&asked);
        times.observe(took.as_secs_f64());
    }

    /// Counts a decision.
    pub fn decided(&self, verb: Verb, decision: &'static str) {
        let verb = verb.name();
        self.decisions
            .get_or_create(&Decided { verb, decision })
            .inc();
    }

    /// Counts seconds of audio.
    pub fn heard(&self, seconds: f64) {
        self.audio_seconds.inc_by(seconds);
    }

    /// All metrics as text.
    pub fn text(&self, workers: &Workers) -> String {
        self.requests_in_progress.set(workers.num_requests() as i64);
        self.held_bytes.set(workers.num_held_bytes() as i64);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
