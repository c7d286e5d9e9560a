//! The audit log: who asked for what that changes something, and how it went. A line each, in the log, under
//! the target `audit`. Never a header or a body: clients put other people's secrets there.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;

use crate::docker::endpoints::Endpoint;
use crate::docker::error::ApiError;
use crate::docker::query::Query;
use crate::policy::caller::Caller;
use crate::policy::rights;

/// Longest subject that is told, in bytes. Stops a client from filling the log with one request.
const SUBJECT_BYTES_MAX: usize = 256;

/// One request under way.
pub(super) struct Audit(Option<Begun>);

struct Begun {
    caller: Arc<Caller>,
    endpoint: &'static Endpoint,
    /// What it is done to, as the client wrote it: still percent-encoded, so without control characters.
    subject: String,
    at: Instant,
}

impl Audit {
    /// Notes what is asked, where it would change something.
    pub(super) fn begin(caller: &Arc<Caller>, endpoint: &'static Endpoint, request: &Request<Body>) -> Self {
        Self(rights::changes(endpoint).then(|| Begun {
            caller: Arc::clone(caller),
            endpoint,
            subject: subject(endpoint, request),
            at: Instant::now(),
        }))
    }

    /// Tells how it went.
    pub(super) fn end(self, outcome: &Result<Response, ApiError>) {
        let Some(begun) = self.0 else { return };
        let status = match outcome {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.status,
        };
        tracing::info!(
            target: "audit",
            caller = %begun.caller.name,
            method = begun.endpoint.method,
            endpoint = begun.endpoint.path,
            subject = %begun.subject,
            status,
            ms = begun.at.elapsed().as_millis(),
            "audit"
        );
    }
}

/// The part of the path that stands for the placeholder; where there is none, the name that something is to get.
fn subject(endpoint: &Endpoint, request: &Request<Body>) -> String {
    let mut subject = match endpoint.named(request.uri().path()) {
        Some(named) => named.to_owned(),
        None => {
            let query = Query::parse(request.uri().query());
            let name = query.text("name").or(query.text("container")).unwrap_or_default();
            name.escape_default().to_string()
        }
    };
    // Of ASCII alone, whichever way it came.
    subject.truncate(SUBJECT_BYTES_MAX);
    subject
}
