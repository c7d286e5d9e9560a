//! From values and errors to HTTP answers.

use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use wire::Time;

use crate::docker::error::{Act, ApiError, from_refusal};
use crate::docker::time::Now;
use crate::limits::FRAMEWORK_SENTENCE_BYTES_MAX;
use crate::link::LinkError;

/// What a handler gives.
pub(super) type Answer = Result<Response, ApiError>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer whose body is already JSON.
pub(super) fn json_body(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(json_body(status, json_bytes(value)?))
}

/// A value as JSON, with the line feed that Docker's encoder puts behind it.
pub(super) fn json_bytes(value: &impl Serialize) -> Result<Bytes, ApiError> {
    let mut body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        ApiError::internal("the answer cannot be written as JSON")
    })?;
    body.push(b'\n');
    Ok(body.into())
}

/// It is done; there is nothing to show.
pub(super) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::NOT_MODIFIED {
            return status.into_response();
        }
        match json_bytes(&self) {
            Ok(body) => json_body(status, body),
            Err(_) => status.into_response(),
        }
    }
}

/// What the framework refused by itself, in plain text, as the error that clients read: a handshake that is
/// none, a path that is no text. Everything else is as it was.
pub(super) async fn shaped(response: Response) -> Result<Response, ApiError> {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !status.is_client_error() || !kind.is_some_and(|kind| kind.starts_with(b"text/plain")) {
        return Ok(response);
    }
    let said = to_bytes(response.into_body(), FRAMEWORK_SENTENCE_BYTES_MAX).await;
    let said = said.unwrap_or_default();
    Err(ApiError::new(status.as_u16(), String::from_utf8_lossy(&said)))
}

/// What a client is told when the bridge did not do what was asked. The log hears of everything
/// that is not simply the bridge's considered answer.
pub(super) fn failed(error: &LinkError, act: Act<'_>) -> ApiError {
    let status = match error {
        LinkError::Refused(refusal) => return from_refusal(refusal, act),
        LinkError::Down(_)
        | LinkError::Lost
        | LinkError::Crowded
        | LinkError::Unanswered
        | LinkError::Forbidden
        | LinkError::Undialled => 503,
        LinkError::Late => 504,
        LinkError::TooLong(_) => 400,
        LinkError::Garbage(_) | LinkError::Foreign(_) | LinkError::Unexpected { .. } | LinkError::Endless => {
            502
        }
    };
    match error {
        // The link tells of the bridge's going and coming once; a busy client must not repeat it.
        LinkError::Down(_) | LinkError::Undialled => {
            tracing::debug!(%error, status, "no answer from the bridge")
        }
        _ => tracing::warn!(%error, status, "no answer from the bridge"),
    }
    ApiError::new(status, error.to_string())
}

/// The present, by both clocks.
pub(super) fn present() -> Now {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Now {
        wall: now(),
        since_boot_ns: u64::try_from(since_boot.as_nanos()).unwrap_or(0),
    }
}

/// The present, by the wall clock.
pub(super) fn now() -> Time {
    Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}
