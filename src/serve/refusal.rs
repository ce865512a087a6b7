//! Why a request gets no answer: an HTTP status and a JSON object with a code and a text.

use crate::Error;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::fmt;

/// A request that is refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// One word that stays the same from version to version.
    pub code: &'static str,
    /// The message for people.
    pub text: String,
    /// Seconds after which it makes sense to try again.
    pub retry_after_seconds: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Refusal {
            status,
            code,
            text: text.into(),
            retry_after_seconds: None,
        }
    }

    /// The request is malformed.
    pub fn request(text: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, "request", text)
    }

    /// Too much is asked at the same time.
    pub fn busy(text: impl Into<String>) -> Self {
        Refusal {
            retry_after_seconds: Some(1),
            ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
        }
    }

    /// The body is larger than it may be.
    pub fn too_large(max_bytes: u64) -> Self {
        let text = format!("the body is larger than {max_bytes} bytes; send shorter recordings");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    }

    /// The request arrived too slowly.
    pub fn too_slow() -> Self {
        let text = "the request did not arrive in time; send it faster, or shorter recordings";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", text)
    }

    /// A fault of the service.
    pub fn internal() -> Self {
        let text = "the service failed; its log says where";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = error.code();
        let status = match &error {
            Error::Usage(_) | Error::Refused { .. } | Error::Option { .. } => {
                StatusCode::BAD_REQUEST
            }
            Error::Audio { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::UnknownSpeaker { name, .. } => {
                let text = format!("speaker {name:?} is not enrolled");
                return Refusal::new(StatusCode::NOT_FOUND, code, text);
            }
            Error::ModelMismatch { .. } => StatusCode::CONFLICT,
            Error::Several(errors) if errors.iter().all(|e| matches!(e, Error::Audio { .. })) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            // Only the operator may see paths and the state of files.
            _ => {
                let text = "the store cannot be used; list its speakers where the service runs";
                return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, code, text);
            }
        };
        Refusal::new(status, code, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.text, "code": self.code });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}
