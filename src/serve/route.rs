//! The routes: which request goes where, who may send it, and what is recorded about it.

use super::{
    Service,
    disclosure::{text_without_scores, without_scores},
    metrics,
    refusal::Refusal,
    verb::Verb,
};
use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, on},
};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};

/// The OpenAPI 3.1 description of all routes, for people and programs.
const OPENAPI: &str = include_str!("../../docs/openapi.json");

/// Routes that anybody may read.
pub const OPEN_PATHS: [&str; 2] = ["/health", "/openapi.json"];

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the log and the metrics record about a request: no names of speakers or files.
#[derive(Default)]
struct Note {
    client: Option<Arc<str>>,
    code: Option<&'static str>,
    decision: Option<&'static str>,
    audio_seconds: f64,
}

/// All routes.
pub fn router(service: Arc<Service>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health))
        .route("/openapi.json", get(openapi));
    for verb in Verb::ALL {
        let handler = move |service, peer, request| handle(verb, service, peer, request);
        router = router.route(&verb.path(), on(verb.method(), handler));
    }
    let unknown = || async {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "no_route",
            "no such route; see /openapi.json",
        )
    };
    let method = || async {
        let text = "this route takes another method; see /openapi.json";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", text)
    };
    router
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(service)
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    let (status, word) = match *service.stopping.borrow() {
        false => (StatusCode::OK, "ok"),
        // Tells a load balancer to send no more requests.
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let model = service.verifier.file_id().to_string();
    (status, Json(json!({ "status": word, "model": model }))).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn handle(
    verb: Verb,
    State(service): State<Arc<Service>>,
    Extension(Peer(address)): Extension<Peer>,
    request: Request,
) -> Response {
    let began = (service.clock)();
    let mut note = Note::default();
    let answered = service.answer(verb, address, request, &mut note).await;
    let response = answered.unwrap_or_else(|refusal| {
        note.code = Some(refusal.code);
        refusal.into_response()
    });
    let took = (service.clock)().saturating_sub(began);
    let status = response.status().as_u16();
    service.metrics.answered(verb, status, took);
    service.metrics.heard(note.audio_seconds);
    if let Some(decision) = note.decision {
        service.metrics.decided(verb, decision);
    }
    (service.log)(json!({
        "event": "request",
        "verb": verb,
        "status": status,
        "code": note.code,
        "decision": note.decision,
        "audio_seconds": (note.audio_seconds * 100.0).round() / 100.0,
        "milliseconds": (took.as_secs_f64() * 1e4).round() / 10.0,
        "client": note.client.as_deref(),
    }));
    response
}

impl Service {
    async fn answer(
        self: &Arc<Self>,
        verb: Verb,
        address: IpAddr,
        request: Request,
        note: &mut Note,
    ) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let client = self.client(&head.headers, address)?;
        note.client.clone_from(&client.name);
        if !client.may(verb) {
            let text = format!("this token has no right to {}", verb.name());
            return Err(Refusal::new(StatusCode::FORBIDDEN, "no_right", text));
        }
        if verb == Verb::Metrics {
            let kind = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
            return Ok((kind, self.metrics.text(&self.workers)).into_response());
        }
        let place = self.workers.place()?;
        if verb == Verb::Stream {
            return self.stream(client, head, place).await;
        }
        let done = self.ask(verb, &client, head, body, place).await;
        let done = done.map_err(|mut refusal| {
            if !client.sees_scores {
                refusal.text = text_without_scores(&refusal.text);
            }
            refusal
        })?;
        note.decision = done.decision;
        note.audio_seconds = done.audio_seconds;
        let answer = match client.sees_scores {
            true => done.answer,
            false => without_scores(verb, done.answer),
        };
        let mut response = Json::<Value>(answer).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
